"""The boxes of AVIF and HEIC files (ISO/IEC 14496-12 and 23008-12), read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

PICTURES = {b"av01", b"hvc1", b"grid", b"iovl", b"iden", b"tmap"}
"""The kinds of items that pictures are made of; others are EXIF, XMP and the like."""


def split(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Give kind and content of each box from ``at`` on."""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:  # it has no room in 32 bits
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = at + length if length else len(data)
        if end < start or end > len(data):
            raise ValueError("a box of odd length")
        yield kind, data[start:end]
        at = end


def outer(data: bytes) -> tuple[dict[bytes, bytes], bool]:
    """Return the first box of each kind in a file, and whether there is nothing but boxes in it."""
    found: dict[bytes, bytes] = {}
    try:
        for kind, body in split(data):
            found.setdefault(kind, body)
    except (ValueError, struct.error):
        return found, False
    return found, True


def primary(meta: dict[bytes, bytes]) -> int:
    """Return the number of the picture that is shown."""
    wide = meta[b"pitm"][0] > 0
    number: int = struct.unpack_from(">I" if wide else ">H", meta[b"pitm"], 4)[0]
    return number


def names(table: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Return number, kind and entry of each item (``iinf``)."""
    for kind, body in split(table, 8 if table[0] else 6):
        number, what = struct.unpack_from(">I2x4s" if body[0] == 3 else ">H2x4s", body, 4)
        if kind != b"infe" or body[0] not in (2, 3):
            raise ValueError("an item of unknown kind")
        yield number, what, body


def items(table: bytes, data: bytes, inline: bytes) -> Iterator[tuple[int, bytes]]:
    """Return number and content of each item (``iloc``), wherever in the file it lies."""
    room = len(data)
    for number, within, parts in pieces(table):
        source = inline if within else data
        content = b"".join(source[at : at + length] for at, length in parts)
        room -= len(content)
        if not content or room < 0:
            raise ValueError("an item without content, or of more than there is")
        yield number, content


def pieces(table: bytes) -> Iterator[tuple[int, bool, list[tuple[int, int]]]]:
    """Give of each item number, whether it lies beside the table, and where its parts lie."""
    stream = BytesIO(table)

    def take(size: int) -> int:
        return int.from_bytes(stream.read(size), "big")

    version = take(4) >> 24
    sizes = take(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    wide = 4 if version == 2 else 2
    for _ in range(take(wide)):
        number = take(wide)
        method = take(2) & 15 if version else 0
        outside, base = take(2), take(base_size)
        if outside or method > 1 or not length_size:
            raise ValueError("an item that lies elsewhere")
        parts = []
        for _ in range(take(2)):
            take(index_size)
            start = base + take(offset_size)
            parts.append((start, take(length_size)))
        if not parts:
            raise ValueError("an item without content")
        yield number, bool(method), parts


def pointers(table: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give each reference (``iref``): its kind, from which item, to which."""
    code, size = ("I", 4) if table[0] else ("H", 2)
    for kind, body in split(table, 4):
        pointed = (len(body) - size - 2) // size
        origin, _, *targets = struct.unpack_from(f">{code}H{pointed}{code}", body)
        for target in targets:
            yield kind, origin, target


def properties(table: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Return the number of each item, with kind and content of its properties (``iprp``)."""
    parts = list(split(table))
    known = list(split(dict(parts)[b"ipco"]))
    for number, indices in _assigned(parts):
        for index in indices:
            if 0 < index <= len(known):
                yield number, *known[index - 1]


def _assigned(parts: list[tuple[bytes, bytes]]) -> Iterator[tuple[int, list[int]]]:
    """Return the number of each item, and which properties it has, counted from 1 (``ipma``)."""
    for kind, body in parts:
        if kind != b"ipma":
            continue
        stream = BytesIO(body)

        def take(size: int, stream: BytesIO = stream) -> int:
            return int.from_bytes(stream.read(size), "big")

        head = take(4)
        size = 2 if head & 1 else 1
        for _ in range(min(take(4), len(body))):
            number = take(4 if head >> 24 else 2)
            # The highest bit says that a reader must heed the property.
            yield number, [take(size) & (1 << 8 * size - 1) - 1 for _ in range(take(1))]
