"""AVIF and HEIC: how colours are named, depth, rotation, what is lossless, what lies beside."""

from __future__ import annotations

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from picture_makers import ICC, TURNS, exif, png, read_by_others, samples, saved, scribbled
from PIL import Image

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import Picture, bits, coded

P3, PQ = (12, 13), (9, 16)
SMOOTH = np.dstack(np.broadcast_arrays(*np.ogrid[40:200:40j, 30:220:56j], 90)).astype(np.uint8)


def heif() -> Any:
    return pytest.importorskip("pillow_heif")


def made(format_: str, array: NDArray[Any], **options: Any) -> bytes:
    if format_ == "AVIF":
        return saved(array, "AVIF", **{"quality": 90, **options})
    out = io.BytesIO()
    heif().from_pillow(Image.fromarray(array)).save(out, **{"quality": 90, **options})
    return out.getvalue()


def numbered(format_: str, colours: tuple[int, int], **options: Any) -> bytes:
    """A picture whose colours are named by numbers, in the box alone."""
    source = made(format_, SMOOTH, **options)
    at = source.index(b"colrnclx") + 8
    return source[:at] + struct.pack(">HH", *colours) + source[at + 4 :]


def numbers(data: bytes) -> tuple[int, ...]:
    """The numbers in the box, found without the package."""
    return struct.unpack_from(">HH", data, data.index(b"colrnclx") + 8)


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
@pytest.mark.parametrize("colours", [P3, PQ, (1, 1), (2, 2), (1, 13)])
@pytest.mark.parametrize("profile", [b"", ICC])
def test_numbers_that_name_the_colours_stay(
    format_: str, colours: tuple[int, int], profile: bytes
) -> None:
    if profile and format_ == "HEIC":
        pytest.skip("libheif writes a profile or numbers")
    options = {"icc_profile": profile} if profile else {}
    source = numbered(format_, colours, **options)
    picture = Picture.read(source)
    mask = np.zeros((40, 56), bool)
    mask[10:20, 20:30] = True
    picture.pixels[mask] = 100
    for strip in (False, True):
        result = picture.encode(mask, strip_metadata=strip)
        assert numbers(result) == colours
        assert (ICC in result) is bool(profile)
        again = Picture.read(result)
        drift = np.abs(again.pixels.astype(int) - picture.pixels)[~mask]
        assert drift.mean() < 2
        assert Picture.read(again.encode(np.zeros_like(mask), strip_metadata=True)).width == 56


def test_the_coded_picture_says_the_same_as_the_box() -> None:
    picture = Picture.read(numbered("AVIF", PQ))
    result = picture.encode(scribbled(picture))
    meta = result.index(b"mdat")
    assert bits.av1(result[meta + 4 :]).colours == PQ


def test_without_the_box_the_coded_picture_names_the_colours() -> None:
    source = coded.with_colours(made("AVIF", SMOOTH), P3).replace(b"colrnclx", b"freenclx")
    picture = Picture.read(source)
    assert numbers(picture.encode(scribbled(picture))) == P3


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
def test_colours_that_numbers_name_go_where_there_is_room(format_: str) -> None:
    picture = Picture.read(numbered(format_, P3))
    nowhere = np.zeros((40, 56), bool)
    result = picture.encode(nowhere, format="png")
    at = result.index(b"cICP") + 4
    assert result[at : at + 4] == bytes([12, 13, 0, 1])
    assert numbers(Picture.read(result).encode(nowhere, format=format_)) == P3
    for target in ("jpeg", "tiff", "webp", "bmp"):
        with pytest.raises(PictureError, match=r"\(12, 13\).*write PNG or AVIF"):
            picture.encode(nowhere, format=target)
    assert picture.to_pil().info["cicp"] == P3
    usual = Picture.read(made(format_, SMOOTH))
    assert b"cICP" not in usual.encode(nowhere, format="png")
    assert usual.encode(nowhere, format="jpeg")[:2] == b"\xff\xd8"
    profiled = Picture.read(made(format_, SMOOTH, icc_profile=ICC))
    assert ICC in profiled.encode(nowhere, format="jpeg")
    assert ICC in profiled.encode(scribbled(profiled))


def test_a_png_whose_colours_numbers_name_is_not_written_as_jpeg() -> None:
    picture = Picture.read(png(samples(6, 9), 2, 8, (b"cICP", bytes([9, 16, 0, 1]))))
    mask = scribbled(picture)
    assert bytes([9, 16, 0, 1]) in picture.encode(mask)
    with pytest.raises(PictureError, match=r"\(9, 16\)"):
        picture.encode(mask, format="jpeg")


