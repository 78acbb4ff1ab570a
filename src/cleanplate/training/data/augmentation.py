"""Random crops, flips and turns that pictures of one pair undergo together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cleanplate.training.data.arrays import Pixels


@dataclass(frozen=True)
class Augmentation:
    """What happens to the arrays of a pair (H, W, C), all of one height and width.

    Dense prediction wants the scale of the data: a crop is never resized. A picture smaller than
    the crop is padded by reflection.
    """

    crop: int = 512  # side in pixels
    hflip: float = 0.5  # chance of a horizontal flip
    vflip: float = 0.0  # chance of a vertical flip
    rot90: float = 0.0  # chance of a turn by 90 degrees

    def __call__(self, arrays: Sequence[Pixels], rng: np.random.Generator) -> list[Pixels]:
        """Cut one crop at one random place of all `arrays`, turned alike; (crop, crop, C) each."""
        height, width = arrays[0].shape[:2]
        top = int(rng.integers(max(0, height - self.crop) + 1))
        left = int(rng.integers(max(0, width - self.crop) + 1))
        hflip, vflip = rng.random(2) < (self.hflip, self.vflip)
        cut = [cut_out(array, top, left, self.crop) for array in arrays]
        if hflip:
            cut = [array[:, ::-1] for array in cut]
        if vflip:
            cut = [array[::-1] for array in cut]
        if self.rot90 and rng.random() < self.rot90:
            cut = [np.rot90(array) for array in cut]
        return [np.ascontiguousarray(array) for array in cut]


def centre(arrays: Sequence[Pixels], side: int) -> list[Pixels]:
    """Return the middle of each array, at most `side` high and wide; never padded."""
    height, width = arrays[0].shape[:2]
    top, left = max(0, height - side) // 2, max(0, width - side) // 2
    return [array[top : top + side, left : left + side] for array in arrays]


def cut_out(array: Pixels, top: int, left: int, side: int) -> Pixels:
    """Return a square of `array` (H, W, C); what is missing below and on the right is reflected."""
    part = array[top : top + side, left : left + side]
    missing = (side - part.shape[0], side - part.shape[1])
    if not any(missing):
        return part
    padded: Pixels = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
    return padded
