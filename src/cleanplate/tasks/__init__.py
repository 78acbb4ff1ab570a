"""The tasks by name. A task's module is imported when it is asked for, not before."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.errors import UsageError

if TYPE_CHECKING:
    from cleanplate.tasks.base import Cleaned, Task

__all__ = ["Cleaned", "Task", "by_role", "check", "create", "names", "register"]

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
        UsageError: there is no such task or model, or the task has no such option.
        ModelError: its models or the device cannot be used.
    """
    check(name, **options)
    return _factory(name)(**options)


def check(name: str, **options: Any) -> None:
    """Look whether a task can be set up with these options, without loading its models.

    Raises:
        UsageError: there is no such task, or the task has no such option.
    """
    try:
        inspect.signature(_factory(name)).bind(**options)
    except TypeError as error:
        raise UsageError(f"The task {name} cannot be set up so: {error}.") from None


def by_role(task: str, given: list[str]) -> dict[str, str]:
    """Read the models of a command line: ROLE=MODEL, or MODEL alone, whose card names the role.

    A role is an option of the task.

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
        chosen[role] = _with_suffix(model)
    return chosen


def register(name: str, factory: Callable[..., Task]) -> None:
    """Add a task, or put another in the place of one; `factory` takes its keyword options."""
    _TASKS[name] = factory


def _factory(name: str) -> Callable[..., Task]:
    if name not in _TASKS:
        raise UsageError(f"There is no task {name!r}; there are: {', '.join(names())}.")
    factory = _TASKS[name]
    if isinstance(factory, str):
        module, _, member = factory.partition(":")
        factory = getattr(importlib.import_module(module), member)
    return factory


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
    if card.role not in inspect.signature(_factory(task)).parameters:
        raise UsageError(
            f"--model {model}: its card gives it the role {card.role}, which the task {task} does "
            f"not have; give another, --model ROLE={model}."
        )
    return card.role


def __getattr__(name: str) -> Any:
    # Importing them brings OpenCV and Pillow, which listing the tasks can do without.
    if name in ("Cleaned", "Task"):
        from cleanplate.tasks import base

        return getattr(base, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
