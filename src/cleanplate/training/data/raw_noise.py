"""Mosaics of clean pictures, and sensors' noise drawn for every crop, as a Lightning data module.

A batch is a dict: `input` and `target` (N, 4, H, W) float32, the planes of `raw_pairs.py`, and
`slope` and `offset` (N, 1, 1, 1) float32, what the variance of the noise is made of (see
`cleanplate.tasks.denoise.sensor_noise`).
"""

from __future__ import annotations

import numpy as np
import torch

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.clean_crops import CleanCrops, CleanData
from cleanplate.training.data.on_the_fly import Sample
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.sensors import photographed, scene, some_noise


class NoisyMosaics(CleanCrops):
    """Crops of clean pictures as mosaics with noise."""

    def draw(self, rng: np.random.Generator, picture: Array, side: int) -> Sample:
        """Return planes `side` pixels wide, without noise and with it, and what it is like."""
        noise = some_noise(rng)
        noisy, clean = photographed(rng, scene(rng, picture, 2 * side), noise)
        numbers = {"slope": noise.slope, "offset": noise.offset}
        return {
            "input": to_tensor(noisy),
            "target": to_tensor(clean),
            **{name: torch.full((1, 1, 1), value) for name, value in numbers.items()},
        }


class RawNoiseData(CleanData):
    """Clean pictures in memory, and sensors' noise drawn for every crop."""

    crops = NoisyMosaics
