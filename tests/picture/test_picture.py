from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from picture_makers import (
    EXIF_CAMERA,
    ICC,
    TURNS,
    exif,
    read_by_others,
    samples,
    saved,
    scribbled,
    write,
)
from PIL import Image

from cleanplate.errors import PictureError
from cleanplate.picture import SUFFIXES, Box, Picture, encode_mask

FORMATS = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95},
}


def nowhere(picture: Picture) -> NDArray[np.bool_]:
    return np.zeros((picture.height, picture.width), bool)


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    image = Image.fromarray(array)
    for turn in TURNS[orientation]:
        image = image.transpose(turn)
    return np.asarray(image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", FORMATS)
def test_orientation_is_applied_once_and_written_back(format_: str, orientation: int) -> None:
    array = samples(24, 40)
    source = saved(array, format_, exif=exif(orientation), **FORMATS[format_])
    lying = saved(array, format_, exif=exif(1), **FORMATS[format_])
    picture = Picture.read(source)
    upright = turned(Picture.read(lying).pixels, orientation)
    np.testing.assert_array_equal(picture.pixels, upright)
    mask = nowhere(picture)
    mask[0:6, 0:9] = True
    picture.pixels[mask] = (250, 20, 20)
    after = picture.encode(mask)
    assert read_by_others(after).getexif().get(274, 1) == orientation
    assert read_by_others(after).getexif()[271] == EXIF_CAMERA
    again = Picture.read(after)
    assert again.pixels.shape == picture.pixels.shape
    corner = again.pixels[0:5, 0:8].astype(int)
    assert np.abs(corner - (250, 20, 20)).mean() < 12


@pytest.mark.parametrize("format_", [*FORMATS, "BMP"])
def test_nothing_edited_gives_the_same_bytes(format_: str, tmp_path: Path) -> None:
    source = saved(samples(20, 30), format_, **FORMATS.get(format_, {}))
    path = write(tmp_path, "picture", source)
    for picture in (Picture.read(source), Picture.read(path), Picture.read(str(path))):
        assert picture.encode(nowhere(picture)) == source
        assert picture.encode(nowhere(picture), format=format_) == source


@pytest.mark.parametrize("format_", [*FORMATS, "BMP"])
def test_one_pixel(format_: str) -> None:
    picture = Picture.read(saved(samples(1, 1), format_, **FORMATS.get(format_, {})))
    assert (picture.height, picture.width) == (1, 1)
    picture.pixels[:] = 200
    again = Picture.read(picture.encode(np.ones((1, 1), bool)))
    assert np.abs(again.pixels.astype(int) - 200).max() <= 6
    assert picture.shrunk(640).shape == (1, 1, 3)


def test_heic() -> None:
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    image = Image.fromarray(samples(40, 64))
    heif.from_pillow(image).save(out, quality=95, chroma=444, exif=exif(6), icc_profile=ICC)
    picture = Picture.read(out.getvalue())
    assert picture.format == "heic"
    assert (picture.height, picture.width) == (64, 40)
    picture.pixels[:20] = 90
    mask = nowhere(picture)
    mask[:20] = True
    again = Picture.read(picture.encode(mask))
    assert again.pixels.shape == picture.pixels.shape
    assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 4
    assert EXIF_CAMERA.encode() in picture.encode(mask)
    assert EXIF_CAMERA.encode() not in picture.encode(mask, strip_metadata=True)


def test_heic_without_its_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(PictureError, match=r"p\.heic: .*pip install cleanplate\[heif\]"):
        Picture.read(data, name="p.heic")
    picture = Picture.from_array(samples(8, 8))
    with pytest.raises(PictureError, match=r"pip install cleanplate\[heif\]"):
        picture.encode(nowhere(picture), format="heic")


@pytest.mark.parametrize("target", ["jpeg", "PNG", ".tif", "webp", "avif"])
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_metadata_survives_a_change_of_format(source_format: str, target: str) -> None:
    options = {"exif": exif(6), "icc_profile": ICC}
    if source_format != "WEBP":
        options["dpi"] = (300, 300)
    picture = Picture.read(saved(samples(24, 40), source_format, **options))
    data = picture.encode(nowhere(picture), format=target)
    again = Picture.read(data)
    assert again.pixels.shape == picture.pixels.shape == (40, 24, 3)
    after = read_by_others(data)
    assert after.info["icc_profile"] == ICC
    assert after.getexif()[271] == EXIF_CAMERA
    assert after.getexif().get_ifd(34665)[33434] == (1, 250)
    if "dpi" in options and target not in ("webp", "avif"):
        assert after.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    bare = read_by_others(picture.encode(nowhere(picture), format=target, strip_metadata=True))
    assert 271 not in bare.getexif()
    assert bare.getexif()[274] == 6


def test_planes_as_floats() -> None:
    picture = Picture.from_array(samples(30, 50))
    np.testing.assert_allclose(picture.rgb(), picture.pixels / 255, atol=1e-6)
    part = picture.rgb(Box(3, 5, 20, 11))
    assert part.dtype == np.float32
    np.testing.assert_allclose(part, picture.pixels[3:20, 5:11] / 255, atol=1e-6)
    grey = Picture.from_array(samples(30, 50, 1, np.uint16))
    assert grey.rgb().shape == (30, 50, 3)
    np.testing.assert_allclose(grey.rgb()[..., 2], grey.pixels[..., 0] / 65535, atol=1e-6)
    small = picture.shrunk(10)
    assert small.shape == (6, 10, 3)
    expected = (picture.pixels / 255).reshape(6, 5, 10, 5, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, expected, atol=0.6 / 255)
    assert grey.shrunk(10).shape == (6, 10, 3)
    assert Picture.from_array(samples(3, 400)).shrunk(100).shape == (1, 100, 3)
    np.testing.assert_array_equal(picture.shrunk(50), picture.rgb())


@settings(max_examples=40, deadline=None)
@given(
    shape=st.sampled_from([(7, 9), (7, 9, 1), (7, 9, 2), (7, 9, 3), (7, 9, 4), (1, 1)]),
    dtype=st.sampled_from(["u1", "u2", ">u2", "f2", "f4", "f8"]),
    seed=st.integers(0, 1000),
)
def test_arrays_come_back_as_they_came(shape: tuple[int, ...], dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    array = rng.random(shape)
    array = (array if kind.kind == "f" else array * np.iinfo(kind).max).astype(kind)
    before = array.copy()
    picture = Picture.from_array(array)
    np.testing.assert_array_equal(picture.to_array(), array)
    mask = scribbled(picture, seed)
    after = picture.to_array()
    assert after.dtype == array.dtype
    assert after.shape == array.shape
    np.testing.assert_array_equal(after[~mask], array[~mask])
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4), bool), "bool"),
        (np.full((4, 4, 3), 1.5), "1.5"),
        (np.full((4, 4, 3), np.nan), "nan"),
        ([[1, 2]], "list"),
    ],
)
def test_arrays_that_are_no_pictures(array: Any, word: str) -> None:
    with pytest.raises(PictureError, match=f"{word}.*uint8, uint16"):
        Picture.from_array(array)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_pillow_images_come_back_as_they_came(mode: str, orientation: int) -> None:
    if mode == "I;16":
        image = Image.fromarray(samples(10, 14, 1, np.uint16))
    else:
        image = Image.fromarray(samples(10, 14, 4)).convert(mode)
    image.info.update(exif=exif(orientation), icc_profile=ICC)
    picture = Picture.from_pil(image)
    assert picture.width == (14 if orientation == 1 else 10)
    after = picture.to_pil()
    assert after.mode == {"1": "L", "P": "RGBA"}.get(mode, mode)  # its palette has alpha
    assert after.size == image.size
    assert after.info["exif"] == image.info["exif"]
    assert after.info["icc_profile"] == ICC
    np.testing.assert_array_equal(np.asarray(after), np.asarray(image.convert(after.mode)))


