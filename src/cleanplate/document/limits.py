"""Where the pages of a document may be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.document.leaving import LeftAlone
from cleanplate.picture import Box

PageMask = Callable[[int], NDArray[np.uint8] | None]
"""Gives the mask (H, W) of a page as it is seen, by the page's number; None where it has none."""


class Allowed(NamedTuple):
    """Where a page may be changed: `region`, in pixels of its mask, and not where `kept`, (H, W)
    of its shape, is above 127; None where nothing of it is protected.
    """

    region: Box
    kept: NDArray[np.uint8] | None


class PageLimits(NamedTuple):
    """What the user sets for all pages.

    Attributes:
        region: what a task is shown of a page as it is seen, in pixels of its mask; None: all.
        protect: masks of what is never touched.
    """

    region: Box | None = None
    protect: PageMask | None = None

    @property
    def none(self) -> bool:
        """Whether pages may be changed everywhere."""
        return self.region is None and self.protect is None

    def of(self, number: int, size: tuple[int, int]) -> Allowed:
        """Return where a page may be changed.

        Args:
            number: of the page.
            size: height and width of its mask.

        Raises:
            LeftAlone: nowhere: the region lies beside it, or it lacks a mask of what is protected.
        """
        height, width = size
        top, left, bottom, right = self.region or Box(0, 0, height, width)
        if top >= height or left >= width:
            raise LeftAlone(
                f"the region begins at {left},{top}, outside of the page, which has "
                f"{width}x{height} pixels"
            )
        box = Box(top, left, min(bottom, height), min(right, width))
        kept = None if self.protect is None else self.protect(number)
        if self.protect is not None and kept is None:
            raise LeftAlone("there is no mask of what is protected on it")
        return Allowed(box, kept)


EVERYWHERE = PageLimits()
