"""Pairs of pictures on disk as a Lightning data module (layouts: see `layouts.py`).

A batch is a dict: `input` and `target` (N, 3, H, W) and `mask` (N, 1, H, W), uint8 in 0..255, and
`name`, a list of N. Masks without a file are made from the pair (see `curation.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.augmentation import Augmentation, centre
from cleanplate.training.data.curation import mask_of_pair
from cleanplate.training.data.files import PairFiles
from cleanplate.training.data.layouts import Pair
from cleanplate.training.data.loading import Key, SizedKey, generator
from cleanplate.training.data.paired import PairedData


class Sample(TypedDict):
    """What a dataset gives for a pair: (C, H, W), uint8."""

    input: Tensor
    target: Tensor
    mask: Tensor
    name: str


def to_sample(name: str, arrays: list[Pixels], threshold: int) -> Sample:
    """Return the tensors of a pair from its (cropped) arrays."""
    dirty, clean = arrays[:2]
    mask = arrays[2] if len(arrays) > 2 else mask_of_pair(dirty, clean, threshold)
    return Sample(input=to_tensor(dirty), target=to_tensor(clean), mask=to_tensor(mask), name=name)


def to_tensor(array: np.ndarray) -> Tensor:
    """Return an array (H, W, C) as a tensor (C, H, W)."""
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

    def __getitem__(self, key: Key | SizedKey) -> Sample:
        pair = self.pairs[key[1]]
        rng = generator(self.seed, key[:2])
        augment = self.augmentation if len(key) == 2 else replace(self.augmentation, crop=key[2])
        arrays = augment(self.files.read(pair), rng)
        return to_sample(pair.name, arrays, self.threshold)


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
        return to_sample(pair.name, arrays, self.threshold)


class Pairs(PairedData):
    """Random crops of the pictures of a folder, never resized."""

    def __init__(
        self,
        folder: str,
        crop: int = 512,
        hflip: float = 0.5,
        vflip: float = 0.0,
        rot90: float = 0.0,
        threshold: int = 5,
        validation_side: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Say what is trained on, and how it is cut.

        Args:
            folder: the folder of pairs.
            crop: side of the random crops in pixels.
            hflip: chance of a horizontal flip.
            vflip: chance of a vertical flip.
            rot90: chance of a turn by 90 degrees.
            threshold: a sample differing by more than this (of 255) is in the mask.
            validation_side: validate on the middle of larger pictures.
            kwargs: see `PairedData`.
        """
        super().__init__(folder, **kwargs)
        self.augmentation = Augmentation(crop, hflip, vflip, rot90)
        self.threshold, self.validation_side = threshold, validation_side

    def open(self, pairs: list[Pair]) -> None:
        """Prepare to read `pairs`."""
        self.files = PairFiles(pairs, self.cache)

    def read(self, pair: Pair) -> list[Pixels]:
        """Return input, target and, where there is a file for it, mask."""
        return self.files.read(pair)

    def crops(self) -> Crops:
        """Return random crops."""
        return Crops(self.training, self.files, self.augmentation, self.threshold, self.seed)

    def wholes(self) -> Wholes:
        """Return whole pictures, or the middle of large ones."""
        return Wholes(self.validation, self.files, self.validation_side, self.threshold)
