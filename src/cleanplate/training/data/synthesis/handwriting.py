"""Handwriting on print: answers, notes, corrections and all that a pen does to a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.picture import Box
from cleanplate.training.data.synthesis.ink import Ink, some_ink
from cleanplate.training.data.synthesis.lettering import COMMON_HAN, Map, latin_phrase
from cleanplate.training.data.synthesis.paths import SHAPES, Drawing, inked, pressed
from cleanplate.training.data.synthesis.printed import Print, find_print
from cleanplate.training.data.synthesis.scripts import Face, faces, written
from cleanplate.training.data.synthesis.strokes import Strokes
from cleanplate.training.data.synthesis.watermarks import place

EM = (0.02, 0.05)  # size of writing, as shares of a page's short side
PEN = (0.0013, 0.0032)  # width of a line
LINES = 0.55  # share of writing with fonts where there are recorded strokes, too


class Written(NamedTuple):
    """A page that was written on: `picture` (H, W, 3) uint8 and `mask` (H, W) bool."""

    picture: Map
    mask: Map


@dataclass(frozen=True)
class Writer:
    """Who writes: a pen and a hand. Sizes are in pixels."""

    ink: Ink
    em: float
    width: float
    slant: float
    weight: float
    face: Face
    corrects: bool  # ticks and underlines rather than answers


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

    def __init__(self, pens: Sequence[str | Path], strokes: Sequence[str | Path] = ()) -> None:
        """Load handwriting fonts and, if any, recorded pen strokes (see `strokes`).

        Raises:
            UsageError: a folder holds none.
        """
        self.faces = faces(pens)
        self.strokes = Strokes(strokes) if strokes else None

    def draw(
        self,
        rng: np.random.Generator,
        page: Map,
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
        picture = page
        for writer in self._writers(rng, unit):
            cover = np.zeros(page.shape[:2], np.float32)
            self._write(rng, writer, sheet, cover)
            soft = rng.uniform(0.3, 0.9)
            picture = writer.ink.over(rng, picture, cv2.GaussianBlur(cover, (0, 0), soft))
        return Written(picture, (picture != page).any(-1))

    def _writers(self, rng: np.random.Generator, unit: float) -> list[Writer]:
        """One who answers, one who corrects, or both."""
        kind = rng.random()
        roles = [False] if kind < 0.65 else [False, True] if kind < 0.9 else [True]
        return [self._writer(rng, unit, corrects) for corrects in roles]

    def _writer(self, rng: np.random.Generator, unit: float, corrects: bool) -> Writer:
        if corrects:
            name = "red" if rng.random() < 0.85 else "blue"
        else:
            name = str(rng.choice(("blue", "black", "pencil", "red"), p=(0.45, 0.36, 0.12, 0.07)))
        low, high = np.log(EM)
        width = unit * rng.uniform(*PEN) * (1.3 if corrects else 1.0)
        return Writer(
            ink=some_ink(rng, name),
            em=max(9.0, unit * float(np.exp(rng.uniform(low, high)))),
            width=max(1.0, width),
            slant=rng.normal(0.08, 0.15),
            weight=rng.uniform(-1, 1),
            face=self.faces[rng.integers(len(self.faces))],
            corrects=corrects,
        )

    def _write(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Map) -> None:
        """Fill blanks and make marks, as many as the size of the sheet asks for."""
        share = sheet.height * sheet.width / sheet.unit**2
        if sheet.blanks and not writer.corrects:
            filled = rng.uniform(0.3, 1.0)
            for blank in sheet.blanks:
                if rng.random() < filled:
                    self._answer(rng, writer, blank, cover)
        few = 2 if sheet.blanks else 5
        for _ in range(1 + rng.poisson(few * share * rng.uniform(0.3, 2))):
            self._mark(rng, writer, sheet, cover)

    def _answer(self, rng: np.random.Generator, writer: Writer, blank: Box, cover: Map) -> None:
        """Write into a blank, now and then beyond its end, or tick it where it is a small one."""
        height, width = blank.bottom - blank.top, blank.right - blank.left
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

    def _mark(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Map) -> None:
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
            box = beside(rng, word, writer.em) if kind in ASIDE else cut(rng, word)
            self._shape(rng, writer, kind, box, cover)
            if kind == "strike" and rng.random() < 0.5:  # what should stand there, above it
                line = self._line(rng, writer, 0.8 * writer.em, writer.em * rng.uniform(2, 5))
                place(cover, line, box.top - line.shape[0], box.left)

    def _shape(
        self, rng: np.random.Generator, writer: Writer, kind: str, box: Box, cover: Map
    ) -> None:
        """Draw a shape at a box."""
        drawing = SHAPES[kind](rng, max(4, box.right - box.left), max(4, box.bottom - box.top))
        patch, top, left = drawn(rng, drawing, writer.width)
        place(cover, patch, box.top + top, box.left + left)

    def _note(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Map) -> None:
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
                    rng, writer, "strike", moved(box, spot.top + row * pitch, spot.left), cover
                )

    def _over(self, rng: np.random.Generator, writer: Writer, sheet: Sheet, cover: Map) -> None:
        """Write a line or a large sign anywhere, over print and edges too."""
        em = writer.em * rng.choice((1.0, 1.0, 1.5, 2.5))
        line = self._line(rng, writer, em, em * rng.uniform(1, 8))
        y = int(rng.integers(-line.shape[0] // 3, sheet.height - line.shape[0] // 3))
        x = int(rng.integers(-line.shape[1] // 3, max(1, sheet.width - line.shape[1] // 3)))
        place(cover, line, y, x)
        if rng.random() < 0.2:
            around = "loop" if rng.random() < 0.5 else "underline"
            self._shape(rng, writer, around, moved(Box(0, 0, *line.shape), y, x), cover)

    def _line(self, rng: np.random.Generator, writer: Writer, em: float, length: float) -> Map:
        """Write about `length` pixels, in a font's hand or in recorded strokes."""
        if self.strokes is not None and rng.random() > LINES:
            count = max(1, min(16, round(length / (0.9 * em))))
            drawing, widths = self.strokes.word(rng, count, 0.9 * em, writer.width)
            return inked(drawing, widths)[0]
        text = phrase(rng, writer.face, max(1, round(length / em)))
        return written(rng, writer.face, text, em, writer.slant, writer.weight)


