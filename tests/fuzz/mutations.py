"""Damage as it happens, and as somebody would do it: by bytes, and by what a format is made of."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from random import Random

ODD = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31)
ODD += (2**32 - 1, 20_000, 100_000)

Part = tuple[int, int]  # where a part of a file begins and ends


def mutated(kind: str, data: bytes, random: Random) -> bytes:
    """A file with one to four faults; `kind` begins with its format."""
    format_ = kind.split()[0]
    if random.random() < 0.05:
        data = _sized(format_, data, random)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        change = random.choice((_bytes, _bytes, _cut, BY_FORMAT[format_], BY_FORMAT[format_]))
        data = change(data, random) or data
    return _checked(data) if format_ == "png" and random.random() < 0.9 else data


def _sized(format_: str, data: bytes, random: Random) -> bytes:
    """A file that claims to be large."""
    new = bytearray(data)
    sides = [random.choice((2000, 9000, 16383, 20_000, 65_535)) for _ in range(2)]
    if format_ == "png":
        struct.pack_into(">II", new, 16, *sides)
    elif format_ == "bmp":
        struct.pack_into("<II", new, 18, *sides)
    elif format_ == "jpeg":
        at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        struct.pack_into(">HH", new, at + 5, *sides)
    elif format_ == "webp":
        for name, shift in ((b"VP8X", 12), (b"ANMF", 14)):
            if (at := data.find(name)) >= 0:
                new[at + shift : at + shift + 6] = b"".join(
                    struct.pack("<I", side)[:3] for side in sides
                )
    elif format_ == "tiff":
        _claim(new, sides)
    else:
        at = data.find(b"ispe")
        while at >= 0:
            struct.pack_into(">II", new, at + 8, *sides)
            at = data.find(b"ispe", at + 4)
    return bytes(new)


def _claim(new: bytearray, sides: list[int]) -> None:
    """Let a TIFF's first directory claim a size, and be of a single strip."""
    order = "<" if new[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", new, 4)
    (count,) = struct.unpack_from(order + "H", new, at)
    claims = {256: sides[0], 257: sides[1], 278: sides[1]}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(order + "H", new, entry)
        if tag in claims:
            struct.pack_into(order + "HII", new, entry + 2, 4, 1, claims[tag])


def _bytes(data: bytes, random: Random) -> bytes:
    """Some bytes, or a number, anywhere."""
    new = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        _number(new, random.randrange(len(new)), random)
    return bytes(new)


def _number(new: bytearray, at: int, random: Random) -> None:
    size, order = random.choice((1, 1, 2, 4)), random.choice("<>")
    if at + size > len(new):
        return
    if size == 1:
        new[at] = random.choice((random.randrange(256), new[at] ^ (1 << random.randrange(8))))
        return
    number = random.choice(ODD) if random.random() < 0.7 else random.randrange(2**32)
    code = "H" if size == 2 else "I"
    struct.pack_into(order + code, new, at, number & (1 << 8 * size) - 1)


def _cut(data: bytes, random: Random) -> bytes:
    """The end gone, or a piece gone, twice, or elsewhere."""
    start, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
    piece, rest = data[start:end], data[:start] + data[end:]
    at = random.randrange(len(rest) + 1)
    return random.choice(
        (data[:end], rest, data[:end] + data[start:], rest[:at] + piece + rest[at:])
    )


def _shuffled(data: bytes, parts: list[Part], random: Random) -> bytes:
    """A part gone, twice, in another's place, or with other content."""
    if not parts:
        return data
    start, end = random.choice(parts)
    first, last = random.choice(parts)
    piece = data[start:end]
    deed = random.randrange(5)
    if deed == 0:
        return data[:start] + data[end:]
    if deed == 1:
        return data[:first] + piece + data[first:]
    if deed == 2:
        return data[:start] + data[first:last] + data[end:]
    new = bytearray(data)
    for _ in range(deed):
        # What stands at a part's beginning says what it is and how long.
        at = start + int((end - start) * random.random() ** 3)
        _number(new, min(at, len(new) - 1), random)
    return bytes(new)


def _png(data: bytes, random: Random) -> bytes:
    return _shuffled(data, _chunks(data), random)


def _chunks(data: bytes) -> list[Part]:
    parts, at = [], 8
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        if end > len(data):
            break
        parts.append((at, end))
        at = end
    return parts


def _checked(data: bytes) -> bytes:
    """A PNG whose checksums are right."""
    new = bytearray(data)
    for start, end in _chunks(data):
        struct.pack_into(">I", new, end - 4, zlib.crc32(data[start + 4 : end - 4]))
    return bytes(new)


def _jpeg(data: bytes, random: Random) -> bytes:
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xD9, 0xFF):
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        parts.append((at, min(end, len(data))))
        if data[at + 1] == 0xDA:
            break
        at = end
    return _shuffled(data, parts, random)


