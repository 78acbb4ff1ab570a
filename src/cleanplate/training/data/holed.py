"""Photographs with holes drawn while training, as a Lightning data module.

A batch is a dict of float tensors: `target` (N, 3, H, W) in [0, 1], `hole` (N, 1, H, W), 1 where
the picture is not to be seen, and `guess` (N, 3, H, W), the picture with a coarse fill of the tone
around the hole.
"""

from __future__ import annotations

import numpy as np
import torch

from cleanplate.tasks.pull_push import pull_push_fill
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.augmentation import Augmentation
from cleanplate.training.data.clean_crops import CleanCrops, CleanData
from cleanplate.training.data.on_the_fly import Sample
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.camera import shrink
from cleanplate.training.data.synthesis.holes import holes

SHRUNK = 4.0  # crops are cut up to so many times as large, and shrunk
SHRUNK_SHARE = 0.6


class HoledCrops(CleanCrops):
    """Crops of clean pictures with holes."""

    def draw(self, rng: np.random.Generator, picture: Array, side: int) -> Sample:
        """Return a crop, a hole in it, and what coarsely fills it."""
        rgb = part(rng, picture, side).astype(np.float32) / np.float32(255)
        hole = holes(rng, side, side)
        return {
            "target": to_tensor(rgb),
            "hole": torch.from_numpy(hole.astype(np.float32))[None],
            "guess": to_tensor(pull_push_fill(rgb, hole)),
        }


def part(rng: np.random.Generator, picture: Array, side: int) -> Array:
    """Cut a square of `side` pixels out of a picture, at some scale."""
    zoom = np.exp(rng.uniform(0, np.log(SHRUNK))) if rng.random() < SHRUNK_SHARE else 1.0
    wide = max(side, min(round(side * zoom), *picture.shape[:2]))
    return shrink(Augmentation(wide, 0.5, 0.0, 0.0)([picture], rng)[0], (side, side))


class Holed(CleanData):
    """Clean pictures in memory, and holes drawn for every crop."""

    crops = HoledCrops
