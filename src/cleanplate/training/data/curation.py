"""Preparing pairs on disk: masks from pairs, thinning, splitting.

Nothing here deletes or changes a file that it did not write.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cleanplate.errors import PictureError
from cleanplate.picture import encode_mask
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import read_pair
from cleanplate.training.data.layouts import NPY, Pair, mask_path
from cleanplate.writing import write_all

THRESHOLD = 5  # of 255; what JPEG alone changes mostly stays under it


def mask_of_pair(dirty: Pixels, clean: Pixels, threshold: int = THRESHOLD) -> Pixels:
    """Return (H, W, 1): 255 where any channel differs by more than `threshold`, else 0."""
    difference = np.maximum(dirty, clean) - np.minimum(dirty, clean)
    worst = difference.max(axis=2, keepdims=True)
    return np.where(worst > threshold, np.uint8(255), np.uint8(0))


def rank(name: str, seed: int) -> bytes:
    """Return a place in a shuffled order that depends on nothing but the name and the seed."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def thin(pairs: list[Pair], versions: int, seed: int = 0) -> list[Pair]:
    """Return at most `versions` pairs of each clean picture, in the order of `pairs`.

    With one seed the choice of 20 is a part of the choice of 100, and a new version of one
    picture changes nothing for the others.
    """
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.group].append(pair)
    kept = {
        pair.name
        for group in groups.values()
        for pair in sorted(group, key=lambda pair: rank(pair.name, seed))[:versions]
    }
    return [pair for pair in pairs if pair.name in kept]


def divide(pairs: list[Pair], share: float, seed: int | None = 0) -> tuple[list[Pair], list[Pair]]:
    """Part training pairs from validation pairs.

    To the latter goes about that share of the clean pictures, or from 1 on so many of them: drawn
    by `seed`, or with None the last in the order of `pairs`.

    All versions of a clean picture go the same way. Two clean pictures or more: neither part is
    empty. One: the second part is.
    """
    groups = list(dict.fromkeys(pair.group for pair in reversed(pairs)))
    if seed is not None:
        groups.sort(key=lambda group: rank(group, seed))
    count = round(share if share >= 1 else len(groups) * share)
    count = min(max(1, count), len(groups) - 1)
    held = set(groups[:count])
    return (
        [pair for pair in pairs if pair.group not in held],
        [pair for pair in pairs if pair.group in held],
    )


def write_list(path: Path, pairs: Iterable[Pair]) -> None:
    """Write a name a line, complete or not at all."""
    write_all({path: "".join(f"{pair.name}\n" for pair in pairs).encode()})


def make_mask(pair: Pair, threshold: int = THRESHOLD) -> str | Fault:
    """Make the mask that a pair lacks, as NAME.png where the layout looks for it.

    Returns:
        "made"; "there" where the pair has one; or why there can be none.
    """
    if pair.mask is not None:
        return "there"
    if pair.input.suffix.lower() == NPY:
        return Fault(f"{pair.input} holds planes; noise is everywhere and has no mask.")
    try:
        arrays = read_pair(pair)
    except PictureError as error:
        return Fault(str(error))
    mask = mask_of_pair(arrays[0], arrays[1], threshold)
    write_all({mask_path(pair): encode_mask(mask[..., 0])})
    return "made"
