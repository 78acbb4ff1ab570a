"""Holes to be filled, on small copies of large pictures, as a Lightning data module.

A batch is a dict: `target` (N, 3, H, W), the clean picture, and `mask` (N, 1, H, W), the hole,
uint8 in 0..255, and `name`, a list of N. A page is reduced by a whole factor and a square is cut
out around what lies on it, so that detail outside the hole is never resized: the fill alone is
enlarged.
"""

from __future__ import annotations

from typing import Any, TypedDict

import cv2
import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.augmentation import cut_out
from cleanplate.training.data.downscaled import ByFactor, DownscaledPairs, mask_by_any, resized
from cleanplate.training.data.layouts import Pair
from cleanplate.training.data.loading import Key, generator
from cleanplate.training.data.paired import PairedData
from cleanplate.training.data.pairs import to_tensor


class Sample(TypedDict):
    """What a dataset gives: (C, H, W), uint8."""

    target: Tensor
    mask: Tensor
    name: str


def square_around(
    picture: Pixels, mask: Pixels, crop: int, rng: np.random.Generator | None = None
) -> tuple[Pixels, Pixels]:
    """Return a square of side `crop` around one part of the mask, (crop, crop, C) each.

    The part is one at random and lies anywhere in the square, or with no `rng` it is the largest
    and lies in the middle. Where it fills more than four fifths of the square's side, the picture
    is reduced first. The square never leaves the picture; a picture smaller than it is padded by
    reflection.
    """
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask)
    chosen = parts[1 + int(rng.integers(len(parts) - 1)) if rng else 1 + parts[1:, 4].argmax()]
    left, top, width, height = (int(value) for value in chosen[:4])
    longer, wanted = max(width, height), crop / 1.25
    if longer > min(crop, wanted + 2):  # reduced parts are up to two pixels longer than asked for
        size = [max(1, round(length * wanted / longer)) for length in mask.shape[:2]]
        return square_around(resized(picture, *size), mask_by_any(mask, *size), crop, rng)
    place = []
    for start, length, side in ((top, height, mask.shape[0]), (left, width, mask.shape[1])):
        slack = crop - length
        before = slack // 2 if rng is None else int(rng.integers(slack + 1))
        place.append(min(max(0, start - before), max(0, side - crop)))
    square = [cut_out(array, place[0], place[1], crop) for array in (picture, mask)]
    return square[0], square[1]


class Squares(Dataset[Sample]):
    """Squares around holes: anywhere around them for training, in their middle without a seed."""

    def __init__(
        self, pairs: list[Pair], files: DownscaledPairs, crop: int, hflip: float, seed: int | None
    ) -> None:
        self.pairs, self.files, self.crop = pairs, files, crop
        self.hflip, self.seed = hflip, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key | int) -> Sample:
        pair = self.pairs[key if isinstance(key, int) else key[1]]
        picture, mask = self.files.read(pair)
        if self.seed is None or isinstance(key, int):
            picture, mask = square_around(picture, mask, self.crop)
        else:
            rng = generator(self.seed, key)
            picture, mask = square_around(picture, mask, self.crop, rng)
            if rng.random() < self.hflip:
                picture, mask = picture[:, ::-1], mask[:, ::-1]
        return Sample(target=to_tensor(picture), mask=to_tensor(mask), name=pair.name)


class Holes(PairedData):
    """Squares of clean pictures, with the hole that was left by what lay there."""

    def __init__(
        self,
        folder: str,
        factor: int = 6,
        crop: int = 256,
        hflip: float = 0.5,
        threshold: int = 5,
        **kwargs: Any,
    ) -> None:
        """Say what is trained on, and how it is cut.

        Args:
            folder: the folder of pairs or triples.
            factor: by which pictures are reduced first, as they will be in use.
            crop: side of the squares in reduced pixels; 256 at factor 6 are 1536 of the page.
            hflip: chance of a horizontal flip.
            threshold: where masks are made: a sample differing by more than this (of 255).
            kwargs: see `PairedData`; there are no progressive phases here.

        Raises:
            UsageError: phases were given.
        """
        super().__init__(folder, **kwargs)
        if self.phases:
            raise UsageError("Squares around holes do not grow progressively.")
        self.factor, self.crop, self.hflip, self.threshold = factor, crop, hflip, threshold

    def open(self, pairs: list[Pair]) -> None:
        """Prepare to read `pairs`."""
        shrink = ByFactor(self.factor)
        self.files = DownscaledPairs(pairs, shrink, True, self.threshold, self.cache)

    def read(self, pair: Pair) -> tuple[Pixels, Pixels]:
        """Clean picture and mask."""
        return self.files.read(pair)

    def crops(self) -> Squares:
        """Return squares for training."""
        return Squares(self.training, self.files, self.crop, self.hflip, self.seed)

    def wholes(self) -> Squares:
        """Return one square a picture."""
        return Squares(self.validation, self.files, self.crop, 0.0, None)
