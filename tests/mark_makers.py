"""Pictures that share a mark, small enough for tests."""

from __future__ import annotations

import cv2
import numpy as np

from cleanplate.picture import Box
from cleanplate.tasks.marks.mark import Mark, Place, rendered

SIZE = (150, 200)
OPACITY = 0.45
COLOUR = np.float32([0.95, 0.9, 0.2])


def mark(opacity: float = OPACITY) -> Mark:
    """Thick letters of one colour."""
    letters = np.zeros((40, 110), np.uint8)
    cv2.putText(letters, "Raw7", (4, 31), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 4, cv2.LINE_AA)
    alpha = letters.astype(np.float32) / 255 * np.float32(opacity)
    return Mark(alpha, np.broadcast_to(COLOUR, (40, 110, 3)).copy(), np.ones_like(alpha))


def scene(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture (h, w, 3) in [0, 1]: patches of colour with edges and a little grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.05, 0.85, (5, 6, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        at = [int(side * where) for side, where in zip(size[::-1], rng.random(2), strict=True)]
        tone = [float(value) for value in rng.uniform(0.05, 0.85, 3)]
        cv2.circle(smooth, at, int(rng.integers(8, 30)), tone, -1, cv2.LINE_AA)
    return (smooth + rng.normal(0, 0.01, smooth.shape)).clip(0.02, 0.98).astype(np.float32)


def under(picture: np.ndarray, place: Place, the: Mark | None = None) -> np.ndarray:
    """A picture with the mark at a place, rounded to 8 bits."""
    box = Box(0, 0, *picture.shape[:2])
    layer = rendered(mark() if the is None else the, place, box)
    seen = picture * (1 - layer.alpha[..., None]) + layer.paint
    return np.rint(seen * 255).astype(np.uint8)


def covered(place: Place, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Where the mark at a place covers a picture."""
    return rendered(mark(), place, Box(0, 0, *size)).alpha > 0.02


def psnr(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """Of pictures in [0, 1], where something is."""
    return float(-10 * np.log10(((one - other)[where] ** 2).mean()))
