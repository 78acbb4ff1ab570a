"""Preparing pairs on disk: masks from pairs, thinning, splitting, checking.

Nothing here deletes or changes a file that it did not write.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleanplate.batch import write_all
from cleanplate.errors import PictureError
from cleanplate.picture import encode_mask
from cleanplate.training.data.layouts import Pair, Survey, mask_path

Pixels = NDArray[np.uint8]
THRESHOLD = 5  # of 255; what JPEG alone changes mostly stays under it


def mask_of_pair(dirty: Pixels, clean: Pixels, threshold: int = THRESHOLD) -> Pixels:
    """255 where any channel of (H, W, C) differs by more than `threshold`, else 0; (H, W, 1)."""
    difference = np.maximum(dirty, clean) - np.minimum(dirty, clean)
    worst = difference.max(axis=2, keepdims=True)
    return np.where(worst > threshold, np.uint8(255), np.uint8(0))


def rank(name: str, seed: int) -> bytes:
    """A place in a shuffled order that depends on nothing but the name and the seed."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def thin(pairs: list[Pair], versions: int, seed: int = 0) -> list[Pair]:
    """At most `versions` pairs of each clean picture, in the order of `pairs`.

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


def divide(pairs: list[Pair], share: float, seed: int = 0) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs; about `share` of the clean pictures go to the second part.

    All versions of a clean picture go the same way. Two clean pictures or more: neither part is
    empty. One: the second part is.
    """
    groups = sorted({pair.group for pair in pairs}, key=lambda group: rank(group, seed))
    count = min(max(1, round(len(groups) * share)), len(groups) - 1)
    held = set(groups[:count])
    return (
        [pair for pair in pairs if pair.group not in held],
        [pair for pair in pairs if pair.group in held],
    )


def write_list(path: Path, pairs: Iterable[Pair]) -> None:
    """A name a line, complete or not at all."""
    write_all({path: "".join(f"{pair.name}\n" for pair in pairs).encode()})


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file, in words."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def check(
    found: Survey, read: Callable[[Pair], list[Pixels]], threshold: int = THRESHOLD
) -> Iterator[tuple[Pair | None, Fault | None]]:
    """Each orphan (None, fault), then each pair with its fault or None.

    `read` gives the arrays of a pair and raises PictureError (`pairs.PairFiles.read`). Faults:
    unreadable, of another size, a blank mask (file or made), no difference at all.
    """
    for path in found.orphans:
        yield None, Fault(path, "has no partner")
    for pair in found.pairs:
        try:
            arrays = read(pair)
        except PictureError as error:
            yield pair, Fault(pair.input, str(error))
            continue
        yield pair, _blank(pair, arrays, threshold)


def _blank(pair: Pair, arrays: list[Pixels], threshold: int) -> Fault | None:
    changed = mask_of_pair(arrays[0], arrays[1], threshold).any()
    if pair.mask is not None and not arrays[2].any():
        return Fault(pair.mask, "is a blank mask" + (", but the pair differs" if changed else ""))
    if not changed:
        return Fault(pair.input, f"does not differ from {pair.target}: its mask would be blank")
    return None


def write_masks(
    pairs: Iterable[Pair], read: Callable[[Pair], list[Pixels]], threshold: int = THRESHOLD
) -> Iterator[bool]:
    """Make the masks that `pairs` lack, as NAME.png where the layout looks for them.

    Yields for each pair whether one was made.
    """
    for pair in pairs:
        if pair.mask is None:
            arrays = read(pair)
            mask = mask_of_pair(arrays[0], arrays[1], threshold)
            write_all({mask_path(pair): encode_mask(mask[..., 0])})
        yield pair.mask is None
