"""Matting: alpha where a mask leaves it open, from the colours around."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.cutout.edge import ColourGuide
from cleanplate.tasks.cutout.sampling import Floats

ROUNDS = 60  # most iterations of conjugate gradients
ENOUGH = 1e-3  # share of the first residual at which they stop
HOLD = 10.0  # weight of alpha where it is known
OPEN = (0.2, 0.8)  # values between which a trimap leaves alpha open
REACH = 0.02  # share of the longer side that the contour of a rough mask may be off

Bools = NDArray[np.bool_]


def trimap_of(mask: Floats) -> tuple[Floats, Bools]:
    """Return where a rough mask or a trimap can be trusted.

    Args:
        mask: (h, w) in [0, 1]: a trimap if much of it is neither dark nor bright; otherwise a rough
            mask, whose contour may be off by REACH.

    Returns:
        Alpha, 0 or 1, (h, w), and where it is known, (h, w).
    """
    sure = (mask <= OPEN[0]) | (mask >= OPEN[1])
    inside = (mask > 0.5).astype(np.uint8)
    contour = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    if np.count_nonzero(~sure) <= 2 * np.count_nonzero(contour):  # no more than a soft contour
        reach = max(1, round(REACH * max(mask.shape)))
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, [2 * reach + 1] * 2)
        sure = cv2.dilate(contour, brush) == 0
    return inside.astype(np.float32), np.asarray(sure)


def solve(copy: Floats, known: Floats, sure: Bools) -> Floats:
    """Solve for alpha where it is not known: around every pixel, it is linear in colour.

    Closed-form matting (Levin, Lischinski and Weiss, TPAMI 2008, eq. 14) by conjugate gradients.
    The matting Laplacian times a map is the map minus its guided filtering (He, Sun and Tang, CVPR
    2010).

    Args:
        copy: (h, w, 3) in [0, 1].
        known: (h, w), 0 or 1.
        sure: (h, w), where it is known.

    Returns:
        (h, w) in [0, 1].
    """
    guide = ColourGuide(copy)
    held = np.where(sure, np.float32(HOLD), np.float32(0))

    def applied(alpha: Floats) -> Floats:
        return np.asarray(alpha - guide.filtered(alpha) + held * alpha)

    alpha = np.where(sure, known, np.float32(0.5))
    rest = held * known - applied(alpha)
    step, size = rest, float((rest * rest).sum())
    least = max(size * ENOUGH**2, 1e-12)
    for _ in range(ROUNDS):
        if size <= least:
            break
        turned = applied(step)
        along = np.float32(size / float((step * turned).sum()))
        alpha, rest = alpha + along * step, rest - along * turned
        before, size = size, float((rest * rest).sum())
        step = rest + np.float32(size / before) * step
    found: Floats = np.clip(np.where(sure, known, alpha), 0, 1)
    return found
