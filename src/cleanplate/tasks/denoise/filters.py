"""Classical denoising filters, to compare a model with: bilateral, and non-local means."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RADIUS = 20  # pixels; this and the next two are those of the write-up on RAW denoising
SIGMA_SPACE = 15.0  # pixels
SIGMA_COLOUR = 10.0  # levels of 255
HEIGHT = 1.3  # of the filter, in deviations of the noise; the best of 0.5 to 2.4 at 15, 25 and 50
PATCH, SEARCH = 7, 21  # sides in pixels of a patch and of the window it is searched for in
REACH = max(RADIUS, (PATCH + SEARCH) // 2)  # distance in pixels up to which a result depends
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def bilateral(view: Floats, strength: float = 1.0) -> Floats:
    """Filter a view with the bilateral filter (Tomasi and Manduchi, ICCV 1998).

    Args:
        view: (h, w, C) in [0, 1], C of 1 or 3; planes of any other number are filtered
            one by one.
        strength: multiplies the standard deviation over colours.

    Returns:
        (h, w, C) float32.
    """
    colour = SIGMA_COLOUR / 255 * strength
    count = view.shape[2]
    groups = [view] if count in (1, 3) else np.split(view, count, 2)
    diameter = 2 * RADIUS + 1
    parts = [
        cv2.bilateralFilter(np.ascontiguousarray(group), diameter, colour, SIGMA_SPACE)
        for group in groups
    ]
    return np.dstack(parts).astype(np.float32)


def non_local_means(view: Floats, level: float) -> Floats:
    """Filter a view with non-local means (Buades et al., CVPR 2005).

    Args:
        view: (h, w, 3) in [0, 1].
        level: standard deviation of its noise, of a range of 1.

    Returns:
        (h, w, 3) float32.
    """
    deep = np.rint(view * 65535).clip(0, 65535).astype(np.uint16)
    height = HEIGHT * level * 65535
    filtered = cv2.fastNlMeansDenoising(deep, [max(height, 1.0)], None, PATCH, SEARCH, cv2.NORM_L1)
    clean: Floats = filtered.astype(np.float32) / np.float32(65535)
    return clean


def noise_level(view: Floats) -> float:
    """Estimate the standard deviation of white noise in a view (h, w, C) in [0, 1].

    By a Laplacian that is 0 on ramps (Immerkaer, CVIU 1996), with the median absolute value in the
    place of the mean; the mean over the channels.
    """
    left = cv2.filter2D(view, cv2.CV_32F, _LAPLACIAN).reshape(-1, view.shape[2])
    return float(np.median(np.abs(left), 0).mean() / (0.6745 * 6))
