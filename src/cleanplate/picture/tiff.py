"""TIFF: 1 to 16 bits, tags kept value by value, samples and compression without loss.

Pillow cuts 16-bit colour to 8 bits, both ways. Its codecs, though, do not care what bytes mean:
deep samples are shown to it as a wide 8-bit grey picture, and cut into samples here.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import directory, pillow, previews
from cleanplate.picture.directory import (
    ACROSS,
    DOWN,
    INCH,
    UNIT,
    Directory,
    Entry,
    integers,
    longs,
    number,
    shorts,
)
from cleanplate.picture.raster import (
    DEEP_MAX,
    Mask,
    Metadata,
    Raster,
    Samples,
    check_size,
    damaged,
    resolution_of,
)

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _PLANAR = 273, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _EXTRA, _FORMAT = 317, 322, 338, 339
_TILE_OFFSETS, _TILE_COUNTS = 324, 325
_XMP, _ICC, _INNER = 700, 34675, 330
_KIND, _OLD_KIND = 254, 255
RESOURCES, LAYERS = 34377, 37724

STRUCTURE = {
    *(254, 255, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, 266, _OFFSETS, _SAMPLES),
    *(_ROWS, _COUNTS, _PLANAR, 288, 289, 292, 293, _PREDICTOR, 320, _TILE_WIDTH, 323),
    *(_TILE_OFFSETS, _TILE_COUNTS, 330, _EXTRA, _FORMAT, 347, *range(512, 522), *range(529, 533)),
}
"""Tags that say how the samples lie in their file; 330 and 347 point into it."""

_DESCRIBING = {270, 271, 272, directory.ORIENTATION, 305, 306, 315, 33432}
_DEEP = 16
_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_CODECS = {_LZW: "tiff_lzw", _DEFLATE: "tiff_adobe_deflate", _PACKBITS: "packbits"}
_BYTEWISE = {_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, 34925, 50000}
_FAX = {2, 3, 4}
_PREMULTIPLIED = 1


def decode(data: bytes, name: str) -> Raster:
    """Return samples and metadata of a TIFF file.

    Raises:
        PictureError: damaged, several pages, CMYK, floating point, an odd depth, and the like.
    """
    tags, order, following = _directory(data, name)
    further, _ = _further(data, order, following)
    if not all(_is_copy(page, order) for page in further):
        raise UnsupportedError(
            f"{name}: the TIFF file has several pages; split them into files first."
        )
    if _is_copy(tags, order) and (following or _INNER in tags):
        raise UnsupportedError(
            f"{name}: the first picture in this TIFF file is a small copy, as in RAW files; "
            "develop it first."
        )
    width = number(tags, _WIDTH, order, 0)
    height = number(tags, _HEIGHT, order, 0)
    check_size(width, height, name)
    _refuse(tags, order, name)
    if _end_of_samples(tags, order) > len(data):
        raise damaged(name, "TIFF file", "its samples reach beyond its end")
    if _lacks_rows(tags, order, height):
        raise damaged(name, "TIFF file", "it holds fewer rows than it says")
    with pillow.decoding(name, "TIFF file"):
        if number(tags, _BITS, order, 1) == _DEEP:
            pixels, alpha = _decode_deep(data, tags, order, (height, width), name)
        else:
            image = _open(data, {**tags, directory.ORIENTATION: shorts(order, 1)}, order, name)
            pixels, alpha = pillow.split(image, name)
        return Raster(pixels, alpha, _metadata(tags, order))


def encode(raster: Raster, name: str) -> bytes:
    """Return a new TIFF file, deflated, with the metadata of any other format."""
    metadata = raster.metadata
    try:
        tags, order, _ = directory.read(metadata.exif)
    except ValueError:
        tags, order = {}, "<"
    tags = {tag: entry for tag, entry in tags.items() if tag not in STRUCTURE}
    if metadata.icc:
        tags[_ICC] = Entry(7, len(metadata.icc), metadata.icc)
    if metadata.xmp:
        tags[_XMP] = Entry(1, len(metadata.xmp), metadata.xmp)
    if metadata.dpi:
        tags[ACROSS], tags[DOWN] = (directory.rational(order, dots) for dots in metadata.dpi)
        tags[UNIT] = shorts(order, INCH)
    return _write(raster, tags, order, _DEFLATE, predictor=2, extra=2)


def rewrite(source: bytes, raster: Raster, edited: Mask | None, strip: bool, name: str) -> bytes:
    """Return the file again with these samples.

    No compression, LZW, deflate and PackBits stay what they were; any other becomes deflate.
    Tiles become strips, palettes RGB, and one-bit samples 8 bits.
    """
    tags, order, _ = _directory(source, name)
    compression = number(tags, _COMPRESSION, order, _NONE)
    predictor = number(tags, _PREDICTOR, order, 1)
    extra = number(tags, _EXTRA, order, 2)
    if compression not in (_NONE, *_CODECS):
        compression, predictor = _DEFLATE, 2
    if edited is not None:
        tags = _without_previews(tags)
    kept = {directory.ORIENTATION, ACROSS, DOWN, UNIT, _ICC} if strip else set(tags)
    others = {tag: tags[tag] for tag in kept - STRUCTURE if tag in tags}
    return _write(raster, others, order, compression, predictor, extra)


def losses(source: bytes, *, same: bool) -> dict[str, str]:
    """Return which directories and tags do not come along; see `Codec`."""
    tags, order, following = _directory(source, "")
    said: dict[str, str] = {}
    further, whole = _further(source, order, following)
    if not whole:
        text = "what follows the first page of the TIFF file is damaged, and is left out"
        said["pages-left-out"] = text
    if further:
        said["copies-left-out"] = "the smaller copies of the picture in the TIFF file are left out"
    if _INNER in tags:
        said["directories-left-out"] = "further directories of the TIFF file (SubIFDs) are left out"
    if LAYERS in tags:
        said["layers-left-out"] = "Photoshop's layers are left out, as they show the old picture"
    taken = STRUCTURE | _DESCRIBING | {ACROSS, DOWN, UNIT, _ICC, _XMP, RESOURCES, LAYERS}
    others = [tag for tag in tags if tag not in taken and not tags[tag].inner]
    return said | ({} if same or not others else pillow.WORDS_LEFT_OUT)


def _further(data: bytes, order: str, start: int) -> tuple[list[Directory], bool]:
    """Return the directories behind the first, each once, and whether the row is whole: a broken
    one ends it.
    """
    found: dict[int, Directory] = {}
    while start and start not in found:
        try:
            found[start], following = directory.table(data, start, order)
        except ValueError:
            return list(found.values()), False
        start = following
    return list(found.values()), True


def _is_copy(tags: Directory, order: str) -> bool:
    """Return whether a directory is of a smaller copy of another one's picture."""
    return bool(number(tags, _KIND, order, 0) & 1) or number(tags, _OLD_KIND, order, 0) == 2


