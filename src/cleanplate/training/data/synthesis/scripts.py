"""Lines of writing from handwriting fonts, no letter twice the same."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.lettering import Lettering, load_font

FINE = 2  # a line is set this many times as large, then shrunk
DRAWN = (48, 96)  # pixels an em that glyphs are drawn at
MANY = 2000  # Han characters that a face needs


class Glyph(NamedTuple):
    """A character: its cover (h, w) uint8, where that begins from the pen, and how far to go on."""

    cover: Array
    x: int
    y: int  # from the baseline, downwards
    advance: float


class Face:
    """A typeface whose characters may be spread over files."""

    def __init__(self, files: Sequence[tuple[Path, frozenset[int]]]) -> None:
        """Take font files, each with its code points."""
        self.files = {code: path for path, has in reversed(files) for code in has}

    @property
    def latin(self) -> bool:
        """Whether it has letters and figures."""
        return self.files.keys() >= set(b"AZaz09")

    @property
    def han(self) -> bool:
        """Whether it has Chinese characters enough for common words."""
        return len(self.files) > MANY and 0x7684 in self.files

    def kept(self, text: str) -> str:
        """Return a text without the characters that the face lacks."""
        return "".join(c for c in text if ord(c) in self.files or c == " ")


def faces(folders: Sequence[str | Path]) -> list[Face]:
    """Return the faces under some folders that have Latin letters or common Chinese characters.

    A file is a face. Where only all files of a folder together hold the Chinese characters, as web
    fonts are cut, the folder is one.

    Raises:
        UsageError: there is no font.
    """
    by_folder: dict[Path, list[tuple[Path, frozenset[int]]]] = defaultdict(list)
    for path, has in Lettering(folders).faces:
        by_folder[path.parent].append((path, has))
    found: list[Face] = []
    for files in by_folder.values():
        alone = [Face([file]) for file in files]
        together = Face(files)
        if together.han and not any(face.han for face in alone):
            alone = [together]
        found += [face for face in alone if face.latin or face.han]
    return found


def written(
    rng: np.random.Generator,
    face: Face,
    text: str,
    em: float,
    slant: float,
    weight: float,
    spread: float = 0.0,
) -> Array:
    """Write a line by hand: each letter turned, scaled and shifted by itself, the line uneven.

    Args:
        rng: draws what differs from letter to letter.
        face: has all characters of the text.
        text: one line.
        em: size in pixels.
        slant: of the letters to the right, as a share of their height.
        weight: of the pen, from -1, thin, to 1, thick; 0 as the font has it.
        spread: by which a brush broadens a line on either side, as a share of an em.

    Returns:
        The cover (h, w) in [0, 1].
    """
    size = em * FINE
    drawn = DRAWN[0] if size <= DRAWN[0] else DRAWN[1]
    scale = size / drawn
    glyphs = [glyph(face.files[ord(c)], c, drawn) if c != " " else None for c in text]
    length = sum(scale * g.advance if g else 0.3 * size for g in glyphs)
    canvas = np.zeros((int(2.4 * size), int(1.25 * length + 2.4 * size)), np.uint8)
    x, y = 0.7 * size, 1.5 * size
    drift, rise = 0.0, rng.normal(0, 0.02)
    for character in glyphs:
        if character is None:
            x += size * rng.uniform(0.2, 0.45)
            continue
        drift = 0.8 * drift + rng.normal(0, 0.025 * size)
        own = scale * rng.normal(1, 0.05)
        turn, lean = rng.normal(0, 0.04), slant + rng.normal(0, 0.04)
        shape = own * np.array([[1, -turn - lean], [turn, 1]])
        _stamp(canvas, character, shape, x, y + drift + rise * (x - 0.7 * size))
        x += character.advance * own * rng.normal(1, 0.04) + rng.normal(0, 0.01 * size)
    thinnest = -min(1.0, max(0.0, (em - 14) / 25))  # a small letter would fall to pieces
    if spread:
        side = 2 * round(spread * size) + 1
        cv2.dilate(canvas, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), canvas)
    return _finished(rng, canvas, max(weight, thinnest), min(1.1, size / 60))


def _stamp(canvas: Array, character: Glyph, shape: Array, x: float, y: float) -> None:
    """Put a glyph, deformed by a matrix (2, 2), with its origin at (x, y), onto a canvas."""
    height, width = character.cover.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    origin = np.array([character.x, character.y])
    placed = (corners + origin) @ shape.T + (x, y)
    left, top = np.maximum(np.floor(placed.min(0)).astype(int) - 1, 0)
    right, bottom = np.ceil(placed.max(0)).astype(int) + 2
    part = canvas[top:bottom, left:right]
    if part.size:
        move = shape @ origin + (x - left, y - top)
        matrix = np.column_stack([shape, move])
        np.maximum(part, cv2.warpAffine(character.cover, matrix, part.shape[::-1]), out=part)


def _finished(rng: np.random.Generator, canvas: Array, weight: float, blur: float) -> Array:
    """Bend a fine canvas, 0..255, thicken or thin its ink, shrink it and cut it to the ink."""
    left, top, width, height = cv2.boundingRect(canvas)
    if not width:
        return np.zeros((1, 1), np.float32)
    ink = canvas[max(0, top - 4) : top + height + 4, max(0, left - 4) : left + width + 4]
    bent = cv2.remap(ink, *_bent(rng, *ink.shape), cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(bent, (0, 0), blur).astype(np.float32) / 255
    cover = np.clip((soft - 0.5 + 0.22 * weight) * 2.5 + 0.5, 0, 1)
    size = (max(1, ink.shape[1] // FINE), max(1, ink.shape[0] // FINE))
    return cv2.resize(cover, size, interpolation=cv2.INTER_AREA)


def _bent(rng: np.random.Generator, height: int, width: int) -> tuple[Array, Array]:
    """Return maps for `cv2.remap` that move every place by an error of its neighbourhood."""
    knots = (max(2, height // 30), max(2, width // 30))
    reach = 0.02 * height
    maps = []
    for ramp in (np.arange(width)[None], np.arange(height)[:, None]):
        errors = rng.normal(0, reach, knots).astype(np.float32)
        error = cv2.resize(errors, (width, height), interpolation=cv2.INTER_CUBIC)
        maps.append((ramp + error).astype(np.float32))
    return maps[0], maps[1]


@functools.lru_cache(maxsize=4096)
def glyph(path: Path, character: str, em: int) -> Glyph:
    """Return a character of a font at `em` pixels."""
    font = load_font(path, em)
    canvas = Image.new("L", (3 * em, 3 * em))
    ImageDraw.Draw(canvas).text((em, 2 * em), character, 255, font, anchor="ls")
    left, top, right, bottom = canvas.getbbox() or (em, em, em + 1, em + 1)
    cover = np.asarray(canvas.crop((left, top, right, bottom)))
    return Glyph(cover, left - em, top - 2 * em, font.getlength(character))
