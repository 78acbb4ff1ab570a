"""Backgrounds of synthetic pairs: pictures of folders, rendered pages, or both."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cleanplate.errors import UsageError
from cleanplate.picture import SUFFIXES, Box
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.cache import PictureCache
from cleanplate.training.data.downscaled import LongestMaxSize
from cleanplate.training.data.files import read_rgb
from cleanplate.training.data.synthesis.forms import Forms
from cleanplate.training.data.synthesis.lettering import Lettering
from cleanplate.training.data.synthesis.pages import Pages, laid

MEMORY = 2**29  # bytes of decoded pictures that a process keeps
RENDERED = 0.5  # share of rendered pages where there are pictures, too
FORMS = 0.6  # share of forms and exam papers among rendered pages
ASLANT = 0.4  # share of rendered pages that lie on something and are seen aslant


@dataclass(frozen=True)
class Background:
    """A clean picture.

    Attributes:
        picture: (H, W, 3) uint8, RGB.
        blanks: boxes of it that are there to be written in.
        unit: pixels of the whole picture's short side, where this is a part of it.
        captured: how a camera sees it, or it with something on it: (H, W, 3) to (H, W, 3).
    """

    picture: Array
    blanks: Sequence[Box] = ()
    captured: Callable[[Array], Array] = np.array
    unit: int | None = None

    def part(self, rng: np.random.Generator, side: int) -> Background:
        """Cut a square out at any place, `side` pixels wide, less where the picture is smaller."""
        size = self.picture.shape[:2]
        y, x = (int(rng.integers(max(0, length - side) + 1)) for length in size)
        blanks = [
            box.moved(-y, -x)
            for box in self.blanks
            if box.top < y + side and y < box.bottom and box.left < x + side and x < box.right
        ]
        return Background(self.picture[y : y + side, x : x + side], blanks, unit=min(size))


class Pictures:
    """The pictures under some folders."""

    def __init__(self, folders: Sequence[str | Path], side: int) -> None:
        """Find them; they are read when they are wanted, their longer side at most `side`.

        Raises:
            UsageError: there is none.
        """
        self.names = [
            (path, path.relative_to(folder).as_posix())
            for folder in folders
            for path in sorted(Path(folder).rglob("*"))
            if path.suffix.lower() in SUFFIXES
        ]
        if not self.names:
            raise UsageError(f"There are no pictures under {', '.join(map(str, folders))}.")
        self.side = side
        self.cache = PictureCache(len(self.names), MEMORY)

    def choose(self, rng: np.random.Generator) -> int:
        """Return the number of one of them."""
        return int(rng.integers(len(self.names)))

    def read(self, number: int) -> Array:
        """Return a picture (H, W, 3) uint8, RGB.

        Raises:
            PictureError: it cannot be read.
        """
        return self.cache.get(number, functools.partial(self._load, number))

    def _load(self, number: int) -> Array:
        return LongestMaxSize(self.side)(read_rgb(self.names[number][0]))


class RenderedPages:
    """Articles, tables, forms and exam papers, flat or lying on something."""

    def __init__(
        self, fonts: Sequence[str | Path], side: int, surfaces: Sequence[str | Path] = ()
    ) -> None:
        """Set pages `side` pixels high in some folders' fonts.

        Args:
            fonts: folders.
            side: height in pixels.
            surfaces: folders of pictures that pages lie on.
        """
        lettering = Lettering(fonts)
        self.pages, self.forms, self.side = Pages(lettering), Forms(lettering), side
        self.surfaces = Pictures(surfaces, side) if surfaces else None

    def draw(self, rng: np.random.Generator) -> Background:
        """Render a page."""
        if rng.random() < FORMS:
            picture, blanks = self.forms.draw(rng, self.side)
        else:
            picture, blanks = self.pages.draw(rng, self.side), []
        if self.surfaces is None or rng.random() >= ASLANT:
            return Background(picture, blanks)
        surface = self.surfaces.read(self.surfaces.choose(rng))
        return Background(
            picture, blanks, functools.partial(_laid, int(rng.integers(2**32)), surface)
        )


def _laid(seed: int, surface: Array, page: Array) -> Array:
    """Lay whatever page the same way on the same surface."""
    return laid(np.random.default_rng(seed), page, surface)


class KeptPages:
    """Pages rendered once and drawn many times: to render one takes a tenth of a second."""

    def __init__(self, source: RenderedPages | KeptPages, seed: int, count: int) -> None:
        """Render `count` pages; which ones, the seed says."""
        self.pages = [source.draw(np.random.default_rng((seed, n))) for n in range(count)]

    def draw(self, rng: np.random.Generator) -> Background:
        """Return one of them."""
        return self.pages[rng.integers(len(self.pages))]


class Backgrounds:
    """Clean pictures, rendered or of folders."""

    def __init__(self, pictures: Pictures | None, render: Callable[[], RenderedPages] | None):
        """Take pictures, a maker of rendered pages, or both.

        Raises:
            UsageError: neither.
        """
        if pictures is None and render is None:
            raise UsageError("Pages are needed: --backgrounds, --fonts to render them, or both.")
        self.pictures, self.render = pictures, render

    @functools.cached_property
    def rendered(self) -> RenderedPages | KeptPages:
        """The source of rendered pages, made when it is first wanted: fonts take seconds."""
        assert self.render is not None
        return self.render()

    def keep(self, seed: int, count: int) -> None:
        """Render `count` pages now, if any are wanted, and draw from these alone."""
        if self.render is not None:
            self.rendered = KeptPages(self.rendered, seed, count)

    def choose(self, rng: np.random.Generator) -> int | None:
        """Return the number of a picture, or None for a page to be rendered."""
        if self.pictures is None or (self.render is not None and rng.random() < RENDERED):
            return None
        return self.pictures.choose(rng)

    def name(self, number: int | None) -> str | None:
        """Return what a picture is called, below its folder."""
        return None if number is None or not self.pictures else self.pictures.names[number][1]

    def draw(self, rng: np.random.Generator, number: int | None) -> Background:
        """Return the picture, or a page."""
        if number is None or self.pictures is None:
            return self.rendered.draw(rng)
        return Background(self.pictures.read(number))
