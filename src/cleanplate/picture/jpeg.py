"""JPEG files: their segments, what is refused, and writing that leaves untouched blocks alone."""

from __future__ import annotations

import functools
import io
import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cleanplate.errors import PictureError
from cleanplate.picture import blocks, directory, pillow, previews, xmp
from cleanplate.picture.raster import (
    Mask,
    Metadata,
    Raster,
    check_size,
    damaged,
    resolution,
    resolution_of,
    room_for,
)

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_QUALITY = 95
_MOST = 65535  # pixels of a side
_SMOOTHED = 2  # pixels by which colours of half the size reach across a block's edge
_SOF = {0xC0, 0xC1, 0xC2}
_OTHER_SOF = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "a hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA), "an arithmetic-coded JPEG"),
}
_DHT, _SOS, _DQT, _DRI, _COM, _APP0 = 0xC4, 0xDA, 0xDB, 0xDD, 0xFE, 0xE0
# What the samples are decoded from.
_DECODED = _SOF | {_DQT, _DHT, _DRI, _SOS}
_PER_INCH = {1: 1.0, 2: 2.54}  # by the unit of JFIF
_BARE = {0x01, *range(0xD0, 0xD8)}
_EXIF, _ICC, _ADOBE = b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe"
_XMP, _EXTENDED_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
# Further pictures, and that one of them is a gain map (ISO 21496-1).
_FURTHER = (b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0")
_JFIF, _JFIF_THUMBNAIL, _PHOTOSHOP = b"JFIF\0", b"JFXX\0", b"Photoshop 3.0\0"

# A box of an MP4 or QuickTime file, which begins with its length.
_VIDEO = re.compile(rb"....ftyp", re.DOTALL)

# The next marker: entropy-coded data hold 0xFF only before a zero or as a restart marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class Segment(NamedTuple):
    """A marker with its payload; after a start of scan, the coded data up to the next marker."""

    marker: int
    payload: bytes
    coded: memoryview | bytes = b""

    def packed(self) -> bytes:
        """Return it as it stands in a file."""
        head = struct.pack(">BBH", 0xFF, self.marker, len(self.payload) + 2)
        return b"".join((head, self.payload, self.coded))


class Component(NamedTuple):
    """One plane of the frame: identifier, horizontal and vertical sampling, table number."""

    identifier: int
    across: int
    down: int
    table: int


@dataclass(frozen=True)
class Frame:
    """What the start of frame says, and how the three planes stand for colours."""

    marker: int
    height: int
    width: int
    components: tuple[Component, ...]
    model: str

    @property
    def progressive(self) -> bool:
        """Whether coefficients come in several refining scans."""
        return self.marker == 0xC2


def decode(data: bytes, name: str) -> Raster:
    """Return samples and metadata of a JPEG file.

    Raises:
        PictureError: damaged, CMYK, 12-bit, lossless or arithmetic-coded.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    segments, end = _segments(data, name)
    frame = _frame(segments, name)
    check_size(frame.width, frame.height, name)
    # Every block of luma takes a bit at least.
    blocks_at_least = -(-frame.width // 8) * -(-frame.height // 8)
    if blocks_at_least > 8 * sum(len(segment.coded) for segment in segments):
        raise damaged(name, "JPEG file", "it holds less than its header says")
    # Metadata that Pillow cannot read are no reason to refuse the picture: it sees none.
    bare = [one.packed() for one in segments if one.marker in _DECODED or _gives_colours(one)]
    stream = b"".join([SOI, *bare, EOI if data[end - 2 : end] == EOI else b""])
    with pillow.decoding(name, "JPEG file"):
        pixels, alpha = pillow.split(pillow.load(JpegImageFile, stream, name), name)
        return Raster(pixels, alpha, _metadata(segments))


def encode(raster: Raster, name: str) -> bytes:
    """Return a new JPEG file of quality 95 without chroma subsampling.

    Raises:
        PictureError: 16-bit samples, or alpha that is not opaque throughout.
    """
    if raster.deep():
        raise PictureError(f"{name}: JPEG holds 8 bits, this picture has 16; write PNG or TIFF.")
    if raster.alpha is not None and not (raster.alpha == 255).all():
        raise PictureError(f"{name}: JPEG holds no transparency; write PNG, TIFF or WebP.")
    room_for(raster, _MOST, "JPEG", name)
    options = pillow.save_options(raster.metadata)
    image = pillow.join(raster.pixels, None, name)
    return pillow.save(image, "JPEG", quality=_QUALITY, subsampling=0, **options)


def rewrite(source: bytes, raster: Raster, edited: Mask | None, strip: bool, name: str) -> bytes:
    """Return the file again, with new coefficients only in the blocks that ``edited`` (H, W)
    reaches.

    Tables, sampling and, but for ``strip``, every APPn and COM segment stay as they were.
    Progressive files stay progressive. Restart markers go: they hold no picture. So does all that
    lies behind the first picture, and, once it was edited, its thumbnails: they show it as it was.
    """
    segments, _ = _segments(source, name)
    frame = _frame(segments, name)
    first = next(i for i, segment in enumerate(segments) if segment.marker == _SOS)
    head, body = segments[:first], segments[first:]
    if edited is not None:
        body = _spliced(segments, frame, raster, edited)
        head = [segment for segment in head if segment.marker not in (_DHT, _DRI, frame.marker)]
        head = _without_previews(head)
    head = [_true(segment) for segment in head if not _goes(segment, strip)]
    if strip and raster.metadata.orientation != 1:
        block = _EXIF + directory.orientation_block(raster.metadata.orientation)
        # JFIF demands to come first where it is present.
        after = 1 if head and head[0].marker == _APP0 else 0
        head.insert(after, Segment(0xE1, block))
    return b"".join([SOI, *(segment.packed() for segment in head + body), EOI])


def losses(source: bytes, *, same: bool) -> dict[str, str]:
    """Return what lies behind the picture's end and does not come along; see `Codec`."""
    segments, end = _segments(source, "")
    said = {} if same or not any(map(_only_here, segments)) else {**pillow.WORDS_LEFT_OUT}
    spoken = any(xmp.tells_of_gain_map(one.payload) for one in segments if one.marker >= _APP0)
    return said | _behind(memoryview(source)[end:].tobytes(), spoken)


def _only_here(segment: Segment) -> bool:
    """Return whether a segment has words that other formats do not take over."""
    marker, payload = segment.marker, segment.payload
    taken = (_EXIF, _ICC, _ADOBE, _JFIF, _JFIF_THUMBNAIL, _XMP, *_FURTHER)
    return marker == _COM or (_APP0 <= marker <= 0xEF and not payload.startswith(taken))


def _behind(rest: bytes, gain_map: bool) -> dict[str, str]:
    """Return what the bytes behind a picture's end are; `gain_map`: the picture speaks of one."""
    said: dict[str, str] = {}
    while rest.strip(b"\0\r\n \xff"):
        start = rest.find(SOI + b"\xff")
        video = _VIDEO.search(rest)
        if video and not 0 <= start < video.start():
            return said | {"video-left-out": "the video behind the picture is left out"}
        try:
            end = _segments(rest, "", start)[1] if start >= 0 else 0
        except PictureError:
            end = 0
        if not end:
            return said | pillow.behind(len(rest))
        if gain_map or xmp.tells_of_gain_map(rest[start:end]):
            said["gain-map-left-out"] = "the HDR gain map is left out, as it shows the old picture"
        else:
            said["pictures-left-out"] = "the further pictures in the file (MPF) are left out"
        rest, gain_map = rest[end:], False
    return said


def reach(source: bytes, mask: Mask, name: str) -> Mask:
    """Return which pixels change when those of a mask do, (H, W), as they lie in the file.

    That is every block that holds one, of all components, and what decoders smooth across its edge.
    """
    import cv2

    frame = _frame(_segments(source, name)[0], name)
    down, across = (
        8 * max(getattr(one, way) for one in frame.components) for way in ("down", "across")
    )
    brush = np.ones((2 * _SMOOTHED + 1, 2 * _SMOOTHED + 1), np.uint8)
    near = cv2.dilate(mask.astype(np.uint8), brush) > 0
    cells = np.repeat(blocks.touched(near, (down, across)), down, axis=0)
    reached: Mask = np.repeat(cells, across, axis=1)[: mask.shape[0], : mask.shape[1]]
    return reached


def _goes(segment: Segment, strip: bool) -> bool:
    """Return whether a segment is left out of the new file."""
    marker, payload = segment.marker, segment.payload
    if marker == 0xE2 and payload.startswith(_FURTHER):
        return True
    describes = _APP0 <= marker <= 0xEF or marker == _COM
    # Without the Adobe segment the colours would be read otherwise, without the profile seen so.
    needed = marker == _APP0 or payload.startswith((_ICC, _ADOBE))
    return strip and describes and not needed


def _true(segment: Segment) -> Segment:
    """Return a segment without what it says of the parts that lay behind the picture."""
    if segment.marker != 0xE1 or not segment.payload.startswith(_XMP):
        return segment
    return segment._replace(payload=_XMP + xmp.without_claims(segment.payload[len(_XMP) :]))


def _without_previews(head: list[Segment]) -> list[Segment]:
    """Return the segments without the small copies of the picture in them."""
    shop = [one.payload[len(_PHOTOSHOP) :] for one in head if one.payload.startswith(_PHOTOSHOP)]
    # Photoshop's resources run on from segment to segment; what is left of them fills the first.
    resources = previews.photoshop(b"".join(shop))
    kept = []
    for segment in head:
        payload = segment.payload
        if payload.startswith(_JFIF_THUMBNAIL):
            continue
        if payload.startswith(_JFIF):
            payload = payload[:12] + bytes(2)
        elif payload.startswith(_EXIF):
            payload = previews.exif(payload)
        elif payload.startswith(_PHOTOSHOP):
            room = len(payload) - len(_PHOTOSHOP)
            payload, resources = _PHOTOSHOP + resources[:room], resources[room:]
        kept.append(segment._replace(payload=payload))
    return kept


def _segments(data: bytes, name: str, start: int = 0) -> tuple[list[Segment], int]:
    """Find all segments of the picture from `start` on, but SOI and EOI, and where it ends."""
    segments, end = _all_segments(data, name, start)
    if not any(segment.marker == _SOS for segment in segments):
        raise damaged(name, "JPEG file", "it holds no picture data")
    return segments, end


def _all_segments(data: bytes, name: str, start: int = 0) -> tuple[list[Segment], int]:
    """Find segments as `_segments` does, of a stream of tables alone, too."""
    view, segments, at = memoryview(data), [], start + len(SOI)
    while True:
        found = _MARKER.search(data, at)
        if found is None:
            at = len(data)
            break
        marker, at = found[0][1], found.end()
        if marker == EOI[1]:
            break
        if marker in _BARE:
            continue
        if at + 2 > len(data):
            raise damaged(name, "JPEG file", "it ends within a segment")
        (length,) = struct.unpack_from(">H", data, at)
        end = at + max(length, 2)
        if end > len(data):
            raise damaged(name, "JPEG file", "it ends within a segment")
        payload, coded = bytes(view[at + 2 : end]), memoryview(b"")
        if marker == _SOS:
            after = _MARKER.search(data, end)
            coded = view[end : after.start() if after else len(data)]
            end += len(coded)
        segments.append(Segment(marker, payload, coded))
        at = end
    return segments, at


def _gives_colours(segment: Segment) -> bool:
    """Return whether a segment says what the planes are."""
    return segment.marker in (_APP0, 0xEE) and segment.payload.startswith((_JFIF, _ADOBE))


def _metadata(segments: list[Segment]) -> Metadata:
    first = next(i for i, segment in enumerate(segments) if segment.marker == _SOS)

    def of(start: bytes) -> list[bytes]:
        # Readers look no farther than the first scan.
        payloads = (one.payload for one in segments[:first] if _APP0 <= one.marker <= 0xEF)
        return [payload[len(start) :] for payload in payloads if payload.startswith(start)]

    exif = directory.bare(b"".join(of(_EXIF)))
    profile = sorted(of(_ICC))  # each part begins with its number and how many there are
    whole = bool(profile) and [part[:2] for part in profile] == [
        bytes([number, len(profile)]) for number in range(1, len(profile) + 1)
    ]
    icc = b"".join(part[2:] for part in profile) if whole else b""
    packet = next(iter(of(_XMP)), b"")
    return Metadata(exif, icc, packet, _resolution(of(_JFIF), exif), directory.orientation(exif))


def _resolution(jfif: list[bytes], exif: bytes) -> tuple[float, float] | None:
    """Return dots per inch by JFIF, or else by EXIF."""
    if jfif and len(jfif[0]) >= 7:
        unit, across, down = struct.unpack_from(">BHH", jfif[0], 2)
        if unit in _PER_INCH:
            return resolution(_PER_INCH[unit] * across, _PER_INCH[unit] * down)
    try:
        tags, order, _ = directory.read(exif)
    except ValueError:
        return None
    return resolution_of(tags, order)


def _frame(segments: list[Segment], name: str) -> Frame:
    """Return the one frame of the file, checked for what Cleanplate can write back.

    Raises:
        PictureError: the frame is of another kind.
    """
    for segment in segments:
        if segment.marker in _OTHER_SOF:
            raise _refused(name, _OTHER_SOF[segment.marker])
    header = next((segment for segment in segments if segment.marker in _SOF), None)
    if header is None or len(header.payload) < 6:
        raise damaged(name, "JPEG file", "it has no frame header")
    bits, height, width, count = struct.unpack_from(">BHHB", header.payload)
    if bits != 8:
        raise _refused(name, f"a {bits}-bit JPEG")
    if count not in (1, 3):
        raise _refused(name, "a CMYK JPEG" if count == 4 else f"a JPEG of {count} planes")
    if len(header.payload) != 6 + 3 * count:
        raise damaged(name, "JPEG file", "its frame header is cut short")
    fields = struct.iter_unpack("BBB", header.payload[6:])
    components = tuple(Component(one, hv >> 4, hv & 15, table) for one, hv, table in fields)
    for direction in ("across", "down"):
        factors = [getattr(component, direction) for component in components]
        if min(factors) < 1 or any(max(factors) % factor for factor in factors):
            raise _refused(name, "a JPEG with uneven chroma sampling")
    scan = next(i for i, segment in enumerate(segments) if segment.marker == _SOS)
    if any(segment.marker == _DQT for segment in segments[scan:]):
        raise _refused(name, "a JPEG whose tables change between scans")
    scans = [one.payload for one in segments if one.marker == _SOS and one.payload]
    coded = {one for scan in scans for one in scan[1 : 1 + 2 * scan[0] : 2]}
    if not coded >= {component.identifier for component in components}:
        raise damaged(name, "JPEG file", "it holds no data of some of its planes")
    return Frame(header.marker, height, width, components, _model(segments, components))


def huffman_tables(stream: bytes) -> dict[int, bytes]:
    """Return the Huffman tables of a JPEG stream by class and number (ITU T.81, B.2.4.2)."""
    return _tables_of(_all_segments(stream, "")[0])


def _tables_of(segments: list[Segment]) -> dict[int, bytes]:
    tables: dict[int, bytes] = {}
    for segment in segments:
        rest = segment.payload if segment.marker == _DHT else b""
        while len(rest) > 16:
            end = 17 + sum(rest[1:17])
            tables[rest[0]], rest = bytes(rest[1:end]), rest[end:]
    return tables


@functools.cache
def _usual_tables() -> dict[int, bytes]:
    """Return the tables that encoders take which do not make their own (ITU T.81, K.3)."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    return huffman_tables(out.getvalue())


def _refused(name: str, what: str) -> PictureError:
    return PictureError(
        f"{name}: {what} cannot be written back faithfully; save it as an RGB JPEG or PNG first."
    )


def _model(segments: list[Segment], components: tuple[Component, ...]) -> str:
    """Return ``grey``, ``ycc`` or ``rgb``, guessed as libjpeg does (jdapimin.c)."""
    if len(components) == 1:
        return "grey"
    if any(one.marker == _APP0 and one.payload.startswith(_JFIF) for one in segments):
        return "ycc"
    for one in segments:
        if one.marker == 0xEE and one.payload.startswith(_ADOBE) and len(one.payload) > 11:
            return "rgb" if one.payload[11] == 0 else "ycc"
    return "rgb" if bytes(one.identifier for one in components) == b"RGB" else "ycc"


def _spliced(segments: list[Segment], frame: Frame, raster: Raster, edited: Mask) -> list[Segment]:
    """Return frame, Huffman tables and scans of the picture with the edited blocks coded anew."""
    # Only what carries coefficients is shown to libjpeg, which prints a line about oddities.
    bare = [segment.packed() for segment in segments if segment.marker in _DECODED]
    stream = b"".join([SOI, *bare, EOI])
    sampling = [(component.down, component.across) for component in frame.components]
    grid = blocks.Grid(frame.height, frame.width, sampling, frame.model)
    usual = _tables_of(segments).items() <= _usual_tables().items()
    flags = blocks.Flags(frame.progressive, optimised=frame.progressive or not usual)
    new = blocks.renewed(stream, grid, flags, raster.pixels, edited)
    written, _ = _segments(new, "the new JPEG")
    header = next(segment for segment in written if segment.marker in _SOF)
    old_header = next(segment for segment in segments if segment.marker == frame.marker)
    # Tables of 16 bits are not allowed in a baseline file (ITU T.81, B.2.4.1).
    wide = any(one.marker == _DQT and one.payload[:1] >= b"\x10" for one in segments)
    kind = 0xC1 if wide and header.marker == 0xC0 else header.marker
    names = dict(zip(header.payload[6::3], old_header.payload[6::3], strict=True))
    body = [Segment(kind, old_header.payload)]
    for segment in written:
        if segment.marker == _SOS:
            count = segment.payload[0]
            payload = bytearray(segment.payload)
            payload[1 : 1 + 2 * count : 2] = bytes(
                names[one] for one in payload[1 : 1 + 2 * count : 2]
            )
            segment = segment._replace(payload=bytes(payload))
        if segment.marker in (_SOS, _DHT):
            body.append(segment)
    return body
