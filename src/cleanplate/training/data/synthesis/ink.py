"""Ink on paper: it takes its share of the light that the paper gives back.

Over ink of thickness t the paper shows `paper * colour ** t` (the law of Beer and Lambert), so
print shows through a pen's line and a line over print is darker than either.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array

SEEN = 1 / 512  # a share of the light under which an ink changes nothing


@dataclass(frozen=True)
class Ink:
    """What a pen leaves.

    Attributes:
        colour: share of red, green and blue light that a full line lets through, (3,) in (0, 1].
        grain: spread of the thickness from pixel to pixel, 0..0.6: a ballpoint on rough paper.
        flow: spread of the thickness along a line, 0..0.4.
    """

    colour: Array
    grain: float
    flow: float

    def over(self, rng: np.random.Generator, paper: Array, cover: Array) -> Array:
        """Lay the ink on paper.

        Args:
            rng: draws the texture.
            paper: (H, W, 3) uint8, RGB.
            cover: share of each pixel that lines cover, (H, W) in [0, 1].

        Returns:
            (H, W, 3) uint8; equal to the paper wherever the cover is 0.
        """
        box = cv2.boundingRect((cover > 0).astype(np.uint8))
        part = np.s_[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
        picture = paper.copy()
        if box[2]:
            taken = self._taken(rng, cover[part])
            picture[part] = np.rint(paper[part] * (1 - taken * (taken > SEEN)))
        return picture

    def _taken(self, rng: np.random.Generator, cover: Array) -> Array:
        """Return the share of the light that lines take, (h, w, 3) in [0, 1]."""
        height, width = cover.shape
        coarse = rng.normal(0, self.flow, (height // 12 + 2, width // 12 + 2)).astype(np.float32)
        thickness = 1 + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        fine: Array = rng.standard_normal((height, width), np.float32)
        thickness = thickness + self.grain * 1.7 * cv2.GaussianBlur(fine, (0, 0), 0.6)
        through = np.exp(np.maximum(thickness, 0.05)[..., None] * np.log(self.colour))
        return cover[..., None] * (1 - through)


RANGES: dict[str, tuple[tuple[tuple[float, float], ...], float, float]] = {
    # light through a full line: red, green, blue; most grain, most flow
    "blue": (((0.08, 0.4), (0.14, 0.45), (0.5, 0.8)), 0.35, 0.2),
    "black": (((0.02, 0.32), (0.02, 0.32), (0.02, 0.34)), 0.35, 0.2),
    "red": (((0.72, 0.93), (0.12, 0.42), (0.14, 0.45)), 0.35, 0.2),
    "green": (((0.05, 0.35), (0.4, 0.65), (0.25, 0.5)), 0.35, 0.2),
    "pencil": (((0.3, 0.66), (0.3, 0.66), (0.3, 0.66)), 0.5, 0.25),
    "yellow highlighter": (((0.93, 1.0), (0.88, 1.0), (0.1, 0.5)), 0.1, 0.15),
    "pink highlighter": (((0.93, 1.0), (0.45, 0.75), (0.65, 0.9)), 0.1, 0.15),
    "green highlighter": (((0.5, 0.8), (0.93, 1.0), (0.3, 0.65)), 0.1, 0.15),
    "orange highlighter": (((0.95, 1.0), (0.65, 0.85), (0.2, 0.5)), 0.1, 0.15),
}
HIGHLIGHTERS = tuple(name for name in RANGES if name.endswith("highlighter"))


def some_ink(rng: np.random.Generator, name: str) -> Ink:
    """Return an ink of a name in `RANGES`, its colour drawn from the ranges there."""
    ranges, grain, flow = RANGES[name]
    depth = rng.random()  # pale or deep in all three at once
    spread = rng.uniform(-0.15, 0.15, 3)
    shares = np.clip(depth + spread, 0, 1)
    if name in ("black", "pencil"):
        shares = np.clip(depth + 0.15 * spread, 0, 1)
    colour = [low + share * (high - low) for (low, high), share in zip(ranges, shares, strict=True)]
    return Ink(np.array(colour, np.float32), grain * rng.random(), flow * rng.random())
