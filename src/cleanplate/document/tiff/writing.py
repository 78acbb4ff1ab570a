"""A TIFF file patched in a copy of it: what is not changed keeps its bytes and its place.

New strips go where the old ones were, where they fit; what is removed becomes zeros.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO, NamedTuple

import numpy as np

from cleanplate.document.tiff.container import (
    COUNTS,
    INNER,
    OFFSETS,
    TILE_COUNTS,
    TILE_OFFSETS,
    Container,
    Node,
    Slot,
    Table,
)
from cleanplate.errors import PictureError
from cleanplate.picture import directory

_BYTE, _LONG, _LONG8 = 1, 4, 16
_CODES = {3: "H", _LONG: "I", _LONG8: "Q"}
_PIECE = 1 << 20  # bytes of zeros written at a time


class Change(NamedTuple):
    """What becomes of a directory.

    Attributes:
        blocks: strips or tiles by their numbers.
        numbers: tags of one whole number that get another.
        values: tags whose values are bytes: these anew.
        dropped: tags that go, with all that they lead to.
    """

    blocks: Mapping[int, bytes]
    numbers: Mapping[int, int]
    values: Mapping[int, bytes]
    dropped: frozenset[int]


class Owned:
    """Which ranges of a file belong to one thing alone, and so may be written over."""

    def __init__(self, container: Container, nodes: Iterable[Node]) -> None:
        """Look at all that the directories of a chain say is theirs."""
        ranges = [np.array([(0, 16 if container.big else 8)])]
        for node in nodes:
            ranges.append(np.array([*container.ranges(container.table(node.start))]))
        self._starts, self._ends = np.sort(np.concatenate(ranges).T)

    def alone(self, start: int, end: int) -> bool:
        """Return whether nothing else lies in a range that is somebody's."""
        before = np.searchsorted(self._starts, end, "left")
        return bool(before - np.searchsorted(self._ends, start, "right") <= 1)


