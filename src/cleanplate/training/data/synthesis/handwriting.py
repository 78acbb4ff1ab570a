"""Handwriting on print: answers, notes, corrections and all that a pen does to a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.picture import Box
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.ink import HIGHLIGHTERS, Ink, some_ink
from cleanplate.training.data.synthesis.lettering import COMMON_HAN, latin_phrase, turned
from cleanplate.training.data.synthesis.paths import SHAPES, Drawing, inked, pressed
from cleanplate.training.data.synthesis.paths import line as ruled
from cleanplate.training.data.synthesis.printed import Print, find_print
from cleanplate.training.data.synthesis.scraps import Scraps
from cleanplate.training.data.synthesis.scripts import Face, faces, written
from cleanplate.training.data.synthesis.strokes import Strokes
from cleanplate.training.data.synthesis.watermarks import place

EM = (0.02, 0.05)  # size of writing, as shares of a page's short side
PEN = (0.0009, 0.0036)  # width of a line, from a hairline on
MARKER = (0.0036, 0.008)
HIGHLIGHTER = (0.012, 0.024)
BOLD = 0.45  # share of writers with a marker, or a pen as thick as print
CHINESE = 0.4  # share of writers with a face that has Chinese characters, where there is one
BRUSHED = 0.5  # share of these whose letters are broader than their font's
SPREAD = 0.05  # by which these are broader on either side at most, as a share of an em
SCRAPPED = 0.25  # share of pages with real ink, where `scraps` are given
TILT = 4.0  # degrees that what is written across print is turned by
LINES = 0.55  # share of writing that is set in fonts, where recorded strokes are given, too


class Written(NamedTuple):
    """A page that was written on.

    `picture` (H, W, 3) uint8; `mask` (H, W) bool, where that differs from the page; `cover` (H, W)
    float32, the share of each pixel that ink lies on, where it changes nothing, too.
    """

    picture: Array
    mask: Array
    cover: Array


@dataclass(frozen=True)
class Writer:
    """Who writes: a pen and a hand. Sizes are in pixels."""

    ink: Ink
    em: float
    width: float
    slant: float
    weight: float
    spread: float
    face: Face
    corrects: bool  # ticks and underlines rather than answers
    highlights: bool = False  # draws a broad pale line over print, and nothing else


@dataclass(frozen=True)
class Sheet:
    """A page, or a part of one, and what is known of it."""

    height: int
    width: int
    unit: float  # pixels of the whole page's short side
    print: Print
    blanks: Sequence[Box]


class Handwriting:
    """A source of handwriting for pages."""

    def __init__(
        self,
        pens: Sequence[str | Path],
        strokes: Sequence[str | Path] = (),
        scraps: Sequence[str | Path] = (),
    ) -> None:
        """Load handwriting fonts and, if any, pen strokes (see `strokes`) and ink (`scraps`).

        Raises:
            UsageError: a folder holds none.
        """
        self.faces = faces(pens)
        self.chinese = [face for face in self.faces if face.han]
        self.strokes = Strokes(strokes) if strokes else None
        self.scraps = Scraps(scraps) if scraps else None

    def draw(
        self,
        rng: np.random.Generator,
        page: Array,
        blanks: Sequence[Box] = (),
        unit: float | None = None,
    ) -> Written:
        """Write on a page in blue, black or grey, now and then correct it in red.

        Args:
            rng: draws all there is to choose.
            page: (H, W, 3) uint8, RGB: a page or a part of one.
            blanks: boxes of the page that are there to be filled in.
            unit: pixels of the whole page's short side, which sizes follow; None: `page` is whole.

        Returns:
            The page with ink on it, and where the ink changed it.
        """
        unit = unit or min(page.shape[:2])
        found = find_print(page, unit, int(rng.choice((3, 5, 9))))
        sheet = Sheet(page.shape[0], page.shape[1], unit, found, blanks)
        everything: Array = np.zeros(page.shape[:2], np.float32)
        picture = page
        for writer in self._writers(rng, unit):
            cover: Array = np.zeros(page.shape[:2], np.float32)
            self._write(rng, writer, sheet, cover)
            cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.3, 0.9))
            picture = writer.ink.over(rng, picture, cover)
            np.maximum(everything, cover, out=everything)
        if self.scraps and rng.random() < SCRAPPED:
            light = np.ones(page.shape, np.float32)
            for _ in range(int(rng.integers(1, 5))):
                self._scrap(rng, sheet, light)
            picture = np.rint(picture * light).astype(np.uint8)
            np.maximum(everything, np.minimum(1, 1.6 * (1 - light.min(-1))), out=everything)
        picture = picture.copy() if picture is page else picture
        return Written(picture, (picture != page).any(-1), everything)

    def _writers(self, rng: np.random.Generator, unit: float) -> list[Writer]:
        """Return one who answers, one who corrects, or both; now and then one who marks lines."""
        kind = rng.random()
        roles = [False] if kind < 0.6 else [False, True] if kind < 0.85 else [True]
        writers = [self._writer(rng, unit, corrects) for corrects in roles]
        if rng.random() < 0.1:
            ink = some_ink(rng, str(rng.choice(HIGHLIGHTERS)))
            width = unit * rng.uniform(*HIGHLIGHTER)
            writers.append(replace(writers[0], ink=ink, width=width, highlights=True))
        return writers

    def _writer(self, rng: np.random.Generator, unit: float, corrects: bool) -> Writer:
        if corrects:
            name = str(rng.choice(("red", "blue", "black", "green"), p=(0.7, 0.08, 0.17, 0.05)))
        else:
            names = ("blue", "black", "pencil", "red", "green")
            name = str(rng.choice(names, p=(0.33, 0.4, 0.14, 0.09, 0.04)))
        bold = name != "pencil" and rng.random() < BOLD
        low, high = np.log(MARKER if bold else PEN)
        width = unit * np.exp(rng.uniform(low, high)) * (1.2 if corrects else 1.0)
        em = unit * np.exp(rng.uniform(*np.log(EM))) * (1.3 if bold else 1.0)
        hands = self.chinese if self.chinese and rng.random() < CHINESE else self.faces
        return Writer(
            ink=some_ink(rng, name),
            em=max(9.0, float(em)),
            width=max(1.0, float(width)),
            slant=rng.normal(0.08, 0.15),
            weight=rng.uniform(0.5, 2) if bold else rng.uniform(-1, 1),
            spread=rng.uniform(0, SPREAD) if bold and rng.random() < BRUSHED else 0.0,
            face=hands[rng.integers(len(hands))],
            corrects=corrects,
        )

    def _write(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Array) -> None:
        """Fill blanks and make marks, as many as the size of the sheet asks for."""
        if writer.highlights:
            self._highlight(rng, writer, sheet, cover)
            return
        share = sheet.height * sheet.width / sheet.unit**2
        if sheet.blanks and not writer.corrects:
            filled = rng.uniform(0.3, 1.0)
            for blank in sheet.blanks:
                if rng.random() < filled:
                    self._answer(rng, writer, blank, cover)
        few = 2 if sheet.blanks else 5
        for _ in range(1 + rng.poisson(few * share * rng.uniform(0.3, 2))):
            self._mark(rng, writer, sheet, cover)

    def _answer(self, rng: np.random.Generator, writer: Writer, blank: Box, cover: Array) -> None:
        """Write into a blank, now and then beyond its end, or tick it where it is a small one."""
        height, width = blank.size
        if width < 1.6 * height and rng.random() < 0.6:
            shape = "tick" if rng.random() < 0.6 else "cross"
            self._shape(rng, writer, shape, blank, cover)
            return
        em = min(writer.em, 0.75 * height) * rng.uniform(0.85, 1.15)
        for row in range(max(1, min(6, int(height / (1.9 * em))))):
            line = self._line(rng, writer, em, width * rng.uniform(0.3, 1.05))
            y = blank.bottom - height + row * 1.6 * em if row else blank.bottom - line.shape[0]
            x = blank.left + rng.uniform(0, 0.3) * max(0, width - line.shape[1])
            place(cover, line, int(y + rng.normal(0, 0.1) * em), int(x))
            if height < 3 * em:
                return

    def _mark(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Array) -> None:
        """Make one mark of the kinds that the writer makes."""
        kinds, chances = CORRECTIONS if writer.corrects else NOTES
        kind = str(rng.choice(kinds, p=chances))
        words = sheet.print.words
        if kind == "note":
            self._note(rng, writer, sheet, cover)
        elif kind == "over" or not words:
            self._over(rng, writer, sheet, cover)
        else:
            word = words[rng.integers(len(words))]
            size = writer.em * (np.exp(rng.uniform(0, 1.4)) if writer.corrects else 1.0)
            box = beside(rng, word, size) if kind in ASIDE else cut(rng, word)
            if kind == "signature":
                box = Box(box.top, box.left, box.bottom, box.left + int(size * rng.uniform(2, 6)))
            self._shape(rng, writer, kind, box, cover)
            if kind == "strike" and rng.random() < 0.5:  # what should stand there, above it
                line = self._line(rng, writer, 0.8 * writer.em, writer.em * rng.uniform(2, 5))
                place(cover, line, box.top - line.shape[0], box.left)

    def _shape(
        self, rng: np.random.Generator, writer: Writer, kind: str, box: Box, cover: Array
    ) -> None:
        """Draw a shape at a box."""
        drawing = SHAPES[kind](rng, max(4, box.width), max(4, box.height))
        patch, top, left = drawn(rng, drawing, writer.width)
        place(cover, patch, box.top + top, box.left + left)

    def _highlight(
        self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Array
    ) -> None:
        """Draw a broad line or a few over lines of print, as long as some words."""
        words = sheet.print.words or [Box(0, 0, sheet.height, sheet.width)]
        for _ in range(int(rng.integers(1, 4))):
            box = cut(rng, words[rng.integers(len(words))])
            middle = (box.top + box.bottom) / 2 + rng.normal(0, 0.1) * writer.width
            ends = ((box.left, middle), (box.right, middle + rng.normal(0, 0.1) * writer.width))
            path = ruled(rng, *ends)
            patch, top, left = inked([path], [np.full(len(path), writer.width)])
            place(cover, patch, top, left)

    def _scrap(self, rng: np.random.Generator, sheet: Sheet, light: Array) -> None:
        """Lay real ink on the light (H, W, 3) that reaches the sheet: where it has room, or not."""
        assert self.scraps is not None
        scrap = self.scraps.draw(rng, sheet.unit)
        height, width = scrap.shape[:2]
        spots = [
            Box(y, x, y + height, x + width)
            for y, x in zip(
                rng.integers(-height // 3, max(1, sheet.height - height // 2), 6).tolist(),
                rng.integers(-width // 3, max(1, sheet.width - width // 2), 6).tolist(),
                strict=True,
            )
        ]
        spot = min(spots, key=sheet.print.share) if rng.random() < 0.6 else spots[0]
        top, left = max(0, spot.top), max(0, spot.left)
        part = light[top : spot.bottom, left : spot.right]
        part *= scrap[top - spot.top :, left - spot.left :][: part.shape[0], : part.shape[1]]

    def _note(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Array) -> None:
        """Write some lines where the sheet has room, or where it has most of it."""
        lines = [
            self._line(rng, writer, writer.em, writer.em * rng.uniform(2, 14))
            for _ in range(int(rng.choice((1, 1, 1, 2, 3, 5, 8))))
        ]
        pitch = int(writer.em * rng.uniform(1.2, 1.8))
        height = pitch * (len(lines) - 1) + lines[-1].shape[0]
        width = max(line.shape[1] for line in lines)
        spots = [
            Box(y, x, y + height, x + width)
            for y, x in zip(
                rng.integers(0, max(1, sheet.height - height), 12).tolist(),
                rng.integers(0, max(1, sheet.width - width), 12).tolist(),
                strict=True,
            )
        ]
        spot = min(spots, key=sheet.print.share)
        for row, line in enumerate(lines):
            place(cover, line, spot.top + row * pitch, spot.left + int(rng.normal(0, 0.2) * pitch))
            if rng.random() < 0.08:  # thought better of
                box = Box(0, 0, *line.shape)
                self._shape(
                    rng, writer, "strike", box.moved(spot.top + row * pitch, spot.left), cover
                )

    def _over(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Array) -> None:
        """Write a line or a large sign anywhere, over print and edges too."""
        em = writer.em * rng.choice((1.0, 1.0, 1.5, 2.5))
        line = turned(self._line(rng, writer, em, em * rng.uniform(1, 8)), rng.normal(0, TILT))
        y = int(rng.integers(-line.shape[0] // 3, sheet.height - line.shape[0] // 3))
        x = int(rng.integers(-line.shape[1] // 3, max(1, sheet.width - line.shape[1] // 3)))
        place(cover, line, y, x)
        if rng.random() < 0.2:
            around = "loop" if rng.random() < 0.5 else "underline"
            self._shape(rng, writer, around, Box(0, 0, *line.shape).moved(y, x), cover)

    def _line(self, rng: np.random.Generator, writer: Writer, em: float, length: float) -> Array:
        """Write about `length` pixels, in a font's hand or in recorded strokes."""
        if self.strokes is not None and rng.random() > LINES:
            count = max(1, min(16, round(length / (0.9 * em))))
            drawing, widths = self.strokes.word(rng, count, 0.9 * em, writer.width)
            return inked(drawing, widths)[0]
        text = phrase(rng, writer.face, max(1, round(length / em)))
        return written(rng, writer.face, text, em, writer.slant, writer.weight, writer.spread)


