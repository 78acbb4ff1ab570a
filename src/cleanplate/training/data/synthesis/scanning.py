"""How a scanner or a camera sees a page, and what is done to its pictures afterwards.

Everything is drawn once, for the clean page, and applied alike to the page with something on it: so
the two differ where the thing is, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.noise import recompressed

QUALITIES = (35, 98)  # of JPEG
PLAIN = 0.3  # share of pages that stay as they were rendered, JPEG aside
PHOTO = 0.45  # share of photographs among the others, the rest being scans
AROUND = 31  # pixels within which the brightest one is paper
Change = Callable[[Array], Array]


@dataclass(frozen=True)
class Warp:
    """Where a square of a page is seen: `matrix` (3, 3) maps the page's pixels to the square's."""

    matrix: Array
    side: int

    def apply(self, page: Array, outside: float = 255.0) -> Array:
        """Return the square of a page (H, W) or (H, W, C); beyond the page's edges is `outside`."""
        size, value = (self.side, self.side), (outside,) * 3
        return cv2.warpPerspective(page, self.matrix, size, borderValue=value)


class CaptureEffects:
    """What scanning or photographing does to one page."""

    def __init__(self, rng: np.random.Generator, clean: Array) -> None:
        """Draw light, sharpness, noise and finish for a page (H, W, 3) uint8, RGB."""
        self.light: list[Change] = []
        self.finish: list[Change] = []
        self.softness = 0.0
        if rng.random() >= PLAIN:
            photo = rng.random() < PHOTO
            self.light += [_lit(rng, clean.shape[:2])] if photo else []
            self.light += [_tinted(rng)] if rng.random() < 0.5 else []
            self.softness = rng.uniform(0.3, 1.3 if photo else 0.8) if rng.random() < 0.7 else 0.0
            self.finish += [_grainy(rng, clean.shape[:2])] if rng.random() < 0.7 else []
            paper = paper_of(self._seen(clean))
            self.finish += [_finished(rng, paper)] if rng.random() < 0.6 else []
        if rng.random() < 0.6:
            quality = int(rng.integers(*QUALITIES))
            self.finish.append(lambda picture: recompressed(picture, quality))

    def _seen(self, page: Array) -> Array:
        for change in self.light:
            page = change(page)
        return self.blur(page)

    def blur(self, page: Array) -> Array:
        """Return a page (H, W, C) or (H, W) as sharp as it is seen."""
        return cv2.GaussianBlur(page, (0, 0), self.softness) if self.softness else page

    def apply(self, page: Array) -> Array:
        """Return what a page (H, W, 3) uint8 looks like."""
        seen = self._seen(page)
        for change in self.finish:
            seen = change(seen)
        return seen


def rounded(page: Array) -> Array:
    """Return a page in uint8."""
    return np.rint(page).clip(0, 255).astype(np.uint8)


def paper_of(page: Array) -> Array:
    """Return the brightness (H, W) float32 of the paper around each pixel of a page, 1..255."""
    grey = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    brightest = cv2.dilate(cv2.blur(grey, (3, 3)), np.ones((AROUND, AROUND), np.uint8))
    paper: Array = np.maximum(cv2.blur(brightest, (AROUND, AROUND)), 1).astype(np.float32)
    return paper


def _lit(rng: np.random.Generator, shape: tuple[int, ...]) -> Change:
    """Return uneven light of some colour."""
    knots = int(rng.choice((2, 2, 2, 3)))
    coarse = rng.uniform(rng.uniform(0.5, 0.95), 1, (knots, knots)).astype(np.float32)
    shade = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC).clip(0.2, 1)[..., None]
    shade = shade * rng.uniform(0.85, 1, 3).astype(np.float32)
    return lambda page: rounded(page * shade)


def _tinted(rng: np.random.Generator) -> Change:
    """Return paper that is not white, and ink of a printer that is not black."""
    paper = 1 - rng.uniform(0, 0.2) * rng.random(3).astype(np.float32)
    dark = rng.uniform(0, 60) * rng.random(3).astype(np.float32)
    return lambda page: rounded(dark + page * (paper - dark / 255))


def _grainy(rng: np.random.Generator, shape: tuple[int, ...]) -> Change:
    """Return noise of a sensor or of paper, fine or coarse, with colour or without."""
    noise = rng.standard_normal((*shape, 3 if rng.random() < 0.5 else 1), np.float32)
    if rng.random() < 0.4:
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 1.0)).reshape(noise.shape) * 1.8
    noise *= np.exp(rng.uniform(*np.log((0.6, 9))))
    return lambda page: rounded(page + noise)


def _finished(rng: np.random.Generator, paper: Array) -> Change:
    """Return sharpening, bleaching, black and white alone, no colour, or some of these."""
    changes: list[Change] = []
    if rng.random() < 0.35:
        changes.append(
            lambda page: np.repeat(cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
        )
    if rng.random() < 0.5:
        amount, reach = rng.uniform(0.4, 2.0), rng.uniform(0.7, 2.5)
        changes.append(lambda page: sharpened(page, amount, reach))
    kind = rng.random()
    if kind < 0.4:
        black, white = rng.uniform(0, 0.3), rng.uniform(0.75, 0.97)
        changes.append(lambda page: bleached(page, paper, black, white))
    elif kind < 0.65:
        share, soft = rng.uniform(0.55, 0.8), rng.choice((0.0, 0.0, 0.08))
        changes.append(lambda page: in_black(page, paper, share, soft))

    def all_of(page: Array) -> Array:
        for change in changes:
            page = change(page)
        return page

    return all_of


def sharpened(page: Array, amount: float, reach: float) -> Array:
    """Return a page with an unsharp mask: what a blur of `reach` pixels takes is added."""
    soft = cv2.GaussianBlur(page, (0, 0), reach)
    return cv2.addWeighted(page, 1 + amount, soft, -amount, 0)


def bleached(page: Array, paper: Array, black: float, white: float) -> Array:
    """Stretch levels from `black` to `white`, as shares of the paper, over the range."""
    share = page / paper[..., None]
    return rounded(255 * (share - black) / (white - black))


def in_black(page: Array, paper: Array, share: float, soft: float) -> Array:
    """Return a page in black where it is darker than a `share` of its paper, else in white.

    `soft`: shares of the paper over which one becomes the other.
    """
    level = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY) / paper
    white = np.clip((level - share) / max(soft, 1e-3) + 0.5, 0, 1)
    return np.repeat(rounded(255 * white)[..., None], 3, -1)


def random_warp(
    rng: np.random.Generator, side: int, scale: float, turned: bool
) -> tuple[Warp, int]:
    """Draw how a square of `side` pixels of a page is seen.

    Args:
        rng: draws it.
        side: of what is seen, in pixels.
        scale: of what is seen, against the page.
        turned: whether it is seen a little aslant, or upright and at its own scale.

    Returns:
        The view, and the side of the square of the page that it looks at.
    """
    if not turned:
        return Warp(np.eye(3), side), side
    around = int(np.ceil(1.16 * side / scale)) + 4
    middle = np.array([[1, 0, -around / 2], [0, 1, -around / 2], [0, 0, 1]])
    angle = np.deg2rad(rng.normal(0, 1.5))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    lean = rng.normal(0, 0.02, 4) * scale
    slope = rng.normal(0, 0.02 * scale / around, 2)
    turn = np.array(
        [[cosine + lean[0], lean[1] - sine, 0], [sine + lean[2], cosine + lean[3], 0], [*slope, 1]]
    )
    back = np.array([[1, 0, side / 2], [0, 1, side / 2], [0, 0, 1]])
    return Warp(back @ turn @ middle, side), around