def test_pillow_images_that_are_refused() -> None:
    for mode, word in (("CMYK", "CMYK"), ("F", "floating"), ("I", "32-bit"), ("HSV", "HSV")):
        with pytest.raises(PictureError, match=word):
            Picture.from_pil(Image.new(mode, (4, 4)))
    with pytest.raises(PictureError, match="no 16-bit colour"):
        Picture.from_array(samples(4, 4, 3, np.uint16)).to_pil()


def test_a_file_as_pillow_image_is_upright() -> None:
    picture = Picture.read(saved(samples(10, 14), "PNG", exif=exif(6), icc_profile=ICC))
    image = picture.to_pil()
    assert image.size == (10, 14)
    assert image.info["icc_profile"] == ICC
    np.testing.assert_array_equal(np.asarray(image), picture.to_array())


def test_lying_turns_a_mask_back() -> None:
    image = Image.fromarray(samples(10, 14))
    image.info["exif"] = exif(8)
    picture = Picture.from_pil(image)
    np.testing.assert_array_equal(picture.lying(picture.pixels), np.asarray(image))


def test_masks() -> None:
    mask = samples(9, 13, 1)
    image = read_by_others(encode_mask(mask))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), mask)


def test_the_mask_of_edits_must_fit() -> None:
    picture = Picture.from_array(samples(9, 13))
    for wrong in (np.zeros((13, 9), bool), np.zeros((9, 13), np.uint8)):
        with pytest.raises(PictureError, match="mask"):
            picture.encode(wrong)
    with pytest.raises(PictureError, match="no such format"):
        picture.encode(nowhere(picture), format="gif")


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rest = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
        + struct.pack(">I", zlib.crc32(header)) + rest
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"Hello, this is text.", "no picture"),
        (b"GIF89a" + bytes(50), "GIF"),
        (b"%PDF-1.7", "PDF"),
        (png_header(60000, 60000), "60000 x 60000.*500 megapixels"),
        (png_header(10, 10), "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"II*\0", "damaged"),
        (b"II*\0\xff\xff\xff\x7f", "damaged"),
        (b"BM" + bytes(20), "damaged"),
        (b"RIFF\xff\xff\0\0WEBPVP8 ", "damaged"),
        (b"RIFF\x04\0\0\0WEBP", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1", "damaged"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, data: bytes, word: str) -> None:
    path = write(tmp_path, "bad.png", data)
    with pytest.raises(PictureError, match=f"bad.png.*{word}") as caught:
        Picture.read(path)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"none\.png: there is no such file"):
        Picture.read(tmp_path / "none.png")
    with pytest.raises(PictureError, match="folder"):
        Picture.read(tmp_path)
    with pytest.raises(PictureError, match="int"):
        Picture.read(3)  # type: ignore[arg-type]


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PictureError, match=r"p\.png: you may not read"):
        Picture.read(tmp_path / "p.png")


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_animations_are_refused(format_: str) -> None:
    frames = [Image.fromarray(samples(8, 8, seed=seed)) for seed in range(2)]
    out = io.BytesIO()
    frames[0].save(out, format_, save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match=r"anim|pages|2 pictures"):
        Picture.read(out.getvalue())
    if format_ != "TIFF":
        with pytest.raises(PictureError, match=r"animation"):
            Picture.from_pil(Image.open(out))


