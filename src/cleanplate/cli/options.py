"""A task's own options, as typer takes them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cleanplate.errors import UsageError
from cleanplate.tasks.taskinfo import Option, Value


def path_of(text: str) -> Path:
    """Read a path."""
    if not text:  # as an unset variable leaves it; as a Path it would be the current folder
        raise typer.BadParameter("a path must not be empty.")
    if "://" in text and not os.path.lexists(text):
        raise typer.BadParameter(f"{text} is no path: mount what it names, and give the folder.")
    return Path(text)


def region_of(text: str) -> tuple[int, ...]:
    """Read a region, such as 0,0,640,480."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4 or min(numbers) < 0 or min(numbers[2:]) < 1:
        raise typer.BadParameter(f"{text} is no region; give x,y,width,height, as 0,0,640,480.")
    return numbers


def flag_of(option: Option) -> str:
    """Return what an option is called on the command line."""
    return f"--{option.name.replace('_', '-')}"


def help_of(option: Option) -> str:
    """Return the help of an option, with its default where it says something."""
    default = option.default
    if default is None or default is False:
        return option.help
    shown = ",".join(default) if isinstance(default, tuple) else default
    return f"{option.help} [default: {shown}]"


def parameter_of(option: Option) -> inspect.Parameter:
    """Return the parameter of a command for an option; None is what is not said."""
    flag, words = flag_of(option), help_of(option)
    kind: Any
    if option.kind == "number":
        low, high = option.between or (None, None)
        kind = Annotated[float | None, typer.Option(flag, min=low, max=high, help=words)]
    elif option.kind == "flag":
        kind = Annotated[bool | None, typer.Option(flag, help=words)]
    elif option.kind == "path":
        kind = Annotated[
            Path | None, typer.Option(flag, parser=path_of, metavar="PATH", help=words)
        ]
    else:
        metavar = "|".join(option.choices) or "TEXT"
        if option.kind == "list":
            metavar = f"{metavar},..."
        kind = Annotated[
            Any, typer.Option(flag, parser=_reader(option), metavar=metavar, help=words)
        ]
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
    )


def _reader(option: Option) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        try:
            return option.checked(text)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from None

    return read
