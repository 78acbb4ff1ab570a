"""Inpainting: whatever a mask of the user's names is filled in."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import Option, TaskInfo

INFO = TaskInfo(
    name="inpaint",
    summary="Fill in what a mask names (--mask).",
    make="cleanplate.tasks.inpainting:Inpaint",
    roles=("filler",),
    mask="required",
    options=(
        Option(
            "kind",
            "auto",
            kind="choice",
            choices=("auto", "page", "photo"),
            help="What is filled in; auto: what surrounds the mask tells.",
        ),
    ),
)
