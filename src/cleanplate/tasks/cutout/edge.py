"""The edge of a cut-out at full size, from what was found on a small copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.cutout.sampling import Floats, Places, sampled

EXACT, ROUGH = 1, 3  # radius in pixels of the copy, where alpha is exact or only roughly right
EPSILON = 1e-5  # variance of colour, for a range of 1, below which alpha does not follow colour
CERTAIN = 0.02  # alpha as near as this to 0 or 1 is set to it
STRIP = 512  # rows at a time

Bools = NDArray[np.bool_]
Samples = NDArray[np.uint8] | NDArray[np.uint16]


class ColourGuide:
    """The guided filter with a colour guide (He, Sun and Tang, TPAMI 2013).

    The guide is a small copy of the picture, along whose edges alpha is drawn.
    """

    def __init__(self, copy: Floats, radius: int = EXACT) -> None:
        """Compute the statistics of the colours around every pixel.

        Args:
            copy: (h, w, 3) in [0, 1].
            radius: of the windows in pixels.
        """
        self.copy, self.radius = copy, radius
        self.mean = _mean(copy, radius)
        exact = copy.astype(np.float64)  # of grey, the determinant is a difference of like numbers
        mean = _mean(exact, radius)
        spread = {}
        for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
            spread[i, j] = _mean(exact[..., i] * exact[..., j], radius)
            spread[i, j] -= mean[..., i] * mean[..., j]
        rr, gg, bb = (spread[i, i] + EPSILON for i in range(3))
        rg, rb, gb = spread[0, 1], spread[0, 2], spread[1, 2]
        minors = [
            [gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb],
            [gb * rb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb],
            [rg * gb - gg * rb, rb * rg - rr * gb, rr * gg - rg * rg],
        ]
        determinant = rr * minors[0][0] + rg * minors[0][1] + rb * minors[0][2]
        self.inverse = [
            (np.dstack(row) / determinant[..., None]).astype(np.float32) for row in minors
        ]

    def lines(self, alpha: Floats) -> Floats:
        """Fit alpha as a linear function of colour around every pixel (eq. 14 and 15).

        Args:
            alpha: (h, w) in [0, 1].

        Returns:
            (h, w, 4), coefficients averaged over the windows that hold the pixel: the first three
            times red, green and blue, plus the fourth, is alpha.
        """
        level = _mean(alpha, self.radius)
        across = _mean(self.copy * alpha[..., None], self.radius) - self.mean * level[..., None]
        line = np.empty((*alpha.shape, 4), np.float32)
        for n, row in enumerate(self.inverse):
            line[..., n] = (row * across).sum(2)
        line[..., 3] = level - (line[..., :3] * self.mean).sum(2)
        found: Floats = _mean(line, self.radius)
        return found

    def filtered(self, alpha: Floats) -> Floats:
        """Return the filtered alpha, (h, w)."""
        line = self.lines(alpha)
        found: Floats = (line[..., :3] * self.copy).sum(2) + line[..., 3]
        return found


def _mean(maps: Any, radius: int) -> Any:
    return cv2.blur(maps, [2 * radius + 1] * 2, borderType=cv2.BORDER_REFLECT)


def band_of(alpha: Floats, reach: int) -> Bools:
    """Return where the contour is near, (h, w) on the copy.

    Args:
        alpha: (h, w) in [0, 1].
        reach: pixels of the copy.
    """
    inside = (alpha > 0.5).astype(np.uint8)
    brush = np.ones((3, 3), np.uint8)
    contour = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, brush) > 0
    unsure = (alpha > CERTAIN) & (alpha < 1 - CERTAIN)
    near = cv2.dilate((contour | unsure).astype(np.uint8), np.ones([2 * reach - 1] * 2, np.uint8))
    return np.asarray(near > 0)


def strips(near: Bools, size: tuple[int, int]) -> Iterator[tuple[int, Places, Places]]:
    """Yield the pixels of a picture that a map (h, w) marks, strip by strip from the top.

    Yields:
        The strip's first row; rows, counted from there, and columns of the pixels, (N,) each.
    """
    height, width = size
    for top in range(0, height, STRIP):
        rows = np.arange(top, min(top + STRIP, height)) * near.shape[0] // height
        columns = np.arange(width) * near.shape[1] // width
        at = np.nonzero(near[rows[0] : rows[-1] + 1][rows - rows[0]][:, columns])
        if len(at[0]):
            yield top, at[0], at[1]


def fine(pixels: Samples, copy: Floats, alpha: Floats, radius: int = EXACT) -> Floats:
    """Enlarge alpha so that its edge follows the edges of the picture.

    The fast guided filter (He and Sun, arXiv 1505.00996, 2015): alpha is fitted as a linear
    function of colour on the copy; the coefficients are enlarged and applied to the picture's
    colours, here only near the contour. Elsewhere alpha is 0 or 1.

    Args:
        pixels: the picture, (H, W, 3 or 1).
        copy: the picture at a small size, (h, w, 3) in [0, 1].
        alpha: (h, w) in [0, 1], of the copy.
        radius: how far alpha may be off, in pixels of the copy: EXACT or ROUGH.

    Returns:
        (H, W) in [0, 1].
    """
    size = pixels.shape[:2]
    lines, near = ColourGuide(copy, radius).lines(alpha), band_of(alpha, radius + 1)
    scale = np.float32(1 / np.iinfo(pixels.dtype).max)
    large = plain(alpha, size, hard=0.5)
    for top, rows, columns in strips(near, size):
        colours = pixels[top + rows, columns] * scale  # grey counts in all three
        line = sampled(lines, top + rows, columns, size)
        found = (line[:, :3] * colours).sum(1) + line[:, 3]
        found = np.clip((found - CERTAIN) / (1 - 2 * CERTAIN), 0, 1)
        large[top + rows, columns] = found
    return large


def plain(alpha: Floats, size: tuple[int, int], hard: float | None = None) -> Floats:
    """Enlarge alpha (h, w) bilinearly to (H, W), and threshold it at `hard`, if that is given."""
    large = np.asarray(cv2.resize(alpha, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    if hard is not None:
        cv2.threshold(large, hard, 1.0, cv2.THRESH_BINARY, large)
    return large


def soft(alpha: Floats, size: tuple[int, int]) -> Floats:
    """Enlarge alpha, threshold it at one half, erode it a little and blur it.

    As the write-up on clothing does; holes get such an edge, too.

    Args:
        alpha: (h, w) in [0, 1].
        size: (H, W) of the picture.

    Returns:
        (H, W) in [0, 1].
    """
    large = plain(alpha, size, hard=0.5)
    sigma = max(0.7, max(size) / 1000)  # looks equally soft at any size on a screen
    reach = max(1, round(sigma))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, [2 * reach + 1] * 2)
    shrunk = cv2.erode(large, brush, borderType=cv2.BORDER_REPLICATE)
    blurred = cv2.GaussianBlur(shrunk, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)
