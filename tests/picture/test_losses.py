"""What of a file cannot be kept: it is said, and no metadata claim what is gone."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from picture_makers import EXIF_CAMERA, exif, read_by_others, samples, saved, scribbled
from PIL import Image, TiffImagePlugin

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import Picture, losses_of, xmp

GAIN_MAP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    'xmlns:Item="http://ns.google.com/photos/1.0/container/item/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg" '
    'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0">'
    "<dc:title>A &lt;title&gt;</dc:title><Container:Directory><rdf:Seq>"
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" '
    'Item:Mime="image/jpeg"/></rdf:li><rdf:li rdf:parseType="Resource">'
    '<Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="{length}"/>'
    "</rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)
MOTION = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" '
    'GCamera:BurstID="ab" GCamera:MicroVideoOffset="{length}"/></rdf:RDF></x:xmpmeta>'
)
VIDEO = (
    struct.pack(">I", 20) + b"ftypmp42" + bytes(8) + struct.pack(">I", 100) + b"mdat" + bytes(92)
)


def jpeg(packet: str = "", behind: bytes = b"", **options: Any) -> bytes:
    """A JPEG with something behind its end, and an XMP packet that speaks of it."""
    if packet:
        options["xmp"] = packet.format(length=len(behind)).encode()
    return saved(samples(40, 56), "JPEG", exif=exif(), **options) + behind


def small() -> bytes:
    return saved(samples(8, 8), "JPEG")


def two_pictures() -> bytes:
    out = io.BytesIO()
    frames = [Image.fromarray(samples(40, 56, seed=seed)) for seed in range(2)]
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        (jpeg(), []),
        (jpeg(behind=b"\0" * 500), []),
        (jpeg(GAIN_MAP, small()), ["gain-map-left-out"]),
        (jpeg(behind=jpeg(GAIN_MAP)), ["gain-map-left-out"]),
        (jpeg(MOTION, VIDEO), ["video-left-out"]),
        (jpeg(GAIN_MAP, small() + VIDEO), ["gain-map-left-out", "video-left-out"]),
        (two_pictures(), ["pictures-left-out"]),
        (jpeg(behind=b"SEFH some words"), ["trailer-left-out"]),
        (jpeg(behind=b"\xff\xd8\xff rubbish"), ["trailer-left-out"]),
    ],
    ids=["plain", "zeros", "ultra hdr", "map", "motion", "both", "mpf", "trailer", "rubbish"],
)
def test_what_lies_behind_a_jpeg_is_told_when_it_goes(source: bytes, codes: list[str]) -> None:
    picture = Picture.read(source)
    nowhere = np.zeros((40, 56), bool)
    assert picture.losses(nowhere) == {}
    assert picture.encode(nowhere) == source
    for asked in ({"strip_metadata": True}, {"format": "png"}):
        assert sorted(picture.losses(nowhere, **asked)) == codes
    mask = scribbled(picture)
    assert sorted(picture.losses(mask)) == codes
    result = picture.encode(mask)
    assert Picture.read(result).losses(mask) == {}
    assert result.endswith(b"\xff\xd9")


@pytest.mark.parametrize("format_", [None, "png", "webp", "tiff"])
def test_xmp_says_nothing_of_what_is_gone_and_all_else(format_: str | None) -> None:
    picture = Picture.read(jpeg(GAIN_MAP, small()))
    result = picture.encode(scribbled(picture), format=format_)
    for word in (b"GainMap", b"hdrgm", b"Container", b"hdr-gain-map"):
        assert word not in result
    for word in (b"A &lt;title&gt;", b'dc:format="image/jpeg"', EXIF_CAMERA.encode()):
        assert word in result
    picture = Picture.read(jpeg(MOTION, VIDEO))
    result = picture.encode(scribbled(picture), format=format_)
    assert b"MotionPhoto" not in result
    assert b"MicroVideo" not in result
    assert b'GCamera:BurstID="ab"' in result


def test_an_iso_gain_map_and_the_index_of_pictures_go_with_them() -> None:
    word = b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
    segment = b"\xff\xe2" + struct.pack(">H", len(word) + 2) + word
    source = jpeg()
    picture = Picture.read(source[:2] + segment + source[2:] + small())
    mask = scribbled(picture)
    assert sorted(picture.losses(mask)) == ["gain-map-left-out"]
    assert b"21496" not in picture.encode(mask)
    picture = Picture.read(two_pictures())
    assert b"MPF\0" not in picture.encode(scribbled(picture))


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b"<x/>", b"<x/>"),
        (b"<x xmlns:Container='http://ns.google.com/photos/1.0/container/'><", b""),
        (
            b"<a><b xmlns:h='http://ns.adobe.com/hdr-gain-map/1.0/' h:Max = '>1'  c='d'/></a>",
            b"<a><b  c='d'/></a>",
        ),
        (
            b"<a xmlns:h='http://ns.adobe.com/hdr-gain-map/1.0/'><h:M>1<b h:c='1'/></h:M>x</a>",
            b"<a>x</a>",
        ),
    ],
    ids=["nothing", "broken", "attributes", "elements"],
)
def test_claims_are_cut_out_of_xmp(packet: bytes, expected: bytes) -> None:
    assert xmp.without_claims(packet) == expected


def test_a_pillow_image_claims_no_gain_map_either() -> None:
    image = Image.open(io.BytesIO(jpeg(GAIN_MAP, small())))
    given = Picture.from_pil(image).to_pil()
    assert b"A &lt;title&gt;" in given.info["xmp"]
    assert b"GainMap" not in given.info["xmp"]


def test_what_will_go_is_known_from_a_file(tmp_path: Any) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(GAIN_MAP, small()))
    assert [*losses_of(path)] == ["gain-map-left-out"]
    path.write_bytes(b"no picture")
    assert losses_of(path) == losses_of(tmp_path / "none.jpg") == {}


def test_broken_metadata_never_cost_a_jpeg() -> None:
    good = saved(samples(40, 56), "JPEG")
    for marker, payload in (
        (0xE0, b"JFXX\0"),
        (0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<broken"),
        (0xE2, b"ICC_PROFILE\0\2\1rubbish"),
        (0xE2, b"MPF\0rubbish"),
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff"),
        (0xEE, b"Ado"),
    ):
        segment = struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
        picture = Picture.read(good[:2] + segment + good[2:])
        np.testing.assert_array_equal(picture.pixels, Picture.read(good).pixels)
        mask = scribbled(picture)
        for options in ({}, {"strip_metadata": True}, {"format": "png"}):
            assert Picture.read(picture.encode(mask, **options)).width == 56


def animated_webp(count: int, offset: int = 0, **options: Any) -> bytes:
    """Frames, assembled by hand: Pillow makes a still of a single one."""
    frames = b""
    for seed in range(count):
        still = saved(samples(30, 40, 4, seed=seed), "WEBP", **options)
        at = still.index(b"VP8X") + 18 if b"VP8X" in still else 12
        place = struct.pack("<I", offset // 2)[:3] + bytes(3)
        size = struct.pack("<I", 39)[:3] + struct.pack("<I", 29)[:3]
        frame = place + size + bytes(4) + still[at:]
        frames += b"ANMF" + struct.pack("<I", len(frame)) + frame
    canvas = struct.pack("<I", 39 + offset)[:3] + struct.pack("<I", 29)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([0x12, 0, 0, 0]) + canvas
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("lossless", [True, False])
def test_an_animated_webp_of_one_frame_is_a_still(lossless: bool) -> None:
    options: dict[str, Any] = {"lossless": lossless, "exact": True}
    source = animated_webp(1, **options)
    still = Picture.read(saved(samples(30, 40, 4), "WEBP", **options))
    picture = Picture.read(source)
    np.testing.assert_array_equal(picture.to_array(), still.to_array())
    mask = scribbled(picture)
    result = picture.encode(mask)
    again = Picture.read(result)
    assert (b"VP8L" in result) is lossless
    assert ("coded-again" in picture.losses(mask)) is not lossless
    if lossless:
        np.testing.assert_array_equal(again.to_array()[~mask], still.to_array()[~mask])
    assert read_by_others(result).n_frames == 1


def test_a_frame_on_a_larger_canvas_is_seen_as_players_show_it() -> None:
    picture = Picture.read(animated_webp(1, offset=10, lossless=True, exact=True))
    assert (picture.height, picture.width) == (30, 50)
    assert picture.alpha is not None
    assert not picture.alpha[:, :10].any()
    np.testing.assert_array_equal(picture.to_array()[:, 10:], samples(30, 40, 4))
    mask = scribbled(picture)
    again = Picture.read(picture.encode(mask))
    np.testing.assert_array_equal(again.to_array()[~mask], picture.to_array()[~mask])


def test_a_frame_and_its_canvas_must_fit() -> None:
    source = animated_webp(1, lossless=True, exact=True)
    at = source.index(b"VP8X") + 12
    huge, small = (struct.pack("<I", side - 1)[:3] * 2 for side in (9000, 16))
    for canvas, words in ((huge, "hardly any"), (small, "beyond its canvas")):
        with pytest.raises(PictureError, match=f"damaged.*{words}"):
            Picture.read(source[:at] + canvas + source[at + 6 :])


def test_more_than_pillow_decodes_is_said_to_be_so() -> None:
    source = saved(samples(30, 40), "WEBP", xmp=b"<x/>")
    at = source.index(b"VP8X") + 12
    canvas = struct.pack("<I", 16382)[:3] * 2
    with pytest.raises(PictureError, match="larger than Pillow decodes"):
        Picture.read(source[:at] + canvas + source[at + 6 :])


def test_several_frames_are_of_a_kind_that_is_not_taken() -> None:
    with pytest.raises(UnsupportedError, match="2 pictures"):
        Picture.read(animated_webp(2, lossless=True))


def test_unknown_chunks_of_a_webp_are_told() -> None:
    still = saved(samples(30, 40), "WEBP", lossless=True, xmp=b"<x/>")
    body = still[8:] + b"abcd" + struct.pack("<I", 2) + b"xy"
    picture = Picture.read(b"RIFF" + struct.pack("<I", len(body)) + body + b"behind")
    assert sorted(picture.losses(scribbled(picture))) == ["chunks-left-out", "trailer-left-out"]


def pages(*kinds: int | None) -> bytes:
    """A TIFF of several pages, the kind of each (NewSubfileType) where it is not None."""
    out = io.BytesIO()
    frames = []
    for number, kind in enumerate(kinds):
        side = 40 if not number else 10
        frame = Image.fromarray(samples(side, side, seed=number))
        frame.encoderinfo = {}
        if kind is not None:
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[254] = kind
            frame.encoderinfo = {"tiffinfo": tags}
        frames.append(frame)
    frames[0].save(out, "TIFF", save_all=True, append_images=frames[1:], **frames[0].encoderinfo)
    return out.getvalue()


def test_a_tiff_whose_further_pages_are_smaller_copies_is_cleaned() -> None:
    picture = Picture.read(pages(None, 1, 1))
    np.testing.assert_array_equal(picture.pixels, samples(40, 40))
    mask = scribbled(picture)
    assert sorted(picture.losses(mask)) == ["copies-left-out"]
    assert getattr(read_by_others(picture.encode(mask)), "n_frames", 1) == 1
    for kinds in ((None, None), (None, 1, None), (1, None), (1, 1)):
        with pytest.raises(UnsupportedError, match=r"several pages|small copy"):
            Picture.read(pages(*kinds))


def test_pages_in_a_circle_end() -> None:
    source = bytearray(pages(None, 1))
    (first,) = struct.unpack_from("<I", source, 4)
    (count,) = struct.unpack_from("<H", source, first)
    (second,) = struct.unpack_from("<I", source, first + 2 + 12 * count)
    (others,) = struct.unpack_from("<H", source, second)
    struct.pack_into("<I", source, second + 2 + 12 * others, second)
    assert Picture.read(bytes(source)).width == 40


def test_what_a_tiff_cannot_keep_is_told() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[37724], tags[270], tags[65000] = b"layers", "a scan", b"private"
    tags.tagtype[37724] = tags.tagtype[65000] = 7
    picture = Picture.read(saved(samples(40, 40), "TIFF", tiffinfo=tags))
    mask = scribbled(picture)
    assert sorted(picture.losses(mask)) == ["layers-left-out"]
    assert sorted(picture.losses(mask, format="png")) == ["layers-left-out", "metadata-left-out"]
    assert b"private" in picture.encode(mask)


@pytest.mark.parametrize("format_", ["WEBP", "AVIF"])
def test_coding_the_whole_again_is_told_but_where_the_whole_is_new(format_: str) -> None:
    picture = Picture.read(saved(samples(40, 56), format_))
    mask = np.zeros((40, 56), bool)
    assert picture.losses(mask) == {}
    mask[3] = True
    assert [*picture.losses(mask)] == ["coded-again"]
    assert picture.losses(np.ones_like(mask)) == picture.losses(mask, format="png") == {}


def test_arrays_and_images_lose_nothing() -> None:
    whole = np.ones((9, 9), bool)
    assert Picture.from_array(samples(9, 9)).losses(whole, format="jpeg") == {}
    assert Picture.from_pil(Image.fromarray(samples(9, 9))).losses(whole) == {}
    with pytest.raises(PictureError, match="no such format"):
        Picture.from_array(samples(9, 9)).losses(whole, format="gif")


def test_what_is_broken_behind_the_first_page_is_told() -> None:
    source = bytearray(pages(None, None))
    (first,) = struct.unpack_from("<I", source, 4)
    (count,) = struct.unpack_from("<H", source, first)
    struct.pack_into("<I", source, first + 2 + 12 * count, len(source) + 8)
    picture = Picture.read(bytes(source))
    assert sorted(picture.losses(scribbled(picture))) == ["pages-left-out"]
