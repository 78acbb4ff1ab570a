"""Where the images of a PDF may be changed, by what the user sets for its pages."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.document.finished import Key
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.limits import Allowed, PageLimits
from cleanplate.document.pdf import page_masks
from cleanplate.document.pdf.document import PdfDocument
from cleanplate.document.pdf.spots import Spot, Spots
from cleanplate.picture import Box

Where = NDArray[np.bool_]
_NOWHERE = Box(0, 0, 0, 0)


class ImageLimits(NamedTuple):
    """Where an image may be changed, (h, w) as it is stored.

    Attributes:
        region: what a task is shown of it.
        kept: what must stay; some of it may lie in the region.
    """

    region: Where
    kept: Where


class Limiter:
    """Tells where images may be changed.

    One that several pages show, or one page at several places, is changed only where all of them
    let it be.
    """

    def __init__(
        self, document: PdfDocument, limits: PageLimits, spots: Spots, pages: list[int]
    ) -> None:
        """Look where the images of the pages that are cleaned lie."""
        self._document, self._limits, self._spots = document, limits, spots
        self._places: dict[Key, list[int]] = {}
        for number in pages:
            for spot in spots.of(number).layers:
                self._places.setdefault(spot.key, []).append(number)

    def of(self, spot: Spot) -> ImageLimits:
        """Return where an image may be changed.

        Raises:
            PictureError: a mask of what is protected is not of its page's shape.
        """
        shown, hidden, kept = (np.zeros(spot.size, bool) for _ in range(3))
        for number in self._places[spot.key]:
            page = self._spots.of(number)
            here = next(one for one in page.layers if one.key == spot.key)
            try:
                allowed = self._limits.of(number, page.size)
            except LeftAlone:  # the page as a whole stays as it is
                allowed = Allowed(_NOWHERE, None)
            inside = np.zeros(page.size, np.uint8)
            allowed.region.cut(inside)[:] = 255
            for place in here.places:
                stored = (page.shape, place, spot.size, self._name(number))
                shown |= page_masks.taken_from(inside, *stored) > 127
                hidden |= page_masks.taken_from(255 - inside, *stored) > 127
                if allowed.kept is not None:
                    kept |= page_masks.kept_of(allowed.kept, *stored) > 127
        region = shown if self._limits.region is not None else np.ones(spot.size, bool)
        return ImageLimits(region, kept | hidden)

    def of_page(self, number: int, size: tuple[int, int]) -> ImageLimits:
        """Return where a page may be changed that is drawn so large, height and width.

        Raises:
            LeftAlone: nowhere, see `PageLimits.of`.
            PictureError: the mask of what is protected is not of its shape.
        """
        page = self._spots.of(number)
        allowed = self._limits.of(number, page.size)
        inside = np.zeros(page.size, np.uint8)
        allowed.region.cut(inside)[:] = 255
        stored = (page.shape, page_masks.page_seen(page.shape, size), size, self._name(number))
        region = page_masks.taken_from(inside, *stored) > 127
        kept = ~region
        if allowed.kept is not None:
            kept |= page_masks.kept_of(allowed.kept, *stored) > 127
        return ImageLimits(region, kept)

    def _name(self, number: int) -> str:
        return self._document.page_name(number)
