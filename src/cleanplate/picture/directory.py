"""TIFF directories, which EXIF blocks are too, read and written value by value without rounding."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field, replace

ORIENTATION = 274
ACROSS, DOWN, UNIT = 282, 283, 296
INCH, CENTIMETRE = 2, 3  # units of resolution
EXIF, GPS, INTEROP = 34665, 34853, 40965
SHORT, LONG, RATIONAL, SIGNED_RATIONAL = 3, 4, 5, 10

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value by its type."""
SIZES |= {16: 8, 17: 8, 18: 8}  # of BigTIFF

_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_FLOATS = {11: "f", 12: "d"}
_INNER = (EXIF, GPS, INTEROP)


@dataclass(frozen=True)
class Entry:
    """One tag: TIFF type number, count, value bytes in the file's byte order.

    A tag that points to a directory of its own (EXIF, GPS) carries it in ``inner``.
    """

    kind: int
    count: int
    data: bytes
    inner: dict[int, Entry] = field(default_factory=dict)


Directory = dict[int, Entry]


def bare(block_: bytes) -> bytes:
    """Return an EXIF block without the "Exif" prefix of some formats and writers."""
    return re.sub(rb"^(Exif\0\0)+", b"", block_)


def byte_order(data: bytes) -> str:
    """Return ``<`` or ``>`` of a TIFF block.

    Raises:
        ValueError: the block does not begin as a classic TIFF does.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        raise ValueError("no TIFF header")
    return order


def read(data: bytes) -> tuple[Directory, str, int]:
    """Return the first directory of a TIFF block, its byte order, and the offset of the next one
    (or 0).

    Raises:
        ValueError: the block is no TIFF, or a value lies outside it.
    """
    order = byte_order(data)
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        entries, following = _read_at(data, start, order, depth=0)
    except struct.error as error:
        raise ValueError(f"directory outside the file: {error}") from error
    return entries, order, following


def table(data: bytes | bytearray, start: int, order: str) -> tuple[Directory, int]:
    """Return the directory at an offset, pointers in it as plain numbers, and the offset of the
    next one.

    Raises:
        ValueError: it, or a value of it, lies outside the block.
    """
    try:
        entries = {tag: entry for tag, (_, entry) in _entries(data, start, order).items()}
        (following,) = struct.unpack_from(order + "I", data, _end(data, start, order))
    except struct.error as error:
        raise ValueError(f"directory outside the file: {error}") from error
    return entries, following


def place_of(data: bytes | bytearray, start: int, order: str, tag: int) -> int | None:
    """Return where the value of a tag of the directory at an offset lies; None where there is no
    such.
    """
    found = _entries(data, start, order).get(tag)
    return found[0] if found else None


def _entries(data: bytes | bytearray, start: int, order: str) -> dict[int, tuple[int, Entry]]:
    """Return by tag where its value lies, and the entry."""
    (count,) = struct.unpack_from(order + "H", data, start)
    found: dict[int, tuple[int, Entry]] = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, at)
        size = SIZES.get(kind, 0) * number
        if not size:
            continue
        place = at + 8 if size <= 4 else struct.unpack_from(order + "I", data, at + 8)[0]
        value = bytes(data[place : place + size])
        if len(value) < size:
            raise ValueError(f"tag {tag} reaches beyond the end")
        found[tag] = (place, Entry(kind, number, value))
    return found


def _end(data: bytes | bytearray, start: int, order: str) -> int:
    """Return where a directory's entries end, and the next directory's offset stands."""
    return int(start + 2 + 12 * struct.unpack_from(order + "H", data, start)[0])


def _read_at(data: bytes, start: int, order: str, depth: int) -> tuple[Directory, int]:
    entries: Directory = {}
    for tag, (_, entry) in _entries(data, start, order).items():
        if tag in _INNER:
            inner = _read_inner(data, entry.data, order, depth)
            if not inner:
                continue
            entry = replace(entry, inner=inner)
        entries[tag] = entry
    (following,) = struct.unpack_from(order + "I", data, _end(data, start, order))
    return entries, following


def _read_inner(data: bytes, value: bytes, order: str, depth: int) -> Directory:
    # A broken EXIF directory inside a sound picture is dropped, not a reason to refuse the picture.
    if depth > 1 or len(value) != 4:
        return {}
    try:
        return _read_at(data, struct.unpack(order + "I", value)[0], order, depth + 1)[0]
    except (struct.error, ValueError):
        return {}


def pack(entries: Directory, at: int, order: str, following: int = 0) -> bytes:
    """Return the directory as bytes that will lie at offset ``at``, with all its values behind it.

    ``following``: the offset of the next directory.
    """
    head = struct.pack(order + "H", len(entries))
    values = b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag in sorted(entries):
        entry = entries[tag]
        data, place = entry.data, behind + len(values)
        if entry.inner:
            values += pack(entry.inner, place, order)
            data = struct.pack(order + "I", place)
        elif len(data) > 4:
            values += data
            data = struct.pack(order + "I", place)
        values += b"\0" * (len(values) % 2)
        head += struct.pack(order + "HHI4s", tag, entry.kind, entry.count, data)
    return head + struct.pack(order + "I", following) + values


def block(entries: Directory, order: str) -> bytes:
    """Return a whole TIFF block, as EXIF wants it: header and directory."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", 8) + pack(entries, 8, order)


