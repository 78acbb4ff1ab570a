"""Strips and tiles of TIFF files: rows of bytes, coded each by itself.

Bytes are all that the codecs but fax know of, so they are shown to Pillow as a wide 8-bit grey
picture.
"""

from __future__ import annotations

import zlib

from cleanplate.errors import PictureError
from cleanplate.picture import directory, pillow
from cleanplate.picture.directory import Directory, integers, longs, shorts

NONE, DEFLATE, OLD_DEFLATE, JPEG = 1, 8, 32946, 7
FAX = {2: "tiff_ccitt", 3: "group3", 4: "group4"}
PREDICTED = {5: "tiff_lzw", DEFLATE: "", OLD_DEFLATE: "", 34925: "lzma", 50000: "zstd"}
"""Codecs under which samples may be differences, see TIFF 6.0, section 14."""

BYTEWISE = {NONE: "", **PREDICTED, 32773: "packbits"}
"""Compressions of bytes whatever they mean, as Pillow names them."""

_LEVEL = 6
_FILL_ORDER = 266
_OFFSETS, _ROWS, _COUNTS = 273, 278, 279
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def decode(
    coded: bytes, compression: int, size: tuple[int, int], name: str, options: Directory
) -> bytes:
    """Return the rows of a strip or tile as bytes; of a fax, eight pixels a byte.

    Args:
        coded: its bytes in the file.
        compression: one of `BYTEWISE` or `FAX`.
        size: rows, and bytes of a row; of a fax, pixels.
        name: for messages.
        options: the tags of the page, `<`, that say how a fax is coded and how bits lie in bytes.

    Raises:
        PictureError: it is damaged.
    """
    rows, wide = size
    coded = _turned(coded, options)
    length = rows * wide
    if compression in FAX:
        if 8 * len(coded) < rows:  # libtiff would make the rest up, however large
            raise PictureError(f"{name}: it has fewer bits than rows.")
        return _by_pillow(coded, compression, size, name, options)
    if compression == NONE:
        data = coded[:length]
    elif compression in (DEFLATE, OLD_DEFLATE):
        try:
            data = zlib.decompressobj().decompress(coded, length)
        except zlib.error as error:
            raise PictureError(f"{name}: its deflated data are damaged ({error}).") from error
    else:
        data = _by_pillow(coded, compression, size, name, {})
    if len(data) < length:
        raise PictureError(f"{name}: its data are cut short.")
    return data


def encode(rows: bytes, compression: int, size: tuple[int, int], options: Directory) -> bytes:
    """Return rows of bytes coded; the inverse of `decode`, fax of kind 3 in one dimension."""
    return _turned(_coded(rows, compression, size), options)


def _turned(coded: bytes, options: Directory) -> bytes:
    """Return coded bytes, the bits in them the other way round where FillOrder says so."""
    if directory.number(options, _FILL_ORDER, "<", 1) == 2:
        return coded.translate(_REVERSED)
    return coded


def _coded(rows: bytes, compression: int, size: tuple[int, int]) -> bytes:
    if compression == NONE:
        return rows
    if compression in (DEFLATE, OLD_DEFLATE):
        return zlib.compress(rows, _LEVEL)
    from PIL import Image

    height, width = size
    if compression in FAX:
        image = Image.frombytes("1", (width, height), rows)
    else:
        image = Image.frombytes("L", (width, height), rows)
    kind = (FAX | BYTEWISE)[compression]
    tags = {_ROWS: height, 262: 1}
    data = pillow.save(image, "TIFF", compression=kind, tiffinfo=tags, strip_size=1 << 31)
    written, order, _ = directory.read(data)
    places, counts = (integers(written, tag, order, ()) for tag in (_OFFSETS, _COUNTS))
    if len(places) != 1:
        raise PictureError("picture: a strip is too large for its compression.")
    return data[places[0] : places[0] + counts[0]]


def whole_jpeg(coded: bytes, tables: bytes, photometric: int) -> bytes:
    """Return a strip or tile of JPEG data with the tables that all share, as a file of its own that
    says what its colours are.
    """
    if tables[:2] == b"\xff\xd8" and len(tables) > 4:
        coded = tables[:-2] + coded[2:]
    return with_transform(coded, transformed=photometric == 6)


def with_transform(data: bytes, *, transformed: bool) -> bytes:
    """Return a JPEG that says itself whether its colours are YCbCr; one that does stays."""
    if b"Adobe" in data[:4096]:
        return data
    flag = bytes([transformed])
    return data[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0" + flag + data[2:]


def _by_pillow(
    coded: bytes, compression: int, size: tuple[int, int], name: str, options: Directory
) -> bytes:
    from PIL.TiffImagePlugin import TiffImageFile

    (rows, wide), order = size, "<"
    tags = {tag: entry for tag, entry in options.items() if tag in (292, 293)} | {
        256: longs(order, wide),
        257: longs(order, rows),
        258: shorts(order, 1 if compression in FAX else 8),
        259: shorts(order, compression),
        262: shorts(order, 1),
        _OFFSETS: longs(order, 8),
        277: shorts(order, 1),
        _ROWS: longs(order, rows),
        _COUNTS: longs(order, len(coded)),
    }
    at = 8 + len(coded) + len(coded) % 2
    head = b"II*\0" + at.to_bytes(4, "little")
    file = b"".join([head, coded, bytes(len(coded) % 2), directory.pack(tags, at, order)])
    with pillow.decoding(name, "TIFF page"):
        return pillow.load(TiffImageFile, file, name, sized=True).tobytes()
