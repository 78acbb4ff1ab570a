"""A mark that is known at every pixel, and what it looks like at some place of a picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box, MarkFile, encode_mark_file, read_mark
from cleanplate.tasks.maps import Floats

OPAQUE = 0.97  # from this opacity on, nothing behind a mark is solved for


class Mark(NamedTuple):
    """A mark by itself, in its own pixels.

    Attributes:
        alpha: (h, w) in [0, 1], its opacity.
        colour: (h, w, 3) in [0, 1], RGB; of no account where alpha is 0.
        certainty: (h, w) in [0, 1], how surely the two are known.
    """

    alpha: Floats
    colour: Floats
    certainty: Floats

    @classmethod
    def read(cls, path: str | Path) -> Mark:
        """Read a mark: what `encode` has written, or a logo with alpha.

        Raises:
            PictureError: it cannot be read, or has no alpha.
        """
        file = read_mark(path)
        return cls(file.alpha, file.colour, file.certainty)

    def encode(self) -> bytes:
        """Return the mark as a PNG of 16 bits with alpha and certainty."""
        return encode_mark_file(MarkFile(self.colour, self.alpha, self.certainty))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.alpha.shape[0], self.alpha.shape[1]

    def scaled(self, size: tuple[int, int]) -> Mark:
        """Return the mark at another size (h, w), averaged over areas where it shrinks."""
        if size == self.size:
            return self
        planes = _resized(self._planes(), size)
        alpha = np.clip(planes[..., 0], 0, 1)
        colour = planes[..., 1:4] / np.maximum(alpha, np.float32(1e-4))[..., None]
        return Mark(alpha, np.clip(colour, 0, 1), np.clip(planes[..., 4], 0, 1))

    def _planes(self) -> Floats:
        """Return opacity, the colours times it, and certainty, which may all be resampled."""
        paint = self.alpha[..., None] * self.colour
        return np.dstack([self.alpha, paint, self.certainty]).astype(np.float32)


class Place(NamedTuple):
    """Where a mark lies in a picture: pixel (y, x) at (top + scale_y * y, left + scale_x * x).

    Pixels are counted from the corner, so that the middle of the first is at 0.5.
    """

    top: float
    left: float
    scale_y: float
    scale_x: float

    def box(self, mark: tuple[int, int], picture: tuple[int, int], rim: int = 0) -> Box | None:
        """Return the box of a picture that a mark of a size covers; None where it covers none."""
        top, left = math.floor(self.top) - rim, math.floor(self.left) - rim
        bottom = math.ceil(self.top + self.scale_y * mark[0]) + rim
        right = math.ceil(self.left + self.scale_x * mark[1]) + rim
        box = Box(max(top, 0), max(left, 0), min(bottom, picture[0]), min(right, picture[1]))
        return box if box.top < box.bottom and box.left < box.right else None

    def of_copy(self, factor: float) -> Place:
        """Return the place in a copy of the picture that is `factor` times as large."""
        return Place(*(value * factor for value in self))

    def of_mark(self, size: tuple[int, int], other: tuple[int, int]) -> Place:
        """Return the place for a copy of the mark, of the size `other` instead of `size`."""
        return self._replace(
            scale_y=self.scale_y * size[0] / other[0], scale_x=self.scale_x * size[1] / other[1]
        )

    def snapped(self, size: tuple[int, int]) -> Place:
        """Return the place at which a mark of a size covers whole pixels."""
        scale_y = max(round(self.scale_y * size[0]), 1) / size[0]
        scale_x = max(round(self.scale_x * size[1]), 1) / size[1]
        return Place(round(self.top), round(self.left), scale_y, scale_x)


class Layer(NamedTuple):
    """A mark as it lies over a box of a picture.

    Attributes:
        alpha: (h, w) in [0, 1].
        paint: (h, w, 3), its colours times alpha.
        certainty: (h, w) in [0, 1].
    """

    alpha: Floats
    paint: Floats
    certainty: Floats

    def with_strength(self, strength: float) -> Layer:
        """Return the layer with its opacity multiplied, at most to 1."""
        alpha = np.minimum(self.alpha * np.float32(strength), 1)
        ratio = alpha / np.maximum(self.alpha, 1e-6)
        return Layer(alpha, self.paint * ratio[..., None], self.certainty)

    def behind(self, picture: Floats) -> Floats:
        """Return what is behind the layer, (h, w, 3), not clipped."""
        clear = np.maximum(1 - self.alpha, np.float32(1 - OPAQUE))[..., None]
        seen: Floats = (picture - self.paint) / clear
        return seen


def rendered(mark: Mark, place: Place, box: Box) -> Layer:
    """Render a mark over a box of a picture; where it is shrunk, it is averaged over areas."""
    height, width = mark.size
    size = (
        round(height * place.scale_y) if place.scale_y < 1 else height,
        round(width * place.scale_x) if place.scale_x < 1 else width,
    )
    size = (max(size[0], 1), max(size[1], 1))
    planes = _resized(mark._planes(), size)
    scale_y, scale_x = place.scale_y * height / size[0], place.scale_x * width / size[1]
    down, right = place.top - box.top, place.left - box.left
    out = _moved(planes, scale_y, scale_x, down, right, box.size)
    alpha = np.clip(out[..., 0], 0, 1)
    paint = np.clip(out[..., 1:4], 0, alpha[..., None])
    return Layer(alpha, paint, np.clip(out[..., 4], 0, 1))


def _resized(planes: Floats, size: tuple[int, int]) -> Floats:
    if planes.shape[:2] == size:
        return planes
    shrinks = size[0] <= planes.shape[0] and size[1] <= planes.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return _by_fours(planes, lambda part: cv2.resize(part, size[::-1], interpolation=how))


def _moved(
    planes: Floats, scale_y: float, scale_x: float, down: float, right: float, size: tuple[int, int]
) -> Floats:
    """Resample planes (h, w, C) by scales and shifts, nothing coming in from outside."""
    whole = abs(down - round(down)) < 1e-3 and abs(right - round(right)) < 1e-3
    if (scale_y, scale_x) == (1, 1) and whole:
        return pasted(planes, round(down), round(right), size)
    back = np.array(
        [
            [1 / scale_x, 0, (0.5 - right) / scale_x - 0.5],
            [0, 1 / scale_y, (0.5 - down) / scale_y - 0.5],
        ]
    )
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return _by_fours(planes, lambda part: cv2.warpAffine(part, back, size[::-1], flags=how))


def _by_fours(planes: Floats, resample: Callable[[Floats], NDArray[Any]]) -> Floats:
    """Resample planes (h, w, C), of which OpenCV takes four at a time."""
    parts = [planes[..., first : first + 4] for first in range(0, planes.shape[2], 4)]
    return np.dstack([resample(np.ascontiguousarray(part)) for part in parts]).astype(np.float32)


def pasted(planes: NDArray[np.float32], down: int, right: int, size: tuple[int, int]) -> Floats:
    """Return planes (h, w, C) moved by whole pixels, on a ground of zeros of a size."""
    out = np.zeros((*size, planes.shape[2]), np.float32)
    here = out[max(down, 0) :, max(right, 0) :]
    part = planes[max(-down, 0) :, max(-right, 0) :][: here.shape[0], : here.shape[1]]
    here[: part.shape[0], : part.shape[1]] = part
    return out
