"""What the verbs' arguments have in common."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from cleanplate.errors import UsageError

if TYPE_CHECKING:
    from cleanplate.training.data.faults import Fault
    from cleanplate.training.data.layouts import Pair, Survey

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and name the help, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong as UsageError."""
        raise UsageError(f"{self.prog}: {message}. `{self.prog} --help` says what there is.")


def new_parser(verb: str, summary: str) -> argparse.ArgumentParser:
    """Return a parser of `cleanplate VERB`."""
    return Parser(f"cleanplate {verb}", description=summary, allow_abbrev=False)


def add_step(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    call: Callable[[argparse.Namespace], int],
) -> None:
    """Add a step of a verb, which works on a folder of pairs."""
    parser = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    add_pairs(parser)
    parser.set_defaults(call=call)


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a folder of pairs."""
    parser.add_argument("folder", type=Path, help="folder of pairs")
    parser.add_argument("--pairs", metavar="LIST", help="only the pairs named in this file")
    parser.add_argument("--versions-folder", metavar="NAME", help="where versions lie")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the argument that says how many processes share the work."""
    parser.add_argument("--workers", type=at_least(0), default=0, help="processes (one a core)")


def at_least(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` on, for argparse."""

    def read(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    read.__name__ = "number"  # argparse: invalid number value
    return read


def above_zero(text: str) -> float:
    """Read a finite number above 0, for argparse."""
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a finite number above 0")
    return float(text)


def share(text: str) -> float:
    """Read a number from 0 to 1, for argparse."""
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return float(text)


def survey_of(given: argparse.Namespace) -> Survey:
    """Look through the folder that the arguments name; it may hold pictures with masks alone.

    Where they name a list, its pairs are all there is, and what it names in vain is an orphan.
    """
    from cleanplate.training.data.layouts import listed, survey_any

    found = survey_any(given.folder, given.versions_folder)
    return listed(found, given.pairs) if given.pairs else found


def pairs_of(given: argparse.Namespace) -> list[Pair]:
    """Return the pairs that the arguments name."""
    from cleanplate.training.data.layouts import select

    return select(survey_of(given), None)


def tally(outcomes: Iterable[str | Fault]) -> Counter[str]:
    """Tell of every fault and count all there is."""
    from cleanplate.training.data.faults import Fault

    counts: Counter[str] = Counter()
    for outcome in outcomes:
        if isinstance(outcome, Fault):
            print(outcome)
        counts["fault" if isinstance(outcome, Fault) else outcome] += 1
    return counts


def tell(counts: Counter[str], place: str, what: str) -> int:
    """Print how many of what were made and return the exit status."""
    parts = [f"{counts['made']} {what} made, {counts['there']} were there"]
    parts += [f"{counts['blank']} blank"] if counts["blank"] else []
    parts += [f"{counts['fault']} faults"] if counts["fault"] else []
    print(f"{place}{', '.join(parts)}.")
    return 1 if counts["fault"] else 0


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield the items, under a progress bar where standard error is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, what, total=total, console=console, disable=not console.is_terminal)
