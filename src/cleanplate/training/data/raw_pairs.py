"""Noisy and clean RAW pictures as a Lightning data module.

A batch is a dict: `input` and `target` (N, 4, H, W), float32, the planes R, Gr, Gb, B of a Bayer
mosaic with 0 for black and 1 for white, and `name`, a list of N. Files are planes (H, W, 4) as
.npy, which are the fastest, or mosaics (2H, 2W) as .npy, PNG or TIFF (see `raw.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cleanplate.errors import UsageError
from cleanplate.training.data.augmentation import centre, cut_out
from cleanplate.training.data.layouts import Pair
from cleanplate.training.data.loading import Key, SizedKey, generator
from cleanplate.training.data.paired import PairedData
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.raw import LEVELS, Levels
from cleanplate.training.data.raw_files import read_raw_pair, to_unit

Planes = NDArray[Any]


class Sample(TypedDict):
    """What a dataset gives: (4, H, W), float32."""

    input: Tensor
    target: Tensor
    name: str


class Tiles(Dataset[Sample]):
    """Random tiles with a seed; the middle of each picture without."""

    def __init__(self, pairs: list[Pair], crop: int, levels: Levels, seed: int | None):
        self.pairs, self.crop, self.levels, self.seed = pairs, crop, levels, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key | SizedKey | int) -> Sample:
        pair = self.pairs[key if isinstance(key, int) else key[1]]
        both = read_raw_pair(pair, self.levels)
        if isinstance(key, int) or self.seed is None:
            tiles = centre(both, self.crop)
        else:
            crop = self.crop if len(key) == 2 else key[2]
            tiles = some_tile(both, crop, generator(self.seed, key[:2]))
        return to_sample(pair.name, tiles, self.levels)


def some_tile(both: Sequence[Planes], crop: int, rng: np.random.Generator) -> list[Planes]:
    """One tile (crop, crop, 4) at one random place of both arrays, both or neither transposed."""
    height, width = both[0].shape[:2]
    top = int(rng.integers(max(0, height - crop) + 1))
    left = int(rng.integers(max(0, width - crop) + 1))
    tiles = [cut_out(planes, top, left, crop) for planes in both]
    if rng.random() < 0.5:  # transposing keeps red red and blue blue
        tiles = [planes.transpose(1, 0, 2)[..., [0, 2, 1, 3]] for planes in tiles]
    return tiles


def to_sample(name: str, tiles: Sequence[Planes], levels: Levels) -> Sample:
    """The tensors of noisy and clean planes (H, W, 4), of numbers as `to_unit` takes them."""
    noisy, clean = (to_tensor(to_unit(planes, levels)) for planes in tiles)
    return Sample(input=noisy, target=clean, name=name)


class RawPairs(PairedData):
    """Random tiles of RAW pictures; whole frames do not fit memory."""

    def __init__(
        self,
        folder: str,
        crop: int = 256,
        black: float = LEVELS.black,
        white: float = LEVELS.white,
        validation_side: int = 512,
        **kwargs: Any,
    ) -> None:
        """What is trained on, and how it is cut.

        Args:
            folder: the folder of pairs.
            crop: side of the tiles, in pixels of the planes.
            black: the sensor's number for no light.
            white: the sensor's number for full light.
            validation_side: validate on the middle of larger frames.
            kwargs: see `PairedData`.

        Raises:
            UsageError: white is not above black.
        """
        super().__init__(folder, **kwargs)
        if white <= black:
            raise UsageError(f"white ({white:g}) must be above black ({black:g}).")
        self.crop, self.levels, self.validation_side = crop, Levels(black, white), validation_side

    def open(self, pairs: list[Pair]) -> None:
        """Nothing to prepare: arrays are mapped into memory, tiles read from there."""

    def read(self, pair: Pair) -> tuple[Planes, Planes]:
        """Noisy and clean planes."""
        return read_raw_pair(pair, self.levels)

    def crops(self) -> Tiles:
        """Random tiles."""
        return Tiles(self.training, self.crop, self.levels, self.seed)

    def wholes(self) -> Tiles:
        """The middles."""
        return Tiles(self.validation, self.validation_side, self.levels, None)
