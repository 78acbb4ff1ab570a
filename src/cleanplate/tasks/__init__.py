"""The table of tasks. What a task is stands in the `INFO` beside it; its code is imported when it
is set up, not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.errors import UsageError
from cleanplate.tasks import denoise, inpaint, occlusion, watermark
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
    "by_role",
    "create",
    "info",
    "names",
    "register",
]

_TABLE: dict[str, TaskInfo] = {
    task.INFO.name: task.INFO for task in (denoise, inpaint, occlusion, watermark)
}


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(_TABLE)


def info(name: str) -> TaskInfo:
    """Return what a task says of itself; UsageError where there is none of this name.

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


def by_role(task: str, given: list[str]) -> dict[str, str]:
    """Read the models of a command line: ROLE=MODEL, or MODEL alone, whose card names the role.

    Args:
        task: one of `names()`.
        given: MODEL is the name of one that ships, or the path of an `.onnx` file, whose suffix may
            be left out.

    Returns:
        The models by role.

    Raises:
        UsageError: there is no such task or model, the task has no such role, or an argument is
            not of this form.
        ModelError: a card is missing or wrong.
    """
    chosen = {}
    for one in given:
        role, equals, model = one.partition("=")
        if not equals:
            model = _with_suffix(one)
            role = _role_of(model, task)
        if not role or not model:
            raise UsageError(f"--model {one}: give ROLE=MODEL, such as locator=mine.onnx.")
        if role not in info(task).roles:
            roles = ", ".join(info(task).roles)
            raise UsageError(f"--model {one}: the task {task} has no role {role}; it has: {roles}.")
        chosen[role] = _with_suffix(model)
    return chosen


def _with_suffix(model: str) -> str:
    """Return the path of an .onnx file whose suffix was left out; anything else as it is."""
    from cleanplate.models.catalogue import FOLDER  # brings numpy, as below

    ships = (FOLDER / f"{model}.json").is_file()
    return f"{model}.onnx" if Path(f"{model}.onnx").is_file() and not ships else model


def _role_of(model: str, task: str) -> str:
    """Return the role that a model's card names."""
    from cleanplate import models  # brings numpy, as below

    path = Path(model)
    own = path.suffix == ".onnx"
    card = models.read_card(path.with_suffix(".json")) if own else models.card(model)
    if card.role not in info(task).roles:
        raise UsageError(
            f"--model {model}: its card gives it the role {card.role}, which the task {task} does "
            f"not have; give another, --model ROLE={model}."
        )
    return card.role


def __getattr__(name: str) -> Any:
    # Importing them brings OpenCV and Pillow, which listing the tasks can do without.
    if name in ("Cleaned", "Remark", "Task"):
        from cleanplate.tasks import base

        return getattr(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
