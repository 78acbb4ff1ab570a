"""Handwriting: what pens and pencils left on a printed page."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import Option, TaskInfo

INKS = ("all", "blue", "red", "black", "pencil", "highlighter")

INFO = TaskInfo(
    name="handwriting",
    summary="Take handwriting off printed pages, or keep it alone.",
    make="cleanplate.tasks.handwriting.task:Handwriting",
    roles=("eraser", "locator"),
    options=(
        Option("ink", "all", kind="choice", choices=INKS, help="What is written with."),
        Option(
            "keep",
            kind="choice",
            choices=("ink",),
            help="Keep the handwriting alone, on white, in the place of the page.",
        ),
        Option("threshold", between=(0, 1), help="How sure to be of a find; lower finds more."),
    ),
)
