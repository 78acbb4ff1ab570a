"""Noisy and clean RAW pictures as a Lightning data module.

A batch is a dict: `input` and `target` (N, 4, H, W), float32, the planes red, green beside red,
green beside blue and blue with 0 for black and 1 for white, and `name`, a list of N. Files are
planes (H, W, 4) as .npy, which are the fastest, mosaics (2H, 2W) as .npy, PNG or TIFF (see
`raw.py`), or RAW files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from cleanplate.errors import UsageError
from cleanplate.picture.mosaic import named_pattern
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.augmentation import centre, cut_out
from cleanplate.training.data.layouts import Pair
from cleanplate.training.data.loading import Key, SizedKey, generator
from cleanplate.training.data.paired import PairedData
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.raw import LEVELS, Levels, mirrored, transposed
from cleanplate.training.data.raw_files import read_raw_pair, to_unit


class Sample(TypedDict):
    """What a dataset gives: (4, H, W), float32."""

    input: Tensor
    target: Tensor
    name: str


class Tiles(Dataset[Sample]):
    """Random tiles with a seed; the middle of each picture without."""

    def __init__(
        self, pairs: list[Pair], crop: int, levels: Levels, pattern: str, seed: int | None
    ) -> None:
        self.pairs, self.crop, self.levels = pairs, crop, levels
        self.pattern, self.seed = pattern, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key | SizedKey | int) -> Sample:
        pair = self.pairs[key if isinstance(key, int) else key[1]]
        both = read_raw_pair(pair, self.levels, self.pattern)
        if isinstance(key, int) or self.seed is None:
            tiles = centre(both, self.crop)
        else:
            crop = self.crop if len(key) == 2 else key[2]
            tiles = some_tile(both, crop, generator(self.seed, key[:2]))
        return to_sample(pair.name, tiles, self.levels)


def some_tile(both: Sequence[Array], crop: int, rng: np.random.Generator) -> list[Array]:
    """Cut one tile (crop, crop, 4) at one random place of both arrays, turned alike.

    It is mirrored and transposed as a mosaic, so that it stays one (Liu et al., CVPRW 2019).
    """
    height, width = both[0].shape[:2]
    top = int(rng.integers(max(0, height - crop - 1) + 1))
    left = int(rng.integers(max(0, width - crop - 1) + 1))
    vflip, hflip, transpose = rng.random(3) < 0.5
    tiles = [cut_out(planes, top, left, crop + 1) for planes in both]  # mirroring takes one off
    for axis, wanted in ((0, vflip), (1, hflip)):
        if wanted:
            tiles = [mirrored(planes, axis) for planes in tiles]
    tiles = [planes[:crop, :crop] for planes in tiles]
    return [transposed(planes) for planes in tiles] if transpose else tiles


def to_sample(name: str, tiles: Sequence[Array], levels: Levels) -> Sample:
    """Return the tensors of noisy and clean planes (H, W, 4), given as `to_unit` takes them."""
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
        pattern: str = "RGGB",
        validation_side: int = 512,
        **kwargs: Any,
    ) -> None:
        """Say what is trained on, and how it is cut.

        Args:
            folder: the folder of pairs.
            crop: side of the tiles, in pixels of the planes.
            black: the sensor's number for no light.
            white: the sensor's number for full light.
            pattern: of mosaics, and of planes that were not packed by `cleanplate prepare raw`:
                RGGB, GRBG, GBRG or BGGR; RAW files have their own.
            validation_side: validate on the middle of larger frames.
            kwargs: see `PairedData`.

        Raises:
            UsageError: white is not above black, or there is no such pattern.
        """
        super().__init__(folder, **kwargs)
        if white <= black:
            raise UsageError(f"white ({white:g}) must be above black ({black:g}).")
        self.crop, self.levels, self.validation_side = crop, Levels(black, white), validation_side
        self.pattern = named_pattern(pattern)

    def open(self, pairs: list[Pair]) -> None:
        """Do nothing: arrays are mapped into memory when they are read."""

    def read(self, pair: Pair) -> tuple[Array, Array]:
        """Return noisy and clean planes."""
        return read_raw_pair(pair, self.levels, self.pattern)

    def crops(self) -> Tiles:
        """Return random tiles."""
        return Tiles(self.training, self.crop, self.levels, self.pattern, self.seed)

    def wholes(self) -> Tiles:
        """Return the middles."""
        return Tiles(self.validation, self.validation_side, self.levels, self.pattern, None)
