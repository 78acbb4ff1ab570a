"""AVIF and HEIC files as boxes (ISO/IEC 14496-12 and 23008-12): words left out, pictures kept."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

# The kinds of items that pictures are made of; others are EXIF, XMP and the like.
_PICTURES = {b"av01", b"hvc1", b"grid", b"iovl", b"iden", b"tmap"}
# Types of auxiliary pictures in HEVC's numbers.
_ALPHA, _DEPTH = b":auxid:1", b":auxid:2"
_KEPT = {b"hdlr", b"dinf", b"pitm", b"iprp", b"grpl"}
# What says how pictures are coded and shown; other properties may be descriptions.
_PROPERTIES = {
    *(b"av1C", b"hvcC", b"a1op", b"a1lx", b"lsel", b"ispe", b"pixi", b"colr", b"auxC"),
    *(b"pasp", b"clap", b"irot", b"imir", b"clli", b"mdcv", b"cclv", b"amve", b"ndwt"),
}


def without_words(data: bytes) -> bytes:
    """Return the file with its pictures, their coded samples byte for byte, and nothing else.

    Raises:
        ValueError: the file has something whose meaning is not known here.
        struct.error: the file ends within a box.
    """
    boxes = dict(_boxes(data))
    if not {b"ftyp", b"meta", b"mdat"} <= set(boxes):
        raise ValueError("no ftyp, meta or mdat")
    parts = list(_boxes(boxes[b"meta"], 4))
    meta = dict(parts)
    if not {kind for kind, _ in _boxes(dict(_boxes(meta[b"iprp"]))[b"ipco"])} <= _PROPERTIES:
        raise ValueError("unknown properties")
    names = {number: body for number, kind, body in _names(meta[b"iinf"]) if kind in _PICTURES}
    items = {
        number: item
        for number, item in _items(meta[b"iloc"], data, meta.get(b"idat", b""))
        if number in names
    }
    lean = [_box(kind, body) for kind, body in parts if kind in _KEPT]
    lean.append(_full_box(b"iinf", struct.pack(">H", len(names)), *names.values()))
    if b"iref" in meta:
        lean.append(_references(meta[b"iref"], set(names)))
    head = _box(b"ftyp", boxes[b"ftyp"])
    # How long the table of places is does not depend on the places.
    start = len(head) + len(_full_box(b"meta", *lean, _places(items, 0))) + 8
    meta_box = _full_box(b"meta", *lean, _places(items, start))
    return b"".join([head, meta_box, _box(b"mdat", *items.values())])


def losses(data: bytes) -> dict[str, str]:
    """Return what does not come along where the picture is coded again; see `Codec`.

    Nothing where the file is not understood.
    """
    said: dict[str, str] = {}
    boxes: dict[bytes, bytes] = {}
    try:
        for kind, body in _boxes(data):
            boxes.setdefault(kind, body)
    except (ValueError, struct.error):
        said["trailer-left-out"] = "what lies behind the picture's boxes is left out"
    if boxes.keys() & {b"mpvd", b"moov"}:
        said["video-left-out"] = "the video in the file is left out"
    try:
        meta = dict(_boxes(boxes[b"meta"], 4))
        kinds = {number: kind for number, kind, _ in _names(meta[b"iinf"])}
        left_out = [*_left_out(meta, kinds)]
    except (ValueError, LookupError, struct.error):
        return said
    for what in left_out:
        if what == b"tmap" or b"gainmap" in what.lower():
            said["gain-map-left-out"] = "the HDR gain map is left out, as it shows the old picture"
        elif b"depth" in what or what.endswith(_DEPTH):
            said["depth-left-out"] = "the depth map is left out"
        else:
            said["pictures-left-out"] = "the further pictures in the file are left out"
    return said


def _left_out(meta: dict[bytes, bytes], kinds: dict[int, bytes]) -> Iterator[bytes]:
    """Give what each picture is that neither is the first, nor one of its parts or thumbnails.

    That is the type of an auxiliary picture, or else the kind of the item.
    """
    wide = meta[b"pitm"][0] > 0
    (primary,) = struct.unpack_from(">I" if wide else ">H", meta[b"pitm"], 4)
    pointers = list(_pointers(meta[b"iref"])) if b"iref" in meta else []
    auxiliary = dict(_auxiliary(meta[b"iprp"]))
    known, parts = {primary}, {primary}
    while parts:
        tiles = {to for kind, one, to in pointers if kind == b"dimg" and one in parts}
        # The alpha of a tile or of the whole.
        alphas = {one for kind, one, to in pointers if kind == b"auxl" and to in parts}
        parts = {one for one in tiles | alphas if one in tiles or _is_alpha(auxiliary.get(one))}
        parts -= known
        known |= parts
    known |= {one for kind, one, to in pointers if kind == b"thmb" and to in known}
    tiles = {to for kind, one, to in pointers if kind == b"dimg"}
    for number in kinds.keys() - known - tiles:
        if kinds[number] in _PICTURES:
            yield auxiliary.get(number, kinds[number])


def _is_alpha(what: bytes | None) -> bool:
    return what is not None and (b"alpha" in what or what.endswith(_ALPHA))


def _auxiliary(properties: bytes) -> Iterator[tuple[int, bytes]]:
    """Number of each auxiliary item and the type of it (``auxC``)."""
    parts = list(_boxes(properties))
    known = list(_boxes(dict(parts)[b"ipco"]))
    for number, indices in _properties(parts):
        for index in indices:
            if 0 < index <= len(known) and known[index - 1][0] == b"auxC":
                yield number, known[index - 1][1][4:].split(b"\0")[0]


def _properties(parts: list[tuple[bytes, bytes]]) -> Iterator[tuple[int, list[int]]]:
    """Number of each item, and which properties it has, counted from 1 (``ipma``)."""
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


def _boxes(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box from ``at`` on."""
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


