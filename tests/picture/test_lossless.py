from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from picture_makers import EXIF_CAMERA, ICC, exif, read_by_others, samples, saved, scribbled
from PIL import Image, PngImagePlugin, TiffImagePlugin

from cleanplate.errors import PictureError
from cleanplate.picture import Picture, raster


def cv2_png(array: NDArray[Any]) -> bytes:
    """16-bit PNGs by another hand."""
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}
    array = array[..., order[array.shape[2]]] if array.ndim == 3 else array
    return bytes(cv2.imencode(".png", array)[1])


def cv2_tiff(array: NDArray[Any], compression: int) -> bytes:
    array = array[..., [2, 1, 0]] if array.ndim == 3 and array.shape[2] == 3 else array
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    return bytes(cv2.imencode(".tiff", array, options)[1])


MAKERS = {
    "png": lambda h, w, c, s: saved(samples(h, w, c, seed=s), "PNG"),
    "png16": lambda h, w, c, s: cv2_png(samples(h, w, c if c != 2 else 3, np.uint16, s)),
    "tiff": lambda h, w, c, s: saved(samples(h, w, c, seed=s), "TIFF"),
    "tiff lzw": lambda h, w, c, s: saved(samples(h, w, c, seed=s), "TIFF", compression="tiff_lzw"),
    "tiff16": lambda h, w, c, s: cv2_tiff(samples(h, w, 3 if c > 1 else 1, np.uint16, s), 5),
    "webp": lambda h, w, c, s: saved(
        samples(h, w, 4 if c == 4 else 3, seed=s), "WEBP", lossless=True, exact=True
    ),
    "bmp": lambda h, w, c, s: saved(samples(h, w, 3 if c > 1 else 1, seed=s), "BMP"),
}


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(MAKERS)),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_samples_outside_the_mask_are_bit_identical(
    kind: str, height: int, width: int, channels: int, seed: int
) -> None:
    source = MAKERS[kind](height, width, channels, seed)
    original, picture = Picture.read(source), Picture.read(source)
    mask = scribbled(picture, seed)
    again = Picture.read(picture.encode(mask))
    assert again.format == original.format
    assert again.pixels.dtype == original.pixels.dtype
    np.testing.assert_array_equal(again.pixels[~mask], original.pixels[~mask])
    np.testing.assert_array_equal(again.pixels[mask], picture.pixels[mask])
    if original.alpha is None:
        assert again.alpha is None
    else:
        np.testing.assert_array_equal(again.alpha, original.alpha)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_read_and_written_as_others_do(channels: int, suffix: str) -> None:
    array = samples(20, 30, channels, np.uint16)
    data = Picture.from_array(array).encode(np.zeros((20, 30), bool), format=suffix)
    by_cv2 = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    order = {1: ..., 3: (..., [2, 1, 0]), 4: (..., [2, 1, 0, 3])}[channels]
    np.testing.assert_array_equal(by_cv2[order], array)
    np.testing.assert_array_equal(Picture.read(data).to_array(), array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_grey_with_alpha(dtype: Any, suffix: str) -> None:
    array = samples(9, 11, 2, dtype)
    picture = Picture.from_array(array)
    data = picture.encode(np.zeros((9, 11), bool), format=suffix)
    np.testing.assert_array_equal(Picture.read(data).to_array(), array)


def test_palette_is_expanded_exactly_with_its_transparency() -> None:
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 20, (12, 14), dtype=np.uint8), "P")
    colours = rng.integers(0, 256, (20, 3), dtype=np.uint8)
    image.putpalette(colours.tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", transparency=bytes([0, 100] + [255] * 18))
    picture = Picture.read(out.getvalue())
    index = np.asarray(image)
    np.testing.assert_array_equal(picture.pixels, colours[index])
    expected = np.array([0, 100] + [255] * 18, np.uint8)[index]
    np.testing.assert_array_equal(picture.alpha, expected)
    again = Picture.read(picture.encode(scribbled(picture)))
    np.testing.assert_array_equal(again.alpha, expected)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_shallow_grey_becomes_eight_bits(bits: int) -> None:
    top = 2**bits - 1
    array = np.random.default_rng(0).integers(0, top + 1, (5, 8), dtype=np.uint8)
    rows = np.packbits(
        np.unpackbits(array[..., None], axis=2)[..., 8 - bits :].reshape(5, -1), axis=1
    )
    picture = Picture.read(raw_png(8, 5, bits, 0, b"".join(b"\0" + row.tobytes() for row in rows)))
    np.testing.assert_array_equal(picture.pixels[..., 0], array * (255 // top))


def raw_png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *more: tuple[bytes, bytes]
) -> bytes:
    """A PNG assembled by hand."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", [0, 2])
def test_transparent_colour_becomes_alpha(depth: int, colour: int) -> None:
    channels = 3 if colour else 1
    array = np.random.default_rng(0).integers(0, 2, (4, 5, channels)) * (
        100 if depth == 8 else 40000
    )
    array = array.astype(f">u{depth // 8}")
    key = b"".join(struct.pack(">H", int(value)) for value in array[1, 2])
    rows = b"".join(b"\0" + row.tobytes() for row in array)
    picture = Picture.read(raw_png(5, 4, depth, colour, rows, (b"tRNS", key)))
    np.testing.assert_array_equal(picture.pixels, array)
    hole = (array == array[1, 2]).all(axis=2)
    np.testing.assert_array_equal(picture.alpha, np.where(hole, 0, picture.max_value))
    assert 0 < hole.sum() < hole.size
    again = Picture.read(picture.encode(scribbled(picture)))
    np.testing.assert_array_equal(again.alpha, picture.alpha)


@pytest.mark.parametrize("edit", [False, True])
@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("orientation", [1, 8])
def test_png_metadata(edit: bool, strip: bool, orientation: int) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a title")
    texts.add_itxt("XML:com.adobe.xmp", "<x/>")
    source = saved(
        samples(6, 9), "PNG", exif=exif(orientation), icc_profile=ICC, dpi=(300, 300), pnginfo=texts
    )
    picture = Picture.read(source)
    mask = scribbled(picture) if edit else np.zeros((picture.height, picture.width), bool)
    before, after = (
        read_by_others(source),
        read_by_others(picture.encode(mask, strip_metadata=strip)),
    )
    assert after.size == before.size
    assert after.info["icc_profile"] == ICC
    assert after.info["dpi"] == before.info["dpi"]
    assert after.getexif().get(274, 1) == orientation
    if strip:
        assert "Title" not in after.info
        assert 271 not in after.getexif()
    else:
        assert after.text == before.text
        assert after.info["exif"] == before.info["exif"]


def test_png_exif_with_the_prefix_of_other_formats() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in samples(4, 5))
    for block in (exif(6), exif(6).removeprefix(b"Exif\0\0")):
        source = raw_png(5, 4, 8, 2, rows, (b"eXIf", block))
        picture = Picture.read(source)
        assert (picture.height, picture.width) == (5, 4)
        assert block in picture.encode(scribbled(picture))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_of_either_byte_order(order: str, channels: int, predictor: int, dtype: Any) -> None:
    """Written by this package, so read by Pillow and OpenCV, which know nothing of it."""
    from cleanplate.picture import tiff
    from cleanplate.picture.raster import Metadata, Raster

    array = samples(33, 21, channels, dtype).reshape(33, 21, channels)
    colours = 3 if channels > 2 else 1
    alpha = array[..., colours] if channels > colours else None
    raster = Raster(array[..., :colours], alpha, Metadata())
    for compression in (1, 5, 8, 32773):
        data = tiff._write(raster, {}, order, compression, predictor, 2)
        np.testing.assert_array_equal(
            Picture.read(data).to_array(), np.squeeze(array, 2) if channels == 1 else array
        )
        if dtype == np.uint8:
            # OpenCV multiplies 8-bit colours with their alpha.
            np.testing.assert_array_equal(np.asarray(read_by_others(data)), np.squeeze(array))
        elif channels != 2:
            by_cv2 = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            back = by_cv2.reshape(33, 21, -1)[
                ..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
            ]
            np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_keeps_compression_and_tags(compression: str) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[271], tags[270], tags[33432] = EXIF_CAMERA, "a scan", "somebody"
    tags[274] = 6
    tags[700] = b"<xmp/>"
    tags.tagtype[700] = 1
    source = saved(
        samples(20, 31),
        "TIFF",
        compression=compression,
        tiffinfo=tags,
        icc_profile=ICC,
        dpi=(300, 300),
    )
    picture = Picture.read(source)
    assert (picture.height, picture.width) == (31, 20)
    mask = scribbled(picture)
    before, after = read_by_others(source), read_by_others(picture.encode(mask))
    assert after.info["compression"] == before.info["compression"]
    for tag in (271, 270, 33432, 274, 700, 34675, 282, 283, 296):
        assert after.tag_v2[tag] == before.tag_v2[tag], tag
    bare = read_by_others(picture.encode(mask, strip_metadata=True))
    assert 271 not in bare.tag_v2
    assert 700 not in bare.tag_v2
    assert bare.tag_v2[274] == 6
    assert bare.info["icc_profile"] == ICC


def test_tiff_keeps_its_exif_directory() -> None:
    source = saved(samples(8, 8), "TIFF", exif=exif(1))
    picture = Picture.read(source)
    after = read_by_others(picture.encode(scribbled(picture))).getexif()
    assert after.get_ifd(34665)[33434] == (1, 250)


@pytest.mark.parametrize("array", [samples(40, 50, 3), samples(40, 50, 3, np.uint16)])
def test_tiled_and_planar_tiff(array: NDArray[Any], tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "tiles.tif"
    tifffile.imwrite(path, array, photometric="rgb", tile=(16, 32), compression="zlib")
    picture = Picture.read(path)
    np.testing.assert_array_equal(picture.pixels, array)
    mask = scribbled(picture)
    again = Picture.read(picture.encode(mask))
    np.testing.assert_array_equal(again.pixels[~mask], array[~mask])
    tifffile.imwrite(path, array.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    if array.dtype == np.uint8:
        np.testing.assert_array_equal(Picture.read(path).pixels, array)
    else:
        with pytest.raises(PictureError, match="separate planes"):
            Picture.read(path)


def test_white_is_zero(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    for dtype in (np.uint8, np.uint16):
        array = samples(10, 12, 1, dtype)
        path = tmp_path / "inverse.tif"
        tifffile.imwrite(path, array, photometric="miniswhite")
        picture = Picture.read(path)
        np.testing.assert_array_equal(picture.pixels[..., 0], np.iinfo(dtype).max - array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_that_lacks_strips_is_damaged(dtype: type) -> None:
    tifffile = pytest.importorskip("tifffile")
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((60, 64, 3), dtype), photometric="rgb", rowsperstrip=20)
    height = struct.pack("<HHII", 257, 4, 1, 60)
    assert height in out.getvalue()
    cut = out.getvalue().replace(height, struct.pack("<HHII", 257, 4, 1, 61))
    Picture.read(out.getvalue())
    with pytest.raises(PictureError, match="fewer rows than it says"):
        Picture.read(cut)


def test_a_deep_tiff_of_fewer_samples_than_colours_is_damaged() -> None:
    tifffile = pytest.importorskip("tifffile")
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((20, 30, 3), np.uint16), photometric="rgb")
    three = struct.pack("<HHIHH", 277, 3, 1, 3, 0)
    assert three in out.getvalue()
    with pytest.raises(PictureError, match="fewer samples a pixel than colours"):
        Picture.read(out.getvalue().replace(three, struct.pack("<HHIHH", 277, 3, 1, 2, 0)))


def test_exif_behind_the_scan_of_a_jpeg_turns_nothing() -> None:
    plain, turned = io.BytesIO(), Image.Exif()
    Image.new("RGB", (32, 16), (90, 120, 30)).save(plain, "JPEG")
    turned[274] = 6
    block = b"\xff\xe1" + struct.pack(">H", 2 + len(turned.tobytes())) + turned.tobytes()
    picture = Picture.read(plain.getvalue()[:-2] + block + b"\xff\xd9")
    assert picture.pixels.shape == (16, 32, 3)


def test_a_jpeg_without_data_of_a_plane_is_damaged() -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (90, 120, 30)).save(out, "JPEG")
    scan = bytes.fromhex("ffda000c03010002110311003f00")
    assert scan in out.getvalue()
    lacking = out.getvalue().replace(scan, bytes.fromhex("ffda0008010100003f00"))
    with pytest.raises(PictureError, match="no data of some of its planes"):
        Picture.read(lacking)


def test_a_fax_of_fewer_bits_than_rows_is_damaged() -> None:
    """libtiff would make the picture up, at the cost of whatever size the header claims."""
    out = io.BytesIO()
    Image.new("1", (64, 60), 1).save(out, "TIFF", compression="group4")
    height = struct.pack("<HHIHH", 257, 3, 1, 60, 0)
    assert height in out.getvalue()
    cut = out.getvalue().replace(height, struct.pack("<HHIHH", 257, 3, 1, 60_000, 0))
    with pytest.raises(PictureError, match="fewer rows than it says"):
        Picture.read(cut)


@pytest.mark.parametrize(
    ("compression", "options"),
    [("group3", {292: 0}), ("group3", {292: 1}), ("group3", {292: 5}), ("group4", {293: 0})],
)
def test_fax_options_are_heeded_and_go_with_the_old_samples(
    compression: str, options: dict[int, int]
) -> None:
    image = Image.fromarray(samples(60, 80)).convert("1")
    out = io.BytesIO()
    image.save(out, "TIFF", compression=compression, tiffinfo=options)
    picture = Picture.read(out.getvalue())
    np.testing.assert_array_equal(picture.pixels[..., 0], np.asarray(image) * np.uint8(255))
    after = read_by_others(picture.encode(scribbled(picture)))
    assert not {292, 293} & set(after.tag_v2)


@pytest.mark.parametrize(
    ("kind", "data", "dots"),
    [
        (3, struct.pack("<H", 300), 300),
        (4, struct.pack("<I", 300), 300),
        (5, struct.pack("<II", 600, 2), 300),
        (11, struct.pack("<f", 300), 300),
        (12, struct.pack("<d", 300), 300),
        (5, struct.pack("<II", 300, 0), None),
        (5, struct.pack("<II", 4294967295, 1), None),
        (10, struct.pack("<ii", 300, 1), None),
        (11, struct.pack("<f", np.nan), None),
        (12, struct.pack("<d", 1e300), None),
    ],
)
def test_resolutions_of_any_type_are_read_or_ignored(
    kind: int, data: bytes, dots: int | None
) -> None:
    from cleanplate.picture import tiff
    from cleanplate.picture.directory import Entry
    from cleanplate.picture.raster import Metadata, Raster

    entry = Entry(kind, 1, data)
    raster = Raster(samples(6, 9), None, Metadata())
    source = tiff._write(raster, {282: entry, 283: entry}, "<", 1, 1, 2)
    after = Picture.read(source).encode(np.zeros((6, 9), bool), format="png")
    assert read_by_others(after).info.get("dpi") == (dots and pytest.approx((dots, dots), abs=0.1))


@pytest.mark.parametrize(
    ("array", "options", "word"),
    [
        (np.zeros((9, 9), np.float32), {}, "floating"),
        (np.zeros((9, 9), np.uint32), {}, "32-bit"),
        (np.zeros((9, 9), np.int16), {}, "signed"),
        (np.zeros((9, 9, 4), np.uint8), {"photometric": "separated"}, "CMYK"),
        (np.zeros((2, 9, 9), np.uint8), {"photometric": "minisblack"}, "pages"),
        (
            np.zeros((9, 9, 4), np.uint8),
            {"photometric": "rgb", "extrasamples": ["assocalpha"]},
            "premultiplied",
        ),
        (np.zeros((9, 9, 3), np.uint8), {"photometric": "rgb", "bigtiff": True}, "BigTIFF"),
    ],
)
def test_odd_tiffs_are_refused_by_name(
    tmp_path: Path, array: NDArray[Any], options: dict[str, Any], word: str
) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, array, **options)
    with pytest.raises(PictureError, match=f"odd.tif.*{word}"):
        Picture.read(path)


def test_bitmap_with_alpha_and_resolution() -> None:
    array = samples(7, 5, 4)
    picture = Picture.from_array(array)
    data = picture.encode(np.zeros((7, 5), bool), format="bmp")
    np.testing.assert_array_equal(np.asarray(read_by_others(data)), array)
    source = saved(samples(7, 5), "BMP", dpi=(200, 200))
    picture = Picture.read(source)
    after = read_by_others(picture.encode(scribbled(picture)))
    assert after.info["dpi"] == read_by_others(source).info["dpi"]


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("edit", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_webp_metadata(lossless: bool, edit: bool, orientation: int) -> None:
    array = samples(30, 40)
    source = saved(
        array, "WEBP", lossless=lossless, exif=exif(orientation), icc_profile=ICC, xmp=b"<x/>"
    )
    picture = Picture.read(source)
    mask = scribbled(picture) if edit else np.zeros((picture.height, picture.width), bool)
    result = picture.encode(mask)
    assert (b"VP8L" in result) is lossless
    after = read_by_others(result)
    for key in ("exif", "icc_profile", "xmp"):
        assert after.info[key] == read_by_others(source).info[key]
    bare = read_by_others(picture.encode(mask, strip_metadata=True))
    assert "xmp" not in bare.info
    assert bare.info["icc_profile"] == ICC
    assert dict(bare.getexif()) == ({} if orientation == 1 else {274: orientation})
    if not edit:
        np.testing.assert_array_equal(np.asarray(bare), np.asarray(read_by_others(source)))


def test_deep_samples_may_be_as_many_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """However wide the picture is that Pillow is shown in their place."""
    array = samples(20, 30, 4, np.uint16)
    source = Picture.from_array(array).encode(np.zeros((20, 30), bool), format="tiff")
    monkeypatch.setattr(raster, "MAX_PIXELS", 600)
    np.testing.assert_array_equal(Picture.read(source).to_array(), array)
    monkeypatch.setattr(raster, "MAX_PIXELS", 599)
    with pytest.raises(PictureError, match=r"scan\.tif: 30 x 20 pixels"):
        Picture.read(source, name="scan.tif")
