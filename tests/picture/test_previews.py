from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_makers import EXIF_CAMERA, read_by_others, samples, saved, scribbled
from PIL import Image, TiffImagePlugin

from cleanplate.picture import Picture, previews

SECRET = b"what was removed"
THUMBNAIL = b"\xff\xd8\xff" + SECRET + b"\xff\xd9"
RESOURCE = struct.pack(">4sH6sI", b"8BIM", 1005, b"\x04name\0", 3) + b"abc\0"


def exif_with_thumbnail(*, uncompressed: bool = False, behind: bytes = b"") -> bytes:
    """An EXIF block with a second directory, its thumbnail and ``behind`` after it."""
    # Without an orientation: to store one, Pillow's AVIF and HEIC writers assemble EXIF anew.
    first = Image.Exif()
    first[271] = EXIF_CAMERA
    first.get_ifd(34665)[33434] = (1, 250)
    block = bytearray(first.tobytes().removeprefix(b"Exif\0\0"))
    assert block.startswith(b"MM\0*\0\0\0\x08")
    (count,) = struct.unpack_from(">H", block, 8)
    second = len(block)
    struct.pack_into(">I", block, 10 + 12 * count, second)
    place, length = (273, 279) if uncompressed else (513, 514)
    block += struct.pack(">HHHII", 2, place, 4, 1, second + 30)
    block += struct.pack(">HHIII", length, 4, 1, len(THUMBNAIL), 0)
    return b"Exif\0\0" + bytes(block) + THUMBNAIL + behind


def resource(number: int, data: bytes) -> bytes:
    head = struct.pack(">4sHHI", b"8BIM", number, 0, len(data))
    return head + data + b"\0" * (len(data) % 2)


def edited(source: bytes, format_: str | None = None) -> bytes:
    picture = Picture.read(source)
    return picture.encode(scribbled(picture), format=format_)


def file_with(block: bytes, format_: str) -> bytes:
    if format_ != "HEIC":
        return saved(samples(40, 56), format_, exif=block)
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(Image.fromarray(samples(40, 56))).save(out, exif=block)
    return out.getvalue()


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "HEIC"])
@pytest.mark.parametrize("target", [None, "jpeg", "png", "tiff", "webp", "avif"])
def test_an_edited_picture_loses_the_thumbnail_of_its_exif(
    format_: str, target: str | None
) -> None:
    source = file_with(exif_with_thumbnail(), format_)
    assert SECRET in source
    after = edited(source, target)
    assert SECRET not in after
    reader = Image.Exif()
    reader.load(Picture.read(after)._origin.metadata.exif)
    assert reader[271] == EXIF_CAMERA
    assert reader.get_ifd(34665)[33434] == (1, 250)


def test_an_untouched_picture_keeps_the_thumbnail_of_its_exif() -> None:
    picture = Picture.read(file_with(exif_with_thumbnail(), "JPEG"))
    assert SECRET in picture.encode(np.zeros((40, 56), bool), format="png")


@pytest.mark.parametrize("uncompressed", [False, True])
@pytest.mark.parametrize("behind", [b"", b"a maker's note"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_the_rest_of_exif_stays_in_its_place(
    uncompressed: bool, behind: bytes, prefix: bytes
) -> None:
    block = exif_with_thumbnail(uncompressed=uncompressed, behind=behind)
    block = prefix + block.removeprefix(b"Exif\0\0")
    after = previews.exif(block)
    assert SECRET not in after
    assert after.endswith(behind)
    assert len(after) == len(block) - (0 if behind else len(THUMBNAIL))
    reader = Image.Exif()
    reader.load(after)
    assert reader[271] == EXIF_CAMERA
    assert not reader.get_ifd(1)
    assert previews.exif(after) == after


@given(at=st.integers(0, 400), value=st.integers(0, 255), length=st.integers(0, 400))
def test_broken_blocks_raise_nothing(at: int, value: int, length: int) -> None:
    for whole, read in (
        (exif_with_thumbnail(), previews.exif),
        (RESOURCE + resource(1036, THUMBNAIL) + RESOURCE, previews.photoshop),
    ):
        block = bytearray(whole)
        block[at % len(block)] = value
        assert len(read(bytes(block))) <= len(block)
        assert len(read(bytes(block[:length]))) <= length


def test_a_pillow_image_loses_the_thumbnail_of_its_exif() -> None:
    image = read_by_others(file_with(exif_with_thumbnail(), "JPEG"))
    after = Picture.from_pil(image).to_pil().info["exif"]
    assert SECRET not in after
    assert EXIF_CAMERA.encode() in after


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def test_an_edited_jpeg_loses_the_thumbnails_of_jfif() -> None:
    source = saved(samples(40, 40), "JPEG", dpi=(300, 300))
    (length,) = struct.unpack_from(">H", source, 4)
    head = source[6 : 2 + 2 + length - 2]
    small = segment(0xE0, head + b"\2\3" + SECRET + b"\0\0")
    extended = segment(0xE0, b"JFXX\0\x10" + THUMBNAIL)
    after = edited(b"\xff\xd8" + small + extended + source[4 + length :])
    assert SECRET not in after
    assert b"JFXX" not in after
    assert read_by_others(after).info["dpi"] == (300, 300)


@pytest.mark.parametrize("cut", [1000, 30, len(RESOURCE) + 20])
def test_an_edited_jpeg_loses_the_thumbnail_of_photoshop(cut: int) -> None:
    source = saved(samples(40, 40), "JPEG")
    resources = RESOURCE + resource(1036, THUMBNAIL) + resource(1028, b"a caption")
    parts = [part for part in (resources[:cut], resources[cut:]) if part]
    shop = b"".join(segment(0xED, b"Photoshop 3.0\0" + part) for part in parts)
    after = edited(source[:2] + shop + source[2:])
    assert SECRET not in after
    kept = b"".join(
        data[len(b"Photoshop 3.0\0") :]
        for name, data in read_by_others(after).applist
        if name == "APP13"
    )
    assert kept == RESOURCE + resource(1028, b"a caption")


@pytest.mark.parametrize("rest", [b"", RESOURCE])
def test_an_edited_tiff_loses_photoshops_thumbnail_and_layers(rest: bytes) -> None:
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2()
    tags[34377], tags[37724] = rest + resource(1036, THUMBNAIL), b"layers: " + SECRET
    tags.tagtype[34377], tags.tagtype[37724] = 1, 7
    source = saved(samples(20, 30), "TIFF", tiffinfo=tags)
    assert source.count(SECRET) == 2
    after = edited(source)
    assert SECRET not in after
    assert read_by_others(after).tag_v2.get(34377, b"") == rest
