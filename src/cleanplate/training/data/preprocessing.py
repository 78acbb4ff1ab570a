"""Preprocessing: a set of pairs is made from another one, in the plain layout, each pair once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import encode_mask, encode_png
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import read_pair
from cleanplate.training.data.layouts import GROUPS, Pair, read_groups
from cleanplate.writing import remove_leftovers, write_all

SETTINGS = "settings.json"
PARTS = ("input", "target", "mask")  # of a pair, and folders of the plain layout
NOTES = {SETTINGS, GROUPS}  # what a run that made nothing may have left
Make = Callable[[list[Pixels]], list[Pixels] | None]


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Note in a folder what its files are made with, so that a second run makes the same.

    Raises:
        UsageError: files in it were made with other settings.
    """
    path, wanted = folder / SETTINGS, json.loads(json.dumps(settings))
    if path.is_file() and any(other.name not in NOTES for other in folder.iterdir()):
        there = json.loads(path.read_text(encoding="utf-8"))
        differ = sorted(k for k in {*there, *wanted} if there.get(k) != wanted.get(k))
        if differ:
            raise UsageError(
                f"{folder} was made with other settings ({', '.join(differ)}: see {path.name} in "
                "it); give the same again, or another folder."
            )
        return
    write_all({path: (json.dumps(wanted, indent=2) + "\n").encode()})


def stems_of(pairs: list[Pair]) -> dict[str, str]:
    """Return a stem for each pair's name: the input's, or its whole path where two share one."""
    shared = Counter(pair.input.stem for pair in pairs)
    return {
        pair.name: pair.input.stem
        if shared[pair.input.stem] == 1
        else pair.name.removesuffix(pair.input.suffix).strip("/.").replace("/", "-")
        for pair in pairs
    }


def begin(folder: Path, pairs: list[Pair], settings: Mapping[str, Any]) -> list[tuple[Pair, str]]:
    """Make `folder` ready for a set that is made from `pairs`.

    Notes the settings, and which of the new pairs come from one clean picture, which their own
    bytes may no longer tell.

    Returns:
        The pairs, each with its new stem.

    Raises:
        UsageError: the folder is one of the pairs' own, or was made with other settings.
    """
    own = {place.resolve() for place in {pair.input.parent for pair in pairs}}
    if (folder / "input").resolve() in own or any(
        folder.resolve().is_relative_to(place) for place in own
    ):
        raise UsageError(f"{folder} holds the pairs themselves; give another folder.")
    claim(folder, settings)
    stems = stems_of(pairs)
    write_groups(folder, {stems[pair.name]: pair.group for pair in pairs})
    remove_leftovers(path for stem in stems.values() for path in files_of(folder, stem).values())
    return [(pair, stems[pair.name]) for pair in pairs]


def write_groups(folder: Path, groups: Mapping[str, str]) -> None:
    """Note which pairs of a plain layout, by stem, come from one clean picture, too."""
    both = {**read_groups(folder), **groups}
    text = "".join(f"{stem}\t{group}\n" for stem, group in both.items())
    write_all({folder / GROUPS: text.encode()})


def files_of(folder: Path, stem: str, suffix: str = ".png") -> dict[str, Path]:
    """Return the files of a pair's input, target and mask in the plain layout."""
    return {part: folder / part / f"{stem}{suffix}" for part in PARTS}


def preprocess(job: tuple[Pair, str], folder: Path, make: Make, above: int) -> str | Fault:
    """Make one new pair, unless it is there, and write it whole.

    Args:
        job: a pair and the stem of the new one.
        folder: of the new set.
        make: new arrays from those of the pair; None where there are none to make.
        above: a mask's sample above it, of 255, counts as masked.

    Returns:
        "made", "there", "blank" where `make` had nothing, or why the pair cannot be read.
    """
    pair, stem = job
    targets = files_of(folder, stem)
    if pair.mask is None:
        del targets["mask"]
    if pair.own_target:
        del targets["target"]
    if all(path.is_file() for path in targets.values()):
        return "there"
    try:
        made = make(read_pair(pair, above))
    except PictureError as error:
        return Fault(str(error))
    if made is None:
        return "blank"
    arrays = dict(zip(PARTS, made, strict=False))
    write_all({path: encoded(arrays[part]) for part, path in targets.items()})
    return "made"


def encoded(array: NDArray[Any]) -> bytes:
    """Return a PNG of a picture (H, W, 3) or a mask (H, W, 1), uint8."""
    if array.shape[2] == 1:
        return encode_mask(np.ascontiguousarray(array[..., 0]))
    return encode_png(array)
