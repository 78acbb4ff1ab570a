"""Clean pictures in memory, and something drawn on a crop of one for every item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from torch.utils.data import Dataset

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.loading import Key, SizedKey, generator, phases_of
from cleanplate.training.data.on_the_fly import OnTheFlyData, Sample, load_clean

LONGEST = 2048  # longer side in pixels that pictures are kept at


class CleanCrops(Dataset[Sample]):
    """Crops of clean pictures and what is drawn on them (`draw`); an item is always the same."""

    def __init__(
        self,
        groups: Sequence[Sequence[Array]],
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

    def __getitem__(self, key: Key | SizedKey) -> Sample:
        """Return the item of a round and an index."""
        rng, side = generator(self.seed, key[:2]), self.crop if len(key) == 2 else key[2]
        group = self.groups[int(rng.choice(len(self.groups), p=self.shares))]
        return self.draw(rng, group[int(rng.integers(len(group)))], side)

    def draw(self, rng: np.random.Generator, picture: Array, side: int) -> Sample:
        """Make an item whose crop of `picture` (H, W, 3) uint8 is `side` pixels wide."""
        raise NotImplementedError


class CleanData(OnTheFlyData):
    """Clean pictures in memory, and `crops` of them drawn for every step."""

    crops: ClassVar[type[CleanCrops]]

    def __init__(
        self,
        backgrounds: dict[str, float],
        validation: tuple[str, ...],
        crop: int,
        folder: str = ".",
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
            crop: side of the crops in pixels, of mosaics in pixels of their planes.
            folder: that all folders are relative to.
            batch_size: crops a step and process.
            progressive: phases of [steps, batch size, crop]; `crop` is of validation alone then.
            steps: batches an epoch.
            validation_pictures: crops to validate on.
            seed: of all that is drawn.
            workers: processes that draw.

        Raises:
            UsageError: a phase, the batch size or the number of workers is out of its range.
        """
        super().__init__()
        self.save_hyperparameters()
        self.check()
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
        self.training = self.crops(groups, shares, crop, seed, count)
        self.validation = self.crops(held, [1.0], crop, seed + 1, own["validation_pictures"])
