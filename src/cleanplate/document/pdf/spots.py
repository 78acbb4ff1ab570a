"""The images on the pages of a PDF that a task may look at."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Stream

from cleanplate.document.finished import Key
from cleanplate.document.pdf import page_masks
from cleanplate.document.pdf.document import PdfDocument
from cleanplate.document.pdf.inline import InlineImages
from cleanplate.document.pdf.placing import (
    LEAST,
    Matrix,
    Placement,
    Placer,
    Shape,
    density,
    orientation,
    seen,
    shape_of,
)
from cleanplate.document.pdf.spaces import is_stencil
from cleanplate.tasks.base import Remark

_STENCIL_SHARE = 0.5  # of the page that a stencil covers at least, to be a scan and no letter
_LAYER_SHARE = 0.5  # of the page on which two images lie over each other, to be layers
_UNREADABLE = (pikepdf.PdfError, RuntimeError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class Spot:
    """An image on a page.

    Attributes:
        key: of its object.
        stream: of its data.
        size: height and width in pixels.
        seen: from its pixels to the page's points, where it is seen largest.
        places: all such matrices, of every place at which the page shows it.
    """

    key: Key
    stream: Stream
    size: tuple[int, int]
    seen: Matrix
    places: tuple[Matrix, ...]

    @property
    def turn(self) -> int:
        """How it is to be looked at, as EXIF numbers it."""
        return orientation(self.seen)

    @property
    def area(self) -> float:
        """Of the page, in square points."""
        return _area(self.seen, self.size)


@dataclass(frozen=True)
class PageSpots:
    """The images of a page of this shape, and what is said of those that are left alone."""

    shape: Shape
    spots: tuple[Spot, ...]
    remarks: tuple[Remark, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the page's mask: as fine as its finest image."""
        finest = max((density(spot.seen) for spot in self.spots), default=1.0)
        return page_masks.size_of(self.shape, finest)

    @property
    def layered(self) -> bool:
        """Whether two images lie over each other on most of the page, as the layers of a scan do
        (mixed raster content, ISO/IEC 16485).
        """
        width, height = self.shape.size
        boxes = [_box(spot, self.shape.size) for spot in self.spots]
        for (one, end), (other, other_end) in itertools.combinations(boxes, 2):
            sides = np.minimum(end, other_end) - np.maximum(one, other)
            if sides.min() > 0 and sides.prod() >= _LAYER_SHARE * width * height:
                return True
        return False


class Spots:
    """Finds the images of a document's pages."""

    def __init__(self, document: PdfDocument, pages: Collection[int]) -> None:
        """Look where images lie on the other pages than these, as such images stay as they are."""
        self._pdf = document.pdf
        self._images = InlineImages(document.pdf)
        self._placer = Placer(self._images)
        self._elsewhere = self._shown_elsewhere(set(range(1, len(document) + 1)) - set(pages))

    def of(self, number: int) -> PageSpots:
        """Return the images of a page, from 1, that a task may look at."""
        page = self._pdf.pages[number - 1]
        shape = shape_of(page)
        remarks: list[Remark] = []
        try:
            placements = self._placer.placements(page)
        except _UNREADABLE as error:
            why = " ".join(str(error).split())
            left_out = Remark("page-left-out", f"its content cannot be read ({why})")
            return PageSpots(shape, (), (left_out,))
        if self._placer.inline:
            text = f"{self._placer.inline} images within the page's content cannot be read"
            remarks.append(Remark("inline-images-left-out", text))
        spots: dict[Key, Spot] = {}
        for placement in placements:
            spot = self._spot(placement, shape, spots.get(placement.key))
            if spot is None:
                continue
            if spot.key in self._elsewhere:
                left = left_alone(spot.key, "pages that are not to be cleaned show it, too")
                if left not in remarks:
                    remarks.append(left)
            else:
                spots[spot.key] = spot
        return PageSpots(shape, tuple(spots.values()), tuple(remarks))

    def draw(self, edited: Collection[Key]) -> None:
        """Have images that were written into content, and are edited, drawn as they are now."""
        self._images.write(edited)

    def _shown_elsewhere(self, others: set[int]) -> set[Key]:
        """Return the images that pages show which are not to be cleaned."""
        keys: set[Key] = set()
        for number in sorted(others):
            try:
                keys |= {one.key for one in self._placer.placements(self._pdf.pages[number - 1])}
            except _UNREADABLE:
                continue
        return keys

    def _spot(self, placement: Placement, shape: Shape, known: Spot | None) -> Spot | None:
        """Return the image of a placement, with its places so far; None where it is too small."""
        stream = self._pdf.get_object(placement.key)
        if not isinstance(stream, Stream):
            return None
        try:
            size = int(stream.Height), int(stream.Width)
        except (AttributeError, TypeError, ValueError):
            return None
        if min(size) < LEAST or abs(np.linalg.det(placement.matrix[:2, :2])) < 1e-9:
            return known
        here = seen(shape, placement.matrix, size)
        area = _area(here, size)
        if is_stencil(stream) and area < _STENCIL_SHARE * shape.size[0] * shape.size[1]:
            return known
        if known is None:
            return Spot(placement.key, stream, size, here, (here,))
        largest = here if area > known.area else known.seen
        return Spot(placement.key, stream, size, largest, (*known.places, here))


def left_alone(key: Key, why: str) -> Remark:
    """Return the remark that an image stays as it was."""
    return Remark("image-left-out", f"image {key[0]} stays as it was: {why}")


def _box(spot: Spot, page: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the upper left and the lower right corner, in points, of the part of a page in which
    an image lies.
    """
    height, width = spot.size
    corners = spot.seen @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    inside = np.clip(corners[:2], 0, np.array(page)[:, None])
    return inside.min(axis=1), inside.max(axis=1)


def _area(matrix: Matrix, size: tuple[int, int]) -> float:
    return float(abs(np.linalg.det(matrix[:2, :2]))) * size[0] * size[1]
