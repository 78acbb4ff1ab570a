"""Inpainting masks: what is hidden of a picture, found on a small copy, or given, at full size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, regions
from cleanplate.tasks.maps import Floats, enlarged, resized, scaled

RIM = 4  # pixels of the copy around a find that are worked on with it, for its soft edge
CONCEALED = 0.5  # grey, in [0, 1]
STRIP = 512  # rows of the picture that are worked on at a time


class InpaintingMask(NamedTuple):
    """What is hidden of a picture.

    Attributes:
        found: (h, w), how probably each pixel of a copy is hidden; the copy may be of full size.
        threshold: probability above which a pixel counts as hidden.
        size: height and width of the picture.
        blind: no model may see what is hidden, and nothing of it may reach the result; see
            `conceal`.
    """

    found: Floats
    threshold: float
    size: tuple[int, int]
    blind: bool = False

    @property
    def small(self) -> NDArray[np.bool_]:
        """Where the copy is hidden, (h, w)."""
        return self.found > self.threshold

    def of_copy(self, size: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return which pixels of a copy of some size (h, w) are hidden, be it in the least part."""
        return resized(self.small.astype(np.float32), size) > 0

    def parts(self) -> list[Box]:
        """Return boxes of the picture around what is hidden, which do not overlap."""
        boxes = regions(self.small, 0, least=RIM)
        return [scaled(box, self.found.shape, self.size) for box in boxes]

    def within(self, box: Box) -> NDArray[np.bool_]:
        """Return where a box of the picture is hidden, (h, w)."""
        return np.concatenate(
            [enlarged(self.found, rows, self.size) > self.threshold for rows in strips(box)]
        )


def conceal(picture: Picture, hidden: InpaintingMask) -> None:
    """Paint over what is hidden of a picture, in place, so that nothing can see it."""
    for box in strips(Box(0, 0, *hidden.size)):
        there = hidden.within(box)
        paint = np.full((*there.shape, 3), CONCEALED, np.float32)
        composite(picture, box, paint, there.astype(np.float32))


def strips(box: Box, rows: int = STRIP) -> Iterator[Box]:
    """Cut a box evenly into strips of at most so many rows, from top to bottom.

    Evenly, so that none holds only the soft edge below a find, and is passed over with it.
    """
    count = -(-box.height // rows)
    for index in range(count):
        top, bottom = (box.top + box.height * place // count for place in (index, index + 1))
        yield box._replace(top=top, bottom=bottom)
