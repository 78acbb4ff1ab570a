"""Watermarks drawn on clean pictures while training: the data of the shipped watermark models."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import Dataset

from cleanplate import models
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.loading import Key, generator
from cleanplate.training.data.on_the_fly import LONGEST, OnTheFlyData, Sample, load_clean
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.noise import recompressed
from cleanplate.training.data.synthesis.pages import Pages, laid
from cleanplate.training.data.synthesis.scenes import varied
from cleanplate.training.data.synthesis.watermarks import Mark, Watermarks

ALARM = 0.005  # share of a clean crop that, found, makes it a hard example
VISIBLE = 0.02  # opacity from which a pixel counts as marked


class WatermarkedCrops(Dataset[Sample]):
    """Crops of clean pictures with marks on them; an item is the same whenever it is asked for.

    Each item holds `input` and `target` (3, S, S) in [0, 1], the mark's `alpha` (1, S, S) and
    `mask`, 1 where it can be seen, a `rough` mask (1, S, S) as a locator might give it, the mark's
    `colour` (3,) and `opacity` (1,); all float32.
    `clean_share` of the items bear no mark; where hard examples were mined, every other one of
    these is one of them.
    """

    def __init__(
        self,
        pictures: Sequence[Array],
        weights: Sequence[float],
        marks: Watermarks,
        *,
        crop: int,
        sides: tuple[int, int],
        clean_share: float,
        jpeg_share: float,
        seed: int,
        size: int,
        zooms: Sequence[float] = (1.0,),
    ) -> None:
        """Draw `size` items a round from `pictures` by `weights`; shorter sides are in `sides`.

        A crop is seen enlarged by one of `zooms`, as a locator sees a small picture; `crop` and
        `sides` are as it is seen then.
        """
        self.pictures, self.marks = pictures, marks
        self.chances = np.asarray(weights, np.float64) / np.sum(weights)
        self.seen, self.zooms = crop, zooms
        self.sides, self.seed = sides, seed
        self.clean_share, self.jpeg_share = clean_share, jpeg_share
        self.size = size
        self.hard: list[int] = []

    def mine(self, locator: models.Model, candidates: int) -> None:
        """Keep those of so many clean crops in which a locator finds what is not there."""
        self.hard = []
        for number in range(candidates):
            view, top, left, crop = self._clean(generator(self.seed, (number,)))
            seen = self._enlarged(view[top : top + crop, left : left + crop] / np.float32(255))
            found = locator(seen.transpose(2, 0, 1)[None])["mask"]
            if (found > 0.5).mean() > ALARM:
                self.hard.append(number)

    def __len__(self) -> int:
        """Return the number of items a round."""
        return self.size

    def __getitem__(self, key: Key) -> Sample:
        """Return the item of a round and an index."""
        rng = generator(self.seed, key)
        if rng.random() < self.clean_share:
            clean, top, left, crop = self._clean(rng)
            nothing = np.zeros((crop, crop), np.float32)
            mark = Mark(nothing, np.zeros((1, 1, 3), np.float32), np.zeros(3, np.float32), 0.0)
        else:
            crop, zoom = self._crop(rng)
            clean = self._view(rng, crop, zoom)
            whole = self.marks.draw(rng, *clean.shape[:2])
            top, left = window(rng, whole.alpha, crop)
            mark = whole.cropped(top, left, crop, crop)
        clean = clean[top : top + crop, left : left + crop].astype(np.float32) / 255
        picture = np.rint(mark.over(clean) * 255).clip(0, 255).astype(np.uint8)
        if rng.random() < self.jpeg_share:
            picture = recompressed(picture, int(rng.integers(50, 98)))
        alpha = self._enlarged(mark.alpha)
        return {
            "input": to_tensor(self._enlarged(picture.astype(np.float32) / 255)),
            "target": to_tensor(self._enlarged(clean)),
            "alpha": torch.from_numpy(np.ascontiguousarray(alpha))[None],
            "mask": torch.from_numpy((alpha > VISIBLE).astype(np.float32))[None],
            "rough": torch.from_numpy(rough_mask(rng, alpha))[None],
            "colour": torch.from_numpy(mark.colour),
            "opacity": torch.tensor([mark.opacity], dtype=torch.float32),
        }

    def _clean(self, rng: np.random.Generator) -> tuple[Array, int, int, int]:
        """Return a view without a mark and the corner and side of a crop of it."""
        if self.hard and rng.random() < 0.5:
            rng = generator(self.seed, (self.hard[rng.integers(len(self.hard))],))
        crop, zoom = self._crop(rng)
        view = self._view(rng, crop, zoom)
        top, left = (int(rng.integers(size - crop + 1)) for size in view.shape[:2])
        return view, top, left, crop

    def _crop(self, rng: np.random.Generator) -> tuple[int, float]:
        """Return the side of a crop in the picture's own pixels, and how it is enlarged."""
        zoom = float(rng.choice(self.zooms))
        return round(self.seen / zoom), zoom

    def _enlarged(self, crop: Array) -> Array:
        size = (self.seen, self.seen)
        return crop if crop.shape[:2] == size else cv2.resize(crop, size)

    def _view(self, rng: np.random.Generator, crop: int, zoom: float) -> Array:
        """Return a picture or a part of one, `crop` pixels or more, scaled, turned and mirrored."""
        picture = self.pictures[rng.choice(len(self.pictures), p=self.chances)]
        if rng.random() < 0.5:
            size = [int(s * rng.uniform(0.35, 1.0)) for s in picture.shape[:2]]
            size = [max(s, min(crop, whole)) for s, whole in zip(size, picture.shape, strict=False)]
            y, x = (int(rng.integers(w - s + 1)) for s, w in zip(size, picture.shape, strict=False))
            picture = picture[y : y + size[0], x : x + size[1]]
        shorter = min(picture.shape[:2])
        low, high = (max(side / zoom, crop) for side in self.sides)
        side = np.exp(rng.uniform(np.log(low), np.log(high)))
        side = max(min(side, shorter * 1.25), crop)
        size = [max(crop, round(s * side / shorter)) for s in picture.shape[1::-1]]
        size = [min(s, 3 * int(side)) for s in size]
        how = cv2.INTER_AREA if side < shorter else cv2.INTER_CUBIC
        picture = cv2.resize(picture, size, interpolation=how)
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        if rng.random() < 0.15:
            picture = np.rot90(picture, int(rng.integers(1, 4)))
        if rng.random() < 0.06:
            picture = np.repeat(picture.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
        return varied(rng, np.ascontiguousarray(picture), self.marks)


def window(rng: np.random.Generator, alpha: Array, crop: int) -> tuple[int, int]:
    """Choose a crop's corner: mostly around a pixel of the mark, else anywhere."""
    height, width = alpha.shape
    if rng.random() < 0.85:
        ys, xs = np.nonzero(alpha[::4, ::4] > VISIBLE)
        if ys.size:
            pick = rng.integers(ys.size)
            y, x = (int(4 * v[pick] - rng.integers(crop)) for v in (ys, xs))
            return min(max(y, 0), height - crop), min(max(x, 0), width - crop)
    return int(rng.integers(height - crop + 1)), int(rng.integers(width - crop + 1))


def rough_mask(rng: np.random.Generator, alpha: Array) -> Array:
    """Spoil a true mask as a locator would: too fat or thin, parts missed, false alarms, soft."""
    size = alpha.shape[0]
    mask: Array = (alpha > VISIBLE).astype(np.float32)
    reach = 2 * int(rng.integers(0, 5)) + 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    mask = cv2.dilate(mask, brush) if rng.random() < 0.8 else cv2.erode(mask, brush[:3, :3])
    cells = int(rng.integers(2, 9))
    field = cv2.resize(rng.random((cells, cells)), (size, size), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.4:
        mask *= field > rng.uniform(0.1, 0.5)
    if rng.random() < 0.3:
        mask = np.maximum(mask, field > rng.uniform(0.8, 0.95))
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.5, 3))
    return (soft * rng.uniform(0.6, 1.0)).astype(np.float32)