def _without_previews(tags: Directory) -> Directory:
    """Return the tags without what shows the original: Photoshop's thumbnail and layers."""
    kept = {tag: entry for tag, entry in tags.items() if tag != LAYERS}
    if RESOURCES in kept:
        resources = previews.photoshop(kept.pop(RESOURCES).data)
        kept |= {RESOURCES: Entry(1, len(resources), resources)} if resources else {}
    return kept


def _directory(data: bytes, name: str) -> tuple[Directory, str, int]:
    if data[:4] in (b"II+\0", b"MM\0+"):
        raise UnsupportedError(f"{name}: BigTIFF is not read; save it as a plain TIFF or PNG file.")
    try:
        return directory.read(data)
    except ValueError as error:
        raise damaged(name, "TIFF file", error) from error


def _refuse(tags: Directory, order: str, name: str) -> None:
    """Refuse by name what could be read only by changing it."""
    bits = integers(tags, _BITS, order, (1,))
    formats = integers(tags, _FORMAT, order, (1,))
    extra = integers(tags, _EXTRA, order, ())
    photometric = number(tags, _PHOTOMETRIC, order, 1)
    planar = number(tags, _PLANAR, order, 1)
    compression = number(tags, _COMPRESSION, order, _NONE)
    what = None
    if 3 in formats:
        what = "floating-point samples"
    elif set(formats) != {1}:
        what = "signed samples"
    elif len(set(bits)) > 1 or bits[0] not in (1, 2, 4, 8, _DEEP):
        what = f"{'/'.join(map(str, bits))}-bit samples"
    elif photometric not in (0, 1, 2, 3, 6):
        what = {5: "CMYK", 8: "Lab colour"}.get(photometric, f"colour model {photometric}")
    elif len(extra) > 1:
        what = f"{len(extra)} extra channels"
    elif _PREMULTIPLIED in extra:
        what = "premultiplied alpha"
    elif bits[0] == _DEEP and photometric not in (0, 1, 2):
        what = "a 16-bit palette or YCbCr"
    elif bits[0] == _DEEP and planar != 1 and len(bits) > 1:
        what = "16-bit samples in separate planes"
    elif bits[0] == _DEEP and compression not in _BYTEWISE:
        what = f"16-bit samples under compression {compression}"
    if what:
        raise PictureError(
            f"{name}: {what} cannot be cleaned without loss; "
            "convert it to 8- or 16-bit RGB or grey first."
        )


