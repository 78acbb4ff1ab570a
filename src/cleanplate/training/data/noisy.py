"""Pictures that noise is added to while training, as a Lightning data module.

A batch is a dict: `input` and `target` (N, 3, H, W) uint8, and `level` (N, 1, H, W) float32, the
true local standard deviation of the noise, of a range of 1.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from cleanplate.training.data.augmentation import Augmentation, cut_out
from cleanplate.training.data.drawn import DrawnData, load_clean
from cleanplate.training.data.loading import Key, SizedKey, generator, phases_of
from cleanplate.training.data.synthesis.camera import in_bytes, photographed, saved, shrink
from cleanplate.training.data.synthesis.lettering import Map

LONGEST = 2048  # longer side in pixels that pictures are kept at
SIGMA = 55.0  # of 255: the strongest white noise
CLEAN_SHARE = 0.05  # of crops without noise: these come back as they are
WHITE_SHARE = 0.5  # of the others
GREY_SHARE = 0.04  # of crops without colour
SHRUNK_SHARE = 0.35  # of crops that are shrunk, by half at most
MARGIN = 2  # pixels that rounding may cost where a crop is shrunk
WINDOW = 6.0  # standard deviation in pixels of the window over which noise is measured
Noise = tuple[Map, Map, Map]  # noisy and clean picture (H, W, 3) uint8, level (H, W) float32


class NoisyCrops(Dataset[dict[str, torch.Tensor]]):
    """Crops of clean pictures and the noise on them; an item is always the same."""

    def __init__(
        self, pictures: list[list[Map]], shares: list[float], crop: int, seed: int, size: int
    ) -> None:
        """Draw `size` items a round from groups of pictures, each group with its share."""
        self.pictures, self.shares = pictures, np.array(shares) / sum(shares)
        self.crop, self.seed, self.size = crop, seed, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: Key | SizedKey) -> dict[str, torch.Tensor]:
        rng, side = generator(self.seed, key[:2]), self.crop if len(key) == 2 else key[2]
        group = self.pictures[int(rng.choice(len(self.pictures), p=self.shares))]
        picture = group[int(rng.integers(len(group)))]
        noisy, clean, level = with_noise(rng, picture, side)
        return {
            "input": torch.from_numpy(np.ascontiguousarray(noisy.transpose(2, 0, 1))),
            "target": torch.from_numpy(np.ascontiguousarray(clean.transpose(2, 0, 1))),
            "level": torch.from_numpy(level[None]),
        }


def with_noise(rng: np.random.Generator, picture: Map, side: int) -> Noise:
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


def white(rng: np.random.Generator, clean: Map) -> Noise:
    """Add white Gaussian noise of any level up to `SIGMA`, and round to 8 bits."""
    sigma = np.float32(rng.uniform(0, SIGMA))
    grey = (clean == clean[..., :1]).all()
    noise = rng.standard_normal((*clean.shape[:2], 1 if grey else 3), np.float32)
    noisy = in_bytes(clean + sigma * noise)
    return noisy, clean, np.full(clean.shape[:2], sigma / 255, np.float32)


def measured(noisy: Map, clean: Map) -> Map:
    """Return the local standard deviation of noise, over all channels; (H, W) of a range of 1."""
    square = ((noisy.astype(np.float32) - clean) ** 2).mean(-1)
    level: Map = np.sqrt(cv2.GaussianBlur(square, (0, 0), WINDOW)) / 255
    return level


def part(rng: np.random.Generator, picture: Map, side: int) -> Map:
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


class NoisyData(DrawnData):
    """Clean pictures in memory, and noise drawn for every crop."""

    def __init__(
        self,
        backgrounds: dict[str, float],
        validation: tuple[str, ...],
        folder: str = ".",
        crop: int = 128,
        batch_size: int = 8,
        progressive: list[tuple[int, int, int]] | None = None,
        steps: int = 1000,
        validation_pictures: int = 96,
        seed: int = 0,
        workers: int = 1,
    ) -> None:
        """Name the clean pictures, and say how they are cut.

        Args:
            backgrounds: folders of clean pictures and the share of the crops that each gives.
            validation: folders of clean pictures to validate on.
            folder: that all folders are relative to.
            crop: side of the crops in pixels.
            batch_size: crops a step and process.
            progressive: phases of [steps, batch size, crop]; `crop` is of validation alone then.
            steps: batches an epoch.
            validation_pictures: crops to validate on.
            seed: of all that is drawn.
            workers: processes that draw.

        Raises:
            UsageError: a phase is out of its range.
        """
        super().__init__()
        self.save_hyperparameters()
        self.phases = phases_of(progressive)

    def setup(self, stage: str) -> None:
        """Load the pictures.

        Raises:
            UsageError: a folder holds none.
        """
        own = self.hparams
        names, shares = list(own["backgrounds"]), list(own["backgrounds"].values())
        groups = [load_clean(self.paths([name]), LONGEST) for name in names]
        held = [load_clean(self.paths(own["validation"]), LONGEST)]
        count, seed = own["steps"] * own["batch_size"], own["seed"]
        self.training = NoisyCrops(groups, shares, own["crop"], seed, count)
        self.validation = NoisyCrops(held, [1.0], own["crop"], seed + 1, own["validation_pictures"])
