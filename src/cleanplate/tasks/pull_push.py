"""The tone that a surface would have where something hides it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.maps import Floats

SURE = 0.3  # share of known pixels from which a level of the pyramid needs no coarser one


def pull_push_fill(picture: Floats, hole: NDArray[np.bool_]) -> Floats:
    """Let the colours around a hole flow into it.

    Normalised convolution (Knutsson and Westin, CVPR 1993) over a pyramid (the pull and push of
    Gortler et al., "The Lumigraph", SIGGRAPH 1996): every pixel takes its colour from the finest
    level on which enough of its surroundings is known.

    Args:
        picture: (H, W, 3), any range.
        hole: (H, W), True where the picture is not to be used.

    Returns:
        The picture with the hole filled; mid grey where all of it is a hole.
    """
    known = (~hole).astype(np.float32)[..., None]
    levels = [np.concatenate([picture * known, known], axis=2)]
    while min(levels[-1].shape[:2]) > 1:
        levels.append(cv2.pyrDown(levels[-1]))
    coarsest = levels[-1].mean((0, 1), keepdims=True)
    filled = coarsest[..., :3] / coarsest[..., 3:] if coarsest[0, 0, 3] > 0 else np.full(3, 0.5)
    filled = np.broadcast_to(filled, (*levels[-1].shape[:2], 3)).astype(np.float32)
    for level in reversed(levels):
        if filled.shape[:2] != level.shape[:2]:
            filled = cv2.pyrUp(filled, dstsize=level.shape[1::-1])
        share = np.minimum(level[..., 3:] / SURE, 1)
        own = level[..., :3] / np.maximum(level[..., 3:], 1e-6)
        filled = share * own + (1 - share) * filled
    out: Floats = np.where(hole[..., None], filled, picture)
    return out


def pull_push_parts(picture: Floats, hole: NDArray[np.bool_], parts: NDArray[np.int32]) -> Floats:
    """Let the colours around a hole flow into it, but not from one part of the picture to another.

    Args:
        picture: (H, W, 3), any range.
        hole: (H, W), True where the picture is not to be used.
        parts: (H, W), the number of each pixel's part; into a part that is all hole, all colours
            flow.

    Returns:
        The picture with the hole filled.
    """
    out: Floats = picture.copy()
    for number in np.unique(parts[hole]):
        there = parts == number
        others = hole | ~there
        filled = pull_push_fill(picture, hole if others.all() else others)
        out[hole & there] = filled[hole & there]
    return out