def _end_of_samples(tags: Directory, order: str) -> int:
    """Return where the last strip or tile ends, in bytes; 0 where the file does not say."""
    ends = [0]
    for offsets, counts in ((_OFFSETS, _COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
        pairs = zip(
            integers(tags, offsets, order, ()), integers(tags, counts, order, ()), strict=False
        )
        ends += [offset + count for offset, count in pairs]
    return max(ends)


def _lacks_rows(tags: Directory, order: str, height: int) -> bool:
    """Return whether strips are missing, or a fax has not even a bit for each row.

    What libtiff does not find of a fax, and Pillow of strips, is made up, as large as that may be.
    """
    counts = integers(tags, _COUNTS, order, integers(tags, _TILE_COUNTS, order, ()))
    if number(tags, _COMPRESSION, order, _NONE) in _FAX:
        return bool(counts) and 8 * sum(counts) < height
    rows = max(1, number(tags, _ROWS, order, height))
    return _COUNTS in tags and len(counts) < -(-height // rows)


def _open(data: bytes, tags: Directory, order: str, name: str) -> Any:
    """Return the picture as Pillow sees it with these tags in place of the file's own."""
    from PIL.TiffImagePlugin import TiffImageFile

    at = len(data) + len(data) % 2
    head = data[:4] + struct.pack(order + "I", at)
    lean = {tag: entry for tag, entry in tags.items() if tag in STRUCTURE - {330}}
    lean[directory.ORIENTATION] = shorts(order, 1)
    body = memoryview(data)[8:]
    patched = b"".join([head, body, bytes(at - len(data)), directory.pack(lean, at, order)])
    return pillow.load(TiffImageFile, patched, name, sized=True)  # what is deep is shown wider


def _decode_deep(
    data: bytes, tags: Directory, order: str, size: tuple[int, int], name: str
) -> tuple[Samples, Samples | None]:
    height, width = size
    channels = number(tags, _SAMPLES, order, 1)
    tile = number(tags, _TILE_WIDTH, order, width)
    photometric = number(tags, _PHOTOMETRIC, order, 1)
    colours = 3 if photometric == 2 else 1
    if channels < colours:
        raise damaged(name, "TIFF file", "it has fewer samples a pixel than colours")
    disguise = {tag: entry for tag, entry in tags.items() if tag not in (_EXTRA, _FORMAT)}
    disguise[_WIDTH] = longs(order, 2 * channels * width)
    disguise[_BITS] = shorts(order, 8)
    for tag in (_SAMPLES, _PHOTOMETRIC, _PREDICTOR, _PLANAR):
        disguise[tag] = shorts(order, 1)
    if _TILE_WIDTH in tags:
        disguise[_TILE_WIDTH] = longs(order, 2 * channels * tile)
    image = _open(data, disguise, order, name)
    samples = np.asarray(image).view(order + "u2").astype(np.uint16)
    samples = samples.reshape(height, width, channels)
    if number(tags, _PREDICTOR, order, 1) == 2:
        # Horizontal differencing (TIFF 6.0, section 14) begins anew in every tile.
        for left in range(0, width, tile):
            part = samples[:, left : left + tile]
            np.cumsum(part, axis=1, dtype=np.uint16, out=part)
    if photometric == 0:
        samples[..., 0] = DEEP_MAX - samples[..., 0]
    if channels > colours:
        alpha = np.ascontiguousarray(samples[..., colours])
        return np.ascontiguousarray(samples[..., :colours]), alpha
    return samples, None


def _metadata(tags: Directory, order: str) -> Metadata:
    """Give them in the form of the other formats: describing tags and EXIF as one block."""
    about = {tag: entry for tag, entry in tags.items() if tag in _DESCRIBING or entry.inner}
    exif = directory.block(about, order) if about else b""
    icc, xmp = (tags[tag].data if tag in tags else b"" for tag in (_ICC, _XMP))
    return Metadata(exif, icc, xmp, resolution_of(tags, order), directory.orientation(exif))


def _write(
    raster: Raster, tags: Directory, order: str, compression: int, predictor: int, extra: int
) -> bytes:
    samples = raster.pixels
    if raster.alpha is not None:
        samples = np.dstack([samples, raster.alpha])
    height, width, channels = samples.shape
    if compression in (_LZW, _DEFLATE) and predictor == 2:
        samples = samples.copy()
        samples[:, 1:] -= samples[:, :-1].copy()
    else:
        predictor = 1
    ordered = samples.astype(f"{order}u{samples.itemsize}")
    rows = ordered.reshape(height, -1).view(np.uint8)
    strips, rows_each = _strips(rows, compression)
    starts = np.cumsum([8, *map(len, strips)]).tolist()
    written = {
        **tags,
        _WIDTH: longs(order, width),
        _HEIGHT: longs(order, height),
        _BITS: shorts(order, *[8 * raster.pixels.dtype.itemsize] * channels),
        _COMPRESSION: shorts(order, compression),
        _PHOTOMETRIC: shorts(order, 2 if raster.pixels.shape[2] > 1 else 1),
        _OFFSETS: longs(order, *starts[:-1]),
        _SAMPLES: shorts(order, channels),
        _ROWS: longs(order, rows_each),
        _COUNTS: longs(order, *map(len, strips)),
        _PLANAR: shorts(order, 1),
    }
    if predictor != 1:
        written[_PREDICTOR] = shorts(order, predictor)
    if raster.alpha is not None:
        written[_EXTRA] = shorts(order, extra)
    at = starts[-1] + starts[-1] % 2
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    return b"".join([head, *strips, bytes(at - starts[-1]), directory.pack(written, at, order)])


def _strips(rows: NDArray[np.uint8], compression: int) -> tuple[list[bytes], int]:
    """Return rows of bytes, compressed in strips; and the number of rows in each strip."""
    if compression == _NONE:
        return [rows.tobytes()], len(rows)
    from PIL import Image

    out = io.BytesIO()
    with pillow.quiet():
        Image.fromarray(rows).save(out, "TIFF", compression=_CODECS[compression])
    data = out.getvalue()
    tags, order, _ = directory.read(data)
    starts, lengths = (integers(tags, tag, order, ()) for tag in (_OFFSETS, _COUNTS))
    strips = [data[at : at + length] for at, length in zip(starts, lengths, strict=True)]
    return strips, number(tags, _ROWS, order, len(rows))
