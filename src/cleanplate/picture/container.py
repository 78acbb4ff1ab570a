"""AVIF and HEIC files as boxes (ISO/IEC 14496-12 and 23008-12): words left out, pictures kept."""

from __future__ import annotations

import struct

from cleanplate.picture.boxes import PICTURES, items, names, outer, split

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
    found, _ = outer(data)
    if not {b"ftyp", b"meta", b"mdat"} <= set(found):
        raise ValueError("no ftyp, meta or mdat")
    parts = list(split(found[b"meta"], 4))
    meta = dict(parts)
    if not {kind for kind, _ in split(dict(split(meta[b"iprp"]))[b"ipco"])} <= _PROPERTIES:
        raise ValueError("unknown properties")
    known = {number: body for number, kind, body in names(meta[b"iinf"]) if kind in PICTURES}
    contents = {
        number: item
        for number, item in items(meta[b"iloc"], data, meta.get(b"idat", b""))
        if number in known
    }
    lean = [_box(kind, body) for kind, body in parts if kind in _KEPT]
    entries = [_box(b"infe", body) for body in known.values()]
    lean.append(_full_box(b"iinf", struct.pack(">H", len(known)), *entries))
    if b"iref" in meta:
        lean.append(_references(meta[b"iref"], set(known)))
    head = _box(b"ftyp", found[b"ftyp"])
    # How long the table of places is does not depend on the places.
    start = len(head) + len(_full_box(b"meta", *lean, _places(contents, 0))) + 8
    meta_box = _full_box(b"meta", *lean, _places(contents, start))
    return b"".join([head, meta_box, _box(b"mdat", *contents.values())])


def _box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def _full_box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box with version 0 and no flags."""
    return _box(kind, bytes(4), *parts)


def _places(contents: dict[int, bytes], start: int) -> bytes:
    """Return the table of places (``iloc``) of items that lie one after the other from ``start``
    on.
    """
    table = struct.pack(">BBH", 0x44, 0, len(contents))
    for number, content in contents.items():
        table += struct.pack(">HHHII", number, 0, 1, start, len(content))
        start += len(content)
    return _full_box(b"iloc", table)


def _references(table: bytes, known: set[int]) -> bytes:
    """Return what is left of ``iref`` where only ``known`` items are."""
    code, size = ("I", 4) if table[0] else ("H", 2)
    kept = []
    for kind, body in split(table, 4):
        pointed = (len(body) - size - 2) // size
        origin, _, *targets = struct.unpack(f">{code}H{pointed}{code}", body)
        if {origin, *targets} <= known:
            kept.append(_box(kind, body))
    return _box(b"iref", table[:4], *kept)
