"""Pages that are written on while training: what the handwriting model learns from.

A batch is a dict: `input` and `target` (N, 3, H, W), `mask`, where ink is, and `print`, where
print is, under ink too, (N, 1, H, W); all uint8 in 0..255.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.loading import Key, generator
from cleanplate.training.data.on_the_fly import OnTheFlyData
from cleanplate.training.data.packed import Packed, pack
from cleanplate.training.data.pairs import to_tensor
from cleanplate.training.data.synthesis.clutter import Clutter
from cleanplate.training.data.synthesis.handwriting import Handwriting
from cleanplate.training.data.synthesis.scanning import CaptureEffects, paper_of, random_warp

TURNED = 0.65  # share of pages that are seen aslant and scaled
SCALES = (0.6, 1.35)  # of these
SIDEWAYS = 0.06  # share of pages that lie on their side
CLUTTERED = 0.35  # share of pages with stamps, figures and the like
GRID = 8  # pixels of a JPEG block; a crop begins anywhere in one
TRIES = 4  # to find a part of a page with print on it
NARROW = 1.6  # ratio of sides; writing on a longer page is sized as on a page of this ratio
LINED = 0.01  # share of a part that is print, at least
INK = 0.1  # cover from which a pixel is ink
DIFFERENCE = 6  # levels; ink beside print that changes a pixel by less cannot be seen
DARK = 0.16  # share of the paper's brightness by which print is darker
HELD = 20  # one of so many pages is for validation


class WrittenCrops(Dataset[dict[str, torch.Tensor]]):
    """Crops of pages with handwriting and without; an item is always the same."""

    def __init__(
        self,
        pages: Sequence[Sequence[Array]],
        shares: Sequence[float],
        hand: Handwriting,
        clutter: Clutter,
        *,
        crop: int,
        blank_share: float,
        seed: int,
        size: int,
    ) -> None:
        """Draw `size` items a round from groups of pages, each group with its share.

        `blank_share` of the items bear no ink.
        """
        self.pages, self.shares = pages, np.array(shares) / sum(shares)
        self.hand, self.clutter = hand, clutter
        self.crop, self.blank_share = crop, blank_share
        self.seed, self.size = seed, size

    def __len__(self) -> int:
        """Return the number of items a round."""
        return self.size

    def __getitem__(self, key: Key) -> dict[str, torch.Tensor]:
        """Return the item of a round and an index."""
        rng = generator(self.seed, key)
        side = self.crop + GRID
        turned = bool(rng.random() < TURNED)
        warp, around = random_warp(rng, side, float(np.exp(rng.uniform(*np.log(SCALES)))), turned)
        clean, unit = self._part(rng, around)
        if rng.random() < CLUTTERED:
            clean = self.clutter.on(rng, clean, unit)
        written, cover = clean, np.zeros(clean.shape[:2], np.float32)
        if rng.random() >= self.blank_share:
            written, _, cover = self.hand.draw(rng, clean, unit=unit)
        clean, written, cover = warp.apply(clean), warp.apply(written), warp.apply(cover, 0.0)
        effects = CaptureEffects(rng, clean)
        printed = print_on(effects.blur(clean))
        seen, target = effects.apply(written), effects.apply(clean)
        there = printed | (np.abs(seen.astype(np.int16) - target).max(-1) >= DIFFERENCE)
        ink = (effects.blur(cover) > INK) & there
        planes = [seen, target, as_plane(ink), as_plane(printed)]
        top, left = rng.integers(GRID + 1, size=2)
        planes = [plane[top : top + self.crop, left : left + self.crop] for plane in planes]
        if rng.random() < SIDEWAYS:
            way = int(rng.choice((1, 3)))
            planes = [np.rot90(plane, way) for plane in planes]
        names = ("input", "target", "mask", "print")
        return {n: to_tensor(np.ascontiguousarray(p)) for n, p in zip(names, planes, strict=True)}

    def _part(self, rng: np.random.Generator, side: int) -> tuple[Array, float]:
        """Cut a square out of a page, mostly where print is; return the page's short side, too."""
        group = self.pages[int(rng.choice(len(self.pages), p=self.shares))]
        page = group[int(rng.integers(len(group)))]
        unit = max(min(page.shape[:2]), max(page.shape[:2]) / NARROW)
        for _ in range(TRIES):
            top, left = (int(rng.integers(max(0, size - side) + 1)) for size in page.shape[:2])
            part = page[top : top + side, left : left + side]
            sample = part[::4, ::4].min(-1)
            if (sample < 0.7 * np.percentile(sample, 90)).mean() > LINED:
                break
        short = [max(0, side - length) for length in part.shape[:2]]
        part = np.pad(part, ((0, short[0]), (0, short[1]), (0, 0)), constant_values=255)
        return np.repeat(part, 3, -1) if part.shape[2] == 1 else np.array(part), unit