def _box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def _full_box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box with version 0 and no flags."""
    return _box(kind, bytes(4), *parts)


def _names(table: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, kind and whole entry of each item (``iinf``)."""
    for kind, body in _boxes(table, 8 if table[0] else 6):
        number, what = struct.unpack_from(">I2x4s" if body[0] == 3 else ">H2x4s", body, 4)
        if kind != b"infe" or body[0] not in (2, 3):
            raise ValueError("an item of unknown kind")
        yield number, what, _box(kind, body)


def _items(table: bytes, data: bytes, inline: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each item (``iloc``), wherever in the file it lies."""
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
        outside, base, content = take(2), take(base_size), b""
        if outside or method > 1 or not length_size:
            raise ValueError("an item that lies elsewhere")
        source = inline if method else data
        for _ in range(take(2)):
            take(index_size)
            at = base + take(offset_size)
            content += source[at : at + take(length_size)]
        if not content:
            raise ValueError("an item without content")
        yield number, content


def _places(items: dict[int, bytes], start: int) -> bytes:
    """Return the table of places (``iloc``) of items that lie one after the other from ``start``
    on.
    """
    table = struct.pack(">BBH", 0x44, 0, len(items))
    for number, content in items.items():
        table += struct.pack(">HHHII", number, 0, 1, start, len(content))
        start += len(content)
    return _full_box(b"iloc", table)


def _pointers(table: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give each reference (``iref``): its kind, from which item, to which."""
    code, size = ("I", 4) if table[0] else ("H", 2)
    for kind, body in _boxes(table, 4):
        pointed = (len(body) - size - 2) // size
        origin, _, *targets = struct.unpack_from(f">{code}H{pointed}{code}", body)
        for target in targets:
            yield kind, origin, target


def _references(table: bytes, known: set[int]) -> bytes:
    """Return what is left of ``iref`` where only ``known`` items are."""
    code, size = ("I", 4) if table[0] else ("H", 2)
    kept = []
    for kind, body in _boxes(table, 4):
        pointed = (len(body) - size - 2) // size
        origin, _, *targets = struct.unpack(f">{code}H{pointed}{code}", body)
        if {origin, *targets} <= known:
            kept.append(_box(kind, body))
    return _box(b"iref", table[:4], *kept)
