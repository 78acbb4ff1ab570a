"""The tasks by name. A task's module is imported when it is asked for, not before."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cleanplate.errors import UsageError

if TYPE_CHECKING:
    from cleanplate.tasks.base import Cleaned, Task

__all__ = ["Cleaned", "Task", "by_role", "create", "names", "register"]

# Module and class, so that listing the tasks imports none of them.
_TASKS: dict[str, str | Callable[..., Task]] = {
    "inpaint": "cleanplate.tasks.occlusion:Inpaint",
    "occlusion": "cleanplate.tasks.occlusion:Occlusion",
    "watermark": "cleanplate.tasks.watermark:Watermark",
}


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(_TASKS)


def create(name: str, **options: Any) -> Task:
    """Construct a task.

    Raises:
        UsageError: there is no such task, or it has no such option.
        ModelError: its models or the device cannot be used.
    """
    if name not in _TASKS:
        raise UsageError(f"There is no task {name!r}; there are: {', '.join(names())}.")
    factory = _TASKS[name]
    if isinstance(factory, str):
        module, _, member = factory.partition(":")
        factory = getattr(importlib.import_module(module), member)
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        raise UsageError(f"The task {name} cannot be set up so: {error}.") from None
    return factory(**options)


def by_role(pairs: list[str]) -> dict[str, str]:
    """Read ROLE=MODEL arguments of a command line: a role is an option of the task.

    Raises:
        UsageError: one of them is not of this form.
    """
    chosen = {}
    for pair in pairs:
        role, _, model = pair.partition("=")
        if not role or not model:
            raise UsageError(f"--model {pair}: give ROLE=MODEL, such as locator=mine.onnx.")
        chosen[role] = model
    return chosen


def register(name: str, factory: Callable[..., Task]) -> None:
    """Add a task, or put another in the place of one; `factory` takes its keyword options."""
    _TASKS[name] = factory


def __getattr__(name: str) -> Any:
    # Importing them brings OpenCV and Pillow, which listing the tasks can do without.
    if name in ("Cleaned", "Task"):
        from cleanplate.tasks import base

        return getattr(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
