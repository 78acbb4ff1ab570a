"""Pairs of pictures on disk as a Lightning data module (layouts: see `layouts.py`).

A batch is a dict: `input` and `target` (N, 3, H, W) and `mask` (N, 1, H, W), uint8 in 0..255, and
`name`, a list of N. Masks without a file are made from the pair (see `curation.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cleanplate.errors import UsageError
from cleanplate.training.data.augmentation import Augmentation, Pixels, centre
from cleanplate.training.data.curation import divide, mask_of_pair
from cleanplate.training.data.files import PairFiles
from cleanplate.training.data.layouts import Pair, select, survey
from cleanplate.training.data.loading import Key, ResumableLoader, generator, worker_options


class Sample(TypedDict):
    """What a dataset gives for a pair: (C, H, W), uint8."""

    input: Tensor
    target: Tensor
    mask: Tensor
    name: str


def to_sample(pair: Pair, arrays: list[Pixels], threshold: int) -> Sample:
    """The tensors of a pair from its (cropped) arrays."""
    dirty, clean = arrays[:2]
    mask = arrays[2] if len(arrays) > 2 else mask_of_pair(dirty, clean, threshold)
    return Sample(input=_tensor(dirty), target=_tensor(clean), mask=_tensor(mask), name=pair.name)


def _tensor(array: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


class Crops(Dataset[Sample]):
    """Random crops for training."""

    def __init__(
        self,
        pairs: list[Pair],
        files: PairFiles,
        augmentation: Augmentation,
        threshold: int,
        seed: int,
    ) -> None:
        self.pairs, self.files, self.augmentation = pairs, files, augmentation
        self.threshold, self.seed = threshold, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key) -> Sample:
        pair = self.pairs[key[1]]
        arrays = self.augmentation(self.files.read(pair), generator(self.seed, key))
        return to_sample(pair, arrays, self.threshold)


class Wholes(Dataset[Sample]):
    """Whole pictures for validation, or their middle where they are larger than `side`."""

    def __init__(
        self, pairs: list[Pair], files: PairFiles, side: int | None, threshold: int
    ) -> None:
        self.pairs, self.files, self.side, self.threshold = pairs, files, side, threshold

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        arrays = self.files.read(pair)
        if self.side:
            arrays = centre(arrays, self.side)
        return to_sample(pair, arrays, self.threshold)


class Pairs(pl.LightningDataModule):
    """Training and validation pairs of a folder."""

    def __init__(
        self,
        folder: str,
        pairs: str | None = None,
        versions: str | None = None,
        crop: int = 512,
        flip: float = 0.5,
        flop: float = 0.0,
        batch_size: int = 10,
        threshold: int = 5,
        validation_share: float = 0.05,
        validation_pictures: int | None = None,
        validation_side: int | None = None,
        workers: int = 4,
        cache_gigabytes: float = 4.0,
        seed: int = 0,
    ) -> None:
        """What is trained on, and how it is cut.

        Args:
            folder: the folder of pairs; `train.txt` and `validation.txt` in it (written by
                `cleanplate prepare split`) part it, otherwise `validation_share` does.
            pairs: a list file; only the pairs named in it are used.
            versions: the folder of watermarked versions, where its file names do not tell.
            crop: side of the random crops in pixels.
            flip: chance of a left-right flip.
            flop: chance of an upside-down flip.
            batch_size: crops a step.
            threshold: a sample differing by more than this (of 255) is in the mask.
            validation_share: share of the clean pictures kept for validation.
            validation_pictures: validate on at most so many.
            validation_side: validate on the middle of larger pictures.
            workers: processes that decode and cut.
            cache_gigabytes: memory for decoded pictures.
            seed: of the order, the crops and the split.
        """
        super().__init__()
        if not 0 < validation_share < 1:
            raise UsageError("validation_share must lie between 0 and 1.")
        self.folder, self.pairs, self.versions = Path(folder), pairs, versions
        self.augmentation = Augmentation(crop, flip, flop)
        self.batch_size, self.threshold, self.workers, self.seed = (
            batch_size,
            threshold,
            workers,
            seed,
        )
        self.validation_share, self.validation_side = validation_share, validation_side
        self.validation_pictures = validation_pictures
        self.cache = int(cache_gigabytes * 2**30)
        self.training: list[Pair] = []
        self.validation: list[Pair] = []

    def setup(self, stage: str) -> None:
        """Find the pairs and part them."""
        if self.training:
            return
        found = survey(self.folder, self.versions)
        lists = [self.folder / f"{part}.txt" for part in ("train", "validation")]
        chosen = select(found, self.pairs) if self.pairs else None
        if all(path.is_file() for path in lists):
            parts = [select(found, path) for path in lists]
        else:
            chosen = chosen or select(found, None)
            parts = list(divide(chosen, self.validation_share, self.seed))
        if chosen is not None:
            wanted = {pair.name for pair in chosen}
            parts = [[pair for pair in part if pair.name in wanted] for part in parts]
        self.training, self.validation = parts[0], spread(parts[1], self.validation_pictures)
        if not self.training or not self.validation:
            raise UsageError(
                f"{self.folder} gives {len(parts[0])} training and {len(parts[1])} validation "
                "pairs; both are needed, from two clean pictures at least."
            )
        self.files = PairFiles(self.training + self.validation, self.cache)

    def train_dataloader(self) -> ResumableLoader:
        """Random crops, shuffled."""
        trainer = self.trainer
        return ResumableLoader(
            Crops(self.training, self.files, self.augmentation, self.threshold, self.seed),
            batch_size=self.batch_size,
            seed=self.seed,
            workers=self.workers,
            rank=trainer.global_rank if trainer else 0,
            world=trainer.world_size if trainer else 1,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Whole pictures, one at a time."""
        return DataLoader(
            Wholes(self.validation, self.files, self.validation_side, self.threshold),
            batch_size=1,  # pictures differ in size
            num_workers=min(self.workers, 2),
            generator=torch.Generator(),
            **worker_options(min(self.workers, 2)),
        )


def spread(pairs: list[Pair], count: int | None) -> list[Pair]:
    """At most `count` of `pairs`, evenly spread, so that they come from different pictures."""
    if count is None or count >= len(pairs):
        return pairs
    return [pairs[i * len(pairs) // count] for i in range(count)]
