"""DNG files (Adobe, Digital Negative specification 1.4): a mosaic put in, or a file around one.

A DNG keeps all that it holds but its mosaic. Where that lies uncompressed it is packed again in its
place, at its own bit depth, and no other byte changes but checksums of it. Where it is compressed,
the new one is written with 16 bits behind what is kept, and the directory that describes it anew.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.picture import directory
from cleanplate.picture.directory import (
    Directory,
    Entry,
    integers,
    longs,
    number,
    octets,
    rational,
    reals,
    shorts,
    text,
)

_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_SUBDIRECTORIES, _FORMAT, _SUBSAMPLING, _XMP = 330, 339, 530, 700
_MAKE, _MODEL, _SOFTWARE = 271, 272, 305
_REPEAT, _CFA, _PLANE_COLOURS, _LAYOUT = 33421, 33422, 50710, 50711
_VERSION, _BACKWARD, _CAMERA = 50706, 50707, 50708
_LINEARISATION, _BLACK_REPEAT, _BLACK, _WHITE = 50712, 50713, 50714, 50717
_DELTAS = {50715, 50716}  # what columns and rows have beside the black level
_CROP_ORIGIN, _CROP_SIZE, _ACTIVE = 50719, 50720, 50829
_MATRIX, _ILLUMINANT, _NEUTRAL, _EXPOSURE = 50721, 50778, 50728, 50730
_DIGEST, _NEW_DIGEST, _PROFILE = 50972, 51111, 51041
_INTERLEAVE = {50974, 50975, 52547}  # how sub-tiles, rows and columns are shuffled

_MOSAIC, _JPEG, _YCC, _RGB = 32803, 7, 6, 2
_D65 = 21  # EXIF LightSource
_MAKERS_NOTES = 37500

_ROWS_AT_ONCE = 64


def is_dng(data: bytes) -> bool:
    """Return whether a file is a TIFF whose first directory has a DNG version."""
    try:
        order = directory.byte_order(data)
        (start,) = struct.unpack_from(order + "I", data, 4)
        return _VERSION in directory.table(data, start, order)[0]
    except (ValueError, struct.error):
        return False


class _Place(NamedTuple):
    """A directory: its tags, its offset, where that offset stands, the next directory's offset."""

    tags: Directory
    start: int
    pointer: int
    following: int


def _directories(data: bytes | bytearray, order: str) -> Iterator[_Place]:
    """Find all directories of pictures: the chain from the header, and what they point down to."""
    todo, seen = [4], set()
    while todo:
        pointer = todo.pop(0)
        (start,) = struct.unpack_from(order + "I", data, pointer)
        if not start or start in seen:
            continue
        seen.add(start)
        tags, following = directory.table(data, start, order)
        (count,) = struct.unpack_from(order + "H", data, start)
        below = directory.place_of(data, start, order, _SUBDIRECTORIES)
        if below is not None:
            todo += [below + 4 * i for i in range(tags[_SUBDIRECTORIES].count)]
        todo.append(start + 2 + 12 * count)
        yield _Place(tags, start, pointer, following)


def _raw_directory(data: bytes | bytearray, order: str, shape: tuple[int, ...]) -> _Place | None:
    """Return the directory of the mosaic at full size."""
    for place in _directories(data, order):
        own = (number(place.tags, _HEIGHT, order, 0), number(place.tags, _WIDTH, order, 0))
        mosaic = number(place.tags, _PHOTOMETRIC, order, 0) == _MOSAIC
        if mosaic and number(place.tags, _KIND, order, 0) == 0 and own == shape:
            return place
    return None


def noise_profile(data: bytes) -> tuple[tuple[float, float], ...]:
    """Return slope and offset of the noise's variance, by colour or of all (NoiseProfile).

    At light x, 0 for black and 1 for white, the variance is slope * x + offset.
    """
    try:
        order = directory.byte_order(data)
        for place in _directories(data, order):
            values = reals(place.tags, _PROFILE, order)
            if len(values) in (2, 6) and all(value >= 0 for value in values):
                return tuple(zip(values[::2], values[1::2], strict=True))
    except (ValueError, struct.error):
        pass
    return ()


Render = Callable[[int, int, bool], bytes]
"""Gives the mosaic developed as a JPEG of (width, height), of full chroma or not; not turned."""