def _riff(data: bytes, random: Random) -> bytes:
    parts, at = [(0, 12)], 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        parts.append((at, min(end, len(data))))
        at = at + 24 if kind == b"ANMF" else end
    new = bytearray(_shuffled(data, parts, random))
    if random.random() < 0.5 and len(new) > 8:
        struct.pack_into("<I", new, 4, len(new) - 8)
    return bytes(new)


def _bmp(data: bytes, random: Random) -> bytes:
    new = bytearray(data)
    for _ in range(random.choice((1, 2, 3))):
        _number(new, random.randrange(min(len(new), 70)), random)
    return bytes(new)


def _tiff(data: bytes, random: Random) -> bytes:
    """Entries of a directory: other tags, types, counts, values; gone, or twice."""
    if len(data) < 8:
        return data
    order = "<" if data[:2] == b"II" else ">"
    entries: list[Part] = []
    (at,) = struct.unpack_from(order + "I", data, 4)
    seen: set[int] = set()
    while at and at not in seen and at + 2 <= len(data):
        seen.add(at)
        (count,) = struct.unpack_from(order + "H", data, at)
        entries += [(at, at + 2)]
        entries += [(one, one + 12) for one in range(at + 2, at + 2 + 12 * count, 12)]
        link = at + 2 + 12 * count
        if link + 4 > len(data):
            break
        entries.append((link, link + 4))
        (at,) = struct.unpack_from(order + "I", data, link)
    entries = [part for part in entries if part[1] <= len(data)]
    if random.random() < 0.3 or not entries:
        return _shuffled(data, entries, random)
    new = bytearray(data)
    start, end = random.choice(entries)
    field = random.choice((0, 2, 4, 8)) if end - start == 12 else 0
    size = 2 if field < 4 and end - start != 4 else 4
    number = random.choice((*ODD, len(data), at, random.randrange(2**16)))
    struct.pack_into(
        order + ("H" if size == 2 else "I"), new, start + field, number % 2 ** (8 * size)
    )
    return bytes(new)


def _boxes(data: bytes, random: Random) -> bytes:
    """Boxes and what is in them; most of it before the samples."""
    parts: list[Part] = []
    _walk(data, 0, len(data), parts)
    return _shuffled(data, parts, random)


def _walk(data: bytes, at: int, end: int, parts: list[Part]) -> None:
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        after = at + length if length else end
        if after < at + 8 or after > end:
            return
        parts += [(at, after)] * (1 if kind == b"mdat" else 2)
        inner = {b"meta": 12, b"iprp": 8, b"ipco": 8, b"iref": 12, b"iinf": 14}.get(kind)
        if inner:
            _walk(data, at + inner, after, parts)
        at = after


BY_FORMAT: dict[str, Callable[[bytes, Random], bytes]] = {
    "png": _png,
    "jpeg": _jpeg,
    "webp": _riff,
    "bmp": _bmp,
    "tiff": _tiff,
    "avif": _boxes,
    "heic": _boxes,
}
