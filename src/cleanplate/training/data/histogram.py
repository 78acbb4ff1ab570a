"""A picture of how often values occur."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

BINS, BAR, TALL, EDGE = 60, 10, 240, 24  # bars; and in pixels: a bar, the highest, the margin
RED, BLUE, BLACK = (200, 60, 50), (60, 90, 160), (0, 0, 0)


def histogram(values: Sequence[float], least: float, axis: str) -> NDArray[np.uint8]:
    """Draw how often values occur; bars under a limit are red.

    Args:
        values: 0 or more, at least one of them.
        least: the limit.
        axis: what the values are.

    Returns:
        A picture (H, W, 3), RGB.
    """
    top = max(*values, 2 * least)
    counts, edges = np.histogram(values, BINS, (0, top))
    drawn = np.full((TALL + 3 * EDGE, BINS * BAR + 2 * EDGE, 3), 255, np.uint8)
    foot = TALL + EDGE
    for number, count in enumerate(counts):
        x, high = EDGE + number * BAR, round(TALL * count / counts.max())
        colour = RED if edges[number] < least else BLUE
        cv2.rectangle(drawn, (x, foot - high), (x + BAR - 2, foot), colour, -1)
    limit = EDGE + round(BINS * BAR * least / top)
    cv2.line(drawn, (limit, EDGE // 2), (limit, foot), RED, 1)
    under = sum(value < least for value in values)
    _label(drawn, f"{under} of {len(values)} under {least:g}", limit + 6, EDGE)
    for share in np.linspace(0, 1, 5):
        _label(drawn, f"{top * share:.0f}", EDGE + round(BINS * BAR * share) - 8, foot + EDGE)
    _label(drawn, axis, EDGE, foot + 2 * EDGE - 6)
    return drawn


def _label(drawn: NDArray[np.uint8], text: str, x: int, y: int) -> None:
    """Write a small text with its foot at (x, y)."""
    cv2.putText(drawn, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, BLACK, 1, cv2.LINE_AA)
