"""What a sensor saw through a Bayer filter: its samples, its levels, its four planes.

Every mosaic is handed on as if its pattern were RGGB, whatever its own is: a row or a column is
added by reflection, which keeps every sample under its own colour, and taken off again (Liu et
al., "Learning Raw Image Denoising with Bayer Pattern Unification and Bayer Preserving
Augmentation", CVPRW 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import UsageError
from cleanplate.picture.raster import Box

PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
"""Colours of the upper left, upper right, lower left and lower right of each square of four."""

Planes = NDArray[np.float32]


def named_pattern(word: str) -> str:
    """Return the pattern that a user's word means, such as `rggb`.

    Raises:
        UsageError: it is none of `PATTERNS`.
    """
    if word.upper() not in PATTERNS:
        raise UsageError(f"{word}: no Bayer pattern; there are {', '.join(PATTERNS)}.")
    return word.upper()


def first_red(pattern: str) -> tuple[int, int]:
    """Return row and column of the first red sample: 0 or 1 each."""
    down, across = divmod(pattern.index("R"), 2)
    return down, across


def by_place(mosaic: NDArray[Any]) -> NDArray[Any]:
    """Turn (2h, 2w) into (h, w, 4): of each square upper left and right, lower left and right.

    Raises:
        ValueError: an odd side.
    """
    height, width = mosaic.shape
    if height % 2 or width % 2:
        raise ValueError(f"a mosaic of {width}x{height} samples has no whole squares of four")
    return np.stack([mosaic[y::2, x::2] for y in (0, 1) for x in (0, 1)], axis=-1)


def from_places(planes: NDArray[Any]) -> NDArray[Any]:
    """Turn (h, w, 4) into (2h, 2w); undo `by_place`."""
    height, width = planes.shape[:2]
    mosaic = np.empty((2 * height, 2 * width), planes.dtype)
    for place in range(4):
        y, x = divmod(place, 2)
        mosaic[y::2, x::2] = planes[..., place]
    return mosaic


def cropped(mosaic: NDArray[Any], pattern: str) -> NDArray[Any]:
    """Return the largest part of a mosaic (H, W) that has the pattern RGGB and even sides, as a
    view.
    """
    down, across = first_red(pattern)
    height, width = (
        (n - cut) // 2 * 2 for n, cut in zip(mosaic.shape, (down, across), strict=True)
    )
    return mosaic[down : down + height, across : across + width]


@dataclass
class Mosaic:
    """The samples of a sensor, without the margins that no light falls on.

    Attributes:
        samples: (H, W) of any real type, in the sensor's numbers; changed by `put`. Each side is at
            least 2.
        black: what stands for no light, by place: upper left, upper right, lower left, lower right.
        white: what stands for as much light as the sensor takes; above every black.
        pattern: one of `PATTERNS`.
        most: the largest number that the file can hold; nothing above it is written.
    """

    samples: NDArray[Any]
    black: tuple[float, float, float, float]
    white: float
    pattern: str
    most: float = np.inf

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the planes."""
        down, across = self._cut
        height, width = self.samples.shape
        return (height + down + 1) // 2, (width + across + 1) // 2

    def planes(self, box: Box | None = None) -> Planes:
        """Cut red, green beside red, green beside blue and blue of a box of the planes, or of all.

        Args:
            box: in positions of the planes, within `size`.

        Returns:
            (h, w, 4) float32, 0 for black and 1 for white; noise may lie below and above.
        """
        rows, columns = self._indices(box or Box(0, 0, *self.size))
        reflected = [
            _reflected(at, n) for at, n in zip((rows, columns), self.samples.shape, strict=True)
        ]
        squares: Planes = by_place(self.samples[np.ix_(*reflected)]).astype(np.float32)
        black = self._unified_black()
        squares -= black
        squares /= np.float32(self.white) - black
        return squares

    def inner_planes(self) -> Planes:
        """Return the planes of the largest part that begins with red, without reflected rows."""
        ends = ((n + cut) // 2 for n, cut in zip(self.samples.shape, self._cut, strict=True))
        bottom, right = ends
        return self.planes(Box(*self._cut, bottom, right))

    def put(self, planes: Planes, box: Box | None = None) -> None:
        """Write planes, as `planes` gives them, into the samples; what was reflected is dropped.

        Whole numbers are rounded and kept within what the file can hold.

        Args:
            planes: (h, w, 4).
            box: where they belong; None for all.

        Raises:
            ValueError: the planes are not of the box's size.
        """
        box = box or Box(0, 0, *self.size)
        if planes.shape != (box.bottom - box.top, box.right - box.left, 4):
            raise ValueError(f"planes {planes.shape} are not of the size of {box}")
        black = self._unified_black()
        values = from_places(planes * (np.float32(self.white) - black) + black)
        inside, places = [], []
        for at, length in zip(self._indices(box), self.samples.shape, strict=True):
            within = (at >= 0) & (at < length)
            inside.append(within)
            places.append(slice(int(at[within][0]), int(at[within][-1]) + 1))
        values = values[np.ix_(*inside)]
        if self.samples.dtype.kind in "ui":
            most = min(self.most, float(np.iinfo(self.samples.dtype).max))
            values = np.rint(np.clip(values, 0, most))
        self.samples[places[0], places[1]] = values

    @property
    def _cut(self) -> tuple[int, int]:
        return first_red(self.pattern)

    def _indices(self, box: Box) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Index rows and columns of the samples under a box; one may lie outside on either side."""
        down, across = self._cut
        return (
            np.arange(2 * box.top - down, 2 * box.bottom - down),
            np.arange(2 * box.left - across, 2 * box.right - across),
        )

    def _unified_black(self) -> Planes:
        """Return black levels in the order of the planes."""
        down, across = self._cut
        square = np.asarray(self.black, np.float32).reshape(2, 2)
        return np.roll(square, (-down, -across), (0, 1)).reshape(4)


def _reflected(at: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Fold indices back into 0..length-1, the border not repeated: a colour stays itself."""
    return np.where(at < 0, -at, np.where(at >= length, 2 * (length - 1) - at, at))