def print_on(page: Array) -> Array:
    """Return where a page (H, W, 3) uint8 is darker than its paper, (H, W) bool."""
    darkest = page.min(-1).astype(np.float32)
    dark: Array = darkest < (1 - DARK) * np.minimum(paper_of(page), 255)
    return dark


def as_plane(mask: Array) -> Array:
    """Return a mask (H, W) bool as (H, W, 1) uint8, 0 or 255."""
    return np.where(mask[..., None], np.uint8(255), np.uint8(0))


class Handwritten(OnTheFlyData):
    """Pages of folders, packed once, and handwriting drawn for every crop."""

    def __init__(
        self,
        backgrounds: dict[str, float],
        fonts: tuple[str, ...],
        pens: tuple[str, ...],
        strokes: tuple[str, ...] = (),
        scraps: tuple[str, ...] = (),
        logos: tuple[str, ...] = (),
        store: str = "packed",
        folder: str = ".",
        crop: int = 384,
        blank_share: float = 0.3,
        batch_size: int = 8,
        steps: int = 500,
        validation_pictures: int = 96,
        seed: int = 1,
        workers: int = 1,
    ) -> None:
        """Name what is written on, with what, and how it is cut.

        Args:
            backgrounds: folders of pages without handwriting, and the share of the crops of each.
            fonts: folders of print fonts, for stamps and headings.
            pens: folders of handwriting fonts.
            strokes: folders of recorded pen strokes.
            scraps: folders of real ink (`cleanplate prepare ink`).
            logos: folders of logos.
            store: folder that the decoded pages are kept in.
            folder: that all folders are relative to.
            crop: side of the crops in pixels.
            blank_share: share of the crops without ink.
            batch_size: crops a step and process.
            steps: batches an epoch.
            validation_pictures: crops to validate on.
            seed: of all that is drawn.
            workers: processes that draw.

        Raises:
            UsageError: the batch size or the number of workers is out of its range.
        """
        super().__init__()
        self.save_hyperparameters()
        self.check()

    def prepare_data(self) -> None:
        """Decode the pages.

        Raises:
            UsageError: a folder holds none.
        """
        for name, store in self._stores().items():
            pack(Path(self.hparams["folder"]) / name, store)

    def _stores(self) -> dict[str, Path]:
        own = self.hparams
        place = Path(own["folder"]) / own["store"]
        return {name: place / name.replace("/", "-") for name in own["backgrounds"]}

    def setup(self, stage: str) -> None:
        """Open the pages, and load what is written with.

        Raises:
            UsageError: a folder holds nothing of what it is named for.
        """
        own = self.hparams
        groups = [Packed(store) for store in self._stores().values()]
        hand = Handwriting(*(self.paths(own[name]) for name in ("pens", "strokes", "scraps")))
        clutter = Clutter(self.paths(own["fonts"]), self.paths(own["logos"]))
        crops = (
            ([Split(group, held) for group in groups], own["seed"] + held, count)
            for held, count in enumerate(
                (own["steps"] * own["batch_size"], own["validation_pictures"])
            )
        )
        self.training, self.validation = (
            WrittenCrops(
                pages,
                list(own["backgrounds"].values()),
                hand,
                clutter,
                crop=own["crop"],
                blank_share=own["blank_share"],
                seed=seed,
                size=count,
            )
            for pages, seed, count in crops
        )


class Split(Sequence[Array]):
    """The pages of a group that are trained on, or those that are not."""

    def __init__(self, pages: Sequence[Array], held: int) -> None:
        """Take one of so many for validation (`held` 1), the others for training (0)."""
        self.pages = pages
        taken = [n for n in range(len(pages)) if (n % HELD == HELD - 1) == bool(held)]
        self.numbers = taken or list(range(len(pages)))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number: int) -> Array:  # type: ignore[override]
        return self.pages[self.numbers[number]]
