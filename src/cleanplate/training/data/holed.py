"""Photographs with holes drawn while training, as a Lightning data module.

A batch is a dict of float tensors: `target` (N, 3, H, W) in [0, 1], `hole` (N, 1, H, W), 1 where
the picture is not to be seen, and `guess` (N, 3, H, W), the picture with a coarse fill of the tone
about the hole.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from cleanplate.tasks.pull_push import pull_push_fill
from cleanplate.training.data.augmentation import Augmentation
from cleanplate.training.data.drawn import DrawnData, Sample, load_clean
from cleanplate.training.data.loading import Key, generator
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.holes import holes
from cleanplate.training.data.synthesis.lettering import Map

LONGEST = 2048  # longer side in pixels that pictures are kept at
SHRUNK = 4.0  # crops are cut up to so many times as large, and shrunk
SHRUNK_SHARE = 0.6


class HoledCrops(Dataset[Sample]):
    """Crops of clean pictures with holes; an item is always the same."""

    def __init__(
        self,
        groups: Sequence[Sequence[Map]],
        shares: Sequence[float],
        crop: int,
        seed: int,
        size: int,
    ) -> None:
        """Draw `size` items a round from groups of pictures, each group with its share."""
        self.groups, self.shares = groups, np.asarray(shares) / np.sum(shares)
        self.crop, self.seed, self.size = crop, seed, size

    def __len__(self) -> int:
        """Return the number of items a round."""
        return self.size

    def __getitem__(self, key: Key) -> Sample:
        """Return the item of a round and an index."""
        rng = generator(self.seed, key)
        group = self.groups[int(rng.choice(len(self.groups), p=self.shares))]
        clean = self._crop(rng, group[int(rng.integers(len(group)))])
        rgb = clean.astype(np.float32) / np.float32(255)
        hole = holes(rng, self.crop, self.crop)
        return {
            "target": to_tensor(rgb),
            "hole": torch.from_numpy(hole.astype(np.float32))[None],
            "guess": to_tensor(pull_push_fill(rgb, hole)),
        }

    def _crop(self, rng: np.random.Generator, picture: Map) -> Map:
        """Cut a square out of a picture, at some scale."""
        zoom = np.exp(rng.uniform(0, np.log(SHRUNK))) if rng.random() < SHRUNK_SHARE else 1.0
        side = max(self.crop, min(round(self.crop * zoom), *picture.shape[:2]))
        square = Augmentation(side, 0.5, 0.0, 0.0)([picture], rng)[0]
        size = (self.crop, self.crop)
        return (
            cv2.resize(square, size, interpolation=cv2.INTER_AREA) if side > self.crop else square
        )


class Holed(DrawnData):
    """Clean pictures in memory, and holes drawn for every crop."""

    def __init__(
        self,
        backgrounds: dict[str, float],
        validation: list[str],
        folder: str = ".",
        crop: int = 192,
        batch_size: int = 8,
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
            steps: batches an epoch.
            validation_pictures: crops to validate on.
            seed: of all that is drawn.
            workers: processes that draw.
        """
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage: str) -> None:
        """Load the pictures.

        Raises:
            UsageError: a folder holds none.
        """
        own = self.hparams
        groups = [load_clean(self.paths([name]), LONGEST) for name in own["backgrounds"]]
        held = [load_clean(self.paths(own["validation"]), LONGEST)]
        shares = list(own["backgrounds"].values())
        count, seed = own["steps"] * own["batch_size"], own["seed"]
        self.training = HoledCrops(groups, shares, own["crop"], seed, count)
        self.validation = HoledCrops(held, [1.0], own["crop"], seed + 1, own["validation_pictures"])