@pytest.mark.parametrize("box", [True, False])
@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_boxes_turn_the_picture_once(format_: str, orientation: int, box: bool) -> None:
    """EXIF does not turn these formats; the boxes do, with or without it."""
    lying = Picture.read(made(format_, SMOOTH)).pixels
    if box:
        source = made(format_, SMOOTH, exif=exif(orientation))
    else:
        tags = Image.Exif()
        tags[275] = orientation  # no known tag, which becomes the one beside it
        source = made(format_, SMOOTH, exif=tags.tobytes())
        assert source.count(b"\x01\x13\0\3") == 1
        source = source.replace(b"\x01\x13\0\3", b"\x01\x12\0\3")
        assert b"irot" not in source
    image = Image.fromarray(lying)
    for turn in TURNS[orientation] if box else []:
        image = image.transpose(turn)
    picture = Picture.read(source)
    assert picture.pixels.shape == np.asarray(image).shape
    assert np.abs(picture.pixels.astype(int) - np.asarray(image)).mean() < 2
    mask = np.zeros(picture.pixels.shape[:2], bool)
    mask[:8, :8] = True
    picture.pixels[mask] = 0
    for strip in (False, True):
        again = Picture.read(picture.encode(mask, strip_metadata=strip))
        assert again.pixels.shape == picture.pixels.shape
        assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 2


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lossless_stays_lossless_or_is_refused_by_name(format_: str, channels: int) -> None:
    array = samples(40, 56, channels)
    options: dict[str, Any] = {"quality": 100, "subsampling": "4:4:4"}
    if format_ == "AVIF" and channels == 1:
        options["subsampling"] = "4:0:0"
    if format_ == "HEIC":
        options = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    source = made(format_, array, **options)
    picture = Picture.read(source)
    before = picture.to_array().copy()
    assert coded.coded_picture(source).lossless
    mask = scribbled(picture)
    assert "coded-again" not in picture.losses(mask)
    try:
        result = picture.encode(mask)
    except PictureError as error:
        assert (format_, channels > 1) == ("AVIF", True)  # Pillow mixes luma and chroma
        assert "a lossless AVIF in colours cannot be written" in str(error)
        again = Picture.read(picture.encode(mask, format="png"))
    else:
        again = Picture.read(result)
    np.testing.assert_array_equal(again.to_array()[~mask], before[~mask])


@pytest.mark.parametrize("size", [(1, 1), (40, 56), (300, 520), (130, 4200)])
@pytest.mark.parametrize("quality", [0, 50, 99, 100])
def test_whether_an_avif_is_lossless_is_seen_in_its_header(
    size: tuple[int, int], quality: int
) -> None:
    array = np.broadcast_to(np.uint8(100), (*size, 3)).copy()
    array[:40, :40] = samples(min(40, size[0]), min(40, size[1]))
    for more in ({}, {"subsampling": "4:4:4"}, {"tile_rows": 1, "tile_cols": 1}):
        source = made("AVIF", array, quality=quality, speed=10, **more)
        assert coded.coded_picture(source).lossless is (quality == 100)


@pytest.mark.parametrize("quality", [-1, 30, 95])
def test_whether_a_heic_is_lossless_is_seen_in_its_parameters(quality: int) -> None:
    source = made("HEIC", SMOOTH, quality=quality)
    assert coded.coded_picture(source).lossless is (quality == -1)


@pytest.mark.parametrize("depth", [10, 12])
def test_deeper_samples_are_refused_by_name(depth: int) -> None:
    out = io.BytesIO()
    deep = samples(40, 56, 3, np.uint16)
    heif().encode("RGB;16", (56, 40), deep.tobytes(), out, quality=90, bit_depth=depth)
    source = out.getvalue()
    with pytest.raises(PictureError, match=f"deep.heic: a {depth}-bit HEIC"):
        Picture.read(source, name="deep.heic")
    options = [cv2.IMWRITE_AVIF_DEPTH, depth]
    source = cv2.imencode(".avif", deep >> (16 - depth), options)[1].tobytes()
    with pytest.raises(PictureError, match=f"deep.avif: a {depth}-bit AVIF"):
        Picture.read(source, name="deep.avif")


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (b"clap", struct.pack(">8I", 20, 1, 20, 1, 0, 1, 0, 1), "shown"),
        (b"pasp", struct.pack(">2I", 2, 1), "no squares"),
    ],
)
def test_what_is_shown_in_part_or_stretched_is_refused(
    kind: bytes, content: bytes, words: str
) -> None:
    """The property takes the place of the one that names the colours."""
    source = made("AVIF", SMOOTH)
    at = source.index(b"colrnclx") - 4
    (length,) = struct.unpack_from(">I", source, at)
    room = length - 8 - len(content)
    if room >= 0:
        body = struct.pack(">I", 8 + len(content)) + kind + content
        filler = bytes(room)
        source = source[:at] + struct.pack(">I", length) + body[4:] + filler + source[at + length :]
        with pytest.raises(PictureError, match=words):
            Picture.read(source)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"urn:com:apple:photo:2020:aux:hdrgainmap", "gain-map-left-out"),
        (b"urn:mpeg:hevc:2015:auxid:2", "depth-left-out"),
        (b"urn:com:photo:aux:portraitmatte", "pictures-left-out"),
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", None),
        (b"urn:mpeg:hevc:2015:auxid:1", None),
    ],
)
def test_what_lies_beside_the_picture_is_told_when_it_goes(name: bytes, code: str | None) -> None:
    """An alpha that is called something else."""
    source = made("AVIF", samples(40, 56, 4))
    alpha = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
    assert source.count(alpha) == 1
    picture = Picture.read(source.replace(alpha, name.ljust(len(alpha), b"\0")))
    assert (picture.alpha is None) is bool(code)
    mask = scribbled(picture)
    codes = {"coded-again", *([code] if code else [])}
    assert picture.losses(mask).keys() == codes
    assert Picture.read(picture.encode(mask)).losses(mask).keys() == {"coded-again"}


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
def test_a_video_and_what_is_no_box_are_told(format_: str) -> None:
    source = made(format_, SMOOTH)
    mask = np.ones((40, 56), bool)
    video = Picture.read(source + struct.pack(">I", 12) + b"mpvdabcd")
    assert [*video.losses(mask)] == ["video-left-out"]
    assert [*Picture.read(source + b"SEFT some words").losses(mask)] == ["trailer-left-out"]
    assert Picture.read(source).losses(mask) == {}