class Watermarked(OnTheFlyData):
    """Photographs and rendered pages under synthetic watermarks, for training and validation."""

    def __init__(
        self,
        backgrounds: dict[str, float],
        validation: list[str],
        fonts: list[str],
        logos: list[str],
        folder: str = ".",
        crop: int = 256,
        sides: tuple[int, int] = (256, 720),
        batch_size: int = 8,
        steps: int = 500,
        validation_pictures: int = 96,
        rendered: int = 60,
        rendered_share: float = 0.15,
        clean_share: float = 0.15,
        jpeg_share: float = 0.35,
        zooms: tuple[float, ...] = (1.0,),
        miner: str | None = None,
        candidates: int = 3000,
        seed: int = 1,
        workers: int = 1,
    ) -> None:
        """Say what is drawn, on what, and how it is cut.

        Args:
            backgrounds: folders of clean pictures, each with its share of the crops.
            validation: folders of clean pictures to validate on.
            fonts: folders of fonts, of marks and of rendered pages.
            logos: folders of logos.
            folder: that all folders are relative to.
            crop: side of the crops in pixels, as the network sees them.
            sides: least and largest shorter side of a picture, in the same pixels.
            batch_size: crops a step and process.
            steps: batches an epoch.
            validation_pictures: crops to validate on.
            rendered: pages that are rendered besides.
            rendered_share: their share of the crops.
            clean_share: share of the crops that bear no mark.
            jpeg_share: share that goes through JPEG.
            zooms: how crops are enlarged, each as often.
            miner: a locator; clean crops in which it finds a mark are hard examples.
            candidates: clean crops that are looked at for these.
            seed: of all that is drawn.
            workers: processes that draw.

        Raises:
            UsageError: the batch size or the number of workers is out of its range.
        """
        super().__init__()
        self.save_hyperparameters()
        self.check()

    def setup(self, stage: str) -> None:
        """Decode the pictures, once, into memory."""
        own = self.hparams
        marks = Watermarks(self.paths(own["fonts"]), self.paths(own["logos"]))
        rng = np.random.default_rng(own["seed"])
        setting = Pages(marks.lettering)
        clean: list[Array] = []
        weights: list[float] = []
        for name, share in own["backgrounds"].items():
            found = load_clean(self.paths([name]), LONGEST)
            clean += found
            weights += by_area(found, share)
        rendered = [
            setting.draw(rng, int(rng.integers(1000, 1800))) for _ in range(own["rendered"])
        ]
        for number in range(0, len(rendered), 2):  # every other one lies on something
            ground = clean[rng.integers(len(clean))]
            rendered[number] = laid(rng, rendered[number], ground)
        held_out = rendered[: len(rendered) // 6]
        unseen = load_clean(self.paths(own["validation"]), LONGEST) + held_out
        clean += rendered[len(held_out) :]
        weights += by_area(rendered[len(held_out) :], own["rendered_share"])
        common = {name: own[name] for name in SHARED}
        self.training = WatermarkedCrops(
            clean,
            weights,
            marks,
            seed=own["seed"],
            size=own["steps"] * own["batch_size"],
            **common,
        )
        if own["miner"]:
            self.training.mine(models.load(own["miner"], device="cpu"), own["candidates"])
            rank_zero_info(f"{len(self.training.hard)} of {own['candidates']} crops are hard.")
        self.validation = WatermarkedCrops(
            unseen,
            [1.0] * len(unseen),
            marks,
            seed=own["seed"] + 1,
            size=own["validation_pictures"],
            **common,
        )


SHARED = ("crop", "sides", "clean_share", "jpeg_share", "zooms")  # by training and validation


def by_area(pictures: Sequence[Array], share: float) -> list[float]:
    """Divide a share by the cube root of the area: a large picture holds many views."""
    areas = np.array([picture.shape[0] * picture.shape[1] for picture in pictures]) ** (1 / 3)
    return list(share * areas / areas.sum())