def drawn(rng: np.random.Generator, drawing: Drawing, width: float) -> tuple[Array, int, int]:
    """Draw a shape with a pen of `width` pixels: cover, top, left."""
    return inked(drawing, [pressed(rng, path, width) for path in drawing])


def phrase(rng: np.random.Generator, face: Face, ems: int) -> str:
    """Return a text of about so many em, of characters that the face has."""
    kind = rng.random()
    if face.han and (not face.latin or kind < 0.6):
        text = "".join(rng.choice(COMMON_HAN, ems))
    elif kind < 0.75:
        text = latin_phrase(rng)
        while len(text) < 1.5 * ems:
            text += " " + latin_phrase(rng).lower()
        text = text[: max(1, 2 * ems)]
    elif kind < 0.93:
        text = "".join(rng.choice(list("0123456789+-=\u00d7.,/()xyab%"), max(1, 2 * ems)))
    else:
        text = str(rng.choice(list("ABCDTFabcdxy\u221a\u00d7?!")))
    return face.kept(text).strip() or "A"


def cut(rng: np.random.Generator, word: Box) -> Box:
    """Return a part of a line of print as long as some words, or all of it."""
    height, width = word.size
    length = int(height * rng.uniform(1.5, 10))
    if width <= length:
        return word
    left = word.left + int(rng.integers(width - length))
    return Box(word.top, left, word.bottom, left + length)


def beside(rng: np.random.Generator, word: Box, em: float) -> Box:
    """Return a box of about an em near a word: on its end, before it or above it."""
    size = int(em * rng.uniform(0.8, 2.2))
    x = int(rng.choice((word.left - size, word.right, word.left + word.width // 2)))
    y = (word.top + word.bottom - size) // 2 + int(rng.normal(0, 0.4) * em)
    return Box(y, x, y + size, x + size)


ASIDE = {"tick", "cross", "bracket", "arrow", "signature"}  # marks beside words, not on them
KINDS = ("note", "over", *SHAPES)
# underline, strike, loop, tick, cross, bracket, arrow, signature
NOTES = KINDS, (0.28, 0.26, 0.1, 0.09, 0.08, 0.05, 0.03, 0.04, 0.03, 0.04)
CORRECTIONS = KINDS, (0.1, 0.1, 0.12, 0.08, 0.14, 0.28, 0.11, 0.02, 0.02, 0.03)
