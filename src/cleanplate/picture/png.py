"""PNG: every depth up to 16 bits, and all that stands in the other chunks, kept byte for byte."""

from __future__ import annotations

import io
import struct
import zlib
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import UnsupportedError
from cleanplate.picture import directory, pillow, previews
from cleanplate.picture.raster import (
    Mask,
    Metadata,
    Raster,
    Samples,
    check_size,
    damaged,
    resolution,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# From level 4 on zlib searches lazily: photographs come out 10 % smaller, in twice the time.
_LEVEL = 3
_STRIP_BYTES = 1_000_000
_PROFILE_LIMIT = 64_000_000
_DEEP = 16
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"

# What says how the samples are to be shown, and what else may stay. The rest (palette, transparent
# colour, background) describes samples as the old file stored them.
_COLOUR = {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"pHYs"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"tIME"}
_KEPT = _COLOUR | _TEXTS | {b"eXIf"}
_STORED = {b"IHDR", b"PLTE", b"tRNS", b"bKGD", b"sBIT", b"hIST", b"sPLT", b"IDAT", b"IEND"}
# A still of an animation's form: how many pictures there are (one), and how long each is shown.
_TIMING = {b"acTL", b"fcTL"}
_ANCILLARY = 0x20  # of a chunk's first letter: the picture can be seen without it
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_SRGB_GAMMA = (45455).to_bytes(4, "big")
_DEFLATED = 1032  # bytes at most that one byte of deflate stands for


# Samples of a pixel by colour type.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
_ORDER = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


class Chunk(NamedTuple):
    """One chunk of a PNG file, without its length and checksum."""

    kind: bytes
    data: memoryview | bytes


def decode(data: bytes, name: str) -> Raster:
    """Return samples and metadata of a PNG file.

    Raises:
        PictureError: the file is damaged, animated or too large.
    """
    chunks = _chunks(data, name)
    width, height, depth, colour = struct.unpack(">IIBB", bytes(chunks[0].data[:10]))
    check_size(width, height, name)
    _refuse_animation(chunks, name)
    bits = width * height * depth * _SAMPLES.get(colour, 1)
    if bits // 8 > _DEFLATED * sum(len(one.data) for one in chunks if one.kind == b"IDAT"):
        raise damaged(name, "PNG file", "it holds less than its header says")
    with pillow.decoding(name, "PNG file"):
        decoder = _decode_deep if depth == _DEEP else _decode_shallow
        pixels, alpha = decoder(chunks, depth, colour, name)
        return Raster(pixels, alpha, _metadata(chunks))


def encode(raster: Raster, name: str) -> bytes:
    """Return a new PNG file with the metadata of any other format."""
    return _write(raster, list(_chunks_of(raster.metadata)))


def encode_with(raster: Raster, others: list[Chunk]) -> bytes:
    """Return a new PNG file with chunks of one's own before the samples."""
    return _write(raster, others)


def chunk(data: bytes, kind: bytes, name: str) -> bytes | None:
    """Return what the first chunk of a kind in a PNG file holds; None where there is none."""
    return next((bytes(one.data) for one in _chunks(data, name) if one.kind == kind), None)


def rewrite(source: bytes, raster: Raster, edited: Mask | None, strip: bool, name: str) -> bytes:
    """Return the file again with these samples; ``edited`` None: with its own, still compressed."""
    chunks = _chunks(source, name)
    kept = _COLOUR if strip else _KEPT
    turn = raster.metadata.orientation
    added = [Chunk(b"eXIf", directory.orientation_block(turn))] if strip and turn != 1 else []
    if edited is not None:
        others = [_without_preview(chunk) for chunk in chunks if chunk.kind in kept]
        return _write(raster, others + added)
    tied = kept | {b"PLTE", b"tRNS", b"bKGD", b"sBIT", b"IDAT", b"IEND"}
    return _join(chunks[:1] + added + [chunk for chunk in chunks[1:] if chunk.kind in tied])


def losses(source: bytes, *, same: bool) -> dict[str, str]:
    """Return which chunks and trailing bytes do not come along; see `Codec`."""
    said: dict[str, str] = {}
    chunks, broken, end = _walk(source, "")
    kinds = {one.kind for one in chunks}
    unknown = sorted(kinds - _KEPT - _STORED - _TIMING)
    if unknown:
        names = ", ".join(kind.decode("ascii", "replace") for kind in unknown)
        said["chunks-left-out"] = (
            f"chunks of the PNG that are not known here ({names}) are left out"
        )
    if broken:
        said["damaged-chunks-left-out"] = "chunks of the PNG with a wrong checksum are left out"
    said |= pillow.behind(len(source) - end)
    if not same:
        texts = [one for one in chunks if one.kind in _TEXTS and not _is_xmp(one)]
        said |= pillow.WORDS_LEFT_OUT if texts else {}
        gammas = [bytes(one.data) for one in chunks if one.kind == b"gAMA"]
        named = kinds & {b"sRGB", b"iCCP", b"cICP"}
        if not named and gammas and gammas[0] != _SRGB_GAMMA:
            said["colours-left-out"] = "the gamma of the PNG is left out; the new format has none"
    return said


def _is_xmp(chunk: Chunk) -> bool:
    return chunk.kind == b"iTXt" and bytes(chunk.data[: len(_XMP)]) == _XMP


def _refuse_animation(chunks: list[Chunk], name: str) -> None:
    control = next((one.data for one in chunks if one.kind == b"acTL"), None)
    if control is None:
        return
    frames = int.from_bytes(control[:4], "big")
    if frames > 1 or any(one.kind == b"fdAT" for one in chunks):
        raise UnsupportedError(f"{name}: it is an animated PNG; Cleanplate cleans single pictures.")


def _without_preview(chunk: Chunk) -> Chunk:
    return Chunk(chunk.kind, previews.exif(bytes(chunk.data))) if chunk.kind == b"eXIf" else chunk


def _chunks(data: bytes, name: str) -> list[Chunk]:
    """Return all sound chunks up to IEND."""
    return _walk(data, name)[0]


def _walk(data: bytes, name: str) -> tuple[list[Chunk], int, int]:
    """Give all sound chunks up to IEND, how many others were passed over, and where it ends.

    What is not needed to see the picture may be broken.
    """
    view, at = memoryview(data), len(SIGNATURE)
    chunks: list[Chunk] = []
    broken = 0
    while not chunks or chunks[-1].kind != b"IEND":
        if at + 12 > len(data):
            raise damaged(name, "PNG file", "it ends before its last chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            raise damaged(name, "PNG file", "it ends within its data")
        sound = zlib.crc32(view[at + 4 : end]) == struct.unpack_from(">I", data, end)[0]
        if not sound and kind in _CRITICAL | {b"tRNS"}:
            raise damaged(name, "PNG file", "a checksum does not match")
        if sound and kind not in _CRITICAL and not kind[0] & _ANCILLARY:
            raise damaged(name, "PNG file", f"its chunk {kind!r} is needed and not known")
        if sound:
            chunks.append(Chunk(kind, view[at + 8 : end]))
        broken += not sound
        at = end + 4
    if chunks[0].kind != b"IHDR" or len(chunks[0].data) != 13:
        raise damaged(name, "PNG file", "it has no header")
    return chunks, broken, at


def _join(chunks: list[Chunk]) -> bytes:
    out = io.BytesIO()
    out.write(SIGNATURE)
    for chunk in chunks:
        _put(out, *chunk)
    return out.getvalue()


def _put(out: io.BytesIO, kind: bytes, data: memoryview | bytes) -> None:
    out.write(struct.pack(">I4s", len(data), kind))
    out.write(data)
    out.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _decode_shallow(
    chunks: list[Chunk], depth: int, colour: int, name: str
) -> tuple[Samples, Samples | None]:
    """Decode 8 bits by Pillow, which is shown what they need and nothing that could upset it."""
    from PIL.PngImagePlugin import PngImageFile

    shown = [one for one in chunks if one.kind in _CRITICAL]
    key = next((one.data for one in chunks if one.kind == b"tRNS"), None)
    if key is not None:
        shown.append(Chunk(b"tRNS", _transparent(bytes(key), depth, colour)))
        shown.sort(key=lambda one: _ORDER.index(one.kind))
    return pillow.split(pillow.load(PngImageFile, _Stream(shown), name), name)


class _Stream(io.RawIOBase):
    """A PNG file of some chunks, read from where they lie: a copy would be as large as the file."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self._parts = [memoryview(SIGNATURE)]
        for kind, data in chunks:
            head = struct.pack(">I4s", len(data), kind)
            check = struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
            self._parts += map(memoryview, (head, data, check))
        self._starts = [0, *accumulate(map(len, self._parts))]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}.get(whence, 0)
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number = bisect(self._starts, self._at) - 1
        if number >= len(self._parts):
            return 0
        start = self._at - self._starts[number]
        piece = self._parts[number][start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _transparent(key: bytes, depth: int, colour: int) -> bytes:
    """Return the transparent value as Pillow compares it with samples that it made 8 bits."""
    if colour == _PALETTE:
        return key
    values = struct.unpack(f">{len(key) // 2}H", key[: len(key) // 2 * 2])
    most = 2**depth - 1
    scale = 255 // most if 1 < depth < 8 else 1
    return struct.pack(f">{len(values)}H", *((value & most) * scale for value in values))


def _decode_deep(
    chunks: list[Chunk], depth: int, colour: int, name: str
) -> tuple[Samples, Samples | None]:
    """Return 16-bit samples; Pillow would cut colour to 8 bits, OpenCV does not."""
    import cv2

    # Only what the samples need is shown to OpenCV: it prints warnings about odd profiles,
    # and has its own ideas about orientation and gamma.
    bare = _join([chunk for chunk in chunks if chunk.kind in (b"IHDR", b"IDAT", b"IEND")])
    samples = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16:
        raise ValueError("its compressed data are broken")
    samples = samples.reshape(*samples.shape[:2], -1)
    channels = 3 if colour & 2 else 1
    # OpenCV's order is blue, green, red, alpha; grey with alpha comes as four such planes.
    pixels = np.ascontiguousarray(samples[..., 2::-1] if channels > 1 else samples[..., :1])
    if colour & 4:
        return pixels, np.ascontiguousarray(samples[..., -1])
    key = next((chunk.data for chunk in chunks if chunk.kind == b"tRNS"), None)
    if key is None:
        return pixels, None
    hole = (pixels == np.frombuffer(key, ">u2", channels)).all(axis=2)
    return pixels, np.where(hole, 0, 65535).astype(np.uint16)


def _metadata(chunks: list[Chunk]) -> Metadata:
    """Return the first chunk of each kind, as the format demands where it allows only one."""
    found = {chunk.kind: bytes(chunk.data) for chunk in reversed(chunks) if chunk.kind in _KEPT}
    exif = directory.bare(found.get(b"eXIf", b""))
    texts = (bytes(chunk.data) for chunk in chunks if chunk.kind == b"iTXt")
    xmp = next((text[len(_XMP) :] for text in texts if text.startswith(_XMP)), b"")
    dpi = None
    if len(found.get(b"pHYs", b"")) == 9 and found[b"pHYs"][8] == 1:
        across, down = struct.unpack(">II", found[b"pHYs"][:8])
        dpi = resolution(across * 0.0254, down * 0.0254)
    profile = _profile(found.get(b"iCCP", b""))
    return Metadata(exif, profile, xmp, dpi, directory.orientation(exif), _numbers(found))


def _numbers(found: dict[bytes, bytes]) -> tuple[int, int] | None:
    numbers = found.get(b"cICP", b"")
    return (numbers[0], numbers[1]) if len(numbers) == 4 else None


def _profile(data: bytes) -> bytes:
    _, _, packed = data.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], _PROFILE_LIMIT)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""


def _chunks_of(metadata: Metadata) -> Iterator[Chunk]:
    if metadata.icc:
        yield Chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc))
    elif metadata.cicp and metadata.unusual():
        yield Chunk(b"cICP", bytes([*metadata.cicp, 0, 1]))  # no matrix, full range
    if metadata.dpi:
        across, down = (round(value / 0.0254) for value in metadata.dpi)
        yield Chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.exif:
        yield Chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        yield Chunk(b"iTXt", _XMP + metadata.xmp)


def _write(raster: Raster, others: list[Chunk]) -> bytes:
    """Compress strip by strip, so that beside the samples only the file itself is in memory."""
    height, width, channels = raster.pixels.shape
    has_alpha = raster.alpha is not None
    colour = (2 if channels > 1 else 0) + (4 if has_alpha else 0)
    depth = 8 * raster.pixels.dtype.itemsize
    out = io.BytesIO()
    out.write(SIGNATURE)
    _put(out, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    for chunk in others:
        _put(out, *chunk)
    packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_FILTERED)
    pixel = (channels + has_alpha) * raster.pixels.dtype.itemsize
    step = max(1, _STRIP_BYTES // (width * pixel))
    above = np.zeros((1, width * pixel), np.uint8)
    for top in range(0, height, step):
        rows = _rows(raster, slice(top, top + step))
        packed = packer.compress(_filtered(rows, above, pixel))
        above = rows[-1:]
        if packed:
            _put(out, b"IDAT", packed)
    _put(out, b"IDAT", packer.flush())
    _put(out, b"IEND", b"")
    return out.getvalue()


def _rows(raster: Raster, which: slice) -> NDArray[np.uint8]:
    """Return rows of samples as PNG orders their bytes, (rows, bytes)."""
    samples = raster.pixels[which]
    if raster.alpha is not None:
        samples = np.dstack([samples, raster.alpha[which]])
    if raster.deep():
        samples = samples.astype(">u2")
    return np.ascontiguousarray(samples).reshape(len(samples), -1).view(np.uint8)


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], pixel: int) -> bytes:
    """Return rows under the Paeth filter (PNG specification, 9.4), the filter's number before each.

    One filter for all rows: trying all five costs more time than it saves bytes.
    """
    up = np.concatenate([above, rows[:-1]]).astype(np.int16)
    left, corner = np.zeros_like(up), np.zeros_like(up)
    left[:, pixel:] = rows[:, :-pixel]
    corner[:, pixel:] = up[:, :-pixel]
    by_left, by_up = np.abs(up - corner), np.abs(left - corner)
    by_corner = np.abs(left + up - 2 * corner)
    guess = np.where(by_up <= by_corner, up, corner)
    np.copyto(guess, left, where=(by_left <= by_up) & (by_left <= by_corner))
    out = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    out[:, 0] = 4
    out[:, 1:] = rows - guess.astype(np.uint8)
    return out.tobytes()
