"""Pictures and the masks of what is to be found on them, as a Lightning data module.

A batch is a dict: `input` (N, 3, H, W) and `mask` (N, 1, H, W), uint8 in 0..255, and `name`, a list
of N. Folders hold pictures with masks, or pairs (see `layouts.py`); where a mask has no file,
it is made of where the two pictures of a pair differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypedDict

import cv2
import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.downscaled import (
    DownscaledPairs,
    LongestMaxSize,
    letterboxed,
    resized,
)
from cleanplate.training.data.layouts import Pair, Survey, survey_any
from cleanplate.training.data.loading import Key, generator
from cleanplate.training.data.paired import PairedData
from cleanplate.training.data.pairs import to_tensor

TRIES = 10


class Sample(TypedDict):
    """What a dataset gives: (C, H, W), uint8."""

    input: Tensor
    mask: Tensor
    name: str


@dataclass(frozen=True)
class Framing:
    """How a picture and its mask are cut, turned and blurred together.

    A crop's share of the picture's area is drawn from `area`, its ratio of width to height from
    `ratio` (log-uniform); it fits the picture, holds some of the mask, and of its pixels at least
    the share `least` lies in it. After ten vain tries it is the middle of the picture, or the whole
    picture where the middle holds no mask; half and half where a `least` was asked for. Without
    `area` it is always the whole picture, its ratio kept, padded to `size` by reflection. Colours
    are not changed: jitter did harm.
    """

    size: tuple[int, int]  # height, width of what comes out
    area: tuple[float, float] | None = (0.3, 1.2)  # None: always the whole picture
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    hflip: float = 0.5  # chance of a horizontal flip
    rotation: float = 15.0  # degrees, at most, either way
    blur: float = 0.2  # chance of a Gaussian blur
    least: float = 0.0  # share of a crop that is foreground

    def __call__(
        self, picture: Pixels, mask: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """Cut (H, W, 3) and (H, W, 1), H and W alike, to `size`."""
        if self.area is None:
            picture, mask = (letterboxed(array, *self.size) for array in (picture, mask))
        else:
            top, left, height, width = self._place(mask, self.area, rng)
            window = slice(top, top + height), slice(left, left + width)
            picture, mask = (resized(array[window], *self.size) for array in (picture, mask))
        if rng.random() < self.hflip:
            picture, mask = picture[:, ::-1], mask[:, ::-1]
        if self.rotation:
            angle = float(rng.uniform(-self.rotation, self.rotation))
            picture, mask = _turned(picture, angle), _turned(mask, angle)
        if rng.random() < self.blur:
            sigma = float(rng.uniform(0.1, 2.0))
            picture = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(picture), (0, 0), sigma))
        return picture, np.where(mask > 127, np.uint8(255), np.uint8(0))

    def _place(
        self, mask: Pixels, shares: tuple[float, float], rng: np.random.Generator
    ) -> tuple[int, int, int, int]:
        """Return top, left, height and width of a crop that holds some of the mask."""
        high, wide = mask.shape[:2]
        for _ in range(TRIES):
            area = high * wide * rng.uniform(*shares)
            ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            place = rng.random(2)
            if not (0 < height <= high and 0 < width <= wide):
                continue
            top = int(place[0] * (high - height + 1))
            left = int(place[1] * (wide - width + 1))
            window = mask[top : top + height, left : left + width]
            if window.any() and (window > 127).mean() >= self.least:
                return top, left, height, width
        if self.least and rng.random() < 0.5:  # drawn only then: other recipes' crops stay
            return 0, 0, high, wide
        height, width = (
            min(high, round(wide / self.ratio[0])),
            min(wide, round(high * self.ratio[1])),
        )
        top, left = (high - height) // 2, (wide - width) // 2
        if mask[top : top + height, left : left + width].any():
            return top, left, height, width
        return 0, 0, high, wide


def _turned(array: Pixels, angle: float) -> Pixels:
    """Rotate an array around its middle; corners are filled by reflection, a mask's, too."""
    height, width = array.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    turned = cv2.warpAffine(
        np.ascontiguousarray(array), matrix, (width, height), borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(turned, np.uint8).reshape(array.shape)


class Framed(Dataset[Sample]):
    """Random crops with a seed, whole pictures without."""

    def __init__(
        self, pairs: list[Pair], files: DownscaledPairs, framing: Framing, seed: int | None
    ) -> None:
        """Take the `seed` of the crops; None for whole pictures, at the longer side of the size."""
        self.pairs, self.files, self.framing, self.seed = pairs, files, framing, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key | int) -> Sample:
        pair = self.pairs[key if isinstance(key, int) else key[1]]
        picture, mask = self.files.read(pair)
        if self.seed is not None and not isinstance(key, int):
            picture, mask = self.framing(picture, mask, generator(self.seed, key))
        else:
            shrink = LongestMaxSize(max(self.framing.size))
            picture, mask = shrink(picture), shrink(mask)
            mask = np.where(mask > 127, np.uint8(255), np.uint8(0))
        mask = mask.reshape(*picture.shape[:2], 1)
        return Sample(input=to_tensor(picture), mask=to_tensor(mask), name=pair.name)


class Cutouts(PairedData):
    """Pictures and masks, framed at random for training; whole for validation."""

    def __init__(
        self,
        folder: str,
        size: tuple[int, int] = (320, 320),
        area: tuple[float, float] | None = (0.3, 1.2),
        hflip: float = 0.5,
        rotation: float = 15.0,
        blur: float = 0.2,
        threshold: int = 5,
        least: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """Say what is trained on, and how it is framed.

        Args:
            folder: the folder of pictures and masks.
            size: height and width that the network is trained at, in pixels; validation is on
                whole pictures with that longer side.
            area: a crop's share of the picture's area; None for whole pictures, padded to `size`.
            hflip: chance of a horizontal flip.
            rotation: degrees, at most, either way.
            blur: chance of a Gaussian blur.
            threshold: where masks are made: a sample differing by more than this (of 255).
            least: least share of a crop that is foreground, 0 to 1.
            kwargs: see `PairedData`; there are no progressive phases here.

        Raises:
            UsageError: phases were given, or `least` is no share.
        """
        super().__init__(folder, **kwargs)
        if self.phases:
            raise UsageError("Resolution grows in stages of their own here, not progressively.")
        if not 0 <= least <= 1:
            raise UsageError(f"least lies between 0 and 1, not {least:g}.")
        self.framing = Framing(
            (size[0], size[1]), area, hflip=hflip, rotation=rotation, blur=blur, least=least
        )
        self.threshold = threshold

    @property
    def tile(self) -> int:
        """Longest side in pixels that the network is trained to look at."""
        return max(self.framing.size)

    def find(self) -> Survey:
        """Return the pictures with masks, or the pairs."""
        return survey_any(self.folder, self.versions)

    def open(self, pairs: list[Pair]) -> None:
        """Prepare to read `pairs`, at twice the size that they are framed to."""
        longest = max(self.framing.size) * (1 if self.framing.area is None else 2)
        self.files = DownscaledPairs(
            pairs, LongestMaxSize(longest), threshold=self.threshold, cache=self.cache
        )

    def read(self, pair: Pair) -> tuple[Pixels, Pixels]:
        """Return picture and mask."""
        return self.files.read(pair)

    def crops(self) -> Framed:
        """Return random crops."""
        return Framed(self.training, self.files, self.framing, self.seed)

    def wholes(self) -> Framed:
        """Return whole pictures."""
        return Framed(self.validation, self.files, self.framing, None)
