"""What is wrong with the arguments of a training, in one line that says what to write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from inspect import signature

import lightning.pytorch as pl

from cleanplate.training.former import Settings

OWN = (
    *("--data", "--run", "--from", "--resume", "--keep", "--patience", "--print_config"),
    *("--dry-run", "--find-rate", "--rate-curve"),
)
MORE = "; --print_config shows all there are."


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` with the known words most like this one, or nothing.

    >>> nearest("erasnet", ["erasenet", "unet"])
    '; did you mean erasenet?'
    """
    found = get_close_matches(word, sorted({*known}), n=2, cutoff=0.8)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def in_one_line(error: str, settings: Settings) -> str:
    """Say what jsonargparse's message on wrong arguments says, without what it tells besides.

    Args:
        error: its text, as a rule of many lines.
        settings: of the recipe, whose classes say which options there are.
    """
    unknown = re.match(r"unrecognized arguments: (\S+)", error, re.IGNORECASE)
    if unknown:
        option = unknown[1].partition("=")[0]
        if not option.startswith("-"):
            return f"{option} is no option: a recipe is all that is named without one."
        return f"There is no option {option}{nearest(option, options(settings)) or MORE}"
    keys = re.findall(r'[Pp]arser key "([^"]+)"', error)
    refused = re.search(r"Option '([^']+)' is not accepted", error)
    if refused and keys:
        option = f"--{keys[0]}.init_args.{refused[1]}"
        return f"There is no option {option}{nearest(option, options(settings)) or MORE}"
    place = f"--{'.init_args.'.join(keys)}: " if keys else ""
    return place + _reason(error)


def _reason(error: str) -> str:
    """Return what is wrong with a value: the kinds that it may be of, or the deepest problem."""
    lines = [line.strip(" -") for line in error.splitlines()]
    kinds = [line for line in lines if line.startswith("Expected a ") and "NoneType" not in line]
    if kinds:
        given = re.search(r"Got value: (.*)|Given value: (\w+)$", error, re.MULTILINE)
        wanted = (re.sub(r"\. Got value.*|<class '|'>|typing\.Literal", "", kind) for kind in kinds)
        found = next((text for text in given.groups() if text), "") if given else ""
        words = " or ".join(text.removeprefix("Expected a ") for text in wanted)
        return f"it must be {words}{f', not {found}' if found else ''}."
    told = [line for line in lines if line and not line.startswith(("Given value", "Expected a"))]
    return told[-1] if told else error


def options(settings: Settings) -> list[str]:
    """Return the options of a recipe's model and data, of the trainer, and our own."""
    found = [*OWN, *(f"--trainer.{name}" for name in signature(pl.Trainer.__init__).parameters)]
    for part in {"model", "data"} & set(settings):
        module, _, member = settings[part]["class_path"].rpartition(".")
        for kind in getattr(import_module(module), member).__mro__:
            names = signature(kind.__init__).parameters
            found += [f"--{part}.init_args.{name}" for name in names]
    return found
