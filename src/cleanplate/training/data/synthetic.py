"""Pairs drawn on the fly, which no disk holds, as a Lightning data module.

A batch is what `pairs.py` gives of pictures and `raw_pairs.py` of RAW planes, so that the recipes
for pairs on disk train on these, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset

from cleanplate.training.data import raw_pairs
from cleanplate.training.data.augmentation import Augmentation
from cleanplate.training.data.curation import THRESHOLD
from cleanplate.training.data.loading import Key, SizedKey, generator, phases_of
from cleanplate.training.data.on_the_fly import OnTheFlyData
from cleanplate.training.data.pairs import Sample, to_sample
from cleanplate.training.data.raw import LEVELS
from cleanplate.training.data.synthesis.sources import Item, Settings, Source, source_of

AROUND = 1.5  # crops wide is what is drawn on: marks run over a crop's edge, or lie beside it
WHOLE = {"watermark", "occlusion"}  # drawn on whole pictures, in proportion to these
FOLDERS = ("fonts", "logos", "cutouts", "pens", "strokes")  # that are named alike in `Settings`
Kind = Literal["watermark", "occlusion", "handwriting", "noise", "raw"]


class SyntheticCrops(Dataset[Sample | raw_pairs.Sample]):
    """Crops of clean pictures and what was made of them; an item is always the same."""

    def __init__(
        self,
        source: Source,
        around: float | None,
        augmentation: Augmentation,
        seed: int,
        size: int,
    ) -> None:
        """Draw `size` items a round, on squares `around` crops wide that are cropped after.

        With None they are drawn on whole pictures.
        """
        self.source, self.around, self.augmentation = source, around, augmentation
        self.seed, self.size = seed, size

    def __len__(self) -> int:
        """Return the number of items a round."""
        return self.size

    def __getitem__(self, key: Key | SizedKey) -> Sample | raw_pairs.Sample:
        """Return the item of a round and an index."""
        rng, name = generator(self.seed, key[:2]), "item {1} of round {0}".format(*key)
        augment = self.augmentation if len(key) == 2 else replace(self.augmentation, crop=key[2])
        item = self._draw(rng, augment.crop)
        assert item.input is not None  # all kinds have one
        pair = [item.input, item.target]
        if item.target.dtype == np.float32:
            tiles = raw_pairs.some_tile(pair, augment.crop, rng)
            return raw_pairs.to_sample(name, tiles, LEVELS)
        if item.mask is not None:
            pair.append(np.where(item.mask[..., None], np.uint8(255), np.uint8(0)))
        return to_sample(name, augment(pair, rng), THRESHOLD)

    def _draw(self, rng: np.random.Generator, crop: int) -> Item:
        """Return a pair from which a crop is to be cut."""
        source = self.source
        if self.around is None:
            return source.draw(rng)
        background = source.backgrounds.draw(rng, source.backgrounds.choose(rng))
        side = 2 * round(self.around * crop / 2)  # even, as mosaics are
        return source.compressed(rng, source.degrade(rng, background.part(rng, side)))


class Synthetic(OnTheFlyData):
    """Pairs of a kind that `cleanplate synthesise` writes, crop by crop."""

    def __init__(
        self,
        kind: Kind,
        validation: tuple[str, ...],
        folder: str = ".",
        backgrounds: tuple[str, ...] = (),
        fonts: tuple[str, ...] = (),
        logos: tuple[str, ...] = (),
        cutouts: tuple[str, ...] = (),
        pens: tuple[str, ...] = (),
        strokes: tuple[str, ...] = (),
        size: int = 1024,
        pages: int = 100,
        jpeg: float = 0.3,
        crop: int = 256,
        hflip: float = 0.5,
        vflip: float = 0.0,
        rot90: float = 0.0,
        batch_size: int = 8,
        progressive: list[tuple[int, int, int]] | None = None,
        steps: int = 500,
        validation_pictures: int = 100,
        seed: int = 0,
        workers: int = 1,
    ) -> None:
        """Say what is drawn, on what, and how it is cut.

        Args:
            kind: of pairs.
            validation: folders of clean pictures to validate on; none where pages are rendered.
            folder: that all folders are relative to.
            backgrounds: folders of clean pictures to train on.
            fonts: folders of fonts: of watermarks, or to render pages with.
            logos: folders of logos, for watermarks.
            cutouts: folders of hands and heads, for occlusion.
            pens: folders of handwriting fonts.
            strokes: folders of recorded pen strokes.
            size: longer side of pictures and height of pages in pixels, at most.
            pages: how many pages are rendered before training, and taken in turns.
            jpeg: share of the inputs that go through JPEG; of RAW planes none does.
            crop: side of the crops in pixels, of RAW planes in pixels of these.
            hflip: chance of a horizontal flip; RAW planes are transposed instead.
            vflip: chance of a vertical flip.
            rot90: chance of a turn by 90 degrees.
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
        """Load what pairs are made of, and render the pages.

        Raises:
            UsageError: a folder holds nothing of what it is named for, or there are no pages.
        """
        own = self.hparams
        seed, count = own["seed"], own["steps"] * own["batch_size"]
        self.training = self._crops(own["backgrounds"], seed, count)
        self.validation = self._crops(own["validation"], seed + 1, own["validation_pictures"])

    def _crops(self, backgrounds: Sequence[str], seed: int, count: int) -> SyntheticCrops:
        own = self.hparams
        named = {"backgrounds": backgrounds, **{name: own[name] for name in FOLDERS}}
        folders: dict[str, Any] = {
            name: tuple(map(str, self.paths(some))) for name, some in named.items()
        }
        source = source_of(Settings(own["kind"], size=own["size"], jpeg=own["jpeg"], **folders))
        source.backgrounds.keep(seed, min(own["pages"], count))
        around = None if own["kind"] in WHOLE else AROUND * (2 if own["kind"] == "raw" else 1)
        augmentation = Augmentation(*(own[name] for name in ("crop", "hflip", "vflip", "rot90")))
        return SyntheticCrops(source, around, augmentation, seed, count)
