"""Synthetic pairs written to disk in the plain layout.

Pair number N of a seed is the same whatever else is made, in whichever process.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cleanplate.errors import PictureError
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.parallel import each
from cleanplate.training.data.preprocessing import claim, encoded, files_of, write_groups
from cleanplate.training.data.raw import as_npy
from cleanplate.training.data.synthesis.sources import (
    Item,
    Settings,
    Source,
    backgrounds_of,
    source_of,
)
from cleanplate.writing import remove_leftovers, write_all

PARTS = {"pages": ("target",), "noise": ("input", "target"), "raw": ("input", "target")}
MASKED = ("input", "target", "mask")  # of all other kinds


def synthesise(
    settings: Settings, out: Path, count: int, workers: int = 0
) -> Iterator[str | Fault]:
    """Write pairs 0 to `count`, but for those that are there.

    Args:
        settings: what is made, of what.
        out: folder; `groups.txt` in it notes which pairs are made of one picture.
        count: how many there shall be.
        workers: processes; 0 for one a core.

    Yields:
        For each pair "made", "there", or why its picture cannot be read.

    Raises:
        UsageError: the folder was made with other settings, or a folder of sources is empty.
    """
    claim(out, asdict(settings))
    note_groups(settings, out, count)
    remove_leftovers(path for number in range(count) for path in files(settings, out, number))
    yield from each(functools.partial(write, settings, out), range(count), workers)


def note_groups(settings: Settings, out: Path, count: int) -> None:
    """Note which pairs are made of one picture, so that a split will not part them."""
    backgrounds = backgrounds_of(settings)
    chosen = {number: backgrounds.choose(generator_of(settings, number)) for number in range(count)}
    named = {number: backgrounds.name(choice) for number, choice in chosen.items()}
    groups = {stem(number): name for number, name in named.items() if name is not None}
    if groups:
        write_groups(out, groups)


def generator_of(settings: Settings, number: int) -> np.random.Generator:
    """Return the random numbers of one pair, its own."""
    return np.random.default_rng((settings.seed, number))


def stem(number: int) -> str:
    """Return the name of a pair's files."""
    return f"{number:06d}"


def files(settings: Settings, out: Path, number: int) -> list[Path]:
    """Return the files of a pair."""
    all_files = files_of(out, stem(number), ".npy" if settings.kind == "raw" else ".png")
    return [all_files[part] for part in PARTS.get(settings.kind, MASKED)]


@functools.lru_cache(maxsize=1)
def loaded(settings: Settings) -> Source:
    """Return the source of a kind, once a process."""
    return source_of(settings)


def write(settings: Settings, out: Path, number: int) -> str | Fault:
    """Make one pair and write it whole, unless it is there."""
    paths = files(settings, out, number)
    if all(path.is_file() for path in paths):
        return "there"
    try:
        item = loaded(settings).draw(generator_of(settings, number))
    except PictureError as error:
        return Fault(str(error))
    parts = PARTS.get(settings.kind, MASKED)
    write_all({path: content(item, part) for path, part in zip(paths, parts, strict=True)})
    return "made"


def content(item: Item, part: str) -> bytes:
    """Return the bytes of a pair's file."""
    array = getattr(item, part)
    if array.dtype == np.float32:
        return as_npy(array)
    if part == "mask":
        array = np.where(array[..., None], np.uint8(255), np.uint8(0))
    return encoded(array)
