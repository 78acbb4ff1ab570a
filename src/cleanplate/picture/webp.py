"""WebP: what was lossless stays so, what was lossy is coded again as a whole, at quality 95."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from cleanplate.picture import directory, pillow
from cleanplate.picture.raster import Mask, Raster, check_size, damaged, eight_bits, room_for

# The lossy codec codes the whole picture again, so rather too well than too badly.
_QUALITY = 95
_MOST = 16383  # pixels of a side
_HEAD = 16  # bytes of a frame before its chunks
_ANIMATED, _HAS_EXIF, _HAS_XMP = 2, 8, 4  # flags of the extended header
_FRAME, _HEADER = b"ANMF", b"VP8X"
_SAMPLES = {b"VP8 ", b"VP8L", b"ALPH"}
_LARGE, _HARDLY = 64_000_000, 16  # pixels of a canvas, and what share of it a frame must fill
_KNOWN = _SAMPLES | {_HEADER, _FRAME, b"ANIM", b"ICCP", b"EXIF", b"XMP "}

_Chunk = tuple[bytes, bytes]


def decode(data: bytes, name: str) -> Raster:
    """Return samples and metadata of a WebP file.

    Raises:
        PictureError: damaged, or an animation of several frames.
    """
    from PIL.WebPImagePlugin import WebPImageFile

    chunks = list(_chunks(data, name))
    frames = [content for kind, content in chunks if kind == _FRAME]
    if len(frames) > 1:
        raise pillow.several(name, len(frames))
    with pillow.decoding(name, "WebP file"):
        shown = _file(_still(chunks, frames[0])) if frames else data
        image = pillow.load(WebPImageFile, shown, name)
        raster = Raster(*pillow.split(image, name), pillow.metadata(image.info))
        return _on_canvas(raster, chunks, frames[0], name) if frames else raster


def encode(raster: Raster, name: str, *, lossless: bool = True) -> bytes:
    """Return a new WebP file, lossless unless said otherwise."""
    eight_bits(raster, "WebP", name)
    room_for(raster, _MOST, "WebP", name)
    options = pillow.save_options(raster.metadata)
    options.pop("dpi", None)
    # Of a lossless file "quality" is the effort; "exact" keeps colours under transparency.
    options |= (
        {"lossless": True, "exact": True, "quality": 50} if lossless else {"quality": _QUALITY}
    )
    image = pillow.join(raster.pixels, raster.alpha, name)
    mode = "RGB" if raster.alpha is None else "RGBA"
    return pillow.save(image.convert(mode), "WEBP", method=4, **options)


def rewrite(source: bytes, raster: Raster, edited: Mask | None, strip: bool, name: str) -> bytes:
    """Return the file again with these samples; ``edited`` None: with its own, still compressed."""
    chunks = list(_chunks(source, name))
    if edited is None:
        return _without_words(chunks, raster.metadata.orientation)
    metadata = raster.metadata.stripped() if strip else raster.metadata
    lossless = _lossless(chunks)
    return encode(Raster(raster.pixels, raster.alpha, metadata), name, lossless=lossless)


def losses(source: bytes, *, same: bool) -> dict[str, str]:
    """Return what does not come along; see `Codec`."""
    chunks = list(_chunks(source, ""))
    (size,) = struct.unpack_from("<I", source, 4)
    said = pillow.behind(len(source) - 8 - size - size % 2)
    unknown = sorted({kind for kind, _ in chunks} - _KNOWN)
    if unknown:
        names = ", ".join(kind.decode("ascii", "replace") for kind in unknown)
        said["chunks-left-out"] = (
            f"chunks of the WebP that are not known here ({names}) are left out"
        )
    if same and not _lossless(chunks):
        said |= pillow.coded_again("a lossy WebP", _QUALITY)
    return said


def _lossless(chunks: list[_Chunk]) -> bool:
    inner = [_frame_chunks(content) for kind, content in chunks if kind == _FRAME]
    return any(kind == b"VP8L" for part in (chunks, *inner) for kind, _ in part)


def _still(chunks: list[_Chunk], frame: bytes) -> list[_Chunk]:
    """Return the only frame of an animation as a still.

    Played, it would be blended with the background: what lies under transparency would be lost.
    """
    flags = next(content[0] for kind, content in chunks if kind == _HEADER) & ~_ANIMATED
    header = bytes([flags, 0, 0, 0]) + frame[6:12]
    behind = [one for one in chunks if one[0] in (b"EXIF", b"XMP ")]
    profile = [one for one in chunks if one[0] == b"ICCP"]
    samples = [one for one in _frame_chunks(frame) if one[0] in _SAMPLES]
    return [(_HEADER, header), *profile, *samples, *behind]


def _on_canvas(raster: Raster, chunks: list[_Chunk], frame: bytes, name: str) -> Raster:
    """Return a frame where it lies on its canvas, which is transparent around it."""
    header = next(content for kind, content in chunks if kind == _HEADER)
    width, height = (_number(header, at) + 1 for at in (4, 7))
    left, top = (2 * _number(frame, at) for at in (0, 3))
    rows, columns, channels = raster.pixels.shape
    if (rows, columns) == (height, width):
        return raster
    check_size(width, height, name)
    if top + rows > height or left + columns > width:
        raise ValueError("its frame reaches beyond its canvas")
    if width * height > _LARGE and rows * columns * _HARDLY < width * height:
        raise ValueError("its frame fills hardly any of its canvas")
    inside = slice(top, top + rows), slice(left, left + columns)
    pixels = np.zeros((height, width, channels), np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    pixels[inside] = raster.pixels
    alpha[inside] = 255 if raster.alpha is None else raster.alpha
    return Raster(pixels, alpha, raster.metadata)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _frame_chunks(frame: bytes) -> list[_Chunk]:
    return list(_parts(frame, _HEAD, len(frame)))


def _chunks(data: bytes, name: str) -> Iterator[_Chunk]:
    (size,) = struct.unpack_from("<I", data, 4)
    if 8 + size > len(data):
        raise damaged(name, "WebP file", "it ends within its data")
    yield from _parts(data, 12, 8 + size)


def _parts(data: bytes, at: int, end: int) -> Iterator[_Chunk]:
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _without_words(chunks: list[_Chunk], orientation: int) -> bytes:
    exif = directory.orientation_block(orientation) if orientation != 1 else b""
    kept = []
    for kind, data in chunks:
        if kind in (b"EXIF", b"XMP "):
            continue
        if kind == _HEADER and data:
            flags = data[0] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if exif else 0)
            data = bytes([flags]) + data[1:]
        kept.append((kind, data))
    return _file([*kept, (b"EXIF", exif)] if exif else kept)


def _file(chunks: list[_Chunk]) -> bytes:
    parts = [
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for kind, data in chunks
    ]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
