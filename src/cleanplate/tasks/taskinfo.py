"""What a task announces of itself: its name, what it takes, what it gives, its own options.

The command line, the library and the reference in the docs are made from this, so it is read
before numpy is: nothing heavy is imported here.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cleanplate.errors import UsageError

if TYPE_CHECKING:
    from cleanplate.tasks.base import Task

Value: TypeAlias = float | bool | str | tuple[str, ...] | Path | None
Options: TypeAlias = Mapping[str, Value]
Kind: TypeAlias = Literal["number", "flag", "choice", "list", "text", "path"]


@dataclass(frozen=True)
class Option:
    """One of a task's own options, of the command line and of the library alike.

    Attributes:
        name: the keyword, lower case with underscores; on the command line `--name`.
        default: what is meant where nothing is said; None: the task decides.
        kind: `number` (float), `flag` (bool, False by default), `choice` (one of `choices`), `list`
            (tuple of texts, of `choices` if there are any; with commas on the command line), `text`
            or `path` (of a file or folder).
        between: least and greatest number, both allowed; None: any finite number.
        choices: what may be chosen.
        help: one line, a sentence.
    """

    name: str
    default: Value = None
    kind: Kind = "number"
    between: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    help: str = ""

    def checked(self, value: Any) -> Value:
        """Return a value as the task gets it.

        >>> Option("inks", ("red",), kind="list", choices=("red", "blue")).checked("red, blue")
        ('red', 'blue')

        Raises:
            UsageError: it is not one of this option's.
        """
        if value is None and self.default is None:
            return None
        found = getattr(self, f"_{self.kind}")(value)
        if found is None:
            raise UsageError(f"{self.name} must be {self.wanted()}, not {value!r}.")
        return found  # type: ignore[no-any-return]

    def wanted(self) -> str:
        """Say in words what its values are."""
        if self.kind == "number" and self.between:
            return "a number from {:g} to {:g}".format(*self.between)
        words = {
            "number": "a number",
            "flag": "True or False",
            "choice": f"one of {', '.join(self.choices)}",
            "list": f"a list of {', '.join(self.choices) or 'texts'}",
            "text": "a text that is not empty",
            "path": "a path",
        }
        return words[self.kind]

    def _number(self, value: Any) -> float | None:
        if isinstance(value, bool) or not isinstance(value, float | int):
            return None
        low, high = self.between or (-math.inf, math.inf)
        return float(value) if math.isfinite(value) and low <= value <= high else None

    def _flag(self, value: Any) -> bool | None:
        return value if isinstance(value, bool) else None

    def _choice(self, value: Any) -> str | None:
        return value if value in self.choices else None

    def _list(self, value: Any) -> tuple[str, ...] | None:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not isinstance(value, Iterable):
            return None
        parts = tuple(value)
        good = all(isinstance(part, str) and part for part in parts)
        return (
            parts if parts and good and (not self.choices or {*parts} <= {*self.choices}) else None
        )

    def _text(self, value: Any) -> str | None:
        return value if isinstance(value, str) and value else None

    def _path(self, value: Any) -> Path | None:
        return Path(value) if isinstance(value, str | Path) and str(value) else None


def _same(suffix: str, options: Options) -> str:
    return suffix


@dataclass(frozen=True)
class TaskInfo:
    """All that is known of a task before it is set up.

    Attributes:
        name: the verb of the command line.
        summary: a sentence for lists and help.
        make: what makes the task, or `module:member` of it, which is imported at first use. It
            takes `device` and `threads` as `models.load` does, by name; a model for each of `roles`
            that the user wants another one for; and the value of every option.
        roles: parts of the task that a model plays, such as `locator`.
        mask: whether the user says what to work on: never, if he likes, or always.
        options: the task's own.
        output: gives the suffix of a result from the source's (lower case, with its dot) and the
            options. A suffix that it gives back is one that a result can be written with.
        whole: the task changes the whole picture: its mask says nothing and is not asked for.
        raw: it takes RAW files, too, and NumPy arrays of mosaics.
        documents: it takes PDF files, too: the images on their pages; and TIFFs of several pages.
        marks: of documents, it removes what they say to be marks, too.
        share: what the share of the picture that the mask names is called on the screen.
    """

    name: str
    summary: str
    make: str | Callable[..., Task]
    roles: tuple[str, ...] = ()
    mask: Literal["none", "optional", "required"] = "none"
    options: tuple[Option, ...] = ()
    output: Callable[[str, Options], str] = _same
    whole: bool = False
    raw: bool = False
    documents: bool = True
    marks: bool = False
    share: str = "filled in"

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the task is made with: models as given, and the value of every option.

        Args:
            given: models by role, and options by name.

        Raises:
            UsageError: one is not of this task, or has a value that it cannot have.
        """
        own = {option.name: option for option in self.options}
        for name in given:
            if name not in own and name not in self.roles:
                known = ", ".join((*self.roles, *own, "device", "threads"))
                raise UsageError(f"The task {self.name} has no option {name!r}; it has: {known}.")
            if name in self.roles and not isinstance(given[name], str | Path | None):
                raise UsageError(
                    f"{name} must be the name or the path of a model, not {given[name]!r}."
                )
        chosen = {role: given[role] for role in self.roles if given.get(role) is not None}
        for name, option in own.items():
            chosen[name] = option.checked(given[name]) if name in given else option.default
        return chosen

    def check_mask(self, given: bool) -> None:
        """Check that a mask is given only where the task takes one, and where it needs one.

        Raises:
            UsageError: it takes none, or needs one.
        """
        if given and self.mask == "none":
            raise UsageError(f"The task {self.name} takes no mask.")
        if not given and self.mask == "required":
            raise UsageError(f"The task {self.name} works on what a mask names; there is none.")

    def create(self, *, device: str = "auto", threads: int = 0, **given: Any) -> Task:
        """Set the task up.

        Args:
            device: see `models.load`.
            threads: see `models.load`.
            given: see `checked`.

        Raises:
            UsageError: there is no such option or model.
            ModelError: a model or the device cannot be used.
        """
        chosen = self.checked(given)
        return self._factory()(device=device, threads=threads, **chosen)

    def _factory(self) -> Callable[..., Task]:
        if not isinstance(self.make, str):
            return self.make
        module, _, member = self.make.partition(":")
        factory: Callable[..., Task] = getattr(importlib.import_module(module), member)
        return factory
