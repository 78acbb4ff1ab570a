"""Print beneath ink: where ink crosses print, it is darker than the ink is alone."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box, Picture
from cleanplate.tasks.handwriting.detection import HALO, Ink
from cleanplate.tasks.maps import Floats, dilated

ENOUGH = 15  # pixels of ink, and of print near it, from which their colours can be told
ABOUT = 96  # pixels around ink in which print is near
LEVEL = 0.6  # quantile of a stroke's core that is ink alone: print may cross less than half of it
TONE = 0.1  # quantile of print that is its own colour: letters are paler at their edges
CONTRAST = 0.04  # of the range: how much darker print must be than the ink that crosses it
PALER = 0.7  # quantile of what is paler than ink alone: by its distance, ink varies
VARIES = 1.5  # times that distance: what is no darker is ink alone
LEAST, MOST = 0.12, 0.45  # of the way from ink to print: bounds of how far ink alone may go
FULL = 0.6  # of that way: what goes as far is print


class Crossing(NamedTuple):
    """Connected ink that may cross print, and how the two are told apart.

    Attributes:
        own: which pixels of the box are of it, (h, w) bool.
        box: about it.
        ink: its colour where it lies alone, (3,) in [0, 1].
        tone: the colour of print near it, likewise.
        floor: how far from the one to the other ink alone may be, in [0, 1].
    """

    own: NDArray[np.bool_]
    box: Box
    ink: Floats
    tone: Floats
    floor: float

    def share(self, rgb: Floats) -> Floats:
        """Return how far print covers pixels (h, w, 3) of the box; 0 where they are not ink."""
        way = towards(rgb, self.ink, self.tone)
        share: Floats = np.clip((way - self.floor) / (FULL - self.floor), 0, 1) * self.own
        return share


def crossings(picture: Picture, ink: Ink) -> list[Crossing]:
    """Return connected ink under which print could be seen: darker than it, and not noise."""
    where = ink.where.astype(np.uint8)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(where)
    core = cv2.erode(where, np.ones((3, 3))) > 0
    print_seen = ink.marks & ~dilated(ink.where, HALO)
    found = []
    for label, (left, top, width, height, size) in enumerate(figures[1:].tolist(), 1):
        box = Box(top, left, top + height, left + width)
        near = box.grown(ABOUT, labels.shape)
        printed = near.cut(print_seen)
        if size < ENOUGH or printed.sum() < ENOUGH:
            continue
        own, rgb = box.cut(labels) == label, picture.rgb(box)
        inner = own & box.cut(core)
        stroke = rgb[inner if inner.sum() >= ENOUGH else own]
        alone = np.quantile(stroke, LEVEL, axis=0).astype(np.float32)
        tone = np.quantile(picture.rgb(near)[printed], TONE, axis=0).astype(np.float32)
        floor = VARIES * varies(towards(stroke, alone, tone))
        if (alone - tone).max() >= CONTRAST and floor <= MOST:
            found.append(Crossing(own, box, alone, tone, max(floor, LEAST)))
    return found


def towards(rgb: Floats, ink: Floats, tone: Floats) -> Floats:
    """Return how far colours (..., 3) are on the way from ink alone, 0, to print, 1."""
    way = np.maximum(ink - tone, 0)
    return np.asarray((ink - rgb) @ way / max(float((way**2).sum()), 1e-6), np.float32)


def varies(ways: Floats) -> float:
    """Return how far ink alone is from its own colour, by what is paler: no print is."""
    paler = -ways[ways < 0]
    return float(np.quantile(paler, PALER)) if paler.size else 0.0


def restore(
    clean: NDArray[np.uint8 | np.uint16], picture: Picture, crossed: list[Crossing]
) -> None:
    """Put the print that ink crosses into a copy of the page (H, W, 3) without that ink."""
    for one in crossed:
        share = one.share(picture.rgb(one.box))[..., None]
        page = one.box.cut(clean)
        tone = one.tone * np.float32(picture.max_value)
        page[:] = np.rint(page + share * (tone - page)).astype(clean.dtype)
