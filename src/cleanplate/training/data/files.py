"""Reading the files of a pair into arrays."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from cleanplate.errors import PictureError
from cleanplate.picture import Picture
from cleanplate.training.data.augmentation import Pixels
from cleanplate.training.data.cache import PictureCache
from cleanplate.training.data.layouts import Pair


def read_rgb(path: Path) -> Pixels:
    """A picture file as (H, W, 3) in 0..255. Raises PictureError where it cannot be read."""
    return _eight_bits(Picture.read(path), 3)


def read_mask(path: Path) -> Pixels:
    """A mask file as (H, W, 1), 0 or 255. Raises PictureError where it cannot be read."""
    grey = _eight_bits(Picture.read(path), 1)
    return np.where(grey > 127, np.uint8(255), np.uint8(0))


def _eight_bits(picture: Picture, channels: int) -> Pixels:
    pixels = picture.pixels
    if picture.max_value > 255:
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if channels == 1:
        return pixels.max(axis=2, keepdims=True).astype(np.uint8)
    return np.broadcast_to(pixels, (*pixels.shape[:2], channels)).astype(np.uint8)


class PairFiles:
    """Reads the arrays of a pair: input (H, W, 3), target (H, W, 3), mask (H, W, 1)."""

    def __init__(self, pairs: list[Pair], cache: int = 0) -> None:
        """`cache`: bytes of memory for decoded pictures."""
        paths = {p for pair in pairs for p in (pair.input, pair.target, pair.mask) if p}
        self.numbers = {path: number for number, path in enumerate(sorted(paths))}
        self.cache = PictureCache(len(paths), cache)

    def read(self, pair: Pair) -> list[Pixels]:
        """Input, target and, where there is a file for it, mask.

        Raises PictureError that names a file which cannot be read or differs in size.
        """
        paths = [(pair.input, read_rgb), (pair.target, read_rgb)]
        if pair.mask is not None:
            paths.append((pair.mask, read_mask))
        arrays = [self.cache.get(self.numbers[p], partial(read, p)) for p, read in paths]
        for (path, _), array in zip(paths, arrays, strict=True):
            if array.shape[:2] != arrays[0].shape[:2]:
                raise PictureError(
                    f"{path} is {array.shape[1]}x{array.shape[0]}, but its partner {pair.input} "
                    f"is {arrays[0].shape[1]}x{arrays[0].shape[0]}; `cleanplate prepare check` "
                    "names all such pairs."
                )
        return arrays
