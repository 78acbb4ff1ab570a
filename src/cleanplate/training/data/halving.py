"""Half-size copies: what training at half the scale reads."""

from __future__ import annotations

import cv2
import numpy as np

from cleanplate.training.data.arrays import Pixels


def halved(arrays: list[Pixels]) -> list[Pixels]:
    """Return input, target and, where there is one, mask (H, W, C) at half size by the area filter.

    An odd side loses half a pixel. A pixel is masked where any part of it was.
    """
    height, width = arrays[0].shape[:2]
    size = (max(1, width // 2), max(1, height // 2))
    small: list[Pixels] = [
        np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA), np.uint8).reshape(
            size[1], size[0], -1
        )
        for array in arrays
    ]
    return [*small[:2], *(np.where(part > 0, np.uint8(255), np.uint8(0)) for part in small[2:])]
