"""What most pages of a document draw alike, and is translucent or turned: probably a mark, but not
surely, as logos repeat, too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream

from cleanplate.document.pdf.content import (
    Holder,
    Operation,
    content_of,
    name_in,
    numbers_in,
    operations,
    without,
)
from cleanplate.document.pdf.marks import BROKEN, Mark

_FEWEST = 3  # pages
_LONGEST = 2000  # operations of a block
_TURNED = 0.02  # of a matrix, what stands across, as a share of what stands along
_DEEPEST = 8
_PAINTING = {
    *("f", "F", "f*", "B", "B*", "b", "b*", "s", "S"),
    *("sh", "Do", "BI", "Tj", "TJ", "'", '"'),
}


@dataclass(frozen=True)
class _Block:
    """What a page draws between a `q` and its `Q`: its operations by their places."""

    begin: int
    end: int
    digest: str


@dataclass
class _Look:
    """What a block looks like."""

    translucent: bool = False
    turned: bool = False
    paints: bool = False

    def words(self) -> str:
        said = [word for word in ("translucent", "turned") if getattr(self, word)]
        return " and ".join(said)


class RepeatedMarks:
    """What most pages of a document repeat."""

    def __init__(self, pdf: Pdf) -> None:
        self._pdf = pdf
        self._objects: dict[tuple[int, int], str] = {}
        counts: Counter[str] = Counter()
        examples: dict[str, int] = {}
        for number, page in enumerate(pdf.pages):
            _, blocks, _ = self._blocks_of(page)
            for digest in {one.digest for one in blocks}:
                counts[digest] += 1
                examples.setdefault(digest, number)
        fewest = max(_FEWEST, len(pdf.pages) // 2 + 1)
        self._marks: dict[str, Mark] = {}
        for digest, count in counts.items():
            if count >= fewest:
                self._look_at(digest, pdf.pages[examples[digest]])

    def find(self, page: pikepdf.Page) -> list[Mark]:
        """Return the marks of a page."""
        _, blocks, every = self._blocks_of(page)
        return [self._marks[one.digest] for one in self._outermost(blocks, every)]

    def remove(self, page: pikepdf.Page) -> list[Mark]:
        """Take the marks off a page, and return what was removed."""
        content, blocks, every = self._blocks_of(page)
        chosen = self._outermost(blocks, every)
        if chosen:
            gone = [one for block in chosen for one in every[block.begin : block.end + 1]]
            holder = Holder(page.obj, page.obj.get(Name.Resources, Dictionary()))
            holder.write(self._pdf, without(content, gone), gone, every)
        return [self._marks[one.digest] for one in chosen]

    def _outermost(self, blocks: list[_Block], every: list[Operation]) -> list[_Block]:
        """Return the marks among blocks; one that holds all that a page paints is none."""
        chosen: list[_Block] = []
        painted = sum(one.name in _PAINTING for one in every)
        for block in sorted(blocks, key=lambda one: (one.begin, -one.end)):
            if block.digest not in self._marks or (chosen and block.begin < chosen[-1].end):
                continue
            part = every[block.begin : block.end + 1]
            if sum(one.name in _PAINTING for one in part) < painted:
                chosen.append(block)
        return chosen

    def _look_at(self, digest: str, page: pikepdf.Page) -> None:
        """Note a block that repeats, where it looks like a mark."""
        _, blocks, every = self._blocks_of(page)
        block = next(one for one in blocks if one.digest == digest)
        holder = Holder(page.obj, page.obj.get(Name.Resources, Dictionary()))
        part, look = every[block.begin : block.end + 1], _Look()
        _see(part, holder, look, 0)
        if look.paints and (look.translucent or look.turned):
            names = [name_in(one.operands[-1]) for one in part if one.name == "Do" and one.operands]
            objects = [
                holder.objects()[name].objgen[0] for name in names if name in holder.objects()
            ]
            of = "".join(f", object {number}" for number in objects)
            self._marks[digest] = Mark("repeated", f"repeated {digest[:8]}, {look.words()}{of}")

    def _blocks_of(self, page: pikepdf.Page) -> tuple[bytes, list[_Block], list[Operation]]:
        """Return the content of a page, its blocks and operations; none where it is damaged."""
        try:
            content = content_of(page.obj)
            if not any(name in content for name in (b"gs", b"cm", b"Tm", b"Do")):
                return content, [], []
            every = operations(content)
            holder = Holder(page.obj, page.obj.get(Name.Resources, Dictionary()))
            return content, list(self._blocks(every, holder)), every
        except BROKEN:
            return b"", [], []

    def _blocks(self, every: list[Operation], holder: Holder) -> Iterator[_Block]:
        states = _dict(holder.resources, Name.ExtGState)
        fonts = _dict(holder.resources, Name.Font)
        objects = holder.objects()
        words = [self._meant(one, states, fonts, objects) for one in every]
        begins: list[int] = []
        for place, one in enumerate(every):
            if one.name == "q":
                begins.append(place)
            elif one.name == "Q" and begins:
                begin = begins.pop()
                if place - begin <= _LONGEST:
                    said = b"\n".join(words[begin : place + 1])
                    yield _Block(begin, place, hashlib.sha256(said).hexdigest())

    def _meant(
        self,
        one: Operation,
        states: dict[str, Any],
        fonts: dict[str, Any],
        objects: dict[str, Object],
    ) -> bytes:
        """Return what an operation does, whatever its page calls the things that it names."""
        operands = list(one.operands)
        if one.name in ("gs", "Tf", "Do") and operands:
            name = name_in(operands[0])
            if one.name == "Do":
                operands[0] = self._digest(objects.get(name)).encode()
            elif one.name == "gs":
                operands[0] = repr(_opacity(states.get(name))).encode()
            else:
                font = fonts.get(name)
                known = font.get(Name.BaseFont, "") if isinstance(font, Dictionary) else ""
                operands[0] = str(known).encode()
        return b" ".join([*operands, one.name.encode()])

    def _digest(self, drawn: Object | None) -> str:
        """Return what tells an image or a form from others: its data, and where it lies."""
        if not isinstance(drawn, Stream):
            return ""
        if drawn.objgen not in self._objects:
            lies = f"{drawn.get(Name.Matrix)!r} {drawn.get(Name.BBox)!r}".encode()
            data = hashlib.sha256(lies + bytes(drawn.read_raw_bytes())).hexdigest()
            self._objects[drawn.objgen] = data
        return self._objects[drawn.objgen]


def _see(part: list[Operation], holder: Holder, look: _Look, depth: int) -> None:
    """Note what operations look like, those of the forms that they draw as well."""
    states, objects = _dict(holder.resources, Name.ExtGState), holder.objects()
    for one in part:
        look.paints |= one.name in _PAINTING
        if one.name == "gs" and one.operands:
            look.translucent |= min(_opacity(states.get(name_in(one.operands[0])))) < 1
        elif one.name in ("cm", "Tm") and len(one.operands) == 6:
            look.turned |= _is_turned(numbers_in(one.operands))
        elif one.name == "Do" and one.operands:
            drawn = objects.get(name_in(one.operands[-1]))
            if isinstance(drawn, Stream) and drawn.get(Name.Subtype) == Name.Form:
                if depth < _DEEPEST:
                    inner = Holder(drawn, drawn.get(Name.Resources, holder.resources))
                    _see(operations(content_of(drawn)), inner, look, depth + 1)
                lies = drawn.get(Name.Matrix)
                look.turned |= isinstance(lies, Array) and _is_turned([float(n) for n in lies])
            elif isinstance(drawn, Stream):
                look.translucent |= Name.SMask in drawn


def _opacity(state: Any) -> tuple[float, float]:
    """Return how opaque a graphics state fills and strokes, 0 to 1; 0 with a soft mask."""
    if not isinstance(state, Dictionary):
        return 1.0, 1.0
    if isinstance(state.get(Name.SMask), Dictionary):
        return 0.0, 0.0
    return float(state.get(Name.ca, 1)), float(state.get(Name.CA, 1))


def _is_turned(matrix: list[float]) -> bool:
    """Return whether a matrix turns by another angle than quarters of a circle."""
    along, across = abs(matrix[0]) + abs(matrix[3]), abs(matrix[1]) + abs(matrix[2])
    return min(along, across) > _TURNED * max(along, across)


def _dict(resources: Object, kind: Name) -> dict[str, Any]:
    known = resources.get(kind) if isinstance(resources, Dictionary) else None
    return dict(known.items()) if isinstance(known, Dictionary) else {}
