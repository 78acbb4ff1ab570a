"""Watermarks of every common make: text and logos, single and tiled, outlined, faint and strong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.lettering import Lettering, turned


@dataclass(frozen=True)
class Mark:
    """A watermark on a canvas: `picture = (1 - alpha) * clean + alpha * paint`.

    Attributes:
        alpha: opacity of every pixel, (H, W) in [0, 1].
        paint: colour of every pixel, (H, W, 3) or (1, 1, 3) in [0, 1], RGB.
        colour: the mark's main colour, (3,).
        opacity: the opacity of the body of the mark, in [0, 1].
    """

    alpha: Array
    paint: Array
    colour: Array
    opacity: float

    def over(self, clean: Array) -> Array:
        """Return `clean` (H, W, 3) in [0, 1] with the mark on it."""
        return over(clean, self.alpha, self.paint)

    def cropped(self, top: int, left: int, height: int, width: int) -> Mark:
        """Return the part of the mark that lies on a window of its canvas."""
        window = np.s_[top : top + height, left : left + width]
        paint = self.paint if self.paint.shape[0] == 1 else self.paint[window]
        return Mark(self.alpha[window], paint, self.colour, self.opacity)


class Watermarks:
    """A source of marks, drawn in proportion to the canvas that they are made for."""

    def __init__(self, fonts: Sequence[str | Path], logos: Sequence[str | Path]) -> None:
        """Load the fonts and the logos (grey pictures read as opacity) of some folders.

        Raises:
            UsageError: a folder holds none.
        """
        self.lettering = Lettering(fonts)
        paths = sorted(path for folder in logos for path in Path(folder).rglob("*.png"))
        read = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths)
        self.logos = [logo for logo in read if logo is not None]
        if not self.logos:
            raise UsageError(f"There are no logos (PNG) under {', '.join(map(str, logos))}.")

    def draw(self, rng: np.random.Generator, height: int, width: int) -> Mark:
        """Return a mark for a canvas of `height` x `width` pixels."""
        kind = str(rng.choice(KINDS, p=WEIGHTS))
        cover = np.zeros((height, width), np.float32)
        if kind in ("tiled", "logo tiled"):
            self._tile(rng, cover, self._stamp(rng, min(height, width), kind))
        elif kind == "agency":
            self._agency(rng, cover)
        else:
            for _ in range(1 if rng.random() < 0.8 else int(rng.integers(2, 4))):
                scatter(rng, cover, self._stamp(rng, min(height, width), kind))
        if kind == "lines":
            hatch(rng, cover)
        elif rng.random() < HAIR_LINES:
            hair_lines(rng, cover)
        return painted(rng, cover)

    def _stamp(self, rng: np.random.Generator, side: int, kind: str) -> Array:
        """Return one copy of the mark, upright or turned, in the size that its kind has."""
        if kind == "large":
            stamp = self._text(rng, max(12, int(side * rng.uniform(0.12, 0.35))))
            return turned(stamp, rng.choice([0, rng.uniform(-60, 60)]))
        if kind in ("logo", "logo tiled", "lockup"):
            share = rng.uniform(0.08, 0.2) if kind == "logo tiled" else rng.uniform(0.12, 0.8)
            stamp = self._logo(rng, max(16, int(side * share)))
            if kind == "lockup":
                stamp = self._lockup(rng, stamp)
            return turned(stamp, rng.uniform(-35, 35) if rng.random() < 0.7 else 0.0)
        size = side * np.exp(rng.uniform(np.log(0.03), np.log(0.15)))
        angle = rng.uniform(-60, 60) if kind == "tiled" else rng.uniform(-20, 20)
        return turned(self._text(rng, max(10, int(size))), angle if rng.random() < 0.85 else 0.0)

    def device(self, rng: np.random.Generator, size: int) -> Array:
        """Return words or a logo, upright, as an opacity map of about `size` pixels in height."""
        return self._text(rng, size) if rng.random() < 0.7 else self._logo(rng, size)

    def _text(self, rng: np.random.Generator, size: int) -> Array:
        return self.lettering.draw(rng, size)

    def _logo(self, rng: np.random.Generator, size: int) -> Array:
        logo = self.logos[rng.integers(len(self.logos))]
        how = cv2.INTER_AREA if size < logo.shape[0] else cv2.INTER_CUBIC
        scaled = cv2.resize(logo, (size, size), interpolation=how).astype(np.float32) / 255
        return 1 - scaled if rng.random() < 0.04 else scaled

    def _lockup(self, rng: np.random.Generator, logo: Array) -> Array:
        """Set a line of text beside or under a logo."""
        below = rng.random() < 0.5
        text = self._text(rng, max(10, int(logo.shape[0] * rng.uniform(0.15, 0.5))))
        if below:
            text, logo = text.T, logo.T
        height = max(logo.shape[0], text.shape[0])
        gap = np.zeros((height, int(logo.shape[1] * 0.1)), np.float32)
        joined = np.concatenate([centred(logo, height), gap, centred(text, height)], axis=1)
        return joined.T.copy() if below else joined

    def _agency(self, rng: np.random.Generator, cover: Array) -> None:
        """Repeat a word, and between its copies a small word, a logo or a square."""
        side = min(cover.shape)
        angle = rng.choice([0, 0, rng.uniform(-50, 50)])
        large = turned(self._text(rng, max(12, int(side * rng.uniform(0.05, 0.2)))), angle)
        small = turned(self._small(rng, max(8, int(side * rng.uniform(0.02, 0.06)))), angle)
        down = int(large.shape[0] * rng.uniform(1.1, 2.4)) + 12
        right = int(large.shape[1] * rng.uniform(1.05, 2.0)) + 12
        start = -int(rng.integers(down)), -int(rng.integers(right))
        for y, x in corners(cover.shape, start, (down, right), 0.5):
            place(cover, large, y, x)
            place(cover, small, y + (down + large.shape[0]) // 2, x + right // 2)

    def _small(self, rng: np.random.Generator, size: int) -> Array:
        """Return a small word, a logo, or a square with a paler one in it, upright."""
        kind = rng.random()
        if kind < 0.4:
            return self._text(rng, size)
        if kind < 0.6:
            return self._logo(rng, max(12, size))
        square = np.full((size, size), rng.uniform(0.4, 1), np.float32)
        rim = max(1, size // 8)
        square[rim:-rim, rim:-rim] = rng.uniform(0, 1)
        return square

    def _tile(self, rng: np.random.Generator, cover: Array, stamp: Array) -> None:
        """Repeat a stamp over the canvas, rows shifted against each other."""
        height, width = stamp.shape
        down = max(8, int(height * rng.uniform(0.9, 2.2)))
        right = max(8, int(width * rng.uniform(0.9, 1.8)))
        shift = rng.choice([0.0, 0.5, rng.random()])
        start = -int(rng.integers(down)), -int(rng.integers(right))
        for y, x in corners(cover.shape, start, (down, right), shift):
            place(cover, stamp, y, x)


OPACITIES = ((0.04, 0.35), (0.2, 0.85), (0.85, 1.0))
KINDS = ("single", "large", "tiled", "logo", "logo tiled", "lockup", "lines", "agency")
WEIGHTS = (0.18, 0.09, 0.2, 0.21, 0.06, 0.1, 0.04, 0.12)
HAIR_LINES = 0.1  # share of the marks, of other kinds, that thin lines cross


def corners(
    size: tuple[int, ...], start: tuple[int, int], pitch: tuple[int, int], shift: float
) -> Iterator[tuple[int, int]]:
    """Yield where copies lie on a canvas of `size`, each row shifted by a share of the pitch."""
    down, right = pitch
    for row, y in enumerate(range(start[0] - down, size[0], down)):
        for x in range(start[1] - right + int(row * shift * right) % right, size[1], right):
            yield y, x


def centred(patch: Array, height: int) -> Array:
    """Pad an opacity map above and below to `height`."""
    spare = height - patch.shape[0]
    return np.pad(patch, ((spare // 2, spare - spare // 2), (0, 0)))


def place(cover: Array, stamp: Array, y: int, x: int) -> None:
    """Put `stamp` on `cover` (maximum of the two) with its corner at (y, x), cut at the edges."""
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + stamp.shape[0], cover.shape[0]), min(x + stamp.shape[1], cover.shape[1])
    if bottom > top and right > left:
        part = cover[top:bottom, left:right]
        np.maximum(part, stamp[top - y : bottom - y, left - x : right - x], out=part)


def scatter(rng: np.random.Generator, cover: Array, stamp: Array) -> None:
    """Put a stamp anywhere, often in a corner, now and then running over the edge."""
    spare = [size - part for size, part in zip(cover.shape, stamp.shape, strict=True)]
    if rng.random() < 0.3:
        margin = int(min(cover.shape) * rng.uniform(0.01, 0.06))
        at = [margin if rng.random() < 0.5 else room - margin for room in spare]
    else:
        overhang = 0.4 if rng.random() < 0.2 else 0.0
        reach = [int(overhang * part) for part in stamp.shape]
        at = [
            int(rng.integers(min(0, room) - over, max(0, room) + over + 1))
            for room, over in zip(spare, reach, strict=True)
        ]
    place(cover, stamp, at[0], at[1])


def hatch(rng: np.random.Generator, cover: Array) -> None:
    """Draw the crossed lines that stock agencies lay over a picture."""
    height, width = cover.shape
    pitch, slope = int(min(cover.shape) * rng.uniform(0.15, 0.6)), rng.uniform(0.4, 2.5)
    thick = max(1, round(min(cover.shape) * rng.uniform(0.001, 0.008)))
    run = int(height / slope)
    for x in range(-run, width + run, max(pitch, 8)):
        cv2.line(cover, (x, 0), (x + run, height), 1.0, thick, cv2.LINE_AA)
        if slope > 1:
            cv2.line(cover, (x, 0), (x - run, height), 1.0, thick, cv2.LINE_AA)


def hair_lines(rng: np.random.Generator, cover: Array) -> None:
    """Draw a few lines of one to three pixels across the whole picture, paler than the mark."""
    height, width = cover.shape
    lines = np.zeros_like(cover)
    slope = height / width if rng.random() < 0.5 else rng.uniform(0.3, 3)
    pitch = int(max(height, width) / rng.integers(1, 5))
    thick, run = int(rng.integers(1, 4)), int(height / slope)
    for x in range(int(rng.integers(pitch)) - run - pitch, width + run, max(pitch, 8)):
        cv2.line(lines, (x, 0), (x + run, height), 1.0, thick, cv2.LINE_AA)
        cv2.line(lines, (x + run, 0), (x, height), 1.0, thick, cv2.LINE_AA)
    np.maximum(cover, lines * np.float32(rng.uniform(0.4, 1)), out=cover)


def painted(rng: np.random.Generator, cover: Array) -> Mark:
    """Give a cover its colour and opacity; often an outline or a shadow, a blur, a ramp."""
    if rng.random() < 0.1:
        cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.4, 1.5))
    low, high = OPACITIES[rng.choice(3, p=(0.25, 0.68, 0.07))]
    opacity = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    colour = some_colour(rng)
    alpha, paint = cover * opacity, colour.reshape(1, 1, 3)
    dressing = rng.random()
    if dressing < 0.2:
        reach = 2 * int(rng.integers(1, 4)) + 1
        shape = int(rng.choice([cv2.MORPH_ELLIPSE, cv2.MORPH_RECT]))
        under = cv2.dilate(cover, cv2.getStructuringElement(shape, (reach, reach)))
        rim = np.zeros(3, np.float32) if rng.random() < 0.6 else some_colour(rng)
        alpha, paint = under_laid(alpha, colour, under * opacity * rng.uniform(0.35, 1.0), rim)
    elif dressing < 0.4:
        offset, soft = rng.integers(-4, 5, 2), rng.uniform(0.5, 3)
        under = np.roll(cv2.GaussianBlur(cover, (0, 0), soft), offset, (0, 1))
        shade = np.full(3, rng.choice([0.0, 0.0, 1.0]), np.float32)
        alpha, paint = under_laid(alpha, colour, under * opacity * rng.uniform(0.3, 1.0), shade)
    elif dressing < 0.46:
        alpha, paint = embossed(rng, cover, colour, opacity)
    elif dressing < 0.5:
        ramp = np.linspace(0, 1, cover.shape[int(rng.integers(2))], dtype=np.float32)
        ramp = ramp[:, None] if ramp.size == cover.shape[0] else ramp[None]
        paint = (colour + (some_colour(rng) - colour) * ramp[..., None]) * np.ones_like(cover)[
            ..., None
        ]
    return Mark(alpha, paint.astype(np.float32), colour, opacity)


def over(picture: Array, alpha: Array, paint: Array) -> Array:
    """Lay paint (H, W, 3) or (1, 1, 3) of an opacity (H, W) over a picture, all in [0, 1]."""
    return picture + alpha[..., None] * (paint - picture)


def under_laid(
    alpha: Array, colour: Array, under: Array, under_colour: Array
) -> tuple[Array, Array]:
    """Composite a mark over a layer of its own ("over", Porter and Duff, SIGGRAPH 1984)."""
    both = alpha + under * (1 - alpha)
    share = (alpha / np.maximum(both, 1e-6))[..., None]
    return both, share * colour + (1 - share) * under_colour


def embossed(
    rng: np.random.Generator, cover: Array, colour: Array, opacity: float
) -> tuple[Array, Array]:
    """Return alpha and paint of letters that seem raised: lit on one side, shaded on the other."""
    step = int(rng.integers(1, 3))
    away = np.roll(cover, (step, step), (0, 1)), np.roll(cover, (-step, -step), (0, 1))
    shade, shine = ((side - cover).clip(0, 1) * opacity for side in away)
    body = cover * opacity * np.float32(rng.uniform(0.1, 0.8))
    parts = np.stack([body, shade, shine])
    tones = np.stack([colour, np.zeros(3), np.ones(3)]).astype(np.float32)
    whole = np.maximum(parts.sum(0), 1e-6)
    return parts.max(0), np.einsum("khw,kc->hwc", parts, tones) / whole[..., None]


def some_colour(rng: np.random.Generator) -> Array:
    """Return an RGB colour: white and grey as often as they are used, else any."""
    kind = rng.random()
    if kind < 0.22:
        return np.full(3, rng.uniform(0.85, 1.0), np.float32)
    if kind < 0.55:
        return np.full(3, rng.random(), np.float32)
    return rng.random(3).astype(np.float32)
