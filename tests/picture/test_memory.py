"""Pillow images of every mode and arrays of every dtype: taken as their files are, or refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from picture_makers import png, read_by_others, samples, scribbled
from PIL import Image

from cleanplate.errors import PictureError
from cleanplate.picture import Picture

SIZE = (14, 10)
GREY = samples(10, 14, 1)
DEEP = samples(10, 14, 1, np.uint16)
RGBA = samples(10, 14, 4)


def image(mode: str) -> Image.Image:
    if mode.startswith("I;16"):
        kind = ">u2" if mode.endswith("B") else "<u2"
        return Image.frombytes(mode, SIZE, DEEP.astype(kind).tobytes())
    if mode in ("I", "F"):
        return Image.fromarray(DEEP.astype(np.int32 if mode == "I" else np.float32))
    if mode == "LAB":
        return Image.frombytes(mode, SIZE, RGBA[..., :3].tobytes())
    source = Image.fromarray(RGBA)
    if mode in ("1", "L", "P", "CMYK", "YCbCr", "HSV", "RGB", "RGBX"):
        source = source.convert("RGB")
    if mode == "La":
        return source.convert("LA").convert(mode)
    if mode == "HSV":
        return source.convert(mode)
    return source.convert(mode)


TAKEN = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "RGBX": "RGB",
    "I;16": "I;16",
    "I;16L": "I;16",
    "I;16B": "I;16",
}


@pytest.mark.parametrize("mode", TAKEN)
def test_images_of_every_other_mode_are_taken(mode: str) -> None:
    given = image(mode)
    picture = Picture.from_pil(given)
    after = picture.to_pil()
    assert after.mode == TAKEN[mode]
    if mode.startswith("I;16"):
        np.testing.assert_array_equal(np.asarray(after), DEEP)
    else:
        expected = np.asarray(given.convert(TAKEN[mode]))
        np.testing.assert_array_equal(np.asarray(after), expected)
    mask = scribbled(picture)
    kept = np.asarray(picture.to_pil())[~mask]
    np.testing.assert_array_equal(kept, np.asarray(after)[~mask])


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("La", "premultiplied"),
        ("RGBa", "premultiplied"),
        ("CMYK", "CMYK"),
        ("YCbCr", "YCbCr"),
        ("LAB", "Lab"),
        ("HSV", "HSV"),
        ("I", "32-bit"),
        ("F", "floating-point"),
    ],
)
def test_images_of_some_modes_are_refused_by_name(mode: str, words: str) -> None:
    with pytest.raises(PictureError, match=f"photo: {words}.*convert it"):
        Picture.from_pil(image(mode), name="photo")


@pytest.mark.parametrize("depth", [1, 8, 16])
@pytest.mark.parametrize("colour", [0, 2])
def test_an_image_is_as_transparent_as_its_file(colour: int, depth: int) -> None:
    if colour == 2 and depth != 8:
        pytest.skip("no such PNG, or Pillow cuts it to 8 bits by itself")
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, (10, 14, 3 if colour else 1)) * (2**depth - 1)
    data = png(values, colour, depth, (b"tRNS", values[1, 2].astype(">u2").tobytes()))
    by_path, by_image = Picture.read(data), Picture.from_pil(read_by_others(data))
    np.testing.assert_array_equal(by_image.to_array(), by_path.to_array())
    assert by_image.alpha is not None


def test_a_palette_with_alpha_keeps_it() -> None:
    given = Image.fromarray(RGBA).quantize(16, Image.Quantize.FASTOCTREE)
    assert given.palette.mode == "RGBA"
    picture = Picture.from_pil(given)
    np.testing.assert_array_equal(picture.to_array(), np.asarray(given.convert("RGBA")))


def test_an_image_whose_file_is_broken_is_named() -> None:
    out = io.BytesIO()
    Image.fromarray(samples(60, 60)).save(out, "PNG")
    broken = Image.open(io.BytesIO(out.getvalue()[:2000]))
    with pytest.raises(PictureError, match=r"half: this Pillow image is damaged"):
        Picture.from_pil(broken, name="half")


@pytest.mark.parametrize(
    "dtype",
    [
        "?",
        "i1",
        "i2",
        "i4",
        "i8",
        "u4",
        "u8",
        ">u4",
        "c8",
        "c16",
        "O",
        "U3",
        "S3",
        "M8[s]",
        "m8[s]",
    ],
)
def test_arrays_of_other_types_are_refused_by_name(dtype: str) -> None:
    array = np.zeros((6, 5, 3), dtype)
    with pytest.raises(PictureError, match=r"its dtype is .*taken are .*uint8, uint16 or floats"):
        Picture.from_array(array)
    with pytest.raises(PictureError, match="its dtype is"):
        Picture.from_array(np.zeros((6, 5), [("a", "u1"), ("b", "u1")]))


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "f2", "f4", ">f4", "f8", ">f8", "g"])
@pytest.mark.parametrize("order", ["C", "F", "backwards", "read-only"])
def test_arrays_however_they_lie_come_back_exactly(dtype: str, order: str) -> None:
    top = {"u1": 255, "u2": 65535, ">u2": 65535}.get(dtype, 1)
    array = (np.random.default_rng(0).random((6, 5, 3)) * top).astype(dtype)
    if order == "backwards":
        array = array[::-1, ::-1]
    elif order == "read-only":
        array.flags.writeable = False
    else:
        array = np.array(array, order=order)
    picture = Picture.from_array(array)
    mask = scribbled(picture)
    after = picture.to_array()
    assert after.dtype == array.dtype
    np.testing.assert_array_equal(after[~mask], array[~mask])
    assert np.isfinite(after.astype(float)).all()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_odd_classes_of_arrays() -> None:
    plain = np.arange(20, dtype=np.uint8).reshape(4, 5)
    matrix: Any = np.matrix(plain)
    np.testing.assert_array_equal(Picture.from_array(matrix).to_array(), plain)
    fractions: Any = np.matrix(plain / 255)
    assert (Picture.from_array(fractions).to_array() == plain / 255).all()
    with pytest.raises(PictureError, match=r"masked array.*filled"):
        Picture.from_array(np.ma.masked_less(plain, 3))
    for wrong in (np.inf, -0.001, 1.001, np.nan):
        with pytest.raises(PictureError, match="its values reach"):
            Picture.from_array(np.full((4, 5), wrong))
