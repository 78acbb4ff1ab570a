"""A picture of how a training's figures went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

WIDE, TALL, EDGE = 480, 160, 28  # of a panel, in pixels, and the margin around what is drawn in it
BLUE, BLACK, GREY = (60, 90, 160), (0, 0, 0), (210, 210, 210)


def curves(
    steps: Sequence[float], figures: Mapping[str, Sequence[float]], columns: int = 3
) -> NDArray[np.uint8]:
    """Draw each figure over the steps in a panel of its own, from its least value to its greatest.

    Args:
        steps: where the figures were measured, rising, at least one.
        figures: by name, at least one; as many values as steps, nan where there is none.
        columns: panels beside each other.

    Returns:
        A picture (H, W, 3), RGB.
    """
    panels = [_panel(name, steps, values) for name, values in figures.items()]
    blank = np.full_like(panels[0], 255)
    panels += [blank] * (-len(panels) % columns)
    rows = [np.hstack(panels[i : i + columns]) for i in range(0, len(panels), columns)]
    return np.vstack(rows)


def _panel(name: str, steps: Sequence[float], values: Sequence[float]) -> NDArray[np.uint8]:
    drawn = np.full((TALL, WIDE, 3), 255, np.uint8)
    cv2.rectangle(drawn, (EDGE, EDGE), (WIDE - EDGE, TALL - EDGE), GREY, 1)
    known = np.array([(x, y) for x, y in zip(steps, values, strict=True) if np.isfinite(y)])
    if not len(known):
        _label(drawn, f"{name}: none", EDGE, EDGE - 8)
        return drawn
    least, most = known[:, 1].min(), known[:, 1].max()
    x = EDGE + (WIDE - 2 * EDGE) * known[:, 0] / max(steps[-1], 1)
    height = (known[:, 1] - least) / (most - least or 1)
    y = TALL - EDGE - (TALL - 2 * EDGE) * height
    points = np.rint(np.stack([x, y], 1)).astype(np.int32)
    cv2.polylines(drawn, [points.reshape(-1, 1, 2)], False, BLUE, 1)
    cv2.circle(drawn, points[-1].tolist(), 2, BLUE, -1, cv2.LINE_AA)
    _label(drawn, f"{name}: {known[-1, 1]:.4g}  ({least:.4g} to {most:.4g})", EDGE, EDGE - 8)
    _label(drawn, f"step {steps[-1]:.0f}", WIDE - 4 * EDGE, TALL - 8)
    return drawn


def _label(drawn: NDArray[np.uint8], text: str, x: int, y: int) -> None:
    """Write a small text with its foot at (x, y)."""
    cv2.putText(drawn, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, BLACK, 1, cv2.LINE_AA)
