"""Which ink a stroke was drawn with, weight by the light that the ink transmits."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.maps import Floats

PAPER = 0.35  # of the range: on darker paper, or on print, the colour of ink cannot be seen
REACH = 15  # pixels over which a stroke's colour is averaged
PALE = 0.85, 0.62  # light above which ink is a highlighter's: brightest channel, and mean
COLOUR = 0.1  # share of the light by which the channels of coloured ink differ at least
DEEP = 0.42  # mean light above which ink without colour is pencil


def transmittance(page: Floats, clean: Floats) -> Floats:
    """Return the share of the light that ink transmits, (h, w, 3) in [0, 1].

    Args:
        page: with ink, (h, w, 3) in [0, 1].
        clean: the same page without.
    """
    share: Floats = np.clip((page + 1e-3) / (np.maximum(clean, 0) + 1e-3), 0, 1)
    return share


def ink_mask(ink: str, page: Floats, clean: Floats, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where strokes were drawn with an ink, (h, w) bool.

    A stroke's colour is averaged over its neighbourhood, where that is paper; a stroke with no
    paper near it counts as black.

    Args:
        ink: blue, red, black, pencil or highlighter.
        page: with ink, (h, w, 3) in [0, 1].
        clean: the same page without.
        found: where ink is, (h, w).
    """
    light = transmittance(page, clean)
    weight = (found & (clean.min(-1) > PAPER)).astype(np.float32)
    # The edge of a stroke is half paper, so what transmits less light weighs more.
    weight *= (1 - light.min(-1)) ** 2
    size = (REACH, REACH)
    total = cv2.blur(weight, size)
    mean = cv2.blur(light * weight[..., None], size) / np.maximum(total, 1e-6)[..., None]
    mean = np.where(total[..., None] > 1e-6, mean, np.float32(0))
    most, least = mean.max(-1), mean.min(-1)
    red, green, blue = (mean[..., channel] for channel in range(3))
    coloured = most - least > COLOUR
    pale = (most > PALE[0]) & (mean.mean(-1) > PALE[1]) & coloured
    inks = {
        "highlighter": pale,
        "blue": ~pale & coloured & (blue - red > COLOUR) & (blue >= green),
        "red": ~pale & coloured & (red - np.maximum(green, blue) > COLOUR),
        "pencil": ~coloured & (mean.mean(-1) > DEEP),
        "black": ~coloured & (mean.mean(-1) <= DEEP),
    }
    where: NDArray[np.bool_] = inks[ink] & found
    return where
