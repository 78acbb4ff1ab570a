"""Mosaics of clean pictures, and sensors' noise drawn for every crop, as a Lightning data module.

A batch is a dict: `input` and `target` (N, 4, H, W) float32, the planes of `raw_pairs.py`, and
`slope` and `offset` (N, 1, 1, 1) float32, what the variance of the noise is made of (see
`cleanplate.tasks.denoise.sensor_noise`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from cleanplate.training.data.drawn import DrawnData, load_clean
from cleanplate.training.data.loading import Key, SizedKey, generator, phases_of
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.lettering import Map
from cleanplate.training.data.synthesis.sensors import photographed, scene, some_noise

LONGEST = 2048  # longer side in pixels that pictures are kept at


class NoisyMosaics(Dataset[dict[str, torch.Tensor]]):
    """Crops of clean pictures as mosaics with noise; an item is always the same."""

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
        noise = some_noise(rng)
        noisy, clean = photographed(rng, scene(rng, picture, 2 * side), noise)
        numbers = {"slope": noise.slope, "offset": noise.offset}
        return {
            "input": to_tensor(noisy),
            "target": to_tensor(clean),
            **{name: torch.full((1, 1, 1), value) for name, value in numbers.items()},
        }


class RawNoiseData(DrawnData):
    """Clean pictures in memory, and noise drawn for every crop."""

    def __init__(
        self,
        backgrounds: dict[str, float],
        validation: tuple[str, ...],
        folder: str = ".",
        crop: int = 96,
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
            crop: side of the crops in pixels of the planes.
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
        groups = [load_clean(self.paths([name]), LONGEST) for name in own["backgrounds"]]
        held = [load_clean(self.paths(own["validation"]), LONGEST)]
        shares, count = list(own["backgrounds"].values()), own["steps"] * own["batch_size"]
        crop, seed = own["crop"], own["seed"]
        self.training = NoisyMosaics(groups, shares, crop, seed, count)
        self.validation = NoisyMosaics(held, [1.0], crop, seed + 1, own["validation_pictures"])
