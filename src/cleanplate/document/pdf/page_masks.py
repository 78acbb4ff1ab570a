"""Masks of pages as they are seen, and of the images on them."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.document.pdf.placing import Matrix, Shape
from cleanplate.errors import PictureError
from cleanplate.picture import Box

Mask = NDArray[np.uint8]
Floats = NDArray[np.float32]
_MAX_PIXELS = 200_000_000
_MAX_SIDE = 32_000  # more cannot be mapped by OpenCV
_CENTRE = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV counts from pixels' centres


def size_of(shape: Shape, density: float) -> tuple[int, int]:
    """Return height and width of a page's mask.

    Args:
        shape: of the page.
        density: pixels a point of its finest image; fewer are taken where the mask would be huge.
    """
    width, height = shape.size
    density = min(
        density, (_MAX_PIXELS / max(width * height, 1)) ** 0.5, _MAX_SIDE / max(width, height)
    )
    return max(1, round(height * density)), max(1, round(width * density))


def laid_on(page: Mask, shape: Shape, seen: Matrix, image: Mask) -> None:
    """Draw the mask of an image into that of its page, in place, where it is higher.

    Args:
        page: (H, W) of the page as it is seen.
        shape: of the page.
        seen: from the image's pixels to points of the page.
        image: (h, w), as the image is stored.
    """
    cv2.max(page, _mapped(image, _scaled(page.shape, shape, seen), page.shape), dst=page)


def taken_from(page: Mask, shape: Shape, seen: Matrix, size: tuple[int, int], name: str) -> Mask:
    """Return the part (h, w) of a page's mask that lies over an image, as the image is stored.

    Args:
        page: (H, W) of the page as it is seen, of any size.
        shape: of the page.
        seen: from the image's pixels to points of the page.
        size: of the image.
        name: of the page, for messages.

    Raises:
        PictureError: the mask is not of the page's shape.
    """
    return _mapped(page, _back(page, shape, seen, name), size)


def kept_of(page: Mask, shape: Shape, seen: Matrix, size: tuple[int, int], name: str) -> Mask:
    """Return what `taken_from` does, and more: every pixel of the image that shows some of the
    mask, as that is not to be touched.
    """
    back = _back(page, shape, seen, name)
    if not _is_exact(back):  # a pixel of the image lies between some of the mask, or over many
        reach = np.abs(np.linalg.inv(back[:2, :2])).sum(axis=1)  # of it in the mask: across, down
        across, down = (2 * math.ceil(one / 2) + 1 for one in reach)
        page = np.asarray(cv2.dilate(page, np.ones((down, across), np.uint8)), np.uint8)
    return _mapped(page, back, size)


def averaged(
    plane: Floats,
    shape: Shape,
    seen: Matrix,
    size: tuple[int, int],
    page: tuple[int, int],
    box: Box,
) -> Floats:
    """Return the mean over each pixel of an image of what is known in a box of the page, (h, w) or
    (h, w, 3), as the image is stored; beyond the box it is 0.

    Args:
        plane: of the box, as the page is seen.
        shape: of the page.
        seen: from the image's pixels to points of the page.
        size: of the image.
        page: height and width of the page in the plane's pixels.
        box: of these pixels.
    """
    height, width = size
    # Each pixel of the image is cut into so many that none reaches over more than one of the page.
    across, down = (
        max(1, math.ceil(math.hypot(*one) - 1e-3)) for one in _scaled(page, shape, seen)[:2, :2].T
    )
    matrix = _scaled(page, shape, seen @ np.diag([1 / across, 1 / down, 1.0]))
    matrix[:2, 2] -= box.left, box.top
    matrix = np.rint(matrix) if _is_exact(matrix) else matrix
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(plane, matrix[:2], (width * across, height * down), flags=flags)
    if across * down > 1:
        fine = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.float32)


def page_seen(shape: Shape, size: tuple[int, int]) -> Matrix:
    """Return the matrix from the pixels of a page that is drawn so large to points of the page."""
    matrix: Matrix = np.diag([shape.size[0] / size[1], shape.size[1] / size[0], 1.0])
    return matrix


def _back(page: Mask, shape: Shape, seen: Matrix, name: str) -> Matrix:
    """Return the matrix from the pixels of a page's mask to those of an image.

    Raises:
        PictureError: the mask is not of the page's shape.
    """
    (height, width), (across, down) = page.shape, shape.size
    if abs(height * across - width * down) > max(0.02 * height * across, 2 * max(across, down)):
        raise PictureError(
            f"{name}: its mask has {width}x{height} pixels, which is not the shape of the page "
            f"({across:g}x{down:g} points)."
        )
    back: Matrix = np.linalg.inv(_scaled(page.shape, shape, seen)).astype(np.float64)
    return back


def _scaled(size: tuple[int, ...], shape: Shape, seen: Matrix) -> Matrix:
    """Return the matrix from an image's pixels to those of its page's mask."""
    height, width = size
    scale = np.diag([width / shape.size[0], height / shape.size[1], 1.0])
    matrix: Matrix = np.linalg.inv(_CENTRE) @ scale @ seen @ _CENTRE
    return matrix


def _mapped(mask: Mask, matrix: Matrix, size: tuple[int, ...]) -> Mask:
    height, width = size
    if _is_exact(matrix):
        matrix = np.rint(matrix)  # none may fall between two
    return np.asarray(
        cv2.warpAffine(mask, matrix[:2], (width, height), flags=cv2.INTER_NEAREST), np.uint8
    )


def _is_exact(matrix: Matrix) -> bool:
    """Return whether a matrix takes a pixel to a pixel."""
    return bool(np.abs(matrix - np.rint(matrix)).max() < 1e-3)
