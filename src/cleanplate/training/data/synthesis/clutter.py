"""Print that may be taken for handwriting: stamps, rules, drawn figures, logos, dashes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.lettering import Lettering, draw_lines, load_font
from cleanplate.training.data.synthesis.seals import Seals
from cleanplate.training.data.synthesis.watermarks import place

SHIFT = 4  # bits of the fraction of a coordinate
KINDS = ("seal", "dashes", "rules", "figure", "logo", "heading")
CHANCES = (0.16, 0.12, 0.11, 0.19, 0.1, 0.32)


class Clutter:
    """A source of such print."""

    def __init__(self, fonts: Sequence[str | Path], logos: Sequence[str | Path] = ()) -> None:
        """Take print fonts, and logos as grey pictures read as opacity.

        Raises:
            UsageError: a folder holds no font.
        """
        self.lettering = Lettering(fonts)
        self.seals = Seals(self.lettering)
        self.logos = sorted(path for folder in logos for path in Path(folder).rglob("*.png"))

    def on(self, rng: np.random.Generator, page: Array, unit: float) -> Array:
        """Return a page (H, W, 3) uint8 with one thing or a few printed on it.

        `unit`: pixels of the whole page's short side.
        """
        for _ in range(int(rng.choice((1, 1, 2, 3)))):
            kind = str(rng.choice(KINDS, p=CHANCES))
            if kind == "seal":
                page = self.seals.stamp(rng, page, unit)
                continue
            cover = np.zeros(page.shape[:2], np.float32)
            getattr(self, f"_{kind}")(rng, cover, unit)
            colour = np.full(3, rng.uniform(0, 0.45), np.float32)
            if rng.random() < 0.25:
                colour = rng.uniform(0, 0.9, 3).astype(np.float32)
            page = np.rint(page * (1 - cover[..., None] * (1 - colour))).astype(np.uint8)
        return page

    def _dashes(self, rng: np.random.Generator, cover: Array, unit: float) -> None:
        """Draw a line of dashes or dots across."""
        height, width = cover.shape
        thick = max(1, round(unit * rng.uniform(0.0006, 0.003)))
        dash = max(1, round(thick * rng.choice((1, 3, 6, 10))))
        step = dash + max(2, round(thick * rng.uniform(1.5, 6)))
        y = int(rng.integers(height))
        for x in range(int(rng.integers(step)), width, step):
            cover[y : y + thick, x : x + dash] = 1

    def _rules(self, rng: np.random.Generator, cover: Array, unit: float) -> None:
        """Draw rules across or down, some of a grid."""
        pitch = max(6, round(unit * rng.uniform(0.015, 0.05)))
        thick = max(1, round(unit * rng.uniform(0.0005, 0.002)))
        canvas = cover.T if rng.random() < 0.2 else cover
        start, strength = int(rng.integers(pitch)), rng.uniform(0.3, 1)
        for y in range(start, canvas.shape[0], pitch)[: int(rng.integers(1, 20))]:
            canvas[y : y + thick] = strength
        if rng.random() < 0.3:
            for x in range(start, canvas.shape[1], pitch):
                canvas[:, x : x + thick] = strength

    def _figure(self, rng: np.random.Generator, cover: Array, unit: float) -> None:
        """Draw circles, polygons and axes as with ruler and compasses, and letters at corners."""
        height, width = cover.shape
        canvas = np.zeros((height, width), np.uint8)
        size = unit * rng.uniform(0.04, 0.16)
        middle = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        thick = max(1, round(unit * rng.uniform(0.0008, 0.003)))
        for _ in range(int(rng.integers(1, 4))):
            corners = middle + size * rng.uniform(-1, 1, (int(rng.integers(2, 6)), 2))
            fixed = np.rint(corners * 2**SHIFT).astype(np.int32)
            if rng.random() < 0.4:
                radius = int(size * rng.uniform(0.2, 1) * 2**SHIFT)
                centre = [int(at) for at in fixed[0]]
                cv2.circle(canvas, centre, radius, 255, thick, cv2.LINE_AA, SHIFT)
                continue
            closed = bool(rng.random() < 0.7)
            cv2.polylines(canvas, [fixed], closed, 255, thick, cv2.LINE_AA, SHIFT)
            for x, y in corners[: int(rng.integers(len(corners) + 1))].astype(int).tolist():
                letter = self._text(rng, max(9, round(0.018 * unit)), 1)
                place(cover, letter, y - letter.shape[0], x + 2)
        np.maximum(cover, canvas / np.float32(255), out=cover)

    def _logo(self, rng: np.random.Generator, cover: Array, unit: float) -> None:
        """Print a logo."""
        if not self.logos:
            return self._heading(rng, cover, unit)
        side = max(16, int(unit * rng.uniform(0.03, 0.15)))
        path = str(self.logos[rng.integers(len(self.logos))])
        logo = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        if logo is None:
            raise UsageError(f"{path} is no picture; logos are grey PNG files.")
        small = cv2.resize(logo, (side, side), interpolation=cv2.INTER_AREA) / np.float32(255)
        place(cover, small, *_somewhere(rng, cover, small))

    def _heading(self, rng: np.random.Generator, cover: Array, unit: float) -> None:
        """Print a few words, large or small, in any face."""
        size = max(10, int(unit * np.exp(rng.uniform(*np.log((0.012, 0.09))))))
        line = self._text(rng, size, int(rng.integers(2, 14)))
        place(cover, line, *_somewhere(rng, cover, line))

    def _text(self, rng: np.random.Generator, size: int, length: int) -> Array:
        path, words = self.lettering.phrase(rng)
        return draw_lines([words[:length] or "A"], load_font(path, size))


def _somewhere(rng: np.random.Generator, cover: Array, patch: Array) -> tuple[int, int]:
    """Return a place for a patch, perhaps partly over an edge."""
    y, x = (
        int(rng.integers(-part // 3, max(1, whole - part // 2)))
        for whole, part in zip(cover.shape, patch.shape, strict=True)
    )
    return y, x
