"""Alpha where a mask leaves it open, from the colours about it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.cutout.edge import Guide
from cleanplate.tasks.cutout.sampling import Floats

ROUNDS = 60  # of conjugate gradients, at most
ENOUGH = 1e-3  # of the first residual
HOLD = 10.0  # how firmly alpha is held where it is known
OPEN = (0.2, 0.8)  # what a trimap leaves open
REACH = 0.02  # of the longer side: how far a rough mask may be off

Bools = NDArray[np.bool_]


def trimap_of(mask: Floats) -> tuple[Floats, Bools]:
    """Say of a rough mask or a trimap where it can be trusted.

    Args:
        mask: (h, w) in [0, 1]; a trimap where much of it is neither dark nor bright, otherwise a
            rough mask, which may be off by REACH about its contour.

    Returns:
        What is known, 0 or 1, (h, w), and where, (h, w).
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
    """Find alpha where it is not known: about every pixel it is a line of the colours.

    Closed-form matting (Levin, Lischinski and Weiss, TPAMI 2008, eq. 14), whose Laplacian times a
    map is that map less what the guided filter makes of it (He, Sun and Tang, CVPR 2010), by
    conjugate gradients.

    Args:
        copy: (h, w, 3) in [0, 1].
        known: (h, w), 0 or 1.
        sure: (h, w), where that holds.

    Returns:
        (h, w) in [0, 1].
    """
    guide = Guide(copy)
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
