"""Pictures that noise is added to while training, as a Lightning data module.

A batch is a dict: `input` and `target` (N, 3, H, W) uint8, and `level` (N, 1, H, W) float32, the
true local standard deviation of the noise, of a range of 1.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.augmentation import Augmentation, cut_out
from cleanplate.training.data.clean_crops import CleanCrops, CleanData
from cleanplate.training.data.on_the_fly import Sample
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.camera import in_bytes, photographed, saved, shrink

SIGMA = 55.0  # of 255: the strongest white noise
CLEAN_SHARE = 0.05  # of crops without noise: these come back as they are
WHITE_SHARE = 0.5  # of the others
GREY_SHARE = 0.04  # of crops without colour
SHRUNK_SHARE = 0.35  # of crops that are shrunk, by half at most
MARGIN = 2  # pixels that rounding may cost where a crop is shrunk
WINDOW = 6.0  # standard deviation in pixels of the window over which noise is measured
Noise = tuple[Array, Array, Array]  # noisy and clean picture (H, W, 3) uint8, level (H, W) float32


class NoisyCrops(CleanCrops):
    """Crops of clean pictures and the noise on them."""

    def draw(self, rng: np.random.Generator, picture: Array, side: int) -> Sample:
        """Return a crop without noise and with it, and how much there is."""
        noisy, clean, level = with_noise(rng, picture, side)
        return {
            "input": to_tensor(noisy),
            "target": to_tensor(clean),
            "level": torch.from_numpy(level[None]),
        }


def with_noise(rng: np.random.Generator, picture: Array, side: int) -> Noise:
    """Cut a square of `side` pixels out of a picture, and add noise to it, or none."""
    if rng.random() < CLEAN_SHARE:
        clean = part(rng, picture, side)
        clean = saved(rng, clean) if rng.random() < 0.5 else clean
        return clean, clean, np.zeros((side, side), np.float32)
    if rng.random() < WHITE_SHARE:
        return white(rng, part(rng, picture, side))
    scale = rng.uniform(0.5, 1) if rng.random() < SHRUNK_SHARE else 1.0
    pair = photographed(rng, part(rng, picture, round(side / scale) + MARGIN), scale)
    noisy, clean = (cut_out(x, 0, 0, side) for x in pair)
    return noisy, clean, measured(noisy, clean)


def white(rng: np.random.Generator, clean: Array) -> Noise:
    """Add white Gaussian noise of any level up to `SIGMA`, and round to 8 bits."""
    sigma = np.float32(rng.uniform(0, SIGMA))
    grey = (clean == clean[..., :1]).all()
    noise = rng.standard_normal((*clean.shape[:2], 1 if grey else 3), np.float32)
    noisy = in_bytes(clean + sigma * noise)
    return noisy, clean, np.full(clean.shape[:2], sigma / 255, np.float32)


def measured(noisy: Array, clean: Array) -> Array:
    """Return the local standard deviation of noise, over all channels; (H, W) of a range of 1."""
    square = ((noisy.astype(np.float32) - clean) ** 2).mean(-1)
    level: Array = np.sqrt(cv2.GaussianBlur(square, (0, 0), WINDOW)) / 255
    return level


def part(rng: np.random.Generator, picture: Array, side: int) -> Array:
    """Cut a square of `side` pixels out of a picture, now and then shrunk or without colour."""
    wide = side
    if rng.random() < SHRUNK_SHARE:
        wide = min(round(side * rng.uniform(1, 2)), *picture.shape[:2])
    cut = Augmentation(max(wide, side), 0.5, 0.5, 0.5)([picture], rng)[0]
    square = shrink(cut, (side, side))
    if rng.random() < GREY_SHARE:
        grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
        square = np.ascontiguousarray(np.broadcast_to(grey[..., None], square.shape))
    return square


class NoisyData(CleanData):
    """Clean pictures in memory, and noise drawn for every crop."""

    crops = NoisyCrops
