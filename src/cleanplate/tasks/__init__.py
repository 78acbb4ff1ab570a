"""The table of tasks. What a task is stands in the `INFO` beside it; its code is imported when it
is set up, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cleanplate.errors import UsageError
from cleanplate.tasks import cutout, denoise, handwriting, inpaint, occlusion, watermark
from cleanplate.tasks.taskinfo import Option, Options, TaskInfo

if TYPE_CHECKING:
    from cleanplate.tasks.base import Cleaned, Remark, Task

__all__ = [
    "Cleaned",
    "Option",
    "Options",
    "Remark",
    "Task",
    "TaskInfo",
    "create",
    "info",
    "names",
    "register",
]

_TABLE: dict[str, TaskInfo] = {
    task.INFO.name: task.INFO
    for task in (cutout, denoise, handwriting, inpaint, occlusion, watermark)
}


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(_TABLE)


def info(name: str) -> TaskInfo:
    """Return what a task says of itself.

    Raises:
        UsageError: there is no task of this name.

    >>> info("inpaint").mask
    'required'
    """
    if name not in _TABLE:
        raise UsageError(f"There is no task {name!r}; there are: {', '.join(names())}.")
    return _TABLE[name]


def create(name: str, **options: Any) -> Task:
    """Set a task up: `info(name).create(**options)`.

    Raises:
        UsageError: there is no such task or model, or the task has no such option.
        ModelError: its models or the device cannot be used.
    """
    return info(name).create(**options)


def register(task: TaskInfo) -> None:
    """Add a task to the table, or put another in the place of one of its name."""
    _TABLE[task.name] = task


def __getattr__(name: str) -> Any:
    # Importing them brings OpenCV and Pillow, which listing the tasks can do without.
    if name in ("Cleaned", "Remark", "Task"):
        from cleanplate.tasks import base

        return getattr(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