def integers(entries: Directory, tag: int, order: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return the value of a tag of whole numbers, or ``default`` where the tag is absent."""
    entry = entries.get(tag)
    if entry is None or entry.kind not in _CODES:
        return default
    return struct.unpack(f"{order}{entry.count}{_CODES[entry.kind]}", entry.data)


def number(entries: Directory, tag: int, order: str, default: int) -> int:
    """Return the first value of a tag of whole numbers, or ``default`` where the tag is absent."""
    return integers(entries, tag, order, (default,))[0]


def reals(entries: Directory, tag: int, order: str) -> tuple[float, ...]:
    """Return the values of a tag of numbers of any kind; none where it is absent or no number."""
    entry = entries.get(tag)
    if entry is None:
        return ()
    if entry.kind in (RATIONAL, SIGNED_RATIONAL):
        code = "II" if entry.kind == RATIONAL else "ii"
        pairs = struct.iter_unpack(order + code, entry.data)
        return tuple(above / below if below else 0.0 for above, below in pairs)
    if entry.kind in _FLOATS:
        return struct.unpack(f"{order}{entry.count}{_FLOATS[entry.kind]}", entry.data)
    return tuple(map(float, integers(entries, tag, order, ())))


def real(entries: Directory, tag: int, order: str) -> float:
    """Return the first value of a tag of unsigned numbers; 0 where it is absent or no such."""
    entry = entries.get(tag)
    if entry is None or entry.kind == SIGNED_RATIONAL:
        return 0.0
    return next(iter(reals(entries, tag, order)), 0.0)


def shorts(order: str, *values: int) -> Entry:
    """Return an entry of 16-bit numbers."""
    return Entry(SHORT, len(values), struct.pack(f"{order}{len(values)}H", *values))


def longs(order: str, *values: int) -> Entry:
    """Return an entry of 32-bit numbers."""
    return Entry(LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))


def rational(order: str, *values: float, signed: bool = False) -> Entry:
    """Return an entry of fractions, to four decimals."""
    kind, code = (SIGNED_RATIONAL, "ii") if signed else (RATIONAL, "II")
    parts = [struct.pack(order + code, round(value * 10_000), 10_000) for value in values]
    return Entry(kind, len(values), b"".join(parts))


def text(words: str) -> Entry:
    """Return an entry of ASCII; what else there is becomes question marks."""
    data = words.encode("ascii", "replace") + b"\0"
    return Entry(2, len(data), data)


def octets(*values: int) -> Entry:
    """Return an entry of bytes."""
    return Entry(1, len(values), bytes(values))


def orientation(block_: bytes) -> int:
    """Return the orientation 1..8 an EXIF block asks for; 1 where it says nothing, or nonsense."""
    try:
        entries, order, _ = read(block_)
        value = number(entries, ORIENTATION, order, 1)
    except ValueError:
        return 1
    return value if value in range(1, 9) else 1


def orientation_block(value: int) -> bytes:
    """Return an EXIF block that says nothing but the orientation."""
    return block({ORIENTATION: shorts("<", value)}, "<")
