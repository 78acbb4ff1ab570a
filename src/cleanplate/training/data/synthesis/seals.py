"""Seals and rubber stamps: print that came later, and stays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.ink import Ink
from cleanplate.training.data.synthesis.lettering import (
    COMMON_HAN,
    WORDS,
    Lettering,
    draw_lines,
    load_font,
    turned,
)

FINE = 2  # a seal is cut this many times as large, then shrunk
HAN_STAMPS = ("已审核", "作废", "合格", "收讫", "已阅", "同意", "机密", "附件", "存档", "现金付讫")
LATIN_STAMPS = ("PAID", "RECEIVED", "APPROVED", "COPY", "DRAFT", "VOID", "FILED", "CONFIDENTIAL")
COLOURS = {  # share of red, green and blue light that a full impression lets through
    "red": (0.82, 0.2, 0.22),
    "blue": (0.2, 0.3, 0.68),
    "violet": (0.42, 0.24, 0.6),
    "black": (0.2, 0.2, 0.22),
}


class Seals:
    """A source of impressions."""

    def __init__(self, lettering: Lettering) -> None:
        """Cut seals in the fonts of `lettering`."""
        self.lettering = lettering

    def stamp(self, rng: np.random.Generator, page: Array, unit: float) -> Array:
        """Return a page (H, W, 3) uint8 with one seal on it, mostly in its lower half.

        `unit`: pixels of the whole page's short side; a seal is 0.1 to 0.24 of it.
        """
        size = max(24, int(unit * rng.uniform(0.1, 0.24)))
        patch = turned(worn(rng, self.draw(rng, size)), rng.normal(0, 12))
        cover = np.zeros(page.shape[:2], np.float32)
        y = int(page.shape[0] * rng.beta(4, 2)) - patch.shape[0] // 2
        x = int(page.shape[1] * rng.uniform(0.1, 0.9)) - patch.shape[1] // 2
        y, x = (
            int(np.clip(at, -part // 3, max(0, whole - 2 * part // 3)))
            for at, part, whole in zip((y, x), patch.shape, page.shape, strict=False)
        )
        top, left = max(0, y), max(0, x)
        part = patch[top - y : page.shape[0] - y, left - x : page.shape[1] - x]
        cover[top : top + part.shape[0], left : left + part.shape[1]] = part
        name = str(rng.choice(list(COLOURS), p=(0.78, 0.12, 0.06, 0.04)))
        colour = np.clip(np.array(COLOURS[name]) + rng.uniform(-0.12, 0.12, 3), 0.05, 0.95)
        pale = rng.uniform(0.45, 1.0)  # an impression of half the thickness
        ink = Ink((colour**pale).astype(np.float32), 0.25 * rng.random(), 0.3 * rng.random())
        return ink.over(rng, page, cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.4, 0.9)))

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return a fresh seal about `size` pixels wide: its cover (h, w) in [0, 1]."""
        script = self.lettering.han if self.lettering.han and rng.random() < 0.7 else None
        faces = script or self.lettering.latin
        path, has = self.lettering.faces[faces[rng.integers(len(faces))]]
        han = script is not None
        kind = rng.random()
        if kind < 0.55:
            return rounded(rng, path, self._text(rng, has, han, 6, 15), size, han)
        if kind < 0.75 and han:
            return square(rng, path, self._text(rng, has, han, 2, 5), size // 2)
        known = HAN_STAMPS if han else LATIN_STAMPS
        word = "".join(c for c in str(rng.choice(known)) if ord(c) in has) or "A"
        return framed(rng, path, word, size)

    def _text(
        self, rng: np.random.Generator, has: frozenset[int], han: bool, low: int, high: int
    ) -> str:
        if han:
            text = "".join(rng.choice(COMMON_HAN, int(rng.integers(low, high))))
        else:
            text = " ".join(str(word).upper() for word in rng.choice(WORDS, 3))
        return "".join(c for c in text if ord(c) in has or c == " ") or "A"


def rounded(rng: np.random.Generator, path: Path, text: str, size: int, han: bool) -> Array:
    """Return a round seal: a ring or two, a text along it, a star or a word in the middle."""
    side = size * FINE
    seal = Image.new("L", (side, side))
    pen = ImageDraw.Draw(seal)
    thick = max(2, int(side * rng.uniform(0.012, 0.03)))
    pen.ellipse((1, 1, side - 2, side - 2), outline=255, width=thick)
    inner = 2.5 * thick
    if rng.random() < 0.4:
        pen.ellipse((inner, inner, side - inner, side - inner), outline=255, width=thick // 2)
    em = max(8, int(side * (rng.uniform(0.11, 0.16) if han else rng.uniform(0.07, 0.1))))
    _along_ring(seal, path, text, em, side / 2 - inner - 0.8 * em)
    middle = side / 2
    if han and rng.random() < 0.75:
        _star(pen, middle, middle, side * rng.uniform(0.1, 0.16))
    if rng.random() < 0.6:
        word = text[: 5 if han else 8]
        font = load_font(path, max(8, int(0.75 * em)))
        down = middle + side * (0.24 if han else 0.0)
        pen.text((middle, down), word, 255, font, anchor="mm")
    return _shrunk(seal)


def _along_ring(seal: Image.Image, path: Path, text: str, em: int, radius: float) -> None:
    """Set a text along the upper part of a ring, each letter upright on it."""
    font = load_font(path, em)
    step = min(0.42, 4.6 / len(text), 1.15 * font.getlength(text) / len(text) / radius)
    for number, character in enumerate(text):
        angle = (number - (len(text) - 1) / 2) * step
        letter = Image.new("L", (2 * em, 2 * em))
        ImageDraw.Draw(letter).text((em, em), character, 255, font, anchor="mm")
        letter = letter.rotate(-np.degrees(angle), Image.Resampling.BILINEAR)
        x = seal.width / 2 + radius * np.sin(angle) - em
        y = seal.height / 2 - radius * np.cos(angle) - em
        seal.paste(255, (int(x), int(y)), letter)


def _star(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    turn = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2, 0.382, 1.0) * radius
    corners = np.stack([x + reach * np.sin(turn), y - reach * np.cos(turn)], 1)
    pen.polygon([(float(a), float(b)) for a, b in corners], fill=255)


def square(rng: np.random.Generator, path: Path, text: str, size: int) -> Array:
    """Return a name's seal: two rows or columns of characters, cut in or left standing."""
    side = max(16, size) * FINE
    seal = Image.new("L", (side, side))
    pen = ImageDraw.Draw(seal)
    rows = 1 if len(text) == 1 else 2
    columns = -(-len(text) // rows)
    edge = int(side * rng.uniform(0.03, 0.08))
    inverted = rng.random() < 0.4
    pen.rectangle((0, 0, side - 1, side - 1), 255 if inverted else 0, 255, max(2, edge // 2))
    room = side - 2.5 * edge
    font = load_font(path, max(8, int(0.95 * room / max(rows, columns))))
    for number, character in enumerate(text):
        column, row = divmod(number, rows)
        x = side / 2 + (columns / 2 - column - 0.5) * room / columns  # from right to left
        y = side / 2 + (row + 0.5 - rows / 2) * room / rows
        pen.text((x, y), character, 0 if inverted else 255, font, anchor="mm")
    return _shrunk(seal)


def framed(rng: np.random.Generator, path: Path, word: str, size: int) -> Array:
    """Return a rubber stamp: a word and perhaps a date in a frame."""
    em = max(10, int(1.3 * size * FINE / max(3, len(word))))
    em = min(em, size * FINE // 2)
    lines = [word]
    if rng.random() < 0.5:
        lines.append("-".join(str(n) for n in rng.integers((2000, 1, 1), (2030, 13, 29))))
    body = draw_lines(lines[:1], load_font(path, em))
    if len(lines) > 1:
        date = draw_lines(lines[1:], load_font(path, max(8, em // 2)))
        width = max(body.shape[1], date.shape[1])
        gap = np.zeros((em // 4, width), np.float32)
        body = np.concatenate([_widened(body, width), gap, _widened(date, width)])
    pad, thick = int(em * rng.uniform(0.2, 0.45)), max(2, int(em * rng.uniform(0.05, 0.12)))
    seal = np.pad(body, pad + thick)
    if rng.random() < 0.85:
        corner = (seal.shape[1] - 1 - thick // 2, seal.shape[0] - 1 - thick // 2)
        cv2.rectangle(seal, (thick // 2, thick // 2), corner, 1.0, thick)
    return _shrunk(Image.fromarray(np.rint(seal * 255).astype(np.uint8)))


def _widened(patch: Array, width: int) -> Array:
    spare = width - patch.shape[1]
    return np.pad(patch, ((0, 0), (spare // 2, spare - spare // 2)))


def _shrunk(seal: Image.Image) -> Array:
    size = (max(1, seal.width // FINE), max(1, seal.height // FINE))
    return cv2.resize(np.asarray(seal), size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def worn(rng: np.random.Generator, seal: Array) -> Array:
    """Return an impression of a seal: patches that took less ink, specks that took none."""
    height, width = seal.shape
    coarse = rng.random((height // 16 + 2, width // 16 + 2)).astype(np.float32)
    patches = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    specks = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), 1.0)
    dry = rng.uniform(0, 0.5)
    took = 1 - dry * patches - 1.5 * dry * (specks > rng.uniform(0.25, 0.6))
    return np.asarray(seal * took.clip(0, 1))
