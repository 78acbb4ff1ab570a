"""The images on the pages of a PDF that a task may look at."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Name, Stream

from cleanplate.document.finished import Key
from cleanplate.document.pdf import page_masks
from cleanplate.document.pdf.document import PdfDocument
from cleanplate.document.pdf.inline import InlineImages
from cleanplate.document.pdf.opening import filters_of
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
from cleanplate.picture import MAX_PIXELS
from cleanplate.tasks.base import Remark

_STENCIL_SHARE = 0.5  # of the page that a stencil covers at least, to be a scan and no letter
_LAYER_SHARE = 0.5  # of the page on which images lie over each other, to be layers
_INK_SHARE = 0.05  # of the page that smaller ones cover, to be layers
_LARGEST = 128  # images; of more, that are all large, some lie over each other
Corners = tuple[NDArray[np.float64], NDArray[np.float64]]
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
        bare: what it looks like where nothing is painted through it: 255 of stencils, 0 of soft
            masks; None of what is neither.
    """

    key: Key
    stream: Stream
    size: tuple[int, int]
    seen: Matrix
    places: tuple[Matrix, ...]
    bare: int | None = None

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
    """The images of a page.

    Attributes:
        shape: of the page.
        spots: the images that a task may look at.
        remarks: what is said of those that are left alone.
        over: of a page in layers alone: small stencils, coarse images that are seen through masks,
            and the two-tone masks of all images.
        layered: whether images lie over each other on most of it, as the layers of a scan do
            (mixed raster content, ISO/IEC 16485).
    """

    shape: Shape
    spots: tuple[Spot, ...]
    remarks: tuple[Remark, ...]
    over: tuple[Spot, ...] = ()
    layered: bool = False

    @property
    def layers(self) -> tuple[Spot, ...]:
        """The images that a task may change."""
        return self.spots + self.over

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the page's mask: as fine as its finest image."""
        finest = max((density(spot.seen) for spot in self.layers), default=1.0)
        return page_masks.size_of(self.shape, finest)


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
        found: dict[Key, Spot] = {}
        for placement in placements:
            spot = self._spot(placement, shape, found.get(placement.key))
            if spot is not None:
                found[spot.key] = spot
        spots, over = _parted(found.values(), shape)
        why = "pages that are not to be cleaned show it, too"
        remarks += [left_alone(one.key, why) for one in spots if one.key in self._elsewhere]
        layered = _layered(spots, over, shape)
        over = [*over, *_masks([*spots, *over])] if layered else []
        spots, over = (
            [one for one in some if one.key not in self._elsewhere] for some in (spots, over)
        )
        return PageSpots(shape, tuple(spots), tuple(remarks), tuple(over), layered)

    def drawn(self, number: int) -> list[Key]:
        """Return the images of a page that can be read, in the order in which it draws them."""
        return [one.key for one in self._placer.placements(self._pdf.pages[number - 1])]

    def draw(self, edited: Collection[Key]) -> None:
        """Have images that were written into content, and are edited, drawn as they are now."""
        self._images.write(edited)

    def _shown_elsewhere(self, others: set[int]) -> set[Key]:
        """Return the images and masks that pages show which are not to be cleaned."""
        keys: set[Key] = set()
        for number in sorted(others):
            try:
                keys |= {one.key for one in self._placer.placements(self._pdf.pages[number - 1])}
            except _UNREADABLE:
                continue
        images = (self._pdf.get_object(key) for key in keys)
        masks = [_mask_of(one) for one in images if isinstance(one, Stream)]
        return keys | {mask.objgen for mask in masks if mask is not None}

    def _spot(self, placement: Placement, shape: Shape, known: Spot | None) -> Spot | None:
        """Return the image of a placement, with its places so far; None where it is too small."""
        stream = self._pdf.get_object(placement.key)
        if not isinstance(stream, Stream):
            return None
        size = _size_of(stream)
        mask = _mask_of(stream)
        finest = size if mask is None else np.maximum(size, _size_of(mask))
        if min(finest) < LEAST or abs(np.linalg.det(placement.matrix[:2, :2])) < 1e-9:
            return known
        here = seen(shape, placement.matrix, size)
        if known is None:
            bare = 255 if is_stencil(stream) else None
            return Spot(placement.key, stream, size, here, (here,), bare)
        largest = here if _area(here, size) > known.area else known.seen
        return replace(known, seen=largest, places=(*known.places, here))


