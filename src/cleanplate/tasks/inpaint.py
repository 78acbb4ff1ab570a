"""Inpainting: whatever a mask of the user's names is filled in."""

from __future__ import annotations

from cleanplate.tasks.taskinfo import TaskInfo

INFO = TaskInfo(
    name="inpaint",
    summary="Fill in what a mask names (--mask).",
    make="cleanplate.tasks.occlusion.task:Inpaint",
    roles=("filler",),
    mask="required",
)
