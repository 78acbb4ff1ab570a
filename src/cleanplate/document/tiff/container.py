"""TIFF and BigTIFF files as chains of directories, read piece by piece."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cleanplate.picture import directory
from cleanplate.picture.directory import Directory, Entry

KIND, OLD_KIND, PHOTOMETRIC, SUBDIRECTORIES = 254, 255, 262, 330
OFFSETS, COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 279, 324, 325
INNER = (SUBDIRECTORIES, directory.EXIF, directory.GPS, directory.INTEROP)
"""Tags whose values are places of further directories."""

_JPEG, _JPEG_LENGTH, _DNG = 513, 514, 50706
_SMALLER, _OF_TRANSPARENCY = 1, 4  # bits of KIND
_OLD_SMALLER, _MASK = 2, 4  # values of OLD_KIND, of PHOTOMETRIC
_MOST = 200_000  # directories in a file
_DEEPEST = 4  # directories in directories
_LARGEST = 1 << 27  # bytes of a value that is read
_HEADS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}


class Slot(NamedTuple):
    """A tag where it stands: its number, type, count of `values`, and their place and bytes."""

    tag: int
    kind: int
    values: int
    place: int
    size: int


class Table(NamedTuple):
    """A directory where it stands: its offset, its tags in their order, the next one's offset.

    `size` is that of the directory itself in bytes, without the values that lie elsewhere.
    """

    start: int
    size: int
    slots: tuple[Slot, ...]
    following: int

    def slot(self, tag: int) -> Slot | None:
        """Return where a tag stands; None where there is none."""
        return next((one for one in self.slots if one.tag == tag), None)


class Node(NamedTuple):
    """A link of a file's chain: a page, a smaller `copy` of one, or a transparency `mask`."""

    start: int
    copy: bool
    mask: bool

    @property
    def page(self) -> bool:
        """Whether it is a page of its own."""
        return not (self.copy or self.mask)


