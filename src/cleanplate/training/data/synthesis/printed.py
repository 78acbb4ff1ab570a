"""Where a page bears print, and where it has room."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cleanplate.picture import Box
from cleanplate.training.data.arrays import Array

SIDE = 500  # pixels of a page's short side where it is looked at
DARK = 24  # of 255; how much darker than its paper print is
LOW, HIGH = 3, 30  # height of a word at that size


@dataclass(frozen=True)
class Print:
    """Words or lines of print as boxes of the page, and a small map of all that is dark on it."""

    words: list[Box]
    dark: Array  # summed-area table of the small map
    scale: float  # of the small map

    def share(self, box: Box) -> float:
        """Return the share of a box that is dark, 0..1; 1 for a box that leaves the page."""
        height, width = (side - 1 for side in self.dark.shape)
        top, left, bottom, right = (round(edge * self.scale) for edge in box)
        if min(top, left) < 0 or bottom > height or right > width:
            return 1.0
        table = self.dark
        inside = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
        return float(inside) / max(1, (bottom - top) * (right - left))


def find_print(page: Array, unit: float, joined: int = 5) -> Print:
    """Look for print on a page or a part of one.

    Args:
        page: (H, W, 3) uint8, RGB, print darker than its paper.
        unit: pixels of the whole page's short side.
        joined: gaps up to so many 500ths of the short side are closed: 3 finds words, 9 lines.
    """
    scale = min(1.0, SIDE / unit)
    grey = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    size = [max(8, round(side * scale)) for side in grey.shape[::-1]]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    paper = cv2.blur(cv2.dilate(small, np.ones((9, 9), np.uint8)), (9, 9))
    dark = (cv2.subtract(paper, small) > DARK).astype(np.uint8)
    whole = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((1, joined), np.uint8))
    _, _, figures, _ = cv2.connectedComponentsWithStats(whole)
    words = [
        Box(*(round(edge / scale) for edge in (y, x, y + h, x + w)))
        for x, y, w, h, _ in figures[1:].tolist()
        if LOW <= h <= HIGH and w >= LOW
    ]
    return Print(words, cv2.integral(dark), scale)