def left_alone(key: Key, why: str) -> Remark:
    """Return the remark that an image stays as it was."""
    return Remark("image-left-out", f"image {key[0]} stays as it was: {why}")


def box_of(spot: Spot, page: Shape) -> Corners:
    """Return the upper left and the lower right corner, in points, of the part of a page in which
    an image lies, at all its places.
    """
    height, width = spot.size
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    lies = np.hstack([place @ corners for place in spot.places])[:2]
    inside = np.clip(lies, 0, np.array(page.size)[:, None])
    return inside.min(axis=1), inside.max(axis=1)


def _parted(found: Iterable[Spot], page: Shape) -> tuple[list[Spot], list[Spot]]:
    """Return the images that are looked at by themselves, and those that are too small for that."""
    parts: tuple[list[Spot], list[Spot]] = [], []
    least = _STENCIL_SHARE * page.size[0] * page.size[1]
    for spot in found:
        small = min(spot.size) < LEAST or (spot.bare is not None and spot.area < least)
        parts[small].append(spot)
    return parts


def _masks(spots: Iterable[Spot]) -> list[Spot]:
    """Return the two-tone masks through which images are seen, each where its image lies."""
    found: dict[Key, Spot] = {}
    for spot in spots:
        mask = _mask_of(spot.stream)
        if mask is None or not _two_tone(mask):
            continue
        height, width = _size_of(mask)
        finer = np.diag([spot.size[1] / width, spot.size[0] / height, 1.0])
        places = tuple(place @ finer for place in spot.places)
        bare = 255 if is_stencil(mask) else 0
        found[mask.objgen] = Spot(
            mask.objgen, mask, (height, width), spot.seen @ finer, places, bare
        )
    return [*found.values()]


def _mask_of(image: Stream) -> Stream | None:
    """Return what an image is seen through; None where that is nothing, or not known."""
    for name in (Name.SMask, Name.Mask):
        mask = image.get(name)
        if isinstance(mask, Stream):
            height, width = _size_of(mask)
            return mask if 0 < height * width <= MAX_PIXELS else None
    return None


def _size_of(image: Stream) -> tuple[int, int]:
    try:
        return int(image.Height), int(image.Width)
    except (AttributeError, TypeError, ValueError):
        return 0, 0


def _two_tone(mask: Stream) -> bool:
    coded = {"/JBIG2Decode", "/CCITTFaxDecode"}.intersection(filters_of(mask))
    return is_stencil(mask) or bool(coded) or mask.get(Name.BitsPerComponent) == 1


def _layered(spots: Collection[Spot], over: Collection[Spot], page: Shape) -> bool:
    """Return whether images lie over each other on most of a page, or smaller ones on one of most
    of it.
    """
    if any(one.size[0] * one.size[1] > MAX_PIXELS for one in (*spots, *over)):
        return False  # they are not drawn
    area = page.size[0] * page.size[1]
    boxes = [box_of(one, page) for one in sorted(spots, key=lambda one: -one.area)[:_LARGEST]]
    if not boxes:
        return False
    if sum(itertools.starmap(_common, itertools.combinations(boxes, 2))) >= _LAYER_SHARE * area:
        return True
    ground = boxes[0]
    inked = sum(_common(ground, box_of(one, page)) for one in over)
    return _common(ground, ground) >= _LAYER_SHARE * area and inked >= _INK_SHARE * area


def _common(one: Corners, other: Corners) -> float:
    """Return the area that two boxes share."""
    sides = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
    return float(np.maximum(sides, 0).prod())


def _area(matrix: Matrix, size: tuple[int, int]) -> float:
    return float(abs(np.linalg.det(matrix[:2, :2]))) * size[0] * size[1]