def test_a_thumbnail_goes_without_a_word() -> None:
    picture = Picture.read(made("HEIC", samples(300, 400), thumbnails=[64]))
    mask = scribbled(picture)
    assert picture.losses(mask).keys() == {"coded-again"}
    assert b"thmb" not in picture.encode(mask)


def test_what_is_said_of_the_brightest_light_is_told() -> None:
    image = Image.fromarray(SMOOTH)
    image.info["content_light_level"] = {
        "max_content_light_level": 1000,
        "max_pic_average_light_level": 400,
    }
    out = io.BytesIO()
    heif().from_pillow(image).save(out, quality=90)
    if b"clli" not in out.getvalue():
        pytest.skip("this version does not write it")
    picture = Picture.read(out.getvalue())
    assert "light-levels-left-out" in picture.losses(scribbled(picture))


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
def test_several_pictures_are_of_a_kind_that_is_not_taken(format_: str) -> None:
    if format_ == "AVIF":
        out = io.BytesIO()
        frames = [Image.fromarray(samples(40, 56, seed=seed)) for seed in range(2)]
        frames[0].save(out, "AVIF", save_all=True, append_images=frames[1:])
    else:
        out = io.BytesIO()
        several = heif().from_pillow(Image.fromarray(SMOOTH))
        several.add_from_pillow(Image.fromarray(SMOOTH))
        several.save(out)
    with pytest.raises(UnsupportedError, match="2 pictures"):
        Picture.read(out.getvalue())


@pytest.mark.parametrize("brand", [b"avis", b"msf1", b"hevc"])
def test_a_sequence_without_a_still_is_an_animation(brand: bytes) -> None:
    head = struct.pack(">I", 20) + b"ftyp" + brand + bytes(4) + brand
    with pytest.raises(UnsupportedError, match="an animation"):
        Picture.read(head + struct.pack(">I", 16) + b"moov" + bytes(8))


def test_an_avif_sequence_of_one_picture_is_read() -> None:
    out = io.BytesIO()
    Image.fromarray(SMOOTH).save(out, "AVIF", save_all=True, append_images=[])
    assert read_by_others(out.getvalue()).size == (56, 40)
    assert Picture.read(out.getvalue()).width == 56


@pytest.mark.parametrize("format_", ["AVIF", "HEIC"])
@pytest.mark.parametrize(
    "broken", [b"no directory of any kind, but a text", b"MM\0*\xff\xff\xff\xff"]
)
def test_broken_words_never_cost_the_picture(format_: str, broken: bytes) -> None:
    tags = Image.Exif()
    tags[270] = "a description that is long enough"
    source = made(format_, SMOOTH, exif=tags.tobytes(), xmp=b"<x/>")
    at = source.index(tags.tobytes()[6:])
    bad = source[:at] + broken + source[at + len(broken) :]
    picture = Picture.read(bad)
    np.testing.assert_array_equal(picture.pixels, Picture.read(source).pixels)
    mask = scribbled(picture)
    for options in ({}, {"strip_metadata": True}):
        assert Picture.read(picture.encode(mask, **options)).width == 56
    kept = broken in picture.encode(mask)
    assert ("words-left-out" in picture.losses(mask)) is not kept


def test_samples_of_another_size_than_stated_are_damage_and_not_enlarged() -> None:
    source = made("AVIF", SMOOTH)
    at = source.index(b"ispe") + 8
    large = source[:at] + struct.pack(">II", 9000, 9000) + source[at + 8 :]
    assert read_by_others(large).size == (9000, 9000)
    with pytest.raises(PictureError, match="not of the size it states"):
        Picture.read(large)