def drawn(rng: np.random.Generator, drawing: Drawing, width: float) -> tuple[Map, int, int]:
    """Draw a shape with a pen of `width` pixels: cover, top, left."""
    return inked(drawing, [pressed(rng, path, width) for path in drawing])


def phrase(rng: np.random.Generator, face: Face, ems: int) -> str:
    """Return something to write, about so many em long, that a face has all characters of."""
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
    """A part of a line of print as long as some words, or all of it."""
    height, width = word.bottom - word.top, word.right - word.left
    length = int(height * rng.uniform(1.5, 10))
    if width <= length:
        return word
    left = word.left + int(rng.integers(width - length))
    return Box(word.top, left, word.bottom, left + length)


def beside(rng: np.random.Generator, word: Box, em: float) -> Box:
    """A box of about an em near a word: on its end, before it or above it."""
    size = int(em * rng.uniform(0.8, 2.2))
    x = int(rng.choice((word.left - size, word.right, word.left + (word.right - word.left) // 2)))
    y = (word.top + word.bottom - size) // 2 + int(rng.normal(0, 0.4) * em)
    return Box(y, x, y + size, x + size)


def moved(box: Box, down: int, right: int) -> Box:
    """Return a box somewhere else."""
    return Box(box.top + down, box.left + right, box.bottom + down, box.right + right)


ASIDE = {"tick", "cross", "bracket", "arrow"}  # marks beside words, not on them
NOTES = (
    ("note", "over", "underline", "strike", "loop", "tick", "cross", "bracket", "arrow"),
    (0.34, 0.16, 0.14, 0.1, 0.1, 0.05, 0.03, 0.04, 0.04),
)
CORRECTIONS = (
    ("note", "over", "underline", "strike", "loop", "tick", "cross", "bracket", "arrow"),
    (0.1, 0.1, 0.12, 0.08, 0.14, 0.3, 0.12, 0.02, 0.02),
)
