"""Pairs that are downscaled when they are read, and kept in memory at that size.

A page of 12 megapixels takes longer to decode than a network takes to learn from a small copy of
it, so it is the small copies that the cache holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from cleanplate.errors import PictureError
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.cache import PictureCache
from cleanplate.training.data.curation import mask_of_pair
from cleanplate.training.data.files import read_mask, read_pair, read_rgb, refuse_blank
from cleanplate.training.data.layouts import Pair

Shrink = Callable[[Pixels], Pixels]


class DownscaledPairs:
    """Reads of each pair the picture and the mask, each through `shrink`."""

    def __init__(
        self,
        pairs: list[Pair],
        shrink: Shrink,
        clean: bool = False,
        threshold: int = 5,
        cache: int = 0,
    ) -> None:
        """Read `pairs` through `shrink`.

        Args:
            pairs: all that will be read.
            shrink: makes a picture smaller.
            clean: the picture is the target, not the input, and the mask a hole in it, of which
                nothing may show: as in use, a pixel is marked where any part of it was.
            threshold: where masks are made: a sample differing by more than this (of 255).
            cache: bytes.
        """
        self.numbers = {pair.name: number for number, pair in enumerate(pairs)}
        self.shrink, self.clean, self.threshold = shrink, clean, threshold
        self.cache = PictureCache(len(pairs), cache)

    def read(self, pair: Pair) -> tuple[Pixels, Pixels]:
        """Return picture (H, W, 3) and mask (H, W, 1), 0 or 255.

        Raises:
            PictureError: a file cannot be read or differs in size, or the mask is blank.
        """
        both = self.cache.get(self.numbers[pair.name], partial(self._load, pair))
        return both[..., :3], both[..., 3:]

    def _load(self, pair: Pair) -> Pixels:
        picture, mask = self._whole(pair)
        picture = self.shrink(picture)
        mask = (mask_by_any if self.clean else mask_by_majority)(mask, *picture.shape[:2])
        refuse_blank(mask, pair.mask or pair.input)
        return np.concatenate([picture, mask], 2)

    def _whole(self, pair: Pair) -> tuple[Pixels, Pixels]:
        """Return picture and mask at full size; no file is decoded that is not needed."""
        if pair.mask is None:
            arrays = read_pair(pair)
            return arrays[int(self.clean)], mask_of_pair(arrays[0], arrays[1], self.threshold)
        path = pair.target if self.clean else pair.input
        picture, mask = read_rgb(path), read_mask(pair.mask)
        if picture.shape[:2] != mask.shape[:2]:
            raise PictureError(f"{pair.mask} and {path} differ in size.")
        return picture, mask


@dataclass(frozen=True)
class ByFactor:
    """Shrink to one `factor`-th, by areas."""

    factor: int

    def __call__(self, array: Pixels) -> Pixels:
        """Return (H, W, C), smaller."""
        return resized(array, *(max(1, length // self.factor) for length in array.shape[:2]))


@dataclass(frozen=True)
class LongestMaxSize:
    """Shrink by areas until the longer side is at most `side` pixels."""

    side: int

    def __call__(self, array: Pixels) -> Pixels:
        """Return (H, W, C), smaller or as it was."""
        scale = self.side / max(array.shape[:2])
        if scale >= 1:
            return array
        return resized(array, *(max(1, round(length * scale)) for length in array.shape[:2]))


def resized(array: Pixels, height: int, width: int) -> Pixels:
    """Return (H, W, C) at another size: by areas where it shrinks, bilinearly where it grows."""
    shrinks = height <= array.shape[0] and width <= array.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    made = cv2.resize(array, (width, height), interpolation=way)
    return np.asarray(made, np.uint8).reshape(height, width, -1)


def letterboxed(array: Pixels, height: int, width: int) -> Pixels:
    """Fit (H, W, C) into another size, its ratio kept; what is missing is reflected."""
    scale = min(height / array.shape[0], width / array.shape[1])
    small = resized(array, *(max(1, round(length * scale)) for length in array.shape[:2]))
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    bottom, right = height - small.shape[0] - top, width - small.shape[1] - left
    padded = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REFLECT)
    return np.asarray(padded, np.uint8).reshape(height, width, -1)


def mask_by_majority(mask: Pixels, height: int, width: int) -> Pixels:
    """Return a mask (H, W, 1) at another size: 255 where most of a pixel was marked, else 0."""
    return np.where(resized(mask, height, width) > 127, np.uint8(255), np.uint8(0))


def mask_by_any(mask: Pixels, height: int, width: int) -> Pixels:
    """Return a mask (H, W, 1) at a smaller size: 255 where any part of a pixel was, else 0."""
    # In floats: of a thin line the mean of many pixels is rounded to 0.
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.where(share > 0, np.uint8(255), np.uint8(0))[..., None]
