"""The small copies of a picture in its metadata: once it was edited, they show it as it was."""

from __future__ import annotations

import struct

from cleanplate.picture import directory

_JPEG, _JPEG_LENGTH, _STRIPS, _STRIP_LENGTHS = 513, 514, 273, 279
_PHOTOSHOP_THUMBNAILS = {1033, 1036}


def exif(block: bytes) -> bytes:
    """Return an EXIF block, with or without its "Exif" prefix, without the thumbnail.

    All else stays where it is: makers' notes count their offsets from the block's beginning.
    """
    tiff = bytearray(directory.bare(block))
    prefix = block[: len(block) - len(tiff)]
    try:
        order = directory.byte_order(bytes(tiff))
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, first)
        link = first + 2 + 12 * count
        (second,) = struct.unpack_from(order + "I", tiff, link)
    except (struct.error, ValueError):
        return block
    if not second:
        return block
    struct.pack_into(order + "I", tiff, link, 0)
    for at, length in _thumbnails(bytes(tiff), second, order):
        end = at + length
        if at > link:
            tiff[at:end] = bytes(length) if end < len(tiff) else b""
    return prefix + bytes(tiff)


def _thumbnails(tiff: bytes, start: int, order: str) -> list[tuple[int, int]]:
    """Return offsets and lengths of the samples that the directory at ``start`` points to."""
    try:
        entries, _, _ = directory.read(tiff[:4] + struct.pack(order + "I", start) + tiff[8:])
    except ValueError:
        return []
    found: list[tuple[int, int]] = []
    for places, lengths in ((_JPEG, _JPEG_LENGTH), (_STRIPS, _STRIP_LENGTHS)):
        offsets, sizes = (directory.integers(entries, tag, order, ()) for tag in (places, lengths))
        found += zip(offsets, sizes, strict=False)
    return found


def photoshop(resources: bytes) -> bytes:
    """Return Photoshop's image resources byte for byte, but for the thumbnails among them."""
    kept, at = [], 0
    try:
        while resources[at : at + 4] == b"8BIM":
            number, name = struct.unpack_from(">HB", resources, at + 4)
            # The name, its length before it, is padded to an even number of bytes; so are the data.
            body = at + 6 + (name + 2) // 2 * 2
            (length,) = struct.unpack_from(">I", resources, body)
            end = body + 4 + length + length % 2
            if number not in _PHOTOSHOP_THUMBNAILS:
                kept.append(resources[at:end])
            at = end
    except struct.error:
        return resources
    return b"".join([*kept, resources[at:]])
