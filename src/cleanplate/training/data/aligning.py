"""Pairs that lie beside each other: how far, and cut to what both show."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array, Pixels

SIDE = 1024  # pixels of the middle that are compared
STRONG = 24.0  # levels: a larger difference is what is to be taken off, and counts no more
BETTER = 0.7  # of the difference that must be left at most, for a shift to be believed
MOST = 0.1  # of a side that a pair can be shifted by


def shift_of(dirty: Pixels, clean: Pixels) -> tuple[int, int]:
    """Return how far the input lies from the truth, in whole pixels to the right and down.

    A descent to the shift with which the middles differ least, from none and from what phase
    correlation (Kuglin and Hines 1975) says. It counts where they differ much less than without.

    Args:
        dirty: (H, W, C) uint8.
        clean: of the same shape.
    """
    ours, theirs = (_middle(picture) for picture in (dirty, clean))
    most = int(MOST * min(ours.shape))
    if most < 1:
        return 0, 0
    differing = cache(partial(_differing, ours, theirs))
    window = cv2.createHanningWindow(ours.shape[1::-1], cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(theirs.copy(), ours.copy(), window)  # it writes on them
    starts = [(0, 0), (_within(right, most), _within(down, most))]
    best = min(
        (_descended(differing, start, most) for start in starts), key=lambda at: differing(*at)
    )
    return best if differing(*best) < BETTER * differing(0, 0) else (0, 0)


def _descended(
    differing: Callable[[int, int], float], start: tuple[int, int], most: int
) -> tuple[int, int]:
    """Return the shift at which no neighbouring one is better, of at most so many pixels."""
    best = start
    while True:
        around = [(best[0] + x, best[1] + y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
        near = [at for at in around if max(map(abs, at)) <= most]
        found = min(near, key=lambda at: (differing(*at), at != best))
        if found == best:
            return best
        best = found


def _within(length: float, most: int) -> int:
    return min(most, max(-most, round(length)))


def aligned(arrays: list[Pixels]) -> list[Pixels]:
    """Return input, truth and, where there is one, mask (H, W, C), cut to what all of them show.

    The mask is the input's.
    """
    x, y = shift_of(*arrays[:2])
    ours, theirs = _common(arrays[0], x, y), _common(arrays[1], -x, -y)
    return [ours, theirs, *(_common(mask, x, y) for mask in arrays[2:])]


def _middle(picture: Pixels) -> Array:
    """Return the grey middle, (h, w) float32."""
    height, width = picture.shape[:2]
    top, left = (max(0, (side - SIDE) // 2) for side in (height, width))
    return picture[top : top + SIDE, left : left + SIDE].mean(-1, dtype=np.float32)


def _common(picture: Pixels, x: int, y: int) -> Pixels:
    """Return what is left of a picture that lies `x` to the right and `y` down of another."""
    height, width = picture.shape[:2]
    return picture[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]


def _differing(ours: Array, theirs: Array, x: int, y: int) -> float:
    """Return the mean difference with ours moved back; what lies on one alone counts as little."""
    apart = np.abs(_common(ours, x, y) - _common(theirs, -x, -y))
    return float(np.minimum(apart, STRONG).mean())
