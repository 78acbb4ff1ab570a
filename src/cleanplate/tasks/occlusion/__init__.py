"""Occlusions: hands, fingers and heads before a page."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import Option, TaskInfo

INFO = TaskInfo(
    name="occlusion",
    summary="Take fingers, hands and heads off photographed pages.",
    make="cleanplate.tasks.occlusion.task:Occlusion",
    roles=("locator", "filler", "eraser"),
    mask="optional",
    options=(
        Option("threshold", between=(0, 1), help="How sure to be of a find; lower finds more."),
    ),
)
