"""Pairs of every kind, each a function of a generator's state alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.curation import THRESHOLD, mask_of_pair
from cleanplate.training.data.synthesis.backgrounds import (
    Background,
    Backgrounds,
    Pictures,
    RenderedPages,
)
from cleanplate.training.data.synthesis.camera import PictureNoise
from cleanplate.training.data.synthesis.handwriting import Handwriting
from cleanplate.training.data.synthesis.noise import RawNoise, recompressed
from cleanplate.training.data.synthesis.occluders import Occluders
from cleanplate.training.data.synthesis.watermarks import Watermarks

TRIES = 8  # to draw something that can be seen
QUALITIES = (55, 98)  # of JPEG


class Item(NamedTuple):
    """A pair: `input` and `target` (H, W, 3) uint8 or (H, W, 4) float32, `mask` (H, W) bool.

    Clean pages alone have no input; noise has no mask.
    """

    target: Array
    input: Array | None = None
    mask: Array | None = None


@dataclass(frozen=True)
class Settings:
    """What is made, of what. The folders are as they were given."""

    kind: str
    seed: int = 0
    size: int = 1024
    jpeg: float = 0.3
    backgrounds: tuple[str, ...] = ()
    fonts: tuple[str, ...] = ()
    logos: tuple[str, ...] = ()
    cutouts: tuple[str, ...] = ()
    pens: tuple[str, ...] = ()
    strokes: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()


Degrade = Callable[[np.random.Generator, Background], Item]


@dataclass(frozen=True)
class Source:
    """Clean pictures and what is done to them."""

    backgrounds: Backgrounds
    degrade: Degrade
    jpeg: float

    def draw(self, rng: np.random.Generator) -> Item:
        """Make a pair; what is put on the picture can be seen, unless all tries fail."""
        background = self.backgrounds.draw(rng, self.backgrounds.choose(rng))
        for _ in range(TRIES):
            item = self.degrade(rng, background)
            if shows(item):
                break
        return self.compressed(rng, item)

    def compressed(self, rng: np.random.Generator, item: Item) -> Item:
        """Return a pair that bears something with its input gone through JPEG, or not."""
        if item.mask is None or item.input is None or rng.random() >= self.jpeg:
            return item
        return item._replace(input=recompressed(item.input, int(rng.integers(*QUALITIES))))


def shows(item: Item) -> bool:
    """Return whether a mask made from the pair would not be blank."""
    if item.mask is None or item.input is None:
        return True
    return bool(mask_of_pair(item.input, item.target, THRESHOLD).any())


def backgrounds_of(settings: Settings) -> Backgrounds:
    """Return the clean pictures that the settings name."""
    pictures = Pictures(settings.backgrounds, settings.size) if settings.backgrounds else None
    render = None
    if settings.fonts and settings.kind in RENDER:
        render = partial(RenderedPages, settings.fonts, settings.size, settings.surfaces)
    return Backgrounds(pictures, render)


def source_of(settings: Settings) -> Source:
    """Load all that a kind of pair is made of.

    Raises:
        UsageError: a folder holds nothing of what it is named for.
    """
    return Source(backgrounds_of(settings), DEGRADATIONS[settings.kind](settings), settings.jpeg)


def _watermark(marks: Watermarks, rng: np.random.Generator, background: Background) -> Item:
    clean = background.picture
    marked = marks.draw(rng, *clean.shape[:2]).over(clean.astype(np.float32) / 255)
    return changed(np.rint(marked * 255).clip(0, 255).astype(np.uint8), clean)


def _occlusion(occluders: Occluders, rng: np.random.Generator, background: Background) -> Item:
    clean = background.captured(background.picture)
    occluded = occluders.draw(rng, clean)
    return Item(clean, occluded.picture, occluded.mask)


def _handwriting(hand: Handwriting, rng: np.random.Generator, background: Background) -> Item:
    written = hand.draw(rng, background.picture, background.blanks, background.unit)
    return changed(background.captured(written.picture), background.captured(background.picture))


def changed(picture: Array, clean: Array) -> Item:
    """Return a pair whose mask is where it differs at all."""
    return Item(clean, picture, (picture != clean).any(-1))


def _pages(jpeg: float, rng: np.random.Generator, background: Background) -> Item:
    page = background.captured(background.picture)
    if rng.random() < jpeg:
        page = recompressed(page, int(rng.integers(*QUALITIES)))
    return Item(page)


def _noise(
    noise: PictureNoise | RawNoise, rng: np.random.Generator, background: Background
) -> Item:
    noisy, clean = noise.draw(rng, background.picture)
    return Item(clean, noisy)


RENDER = {"occlusion", "handwriting", "pages"}  # kinds whose fonts are those of pages
DEGRADATIONS: dict[
    str, Callable[[Settings], Degrade]
] = {  # partials, which may go to another process
    "watermark": lambda given: partial(_watermark, Watermarks(given.fonts, given.logos)),
    "occlusion": lambda given: partial(_occlusion, Occluders(given.cutouts)),
    "handwriting": lambda given: partial(_handwriting, Handwriting(given.pens, given.strokes)),
    "pages": lambda given: partial(_pages, given.jpeg),
    "noise": lambda given: partial(_noise, PictureNoise(given.jpeg)),
    "raw": lambda given: partial(_noise, RawNoise()),
}
