"""Maps of a picture and of its smaller copies: scaling, turning into planes."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box

Floats = NDArray[np.float32]


def planes_of(picture: Floats) -> Callable[[Box], Floats]:
    """Return what gives the planes (3, h, w) of a box of a picture (H, W, 3)."""

    def planes(box: Box) -> Floats:
        return as_planes(box.cut(picture))

    return planes


def as_planes(values: Floats) -> Floats:
    """Return a picture (h, w, C) as planes (C, h, w)."""
    planes: Floats = values.transpose(2, 0, 1)
    return planes


def grey(values: Floats) -> Floats:
    """Return a map (h, w) as a grey picture (h, w, 1)."""
    return values[..., None]


def scaled(box: Box, source: tuple[int, ...], target: tuple[int, ...]) -> Box:
    """Return the box of a picture of the size `target` that holds a box of one of size `source`."""
    down, right = target[0] / source[0], target[1] / source[1]
    return Box(
        int(box.top * down),
        int(box.left * right),
        min(target[0], math.ceil(box.bottom * down)),
        min(target[1], math.ceil(box.right * right)),
    )


def resized(values: Floats, size: tuple[int, ...]) -> Floats:
    """Return a map (H, W) at another size (h, w, ...), averaged over areas where it shrinks."""
    return np.asarray(cv2.resize(values, size[1::-1], interpolation=cv2.INTER_AREA), np.float32)


def dilated(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return a mask (h, w) grown by so many pixels, across corners too."""
    brush = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), brush) > 0)


def at_the_frame(labels: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """Return which of so many labels reach the edge of their map (H, W)."""
    there = np.zeros(count, bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        there[edge] = True
    return there


def enlarged(values: Floats, box: Box, size: tuple[int, ...]) -> Floats:
    """Return the part of a map (h, w), enlarged to `size`, that lies in a box."""
    down, right = values.shape[0] / size[0], values.shape[1] / size[1]
    matrix = np.array(
        [
            [right, 0, (box.left + 0.5) * right - 0.5],
            [0, down, (box.top + 0.5) * down - 0.5],
        ]
    )
    part: Floats = cv2.warpAffine(  # type: ignore[assignment]
        values,
        matrix,
        (box.width, box.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return part