def rewritten(
    data: bytes,
    old: NDArray[np.uint16],
    new: NDArray[np.uint16],
    noise_left: float,
    render: Render,
    name: str,
) -> bytes:
    """Return a DNG with another mosaic.

    Args:
        data: the file.
        old: (H, W) its mosaic, margins and all, as it decodes.
        new: (H, W) the one to put in its place.
        noise_left: of the old one's noise, as a share of the variance; a compressed file's noise
            profile is lowered by it.
        render: makes previews, which a compressed file gets anew.
        name: for messages.

    Raises:
        PictureError: the mosaic is not where a DNG of Bayer samples has it.
    """
    try:
        order = directory.byte_order(data)
        place = _raw_directory(data, order, old.shape)
        if place is None:
            raise ValueError("no directory of a mosaic of this size")
        packed = _in_place(data, place, order, old, new)
        if packed is None:
            packed = _moved(data, place, order, new)
            _lower_profile(packed, order, noise_left)
            _renew_previews(packed, order, render)
        return bytes(packed)
    except (ValueError, struct.error, KeyError) as error:
        raise PictureError(f"{name}: this DNG's mosaic cannot be replaced ({error}).") from error


class Stated(NamedTuple):
    """What a DNG says of its mosaic; None where it does not, or not plainly.

    `active` is top, left, bottom and right of what light falls on, `black` the levels of its first
    four samples.
    """

    active: tuple[int, int, int, int] | None
    black: tuple[float, float, float, float] | None


def stated(data: bytes, shape: tuple[int, ...]) -> Stated:
    """Return what a DNG says of its mosaic (H, W): LibRaw makes sides even, and shifts levels with
    them.

    Raises:
        ValueError: the directories are broken.
    """
    order = directory.byte_order(data)
    place = _raw_directory(data, order, shape)
    if place is None:
        return Stated(None, None)
    active, black = None, None
    area = integers(place.tags, _ACTIVE, order, ())
    if len(area) == 4:
        top, left, bottom, right = area
        if top + 2 <= bottom <= shape[0] and left + 2 <= right <= shape[1]:
            active = (top, left, bottom, right)
    down, across = integers(place.tags, _BLACK_REPEAT, order, (1, 1))[:2]
    levels = reals(place.tags, _BLACK, order)
    plain = 1 <= down <= 2 and 1 <= across <= 2 and not _DELTAS & set(place.tags)
    if plain and len(levels) == down * across:
        at = [levels[y % down * across + x % across] for y in (0, 1) for x in (0, 1)]
        black = (at[0], at[1], at[2], at[3])
    return Stated(active, black)


