"""Document pages in Latin and Han script, set in type and seen as by a scanner or a phone."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.lettering import (
    COMMON_HAN,
    Lettering,
    latin_phrase,
    load_font,
)

HAN_COMMA = "\uff0c"


class Pages:
    """A source of rendered pages: articles, tables, forms and exam papers."""

    def __init__(self, lettering: Lettering) -> None:
        """Set pages in the fonts of `lettering`."""
        self.lettering = lettering

    def draw(self, rng: np.random.Generator, height: int) -> Array:
        """Return a page (height, W, 3), RGB, portrait or landscape of DIN proportions."""
        ratio = 2**0.5 if rng.random() < 0.2 else 2**-0.5
        width = int(height * ratio)
        sheet = Image.new("L", (width, height), 255)
        setter = Typesetter(rng, self.lettering, sheet)
        setter.heading()
        while setter.room() > 0:
            kind = rng.random()
            if kind < 0.2:
                setter.table()
            elif kind < 0.28:
                setter.heading()
            else:
                setter.paragraph()
        return seen(rng, np.asarray(sheet, np.float32) / 255)


class Typesetter:
    """Sets one page from its top to its foot."""

    def __init__(self, rng: np.random.Generator, lettering: Lettering, sheet: Image.Image) -> None:
        """Choose the page's script, font, size and margins."""
        self.rng, self.sheet, self.pen = rng, sheet, ImageDraw.Draw(sheet)
        self.han = bool(lettering.han) and rng.random() < 0.5
        faces = lettering.han if self.han else lettering.latin
        self.path, self.has = lettering.faces[faces[rng.integers(len(faces))]]
        self.size = max(9, int(min(sheet.size) * rng.uniform(0.013, 0.026)))
        self.margin = int(min(sheet.size) * rng.uniform(0.05, 0.12))
        self.ink = int(rng.integers(0, 70))
        self.y = self.margin

    def room(self) -> int:
        """Return the pixels that are left above the lower margin."""
        return self.sheet.height - self.margin - self.y - 3 * self.size

    def text(self, length: float, size: int) -> str:
        """Return a line of text that is at most `length` pixels long."""
        font, line = load_font(self.path, size), ""
        while font.getlength(line) < length:
            line += self._word()
        while line and font.getlength(line) > length:
            line = line[:-1]
        return line

    def _word(self) -> str:
        if self.han:
            raw = "".join(self.rng.choice(COMMON_HAN, self.rng.integers(3, 14))) + HAN_COMMA
        else:
            raw = latin_phrase(self.rng).lower() + " "
        return "".join(c for c in raw if ord(c) in self.has or c == " ") or " "

    def heading(self) -> None:
        """Set a title, flush left or centred."""
        size = int(self.size * self.rng.uniform(1.3, 2.4))
        width = self.sheet.width - 2 * self.margin
        line = self.text(width * self.rng.uniform(0.2, 0.8), size)
        indent = (width - load_font(self.path, size).getlength(line)) / 2
        x = self.margin + (indent if self.rng.random() < 0.5 else 0)
        self.pen.text((x, self.y), line, fill=self.ink, font=load_font(self.path, size))
        self.y += int(size * 1.8)

    def paragraph(self) -> None:
        """Set some lines over the width of the page."""
        font = load_font(self.path, self.size)
        pitch = int(self.size * self.rng.uniform(1.25, 1.8))
        width = self.sheet.width - 2 * self.margin
        for left in range(int(self.rng.integers(1, 9)), 0, -1):
            if self.room() <= 0:
                return
            share = self.rng.uniform(0.2, 0.95) if left == 1 else 1.0
            line = self.text(width * share, self.size)
            self.pen.text((self.margin, self.y), line, fill=self.ink, font=font)
            self.y += pitch
        self.y += pitch // 2

    def table(self) -> None:
        """Set a ruled table, some of its cells filled in, some left to be."""
        rows, columns = int(self.rng.integers(2, 8)), int(self.rng.integers(2, 7))
        width = self.sheet.width - 2 * self.margin
        pitch, cell = int(self.size * self.rng.uniform(1.6, 3)), width // columns
        rows = min(rows, max(1, (self.room() + self.size) // pitch))
        thick = max(1, round(self.size * self.rng.uniform(0.04, 0.12)))
        font, filled = load_font(self.path, self.size), self.rng.uniform(0.3, 1)
        for row in range(rows + 1):
            y = self.y + row * pitch
            ends = (self.margin, y, self.margin + columns * cell, y)
            self.pen.line(ends, fill=self.ink, width=thick)
        for column in range(columns + 1):
            x = self.margin + column * cell
            self.pen.line((x, self.y, x, self.y + rows * pitch), fill=self.ink, width=thick)
        for row in range(rows):
            for column in range(columns):
                if self.rng.random() < filled:
                    at = (self.margin + (column + 0.1) * cell, self.y + (row + 0.2) * pitch)
                    line = self.text(cell * self.rng.uniform(0.2, 0.8), self.size)
                    self.pen.text(at, line, fill=self.ink, font=font)
        self.y += rows * pitch + 2 * self.size


def seen(rng: np.random.Generator, sheet: Array) -> Array:
    """Give a sheet (H, W) in [0, 1] the tint, light, softness and grain of a photograph."""
    height, width = sheet.shape
    if rng.random() < 0.6:
        sheet = cv2.GaussianBlur(sheet, (0, 0), rng.uniform(0.4, 1.1))
    paper = 1 - rng.uniform(0, 0.16) * rng.random(3)
    dark = rng.uniform(0, 0.25) * rng.random(3)
    page = dark + sheet[..., None] * (paper - dark)
    if rng.random() < 0.6:
        coarse = rng.uniform(1 - rng.uniform(0.05, 0.35), 1, (3, 3)).astype(np.float32)
        page = page * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    if rng.random() < 0.6:
        page = page + rng.normal(0, rng.uniform(0.003, 0.02), (height, width, 1))
    return np.clip(np.rint(page * 255), 0, 255).astype(np.uint8)


def laid(rng: np.random.Generator, page: Array, background: Array) -> Array:
    """Lay a page on a background, both (H, W, 3) RGB, and look at it aslant as a phone does.

    Returns:
        A picture of the page's size; the page covers most of it, and often runs over an edge.
    """
    height, width = page.shape[:2]
    scene = cv2.resize(background, (width, height), interpolation=cv2.INTER_LINEAR)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    slant = rng.uniform(-0.08, 0.16, (4, 2)) * (width, height) * np.array(INWARD)
    view = cv2.getPerspectiveTransform(corners, (corners + slant).astype(np.float32))
    lift = np.full((height, width), rng.uniform(0.5, 1.0), np.float32)  # darker beside the page
    there = cv2.warpPerspective(np.ones((height, width), np.float32), view, (width, height))
    shade = cv2.GaussianBlur(there, (0, 0), 0.01 * width)
    background_light = (1 - (1 - lift) * shade)[..., None]
    seen_page = cv2.warpPerspective(page, view, (width, height), flags=cv2.INTER_AREA)
    there = there[..., None]
    return np.rint(seen_page * there + scene * background_light * (1 - there)).astype(np.uint8)


INWARD = ((1, 1), (-1, 1), (-1, -1), (1, -1))  # from the corners, clockwise from the upper left