class Container:
    """A TIFF or BigTIFF file that is read piece by piece.

    Attributes:
        order: `<` or `>`, of its bytes.
        big: whether it is a BigTIFF.
        length: of the file, in bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the head of an open file.

        Raises:
            ValueError: it is no TIFF.
        """
        self._file = file
        self.length = file.seek(0, io.SEEK_END)
        head = self.read(0, min(16, self.length))
        if head[:4] not in _HEADS:
            raise ValueError("no TIFF header")
        self.order = _HEADS[head[:4]]
        self.big = head[:4] in (b"II+\0", b"MM\0+")
        if self.big and head[4:8] != struct.pack(self.order + "HH", 8, 0):
            raise ValueError("places of other than 8 bytes")

    @property
    def head(self) -> int:
        """Where the offset of the first directory stands."""
        return 8 if self.big else 4

    @property
    def offset_code(self) -> str:
        """How an offset is packed, as `struct` has it."""
        return self.order + ("Q" if self.big else "I")

    @property
    def count_code(self) -> str:
        """How the count of a directory's tags is packed."""
        return self.order + ("Q" if self.big else "H")

    @property
    def slot_code(self) -> str:
        """How a tag is packed: number, type, count, and its value or the place of that."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    def read(self, at: int, size: int) -> bytes:
        """Return so many bytes of the file.

        Raises:
            ValueError: they reach beyond its end.
        """
        if at + size > self.length:
            raise ValueError("something lies beyond the end of the file")
        self._file.seek(at)
        return self._file.read(size)

    def table(self, start: int) -> Table:
        """Return the directory at an offset.

        Raises:
            ValueError: it, or a value of it, lies beyond the end of the file.
        """
        wide = struct.calcsize(self.count_code)
        (count,) = struct.unpack(self.count_code, self.read(start, wide))
        each, pointer = struct.calcsize(self.slot_code), struct.calcsize(self.offset_code)
        size = wide + each * count + pointer
        data = self.read(start, size)
        slots = []
        for at in range(wide, wide + each * count, each):
            tag, kind, number, value = struct.unpack_from(self.slot_code, data, at)
            bytes_ = directory.SIZES.get(kind, 0) * number
            place = start + at + each - pointer
            if bytes_ > pointer:
                (place,) = struct.unpack(self.offset_code, value)
                if place + bytes_ > self.length:
                    raise ValueError(f"tag {tag} reaches beyond the end")
            slots.append(Slot(tag, kind, number, place, bytes_))
        (following,) = struct.unpack_from(self.offset_code, data, size - pointer)
        return Table(start, size, tuple(slots), following)

    def entries(self, table: Table, *tags: int) -> Directory:
        """Return the values of these tags, as far as the directory has them.

        Raises:
            ValueError: one of them is larger than any such value.
        """
        found = {}
        for slot in table.slots:
            if slot.tag in tags and slot.size:
                if slot.size > _LARGEST:
                    raise ValueError(f"tag {slot.tag} has {slot.size} bytes")
                found[slot.tag] = Entry(slot.kind, slot.values, self.read(slot.place, slot.size))
        return found

    def numbers(self, table: Table, tag: int) -> tuple[int, ...]:
        """Return the values of a tag of whole numbers; none where it is absent."""
        return directory.integers(self.entries(table, tag), tag, self.order, ())

    def chain(self) -> Iterator[Node]:
        """Give the directories from the first on, by their links.

        Raises:
            ValueError: one is broken, or they run in a circle.
        """
        (start,) = struct.unpack(self.offset_code, self.read(self.head, self.head))
        seen: set[int] = set()
        while start:
            if start in seen:
                raise ValueError("its pages run in a circle")
            if len(seen) >= _MOST:
                raise ValueError(f"it has more than {_MOST} pages")
            seen.add(start)
            try:
                table = self.table(start)
            except ValueError as error:
                raise ValueError(f"directory {len(seen)}: {error}") from error
            yield self._node(table)
            start = table.following

    def is_raw(self) -> bool:
        """Return whether it is, by its first directory, of a camera's RAW format, or begins with a
        smaller copy as these do.
        """
        (start,) = struct.unpack(self.offset_code, self.read(self.head, self.head))
        table = self.table(start)
        canon = not self.big and self.read(8, 2) == b"CR"
        return canon or table.slot(_DNG) is not None or self._node(table).copy

    def ranges(self, table: Table) -> Iterator[tuple[int, int]]:
        """Give beginning and end of all that a directory says is its own: itself, its values, its
        samples, and the same of the directories that it leads down to.
        """
        pending, seen = [(table, 0)], {table.start}
        while pending:
            one, depth = pending.pop()
            yield one.start, one.start + one.size
            inside = range(one.start, one.start + one.size)
            for slot in one.slots:
                if slot.size and slot.place not in inside:
                    yield slot.place, slot.place + slot.size
            for places, lengths in ((OFFSETS, COUNTS), (TILE_OFFSETS, TILE_COUNTS)):
                yield from self._blocks(one, places, lengths)
            yield from self._blocks(one, _JPEG, _JPEG_LENGTH)
            for start in self._below(one):
                if start in seen or depth >= _DEEPEST:
                    continue
                seen.add(start)
                try:
                    below = self.table(start)
                except ValueError:
                    continue
                pending.append((below, depth + 1))

    def _blocks(self, table: Table, places: int, lengths: int) -> Iterator[tuple[int, int]]:
        pairs = zip(self.numbers(table, places), self.numbers(table, lengths), strict=False)
        for place, length in pairs:
            if length:
                yield place, min(place + length, self.length)

    def _below(self, table: Table) -> Iterator[int]:
        """Give the offsets of the directories that a directory leads down to."""
        for tag in INNER:
            yield from self.numbers(table, tag)

    def _node(self, table: Table) -> Node:
        tags = self.entries(table, KIND, OLD_KIND, PHOTOMETRIC)
        kind, old, photometric = (
            directory.number(tags, tag, self.order, 0) for tag in (KIND, OLD_KIND, PHOTOMETRIC)
        )
        mask = bool(kind & _OF_TRANSPARENCY) or photometric == _MASK
        copy = bool(kind & _SMALLER) or old == _OLD_SMALLER
        return Node(table.start, copy and not mask, mask)


def begins_tiff(source: Path | bytes) -> bool:
    """Return whether a file, or bytes, begin as a TIFF or BigTIFF does; what cannot be read does
    not.
    """
    try:
        if isinstance(source, bytes):
            return source[:4] in _HEADS
        if not source.is_file():  # a pipe may never begin
            return False
        with source.open("rb") as file:
            return file.read(4) in _HEADS
    except OSError:
        return False


def holds_pages(source: Path | bytes) -> bool:
    """Return whether a file, or bytes, are a BigTIFF, or a TIFF of more than a picture and smaller
    copies of it. What is broken before that can be told is not.
    """
    if not begins_tiff(source):
        return False
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            container = Container(file)
            if container.big:
                return True
            if container.is_raw():
                return False
            return any(number and not node.copy for number, node in enumerate(container.chain()))
    except (ValueError, OSError, struct.error):
        return False