class _Block(NamedTuple):
    """A strip or a tile: where its bytes begin, and the box of the mosaic that it holds."""

    offset: int
    top: int
    left: int
    height: int  # with what tiles have beyond the picture
    width: int

    @property
    def there(self) -> tuple[slice, slice]:
        """The box, to index the mosaic with."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


def _blocks(tags: Directory, order: str) -> list[_Block]:
    height, width = number(tags, _HEIGHT, order, 0), number(tags, _WIDTH, order, 0)
    if _TILE_OFFSETS in tags:
        down, across = number(tags, _TILE_HEIGHT, order, 0), number(tags, _TILE_WIDTH, order, 0)
        if not down or not across:
            return []
        offsets = integers(tags, _TILE_OFFSETS, order, ())
        columns = -(-width // across)
        return [
            _Block(at, i // columns * down, i % columns * across, down, across)
            for i, at in enumerate(offsets)
        ]
    rows = min(number(tags, _ROWS, order, height), height)
    offsets = integers(tags, _OFFSETS, order, ())
    return [
        _Block(at, i * rows, 0, min(rows, height - i * rows), width) for i, at in enumerate(offsets)
    ]


def _in_place(
    data: bytes, place: _Place, order: str, old: NDArray[np.uint16], new: NDArray[np.uint16]
) -> bytearray | None:
    """Return the file with its uncompressed samples packed anew; None where they are not such."""
    tags = place.tags
    bits = number(tags, _BITS, order, 1)
    plain = number(tags, _COMPRESSION, order, 1) == 1 and number(tags, _FORMAT, order, 1) == 1
    if not plain or not 8 <= bits <= 16 or number(tags, _SAMPLES, order, 1) != 1:
        return None
    blocks = _blocks(tags, order)
    # LibRaw reads on where strips or tiles are said to hold less than the whole.
    if sum(new[block.there].size for block in blocks) != new.size:
        return None
    table = np.asarray(integers(tags, _LINEARISATION, order, ()), np.uint16)
    packed = bytearray(data)
    stored = np.empty(new.shape, np.uint16)
    for block in blocks:
        size = block.height * _row_bytes(block.width, bits)
        codes = _unpacked(data[block.offset : block.offset + size], block, bits, order)
        was, now = old[block.there], new[block.there]
        inside = codes[: was.shape[0], : was.shape[1]]
        # Where the file does not hold what was decoded, it has a form that is not known here.
        if not np.array_equal(
            table[np.minimum(inside, len(table) - 1)] if len(table) else inside, was
        ):
            return None
        values = _codes(now, table) if len(table) else np.minimum(now, 2**bits - 1)
        inside[:] = np.where(now == was, inside, values)
        stored[block.there] = inside
        packed[block.offset : block.offset + size] = _packed(codes, bits, order)
    _renew_digests(packed, order, stored)
    return packed


def _row_bytes(width: int, bits: int) -> int:
    return (width * bits + 7) // 8


def _unpacked(data: bytes, block: _Block, bits: int, order: str) -> NDArray[np.uint16]:
    """Unpack a block (height, width): 8 and 16 bits plain, others from the highest bit on."""
    row = _row_bytes(block.width, bits)
    if len(data) < block.height * row:
        raise ValueError("samples beyond the end of the file")
    rows = np.frombuffer(data, np.uint8).reshape(block.height, row)
    if bits == 8:
        return rows.astype(np.uint16)
    if bits == 16:
        return rows.view(order + "u2").astype(np.uint16)
    out = np.empty((block.height, block.width), np.uint16)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.float32)
    for top in range(0, block.height, _ROWS_AT_ONCE):
        part = np.unpackbits(rows[top : top + _ROWS_AT_ONCE], axis=1)[:, : block.width * bits]
        out[top : top + _ROWS_AT_ONCE] = part.reshape(len(part), block.width, bits) @ weights
    return out


def _packed(codes: NDArray[np.uint16], bits: int, order: str) -> bytes:
    """Return the bytes that `_unpacked` reads; bits left over in a row are 0."""
    if bits == 8:
        return codes.astype(np.uint8).tobytes()
    if bits == 16:
        return codes.astype(order + "u2").tobytes()
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint16)
    parts = []
    for top in range(0, len(codes), _ROWS_AT_ONCE):
        part = codes[top : top + _ROWS_AT_ONCE]
        single = (part[..., None] >> shifts & 1).astype(np.uint8)
        parts.append(np.packbits(single.reshape(len(part), -1), axis=1).tobytes())
    return b"".join(parts)


def _codes(values: NDArray[np.uint16], table: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the entry of a rising table that is nearest to each value."""
    middles = (table[1:].astype(np.float64) + table[:-1]) / 2
    return np.searchsorted(middles, values).astype(np.uint16)


def _renew_digests(data: bytearray, order: str, stored: NDArray[np.uint16]) -> None:
    """Write the checksum of the mosaic anew; one of the newer kind, of unknown rule, becomes 0."""
    fresh = {
        _DIGEST: hashlib.md5(stored.astype("<u2").tobytes(), usedforsecurity=False).digest(),
        _NEW_DIGEST: bytes(16),
    }
    for place in list(_directories(data, order)):
        for tag, digest in fresh.items():
            at = directory.place_of(data, place.start, order, tag)
            if at is not None and len(place.tags[tag].data) == len(digest):
                data[at : at + len(digest)] = digest