@pytest.mark.parametrize("format_", [*FORMATS, "BMP"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_cut_files_are_damaged_and_silent(
    format_: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    source = saved(samples(60, 60), format_, **FORMATS.get(format_, {}))
    with pytest.raises(PictureError, match="damaged"):
        Picture.read(source[: int(len(source) * share)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("missing", [1, 20, 130])
def test_an_uncompressed_tiff_that_lacks_its_last_bytes_is_damaged(missing: int) -> None:
    # Written by hand: Pillow puts the directory last, where a cut would be seen at once.
    pixels = samples(40, 40)
    entries = [(256, 40), (257, 40), (258, 8), (259, 1), (262, 2), (273, 122), (277, 3)]
    entries += [(278, 40), (279, pixels.nbytes)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    data = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + body + bytes(4)
    data += pixels.tobytes()
    assert (Picture.read(data).pixels == pixels).all()
    with pytest.raises(PictureError, match="damaged"):
        Picture.read(data[:-missing])


@settings(max_examples=150, deadline=None)
@given(
    format_=st.sampled_from([*FORMATS, "BMP"]),
    at=st.integers(0, 4000),
    value=st.integers(0, 255),
)
def test_one_wrong_byte_raises_nothing_else(format_: str, at: int, value: int) -> None:
    source = bytearray(saved(samples(20, 20), format_, **FORMATS.get(format_, {})))
    source[at % len(source)] = value
    try:
        picture = Picture.read(bytes(source))
        picture.encode(scribbled(picture))
    except PictureError as error:
        assert "\n" not in str(error)


def test_sixteen_bit_png_with_broken_data_is_refused() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 40, 40, 16, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(500))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, body, b"IEND")
    )
    with pytest.raises(PictureError, match="damaged"):
        Picture.read(data)


def test_importing_the_room_loads_no_codec() -> None:
    code = (
        "import sys, cleanplate.picture;"
        "print([m for m in ('cv2', 'PIL', 'jpeglib', 'pillow_heif') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_suffixes() -> None:
    assert {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".avif", ".heic"} <= SUFFIXES


@pytest.mark.parametrize("form", ["png", "tiff", "webp", "bmp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_new_alpha_is_written_though_no_colour_changed(form: str, dtype: Any) -> None:
    if dtype == np.uint16 and form in ("webp", "bmp"):
        return
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(dtype).max, (30, 20, 3), dtype)
    nowhere = np.zeros((30, 20), bool)
    content = Picture.from_array(pixels).encode(nowhere, format=form)
    picture = Picture.read(content)
    alpha = rng.integers(0, np.iinfo(dtype).max, (30, 20), dtype)
    picture.set_alpha(alpha)
    again = Picture.read(picture.encode(nowhere))
    np.testing.assert_array_equal(again.pixels, pixels)
    np.testing.assert_array_equal(again.alpha, alpha)
    with pytest.raises(PictureError, match="no transparency; write PNG"):
        picture.encode(nowhere, format="jpeg")


def test_a_jpeg_holds_no_new_alpha() -> None:
    content = Picture.from_array(np.zeros((16, 16, 3), np.uint8)).encode(
        np.ones((16, 16), bool), format="jpeg"
    )
    picture = Picture.read(content)
    picture.set_alpha(np.zeros((16, 16), np.uint8))
    with pytest.raises(PictureError, match="no transparency"):
        picture.encode(np.zeros((16, 16), bool))
    with pytest.raises(ValueError, match="does not fit"):
        picture.set_alpha(np.zeros((16, 16), np.uint16))


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_an_array_gets_a_new_alpha(shape: tuple[int, ...], dtype: Any) -> None:
    top = 255 if dtype == np.uint8 else 1
    array = (np.random.default_rng(0).random(shape) * top).astype(dtype)
    picture = Picture.from_array(array)
    half = np.full((6, 5), picture.max_value // 2, picture.pixels.dtype)
    picture.set_alpha(half)
    joined = picture.to_array()
    assert joined.dtype == dtype
    np.testing.assert_array_equal(joined[..., :-1], array.reshape(6, 5, -1))
    assert joined[..., -1] == pytest.approx(top / 2, abs=top / 200)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_turned_picture_is_upright_where_the_format_cannot_say_so(orientation: int) -> None:
    picture = Picture.read(saved(samples(24, 40), "PNG", exif=exif(orientation)))
    again = read_by_others(picture.encode(nowhere(picture), format="bmp"))
    np.testing.assert_array_equal(np.asarray(again), picture.pixels)


@pytest.mark.parametrize(("format_", "side"), [("webp", 16384), ("jpeg", 65536)])
def test_a_format_that_has_no_room_for_a_side_is_named(format_: str, side: int) -> None:
    picture = Picture.from_array(np.zeros((1, side), np.uint8), name="strip")
    with pytest.raises(
        PictureError, match=f"strip: .* holds {side - 1} pixels a side.*PNG or TIFF"
    ):
        picture.encode(nowhere(picture), format=format_)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_refused_in_the_place_of_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scan.png")
    for path in (tmp_path / "scan.png", Path(os.devnull)):
        with pytest.raises(PictureError, match="a pipe or a device"):
            Picture.read(path)
