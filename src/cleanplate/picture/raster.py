"""What every format decodes to and is encoded from: samples as they lie in the file, metadata."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError, TooLargeError
from cleanplate.picture import directory, previews, xmp

Sample = TypeVar("Sample", bound=np.generic)
Samples = NDArray[Any]
"""uint8 or uint16 samples; Cleanplate reads and writes no other depth."""

Mask = NDArray[np.bool_]

MAX_PIXELS = 500_000_000
"""Larger headers are refused before anything is decoded: a small file may claim any size."""

_allowed = MAX_PIXELS  # what this process takes; see `limit_pixels`

DEEP_MAX = 65535

_MAX_DPI = 65535

_SRGB = (1, 13)
# What is seen as sRGB: not said, or BT.709's and BT.601's, as stills that come from video have.
_USUAL, _USUAL_TRANSFER = {1, 2}, {1, 2, 6, 13}


class Box(NamedTuple):
    """A rectangle of pixels; bottom and right are exclusive.

    >>> box = Box(2, 3, 6, 9)
    >>> box.height, box.width, box.moved(-2, -3)
    (4, 6, Box(top=0, left=0, bottom=4, right=6))
    >>> box.grown(3, (7, 20)), box.common(Box(4, 0, 8, 5))
    (Box(top=0, left=0, bottom=7, right=12), Box(top=4, left=3, bottom=6, right=5))
    >>> box.cut(np.zeros((10, 10, 3))).shape
    (4, 6, 3)
    >>> Box.around(np.eye(4) > 0), Box.around(np.zeros((4, 4)))
    (Box(top=0, left=0, bottom=4, right=4), None)
    """

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def around(cls, where: NDArray[Any]) -> Box | None:
        """Return the smallest box that holds all of a map (H, W) that is not 0; None for none."""
        rows, columns = (np.flatnonzero(where.any(axis)) for axis in (1, 0))
        if not len(rows):
            return None
        return cls(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def moved(self, down: int, right: int) -> Box:
        """Return the box so many pixels farther down and to the right."""
        return Box(self.top + down, self.left + right, self.bottom + down, self.right + right)

    def grown(self, by: int, size: tuple[int, ...]) -> Box:
        """Return the box with so many pixels around it, as far as a picture of a size reaches."""
        return Box(
            max(0, self.top - by),
            max(0, self.left - by),
            min(size[0], self.bottom + by),
            min(size[1], self.right + by),
        )

    def common(self, other: Box) -> Box | None:
        """Return what two boxes share; None where they share nothing."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Box(top, left, bottom, right) if top < bottom and left < right else None

    def cut(self, values: NDArray[Sample]) -> NDArray[Sample]:
        """Return the view of the box in an array (H, W, ...)."""
        return values[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Metadata:
    """What came with the samples; empty bytes where the file had nothing.

    ``exif`` is the TIFF block alone, without the "Exif" prefix some formats put before it;
    ``orientation`` is 1..8 as EXIF numbers it; ``dpi`` is dots per inch (across, down); ``cicp``
    names the colours by numbers, as ITU-T H.273 has them for primaries and transfer function.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    orientation: int = 1
    cicp: tuple[int, int] | None = None

    def stripped(self) -> Metadata:
        """Return it without EXIF and XMP; what the picture needs to look the same stays.

        That is the ICC profile, the resolution and, where it is not 1, the orientation tag alone.
        """
        exif = directory.orientation_block(self.orientation) if self.orientation != 1 else b""
        return replace(self, exif=exif, xmp=b"")

    def unusual(self) -> bool:
        """Return whether numbers name colours that are not sRGB's, and no profile does."""
        primaries, transfer = self.cicp or _SRGB
        return not self.icc and (primaries not in _USUAL or transfer not in _USUAL_TRANSFER)

    def without_thumbnail(self) -> Metadata:
        """Return it without the small copy of the picture in EXIF, which shows what was edited."""
        return replace(self, exif=previews.exif(self.exif))

    def without_claims(self) -> Metadata:
        """Return it without what XMP says of parts that a new file does not have."""
        return replace(self, xmp=xmp.without_claims(self.xmp))


@dataclass
class Raster:
    """Samples in the file's own orientation, not turned upright.

    ``pixels`` is (H, W, 1) grey or (H, W, 3) RGB; ``alpha`` (H, W) of the same dtype or None.
    """

    pixels: Samples
    alpha: Samples | None
    metadata: Metadata

    def deep(self) -> bool:
        """Return whether a sample has 16 bits."""
        return bool(self.pixels.dtype == np.uint16)


def resolution(across: float, down: float) -> tuple[float, float] | None:
    """Return dots per inch; None where they are nonsense, or more than JPEG has room for."""
    return (across, down) if all(0 < dots <= _MAX_DPI for dots in (across, down)) else None


def resolution_of(tags: directory.Directory, order: str) -> tuple[float, float] | None:
    """Return dots per inch as a directory states them."""
    unit = directory.number(tags, directory.UNIT, order, directory.INCH)
    per_inch = {directory.INCH: 1.0, directory.CENTIMETRE: 2.54}.get(unit, 0.0)
    places = directory.ACROSS, directory.DOWN
    across, down = (per_inch * directory.real(tags, tag, order) for tag in places)
    return resolution(across, down)


def check_size(width: int, height: int, name: str) -> None:
    """Refuse an empty picture and one of more than ``MAX_PIXELS``, before it is decoded.

    Raises:
        PictureError: the size is out of range.
        TooLargeError: there are too many pixels.
    """
    if width < 1 or height < 1:
        raise PictureError(f"{name}: its header says {width} x {height} pixels; it is damaged.")
    most = min(MAX_PIXELS, _allowed)
    if width * height > most:
        limit = most / 1_000_000
        raise TooLargeError(
            f"{name}: {width} x {height} pixels are more than the limit of {limit:g} megapixels."
        )


def limit_pixels(count: int) -> None:
    """Lower ``MAX_PIXELS`` for the rest of the process: a server works for strangers."""
    global _allowed
    _allowed = count


def eight_bits(raster: Raster, format_: str, name: str) -> None:
    """Refuse 16-bit samples for a format that has no room for them.

    Raises:
        PictureError: the samples have 16 bits.
    """
    if raster.deep():
        raise PictureError(f"{name}: {format_} holds 8 bits, this picture 16; write PNG or TIFF.")


def room_for(raster: Raster, most: int, format_: str, name: str) -> None:
    """Refuse a picture with more pixels a side than a format has room for.

    Raises:
        PictureError: it has more than `most`.
    """
    height, width = raster.pixels.shape[:2]
    if max(height, width) > most:
        raise PictureError(
            f"{name}: {format_} holds {most} pixels a side, this picture has {width} x {height}; "
            "write PNG or TIFF."
        )


def damaged(name: str, kind: str, why: object) -> PictureError:
    """Return the error for a file whose bytes do not decode."""
    return PictureError(f"{name}: this {kind} is damaged or cut short ({why}).")


def turn_upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return a view of (H, W, ...) as EXIF ``orientation`` (1..8) says it is to be looked at."""
    if orientation in (5, 7):
        array = array.swapaxes(0, 1)
    if orientation == 2:
        return array[:, ::-1]
    if orientation in (3, 7):
        return array[::-1, ::-1]
    if orientation == 4:
        return array[::-1]
    if orientation == 6:
        return np.rot90(array, -1)
    if orientation == 8:
        return np.rot90(array)
    return array


def turn_stored(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return the inverse of ``turn_upright``: a view as the file stores it."""
    # Quarter turns undo each other; every other orientation is its own inverse.
    return turn_upright(array, {6: 8, 8: 6}.get(orientation, orientation))
