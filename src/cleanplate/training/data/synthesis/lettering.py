"""Words drawn with many fonts, as opacity maps."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Array

FONT_SUFFIXES = {".ttf", ".otf", ".ttc", ".woff2"}
WORDS = [
    "archive",
    "author",
    "copy",
    "copyright",
    "draft",
    "edition",
    "exhibit",
    "film",
    "gallery",
    "image",
    "internal",
    "library",
    "limited",
    "magazine",
    "museum",
    "negative",
    "original",
    "paper",
    "photo",
    "picture",
    "press",
    "print",
    "private",
    "proof",
    "property",
    "record",
    "reserved",
    "rights",
    "sample",
    "scan",
    "secret",
    "sheet",
    "shop",
    "stock",
    "studio",
    "team",
    "test",
    "trial",
    "unpaid",
    "void",
    "web",
]
# the first level of GB 2312: the common characters, in order of their reading
COMMON_HAN = list(
    bytes(
        byte for lead in range(0xB0, 0xD7) for trail in range(0xA1, 0xFF) for byte in (lead, trail)
    ).decode("gb2312")
)
SIGNS = "©®™@#&·-_/.:"


class Lettering:
    """Fonts of some folders and the strings that they draw: never a character that a font lacks."""

    def __init__(self, folders: Sequence[str | Path]) -> None:
        """Index every font under `folders`.

        Raises:
            UsageError: there is none.
        """
        paths = sorted(
            path
            for folder in folders
            for path in Path(folder).rglob("*")
            if path.suffix.lower() in FONT_SUFFIXES
        )
        if not paths:
            raise UsageError(f"There are no fonts under {', '.join(map(str, folders))}.")
        self.faces = [(path, characters(path)) for path in paths]
        self.latin = [i for i, (_, has) in enumerate(self.faces) if has.issuperset(b"AZaz09")]
        self.han = [i for i, (_, has) in enumerate(self.faces) if len(has) > 2000 and 0x7684 in has]

    def phrase(self, rng: np.random.Generator) -> tuple[Path, str]:
        """Return a font and a string that it draws whole: Latin, Han or a mixture."""
        script = self.han if self.han and rng.random() < 0.35 else self.latin
        path, has = self.faces[script[rng.integers(len(script))]]
        if script is self.han:
            text = "".join(rng.choice(COMMON_HAN, rng.integers(2, 9)))
            if rng.random() < 0.2:
                text = f"{text} {rng.choice(WORDS).upper()}"
        else:
            text = latin_phrase(rng)
        kept = "".join(character for character in text if ord(character) in has)
        return path, kept.strip() or "A"

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return one or more lines at `size` pixels an em as opacity (h, w) in [0, 1]."""
        path, text = self.phrase(rng)
        lines = [text]
        if rng.random() < 0.15:
            lines += [self.phrase_in(rng, path) for _ in range(rng.integers(1, 3))]
        spacing = size * rng.uniform(0, 0.4) if rng.random() < 0.15 else 0.0
        stroke = round(size * rng.uniform(0.02, 0.05)) if rng.random() < 0.15 else 0
        return draw_lines(lines, load_font(path, size), spacing, stroke)

    def phrase_in(self, rng: np.random.Generator, path: Path) -> str:
        """Return a string of Latin words that the font at `path` draws whole."""
        has = characters(path)
        return "".join(c for c in latin_phrase(rng) if ord(c) in has).strip() or "A"


def latin_phrase(rng: np.random.Generator) -> str:
    """Return a few words, signs and numbers in a case of their own."""
    count = rng.integers(1, 4)
    parts = [str(rng.choice(WORDS)) for _ in range(count)]
    if rng.random() < 0.4:
        letters = [chr(c) for c in rng.integers(ord("a"), ord("z") + 1, rng.integers(3, 10))]
        parts[rng.integers(count)] = "".join(letters)
    if rng.random() < 0.3:
        parts.insert(rng.integers(count + 1), str(rng.integers(1, 10 ** rng.integers(1, 7))))
    if rng.random() < 0.3:
        sign = SIGNS[rng.integers(len(SIGNS))]
        parts[0] = sign + " " * int(rng.integers(2)) + parts[0]
    text = str(rng.choice([" ", " ", " ", "-", "_", "."])).join(parts)
    style = rng.random()
    return text.upper() if style < 0.4 else text.title() if style < 0.75 else text


def draw_lines(
    lines: Sequence[str], font: ImageFont.FreeTypeFont, spacing: float = 0.0, stroke: int = 0
) -> Array:
    """Draw centred `lines`, letters `spacing` apart; opacity (h, w) in [0, 1], cut to the ink."""
    em = font.size
    widths = [font.getlength(line) + spacing * len(line) for line in lines]
    width, pitch = int(max(widths) + em + 2 * stroke), int(em * 1.25)
    page = Image.new("L", (width, int(pitch * len(lines) + em)), 0)
    pen = ImageDraw.Draw(page)
    for row, (line, length) in enumerate(zip(lines, widths, strict=True)):
        x, y = (width - length) / 2, em * 0.3 + row * pitch
        for piece in line if spacing else [line]:
            pen.text((x, y), piece, fill=255, font=font, stroke_width=stroke)
            x += font.getlength(piece) + spacing
    box = page.getbbox() or (0, 0, 1, 1)
    return np.asarray(page.crop(box), np.float32) / 255


def turned(patch: Array, angle: float) -> Array:
    """Rotate an (h, w) opacity map by `angle` degrees on a canvas that holds all of it."""
    h, w = patch.shape
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), angle, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    width, height = int(h * sine + w * cosine) + 2, int(h * cosine + w * sine) + 2
    matrix[:, 2] += (width - w) / 2, (height - h) / 2
    return cv2.warpAffine(patch, matrix, (width, height), flags=cv2.INTER_LINEAR)


@functools.lru_cache(maxsize=512)
def characters(path: Path) -> frozenset[int]:
    """Return the code points that a font has glyphs for."""
    with TTFont(path, fontNumber=0, lazy=True) as font:
        return frozenset(font.getBestCmap() or ())


@functools.lru_cache(maxsize=256)
def load_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """Return the font at `size` pixels an em."""
    return ImageFont.truetype(str(path), size)
