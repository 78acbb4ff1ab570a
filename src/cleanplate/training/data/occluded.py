"""Hands and heads set before pages while training: the data of the shipped occlusion models."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from cleanplate.tasks.pull_push import pull_push_fill
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.loading import Key, generator
from cleanplate.training.data.on_the_fly import LONGEST, OnTheFlyData, Sample, load_clean
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.noise import recompressed
from cleanplate.training.data.synthesis.occluders import Occluders

OPAQUE = 0.02  # how much of a page is seen, at most, behind what hides it
CORES = (0.0, 0.05)  # depth from which that is its core, as shares of the page's short side


class OccludedCrops(Dataset[Sample]):
    """Crops of pages seen small, with something before them; an item is always the same.

    Each item holds `input` and `target` (3, S, S) in [0, 1]; `mask` (1, S, S), 1 where something
    hides or shades the page; `hole` (1, S, S), that mask as a locator might draw it; `seen`
    (1, S, S), how much of the page is to be seen, shaded or not; and `guess` (3, S, S), the input
    with a coarse fill in the hole. `clean_share` of the items have nothing before them; of
    `core_share`, the input shows the coarse fill where what hides the page lies deep.
    """

    def __init__(
        self,
        pages: Sequence[Array],
        weights: Sequence[float],
        prints: Sequence[Array],
        occluders: Occluders,
        *,
        crop: int,
        sides: tuple[int, int],
        clean_share: float,
        core_share: float,
        seed: int,
        size: int,
    ) -> None:
        """Draw `size` items a round from `pages` by `weights`, their longer side in `sides`.

        `prints` are photographs that are now and then printed on a page.
        """
        self.pages, self.prints, self.occluders = pages, prints, occluders
        self.chances = np.asarray(weights, np.float64) / np.sum(weights)
        self.crop, self.sides = crop, sides
        self.clean_share, self.core_share = clean_share, core_share
        self.seed, self.size = seed, size

    def __len__(self) -> int:
        """Return the number of items a round."""
        return self.size

    def __getitem__(self, key: Key) -> Sample:
        """Return the item of a round and an index."""
        rng = generator(self.seed, key)
        clean = self._page(rng)
        shape = clean.shape[:2]
        picture, mask, seen = clean, np.zeros(shape, bool), np.ones(shape, np.float32)
        if rng.random() >= self.clean_share:
            picture, mask, seen = self.occluders.draw(rng, clean)
        if rng.random() < 0.4:
            picture = recompressed(picture, int(rng.integers(60, 98)))
        window = corner(rng, mask, self.crop)
        picture, clean, mask, seen = (part[window] for part in (picture, clean, mask, seen))
        hole = as_located(rng, mask)
        rgb = np.ascontiguousarray(picture, np.float32) / np.float32(255)
        guess = pull_push_fill(rgb, hole)
        if rng.random() < self.core_share:
            deep = core(seen < OPAQUE, rng.uniform(*CORES) * min(shape))
            rgb = np.where((deep & hole)[..., None], guess, rgb)
        return {
            "input": to_tensor(rgb),
            "target": to_tensor(np.ascontiguousarray(clean, np.float32) / 255),
            "mask": torch.from_numpy(mask.astype(np.float32))[None],
            "hole": torch.from_numpy(hole.astype(np.float32))[None],
            "seen": torch.from_numpy(np.ascontiguousarray(seen))[None],
            "guess": to_tensor(guess),
        }

    def _page(self, rng: np.random.Generator) -> Array:
        """Return a page in some colour, at some scale, as sharp as a camera sees it."""
        page = self.pages[rng.choice(len(self.pages), p=self.chances)]
        side = np.exp(rng.uniform(*np.log(self.sides)))
        scale = max(side / max(page.shape[:2]), self.crop / min(page.shape[:2]))
        page = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        short = [max(0, self.crop - length) for length in page.shape[:2]]
        page = np.pad(page, ((0, short[0]), (0, short[1]), (0, 0)), "reflect")
        if rng.random() < 0.5:
            page = page[:, ::-1]
        if rng.random() < 0.3:
            page = np.rot90(page, int(rng.integers(1, 4)))
        page = np.ascontiguousarray(page)
        if rng.random() < 0.3:
            printed(rng, page, self.prints[int(rng.integers(len(self.prints)))])
        if rng.random() < 0.15:  # kraft paper, and paper in the light of a lamp
            tint = rng.uniform((0.55, 0.4, 0.25), (1.0, 0.95, 0.9))
            page = np.rint(page * tint).astype(np.uint8)
        if rng.random() < 0.5:
            grain = rng.normal(0, rng.uniform(1, 6), page.shape).astype(np.float32)
            page = np.rint(page + grain).clip(0, 255).astype(np.uint8)
        return page


def printed(rng: np.random.Generator, page: Array, photo: Array) -> None:
    """Print a part of a photograph on a page, in place: what is printed hides nothing."""
    height, width = (int(side * rng.uniform(0.1, 0.4)) for side in page.shape[:2])
    top, left = (
        int(rng.integers(whole - part))
        for whole, part in zip(page.shape, (height, width), strict=False)
    )
    share = max(height / photo.shape[0], width / photo.shape[1]) * rng.uniform(1, 2)
    scaled = cv2.resize(photo, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        scaled = np.repeat(scaled.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    y, x = (
        int(rng.integers(whole - part + 1))
        for whole, part in zip(scaled.shape, (height, width), strict=False)
    )
    page[top : top + height, left : left + width] = scaled[y : y + height, x : x + width]


def corner(rng: np.random.Generator, mask: Array, crop: int) -> tuple[slice, slice]:
    """Choose a crop: mostly around a pixel of the mask, else anywhere."""
    room = [side - crop for side in mask.shape]
    at = [int(rng.integers(spare + 1)) for spare in room]
    ys, xs = np.nonzero(mask[::4, ::4])
    if ys.size and rng.random() < 0.85:
        pick = rng.integers(ys.size)
        at = [int(4 * line[pick] - rng.integers(crop)) for line in (ys, xs)]
        at = [min(max(start, 0), spare) for start, spare in zip(at, room, strict=True)]
    return np.s_[at[0] : at[0] + crop, at[1] : at[1] + crop]


def core(opaque: Array, depth: float) -> Array:
    """Return what of an opaque map (H, W) bool lies deeper than so many pixels."""
    padded = cv2.copyMakeBorder(opaque.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inside: Array = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1] > depth
    return inside


def as_located(rng: np.random.Generator, mask: Array) -> Array:
    """Return a mask (H, W) bool as a locator draws it: a little fat, now and then a little thin."""
    reach = 2 * int(rng.integers(0, 4)) + 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    change = cv2.dilate if rng.random() < 0.85 else cv2.erode
    return change(mask.astype(np.uint8), brush if change is cv2.dilate else np.ones((3, 3))) > 0


SHARED = ("crop", "sides", "clean_share", "core_share")  # by training and validation


class Occluded(OnTheFlyData):
    """Pages behind synthetic occluders, for training and validation."""

    def __init__(
        self,
        backgrounds: dict[str, float],
        validation: list[str],
        prints: list[str],
        cutouts: list[str],
        validation_cutouts: list[str],
        folder: str = ".",
        crop: int = 256,
        sides: tuple[int, int] = (512, 1000),
        batch_size: int = 8,
        steps: int = 250,
        validation_pictures: int = 96,
        clean_share: float = 0.15,
        core_share: float = 0.0,
        seed: int = 1,
        workers: int = 1,
    ) -> None:
        """Say what is drawn, on what, and how it is cut.

        Args:
            backgrounds: folders of clean pages, each with its share of the crops.
            validation: folders of clean pages to validate on.
            prints: folders of photographs that are now and then printed on a page.
            cutouts: folders of hands and heads.
            validation_cutouts: folders of those to validate on.
            folder: that all folders are relative to.
            crop: side of the crops in pixels.
            sides: least and largest longer side of a page in pixels.
            batch_size: crops a step and process.
            steps: batches an epoch.
            validation_pictures: crops to validate on.
            clean_share: share of the crops that nothing lies on.
            core_share: share of the crops whose input does not show the core of what lies on them.
            seed: of all that is drawn.
            workers: processes that draw.

        Raises:
            UsageError: the batch size or the number of workers is out of its range.
        """
        super().__init__()
        self.save_hyperparameters()
        self.check()

    def setup(self, stage: str) -> None:
        """Decode the pages, once, into memory."""
        own = self.hparams
        pages: list[Array] = []
        weights: list[float] = []
        for name, share in own["backgrounds"].items():
            found = load_clean(self.paths([name]), LONGEST)
            pages += found
            weights += [share / len(found)] * len(found)
        unseen = load_clean(self.paths(own["validation"]), LONGEST)
        prints = load_clean(self.paths(own["prints"]), 800)
        common = {name: own[name] for name in SHARED}
        self.training = OccludedCrops(
            pages,
            weights,
            prints,
            Occluders(self.paths(own["cutouts"])),
            seed=own["seed"],
            size=own["steps"] * own["batch_size"],
            **common,
        )
        self.validation = OccludedCrops(
            unseen,
            [1.0] * len(unseen),
            prints,
            Occluders(self.paths(own["validation_cutouts"])),
            seed=own["seed"] + 1,
            size=own["validation_pictures"],
            **common,
        )