def _moved(data: bytes, place: _Place, order: str, new: NDArray[np.uint16]) -> bytearray:
    """Return the file with its mosaic uncompressed, and a directory for it, behind what is kept.

    What was there stays where it is, for makers' notes count offsets; only the old mosaic, where
    nothing lies behind it, goes.
    """
    tags = place.tags
    tiled = _TILE_OFFSETS in tags
    offsets, counts = (
        integers(tags, tag, order, ())
        for tag in ((_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_OFFSETS, _COUNTS))
    )
    first, total = min(offsets), sum(counts)
    # Each may be padded to an even number.
    alone = first + total <= len(data) <= first + total + 2 * len(counts)
    kept = bytearray(data[:first] if alone else data)
    kept += bytes(len(kept) % 2)
    samples = new.astype(order + "u2").tobytes()
    start = len(kept)
    kept += samples
    gone = {_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _LINEARISATION, _PREDICTOR}
    described = {tag: entry for tag, entry in tags.items() if tag not in gone | _INTERLEAVE}
    described |= {
        _BITS: shorts(order, 16),
        _COMPRESSION: shorts(order, 1),
        _WHITE: _white(tags, order),
        _OFFSETS: longs(order, start),
        _ROWS: longs(order, len(new)),
        _COUNTS: longs(order, len(samples)),
    }
    at = len(kept)
    kept += directory.pack(described, at, order, place.following)
    struct.pack_into(order + "I", kept, place.pointer, at)
    _renew_digests(kept, order, new)
    return kept


def _white(tags: Directory, order: str) -> Entry:
    """Return the white level; where none is stated, that which the old bits imply, table or not."""
    if any(reals(tags, _WHITE, order)):
        return tags[_WHITE]
    return longs(order, 2 ** number(tags, _BITS, order, 1) - 1)


def _lower_profile(data: bytearray, order: str, share: float) -> None:
    for place in list(_directories(data, order)):
        at = directory.place_of(data, place.start, order, _PROFILE)
        entry = place.tags.get(_PROFILE)
        if at is not None and entry is not None and entry.kind == 12:
            values = [share * value for value in reals(place.tags, _PROFILE, order)]
            struct.pack_into(f"{order}{len(values)}d", data, at, *values)


def _renew_previews(data: bytearray, order: str, render: Render) -> None:
    """Put new JPEGs behind the file in the place of its previews, at their sizes."""
    for place in list(_directories(data, order)):
        tags = place.tags
        coded = number(tags, _COMPRESSION, order, 0), number(tags, _PHOTOMETRIC, order, 0)
        single = all(tag in tags and tags[tag].count == 1 for tag in (_OFFSETS, _COUNTS))
        if number(tags, _KIND, order, 0) != 1 or coded != (_JPEG, _YCC) or not single:
            continue
        size = number(tags, _WIDTH, order, 0), number(tags, _HEIGHT, order, 0)
        if 0 in size:
            continue
        full = integers(tags, _SUBSAMPLING, order, (2, 2)) == (1, 1)
        jpeg = render(*size, full)
        data += bytes(len(data) % 2)
        for tag, value in ((_OFFSETS, len(data)), (_COUNTS, len(jpeg))):
            at = directory.place_of(data, place.start, order, tag)
            if at is not None and tags[tag].kind == directory.LONG:
                struct.pack_into(order + "I", data, at, value)
        data += jpeg


@dataclass(frozen=True)
class Shot:
    """What a new DNG says of a mosaic.

    Attributes:
        mosaic: (H, W), margins and all.
        active: top, left, bottom, right of what light falls on.
        crop: the same of what is to be shown, within `active`.
        pattern: colours of the first four samples of the active area, such as "RGGB".
        black: the levels of these four.
        white: the level of full light.
        matrix: CIE XYZ to the camera's colours in daylight (D65), by rows, nine numbers.
        neutral: red, green and blue of a grey in this light.
        exif: a TIFF block of the source's, or nothing: camera, EXIF, GPS, XMP.
        orientation: 1..8.
        preview: a small developed copy as JPEG with 4:4:4 chroma, and its width and height.
    """

    mosaic: NDArray[np.uint16]
    active: tuple[int, int, int, int]
    crop: tuple[int, int, int, int]
    pattern: str
    black: tuple[float, float, float, float]
    white: float
    matrix: tuple[float, ...]
    neutral: tuple[float, float, float]
    exif: bytes
    orientation: int
    preview: tuple[bytes, int, int]


