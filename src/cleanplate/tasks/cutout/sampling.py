"""Values of small maps at single pixels of the picture that they are of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.intp]

_ROW = 1024  # pixels to a row of the map given to cv2.remap, whose sides are under 32768


def sampled(maps: Floats, rows: Places, columns: Places, size: tuple[int, int]) -> Floats:
    """Sample a small map bilinearly at pixels of the picture.

    Args:
        maps: (h, w, C) or (h, w), C at most 4.
        rows: of the pixels, (N,).
        columns: of the pixels, (N,).
        size: (height, width) of the picture.

    Returns:
        (N, C) or (N,).
    """
    count = len(rows)
    if not count:
        return np.zeros((0, *maps.shape[2:]), np.float32)
    lines = -(-count // _ROW)
    where = []
    for places, small, large in ((columns, maps.shape[1], size[1]), (rows, maps.shape[0], size[0])):
        at = np.zeros(lines * _ROW, np.float32)
        at[:count] = (places.astype(np.float32) + 0.5) * np.float32(small / large) - 0.5
        where.append(at.reshape(lines, _ROW))
    x, y = where
    found = cv2.remap(maps, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32).reshape(lines * _ROW, *maps.shape[2:])[:count]
