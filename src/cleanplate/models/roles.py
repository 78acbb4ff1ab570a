"""Models as a command line names them: by the role that they play in a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cleanplate.errors import UsageError
from cleanplate.models.catalogue import FOLDER, card, read_card


def by_role(given: Sequence[str], roles: Sequence[str]) -> dict[str, str]:
    """Read the models of a command line: ROLE=MODEL, or MODEL alone, whose card names the role.

    Args:
        given: MODEL is the name of one that ships, or the path of an `.onnx` file, whose suffix may
            be left out.
        roles: those of the task.

    Returns:
        The models by role.

    Raises:
        UsageError: there is no such model or file, the task has no such role, or an argument is
            not of this form.
        ModelError: a card is missing or wrong.
    """
    chosen = {}
    for one in given:
        role, equals, model = one.partition("=")
        if not equals:
            model = _with_suffix(one)
            role = _role_of(model, roles)
        if not role or not model:
            raise UsageError(f"--model {one}: give ROLE=MODEL, such as locator=mine.onnx.")
        if role not in roles:
            raise UsageError(f"--model {one}: there is no role {role} here, but {_listed(roles)}.")
        chosen[role] = _with_suffix(model)
    return chosen


def _with_suffix(model: str) -> str:
    """Return the path of an .onnx file whose suffix was left out; anything else as it is."""
    ships = (FOLDER / f"{model}.json").is_file()
    return f"{model}.onnx" if Path(f"{model}.onnx").is_file() and not ships else model


def _role_of(model: str, roles: Sequence[str]) -> str:
    """Return the role that a model's card names."""
    path = Path(model)
    if path.suffix == ".onnx" and not path.exists():
        raise UsageError(f"{path} is missing: there is no such model file.")
    found = read_card(path.with_suffix(".json")) if path.suffix == ".onnx" else card(model)
    if found.role not in roles:
        raise UsageError(
            f"--model {model}: its card gives it the role {found.role}, but here there are: "
            f"{_listed(roles)}; give one of these, --model ROLE={model}."
        )
    return found.role


def _listed(roles: Sequence[str]) -> str:
    return ", ".join(roles) or "none"