def composed(shot: Shot) -> bytes:
    """Return a new DNG: a preview in the first directory, the mosaic of 16 bits in one below it."""
    about, order = carried(shot.exif)
    jpeg, width, height = shot.preview
    samples = shot.mosaic.astype(order + "u2").tobytes()
    head = b"II*\0" if order == "<" else b"MM\0*"
    preview_at = 8
    mosaic_at = preview_at + len(jpeg) + len(jpeg) % 2
    raw_at = mosaic_at + len(samples)
    raw = directory.pack(_raw_tags(shot, mosaic_at, len(samples), order), raw_at, order)
    first_at = raw_at + len(raw)
    words = about.get(_MODEL)
    camera = words.data.split(b"\0")[0].decode("ascii", "replace") if words else "unknown"
    first = about | {
        _KIND: longs(order, 1),
        _WIDTH: longs(order, width),
        _HEIGHT: longs(order, height),
        _BITS: shorts(order, 8, 8, 8),
        _COMPRESSION: shorts(order, _JPEG),
        _PHOTOMETRIC: shorts(order, _YCC),
        _OFFSETS: longs(order, preview_at),
        directory.ORIENTATION: shorts(order, shot.orientation),
        _SAMPLES: shorts(order, 3),
        _ROWS: longs(order, height),
        _COUNTS: longs(order, len(jpeg)),
        _PLANAR: shorts(order, 1),
        _SOFTWARE: text("Cleanplate"),
        _SUBDIRECTORIES: longs(order, raw_at),
        _SUBSAMPLING: shorts(order, 1, 1),
        _VERSION: octets(1, 4, 0, 0),
        _BACKWARD: octets(1, 1, 0, 0),
        _CAMERA: text(camera),
        _MATRIX: rational(order, *shot.matrix, signed=True),
        _ILLUMINANT: shorts(order, _D65),
        _NEUTRAL: rational(order, *shot.neutral),
        _EXPOSURE: rational(order, 0.0, signed=True),
    }
    return b"".join(
        [
            head + struct.pack(order + "I", first_at),
            jpeg + bytes(len(jpeg) % 2),
            samples,
            raw,
            directory.pack(first, first_at, order),
        ]
    )


def _raw_tags(shot: Shot, at: int, size: int, order: str) -> Directory:
    height, width = shot.mosaic.shape
    top, left, bottom, right = shot.crop
    colours = {"R": 0, "G": 1, "B": 2}
    return {
        _KIND: longs(order, 0),
        _WIDTH: longs(order, width),
        _HEIGHT: longs(order, height),
        _BITS: shorts(order, 16),
        _COMPRESSION: shorts(order, 1),
        _PHOTOMETRIC: shorts(order, _MOSAIC),
        _OFFSETS: longs(order, at),
        _SAMPLES: shorts(order, 1),
        _ROWS: longs(order, height),
        _COUNTS: longs(order, size),
        _PLANAR: shorts(order, 1),
        _REPEAT: shorts(order, 2, 2),
        _CFA: octets(*(colours[colour] for colour in shot.pattern)),
        _PLANE_COLOURS: octets(0, 1, 2),
        _LAYOUT: shorts(order, 1),
        _BLACK_REPEAT: shorts(order, 2, 2),
        _BLACK: rational(order, *shot.black),
        _WHITE: longs(order, round(shot.white)),
        _CROP_ORIGIN: longs(order, left - shot.active[1], top - shot.active[0]),
        _CROP_SIZE: longs(order, right - left, bottom - top),
        _ACTIVE: longs(order, *shot.active),
    }


def carried(exif: bytes) -> tuple[Directory, str]:
    """Return what a new DNG takes over of the source's first directory, and the byte order of it.

    Makers' notes count offsets from where they no longer are; they stay behind.
    """
    try:
        tags, order, _ = directory.read(exif)
    except ValueError:
        return {}, "<"
    wanted = {270, _MAKE, _MODEL, 306, 315, 33432, _XMP, directory.EXIF, directory.GPS}
    kept = {tag: entry for tag, entry in tags.items() if tag in wanted}
    if directory.EXIF in kept:
        inner = {t: e for t, e in kept[directory.EXIF].inner.items() if t != _MAKERS_NOTES}
        kept[directory.EXIF] = Entry(directory.LONG, 1, bytes(4), inner)
    return kept, order


def carried_block(data: bytes) -> bytes:
    """Return the part of a RAW file that is a TIFF block, whatever its first bytes call it; or
    nothing.
    """
    for magic, plain in ((b"II", b"II*\0"), (b"MM", b"MM\0*")):
        if data[:2] == magic:
            return plain + data[4:]
    return b""
