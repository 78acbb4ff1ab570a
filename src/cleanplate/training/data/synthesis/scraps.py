"""Real ink, as `cleanplate prepare ink` takes it off photographed notes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.files import read_rgb

EM = (0.025, 0.06)  # height of a line of writing, as shares of a page's short side
FLAT = 2.5  # times as wide as high: one line of writing
TURN = 4.0  # degrees, a standard deviation


class Scraps:
    """Lines and drawings, each the light that its ink lets through."""

    def __init__(self, folders: Sequence[str | Path]) -> None:
        """Find them; they are read when they are wanted.

        Raises:
            UsageError: there is none.
        """
        self.paths = sorted(path for folder in folders for path in Path(folder).rglob("*.png"))
        if not self.paths:
            raise UsageError(f"There is no ink (.png) under {', '.join(map(str, folders))}.")

    def draw(self, rng: np.random.Generator, unit: float) -> Array:
        """Return one in some size, turn, strength and colour: light (h, w, 3) in [0, 1].

        `unit`: pixels of the page's short side.
        """
        scrap = scrap_of(self.paths[rng.integers(len(self.paths))])
        height, width = scrap.shape[:2]
        rows = 1.0 if width > FLAT * height else rng.uniform(1, 3)
        scale = min(2.0, unit * np.exp(rng.uniform(*np.log(EM))) * rows / height)
        angle = rng.normal(0, TURN)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
        cosine, sine = np.abs(turn[0, :2])
        size = int(height * sine + width * cosine) + 2, int(height * cosine + width * sine) + 2
        turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        soft = cv2.GaussianBlur(scrap, (0, 0), 0.4 / scale) if scale < 0.8 else scrap
        light = cv2.warpAffine(soft, turn, size, borderValue=(255, 255, 255)) / np.float32(255)
        if rng.random() < 0.3:
            light = light[..., rng.permutation(3)]
        elif rng.random() < 0.4:
            light = np.repeat(light.mean(-1, keepdims=True), 3, -1)
        strength: Array = light ** np.float32(np.exp(rng.uniform(-0.4, 0.9)))
        return strength


@functools.lru_cache(maxsize=256)
def scrap_of(path: Path) -> Array:
    """Return the picture (h, w, 3) uint8 at a path."""
    return read_rgb(path)
