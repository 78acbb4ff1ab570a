"""The `annotation.txt` of the document de-occlusion contest.

A line a picture: the paths of the clean page, the occluded page and the mask, separated by blanks,
below the file's folder or absolute.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cleanplate.errors import UsageError
from cleanplate.writing import write_all

ANNOTATION = "annotation.txt"


class Triple(NamedTuple):
    """What a line names, as it is written there."""

    clean: str
    occluded: str
    mask: str


def read_triples(folder: Path) -> list[Triple]:
    """Return the triples of a folder's `annotation.txt`, in their order.

    Raises:
        UsageError: a line does not hold three paths, or names an occluded page again; the file is
            not UTF-8.
    """
    path = folder / ANNOTATION
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text in UTF-8; save it anew as one.") from error
    triples: dict[str, Triple] = {}
    for number, fields in enumerate((line.split() for line in lines), 1):
        if not fields:
            continue
        if len(fields) != 3:
            raise UsageError(
                f"{path}, line {number}, holds {len(fields)} paths; it needs three without blanks "
                "in them: clean, occluded, mask."
            )
        triple = Triple(*fields)
        if triples.setdefault(triple.occluded, triple) is not triple:
            raise UsageError(f"{path}, line {number}, names {triple.occluded} again; delete one.")
    return list(triples.values())


def write_triples(folder: Path, triples: Iterable[Triple]) -> None:
    """Write a folder's `annotation.txt`, complete or not at all.

    Raises:
        UsageError: a path holds a blank.
    """
    kept = list(triples)
    for name in (name for triple in kept for name in triple):
        if len(name.split()) != 1:
            raise UsageError(f"{name!r} holds a blank, which {ANNOTATION} cannot; rename the file.")
    text = "".join(" ".join(triple) + "\n" for triple in kept)
    write_all({folder / ANNOTATION: text.encode()})