class Patch:
    """A copy of a TIFF file that is being changed."""

    def __init__(self, file: BinaryIO, container: Container, nodes: list[Node], name: str) -> None:
        """Begin to change a copy.

        Args:
            file: the copy, open to be written.
            container: the file that it is a copy of.
            nodes: its chain.
            name: for messages.
        """
        self._file, self._container, self._name = file, container, name
        self._nodes = nodes
        self._owned = Owned(container, nodes)
        self._end = container.length

    def apply(self, changes: Mapping[int, Callable[[], Change]], left_out: frozenset[int]) -> None:
        """Change directories, and leave others out of the chain.

        Args:
            changes: by the offset of a directory what gives its change; asked one at a time.
            left_out: the offsets of those that go, with all that is theirs.

        Raises:
            PictureError: the file would be larger than its kind can be.
        """
        kept = [node.start for node in self._nodes if node.start not in left_out]
        following = dict(zip(kept, [*kept[1:], 0], strict=True))
        if self._nodes[0].start != kept[0]:
            self._write(self._container.head, self._offset(kept[0]))
        for start in kept:
            change = changes[start]() if start in changes else None
            table = self._container.table(start)
            if change is not None:
                self._rewrite(table, change, following[start])
            elif table.following != following[start]:
                pointer = struct.calcsize(self._container.offset_code)
                self._write(start + table.size - pointer, self._offset(following[start]))
        for start in left_out:
            for range_ in self._container.ranges(self._container.table(start)):
                self._clear(*range_)

    def _rewrite(self, table: Table, change: Change, following: int) -> None:
        """Write a directory where it stood, with its new strips, without what is dropped."""
        code, container = self._container.slot_code, self._container
        kept = [slot for slot in table.slots if slot.tag not in change.dropped]
        self._clear_dropped(table, [slot for slot in table.slots if slot.tag in change.dropped])
        wide, each = struct.calcsize(container.count_code), struct.calcsize(code)
        old = container.read(table.start, table.size)
        lines = {
            slot: old[wide + each * index : wide + each * (index + 1)]
            for index, slot in enumerate(table.slots)
        }
        for tag, numbers in self._numbers(table, change.blocks).items():
            self._replace(lines, table, tag, numbers)
        for tag, value in change.numbers.items():
            self._replace(lines, table, tag, [value])
        for tag in change.values.keys() - change.dropped:
            slot, data = _slot(table, tag), change.values[tag]
            lines[slot] = self._line(slot, _BYTE, len(data), data)
        new = struct.pack(container.count_code, len(kept))
        new += b"".join(lines[slot] for slot in kept) + self._offset(following)
        self._write(table.start, new + bytes(table.size - len(new)))

    def _numbers(self, table: Table, blocks: Mapping[int, bytes]) -> dict[int, list[int]]:
        """Write strips or tiles; return the new values of the tags that say where they are."""
        if not blocks:
            return {}
        tiled = table.slot(TILE_OFFSETS) is not None
        place_tag = TILE_OFFSETS if tiled else OFFSETS
        length_tag = TILE_COUNTS if table.slot(TILE_COUNTS) is not None else COUNTS
        places = list(self._container.numbers(table, place_tag))
        lengths = list(self._container.numbers(table, length_tag))
        for number, data in blocks.items():
            places[number] = self._put(places[number], lengths[number], data)
            lengths[number] = len(data)
        return {place_tag: places, length_tag: lengths}

    def _replace(
        self, lines: dict[Slot, bytes], table: Table, tag: int, numbers: list[int]
    ) -> None:
        """Give a tag other whole numbers, of its type where they fit that."""
        slot, order = _slot(table, tag), self._container.order
        kind = slot.kind
        if max(numbers) >= 1 << 8 * directory.SIZES[kind] or kind not in _CODES:
            kind = _LONG if max(numbers) < 1 << 32 else _LONG8
        data = struct.pack(f"{order}{len(numbers)}{_CODES[kind]}", *numbers)
        lines[slot] = self._line(slot, kind, len(numbers), data)

    def _line(self, slot: Slot, kind: int, count: int, data: bytes) -> bytes:
        """Write the value of a tag, and return the tag as it stands in its directory."""
        container = self._container
        pointer = struct.calcsize(container.offset_code)
        if slot.size > pointer and len(data) <= pointer:
            self._clear(slot.place, slot.place + slot.size)
        if len(data) > pointer:
            old = slot.size if slot.size > pointer else 0
            data = self._offset(self._put(slot.place, old, data))
        return struct.pack(container.slot_code, slot.tag, kind, count, data)

    def _put(self, place: int, length: int, data: bytes) -> int:
        """Write bytes over old ones where they fit, or else behind the end; return where."""
        fits = len(data) <= length and self._owned.alone(place, place + length)
        if fits:
            self._write(place, data + bytes(length - len(data)))
            return place
        self._clear(place, place + length)
        place = self._end + self._end % 2
        self._offset(place)  # a plain TIFF has places for 4 GB
        self._write(place, data)
        self._end = place + len(data)
        return place

    def _clear_dropped(self, table: Table, dropped: list[Slot]) -> None:
        """Clear what the tags that go lead to: values, and directories with what is theirs."""
        inside = range(table.start, table.start + table.size)
        for slot in dropped:
            if slot.tag in INNER:
                for start in self._container.numbers(table, slot.tag):
                    self._clear_below(start)
            if slot.size and slot.place not in inside:
                self._clear(slot.place, slot.place + slot.size)

    def _clear_below(self, start: int) -> None:
        if any(node.start == start for node in self._nodes):
            return  # a page, of this chain, is no copy
        try:
            below = self._container.table(start)
        except ValueError:
            return  # there is nothing to be seen
        for range_ in self._container.ranges(below):
            self._clear(*range_)

    def _clear(self, start: int, end: int) -> None:
        """Write zeros, but over nothing that belongs to something else, too."""
        if start >= end or not self._owned.alone(start, end):
            return
        for at in range(start, end, _PIECE):
            self._write(at, bytes(min(_PIECE, end - at)))

    def _write(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        self._file.write(data)

    def _offset(self, place: int) -> bytes:
        try:
            return struct.pack(self._container.offset_code, place)
        except struct.error as error:
            raise PictureError(
                f"{self._name}: with its new pages it has more than 4 GB; save it as BigTIFF."
            ) from error


def _slot(table: Table, tag: int) -> Slot:
    slot = table.slot(tag)
    if slot is None:
        raise ValueError(f"tag {tag} is not there")
    return slot
