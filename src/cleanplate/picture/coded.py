"""How the picture in an AVIF or HEIC file is coded, and what else lies beside it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from cleanplate.picture import bits, boxes

# Types of auxiliary pictures in HEVC's numbers.
_ALPHA, _DEPTH = b":auxid:1", b":auxid:2"


class Coded(NamedTuple):
    """How a file's picture is coded.

    Attributes:
        colours: primaries and transfer function, in the numbers of ITU-T H.273, by which its
            colours are named; 2: not said.
        lossless: whether its samples were coded without loss.
        whole: whether its samples are of the size that the file states.
        properties: what is said of it, by kind.
    """

    colours: tuple[int, int]
    lossless: bool
    whole: bool
    properties: dict[bytes, bytes]


def coded_picture(data: bytes) -> Coded:
    """Return how a file's picture is coded; of one of tiles, how the first is.

    Raises:
        ValueError: the file has something whose meaning is not known here.
        LookupError: it lacks something.
        struct.error: it ends within a box.
    """
    meta = dict(boxes.split(boxes.outer(data)[0][b"meta"], 4))
    number = boxes.primary(meta)
    pointers = boxes.pointers(meta[b"iref"]) if b"iref" in meta else ()
    tiles = [to for kind, one, to in pointers if kind == b"dimg" and one == number]
    tile = tiles[0] if tiles else number
    known = list(boxes.properties(meta[b"iprp"]))
    properties = [part for part in known if part[0] in (number, tile)]
    properties.sort(key=lambda part: part[0] != number)  # the whole's go before a tile's
    kinds = {kind: body for _, kind, body in reversed(properties)}
    colours, lossless, whole = bits.UNSPECIFIED, False, True
    if b"av1C" in kinds:
        content = dict(boxes.items(meta[b"iloc"], data, meta.get(b"idat", b"")))[tile]
        with suppress(ValueError):  # what decoders read and this does not is no still as usual
            picture = bits.av1(content)
            colours, lossless = picture.colours, picture.lossless
            sizes = [body for one, kind, body in properties if one == tile and kind == b"ispe"]
            whole = any(struct.unpack_from(">II", body, 4) == picture.size for body in sizes)
    elif b"hvcC" in kinds:
        lossless = any(map(bits.hevc_lossless, _units(kinds[b"hvcC"])))
    named = [body for _, kind, body in properties if kind == b"colr" and body[:4] == b"nclx"]
    if named:
        colours = struct.unpack_from(">HH", named[0], 4)
    return Coded(colours, lossless, whole, kinds)


def _units(record: bytes) -> Iterator[bytes]:
    """Give the NAL units of an HEVC configuration record, each with its head."""
    at = 23
    for _ in range(record[22]):
        (count,) = struct.unpack_from(">H", record, at + 1)
        at += 3
        for _ in range(count):
            (length,) = struct.unpack_from(">H", record, at)
            yield record[at + 2 : at + 2 + length]
            at += 2 + length


def with_colours(data: bytes, colours: tuple[int, int]) -> bytes:
    """Return an AVIF of a single picture whose colours are named by other numbers.

    Raises:
        ValueError: it is none.
    """
    new = bytearray(data)
    at = data.find(b"colrnclx")
    while at >= 0:
        struct.pack_into(">HH", new, at + 8, *colours)
        at = data.find(b"colrnclx", at + 1)
    meta = dict(boxes.split(boxes.outer(data)[0][b"meta"], 4))
    places = {number: parts for number, _, parts in boxes.pieces(meta[b"iloc"])}
    ((start, length),) = places[boxes.primary(meta)]
    place = bits.av1(data[start : start + length]).place
    if place is not None:
        new[start : start + length] = bits.replaced(data[start : start + length], place, colours)
    return bytes(new)


def losses(data: bytes) -> dict[str, str]:
    """Return what does not come along where the picture is coded again; see `Codec`.

    Nothing where the file is not understood.
    """
    said: dict[str, str] = {}
    outer, whole = boxes.outer(data)
    if not whole:
        said["trailer-left-out"] = "what lies behind the picture's boxes is left out"
    if outer.keys() & {b"mpvd", b"moov"}:
        said["video-left-out"] = "the video in the file is left out"
    try:
        meta = dict(boxes.split(outer[b"meta"], 4))
        kinds = {number: kind for number, kind, _ in boxes.names(meta[b"iinf"])}
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
    first = boxes.primary(meta)
    pointers = list(boxes.pointers(meta[b"iref"])) if b"iref" in meta else []
    auxiliary = dict(_auxiliary(meta[b"iprp"]))
    known, parts = {first}, {first}
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
        if kinds[number] in boxes.PICTURES:
            yield auxiliary.get(number, kinds[number])


def _is_alpha(what: bytes | None) -> bool:
    return what is not None and (b"alpha" in what or what.endswith(_ALPHA))


def _auxiliary(properties: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the number of each auxiliary item and the type of it (``auxC``)."""
    for number, kind, body in boxes.properties(properties):
        if kind == b"auxC":
            yield number, body[4:].split(b"\0")[0]
