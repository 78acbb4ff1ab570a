"""PNG files of every kind that there is, whatever stands in their other chunks."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_makers import exif, png, png_rows, read_by_others, samples, saved, scribbled
from PIL import Image

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import Picture

DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]
PALETTE = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
ALPHAS = np.random.default_rng(2).integers(0, 256, 256, dtype=np.uint8)


def expected(
    values: NDArray[Any], colour: int, depth: int, key: bool
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pixels and alpha by the specification (PNG, 13.12), computed without the package."""
    most = 2**depth - 1
    if colour == 3:
        index = values[..., 0]
        count = min(256, most + 1)
        return PALETTE[:count][index], ALPHAS[:count][index] if key else None
    top = 65535 if depth == 16 else 255
    scaled = (values.astype(np.uint32) * top // most).astype(np.uint16 if depth == 16 else np.uint8)
    if colour & 4:
        return scaled[..., :-1], scaled[..., -1]
    if not key:
        return scaled, None
    hole = (values == values[1, 2]).all(axis=2)
    return scaled, np.where(hole, 0, top).astype(scaled.dtype)


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_kind_keeps_its_samples_and_its_transparency(
    colour: int, depth: int, interlaced: bool, key: bool
) -> None:
    rng = np.random.default_rng(depth)
    most = 2**depth - 1
    values = rng.integers(0, most + 1, (11, 13, CHANNELS[colour]))
    more = []
    if colour == 3:
        more.append((b"PLTE", PALETTE[: min(256, most + 1)].tobytes()))
    if key and colour == 3:
        more.append((b"tRNS", ALPHAS[: min(256, most + 1)].tobytes()))
    elif key and not colour & 4:
        more.append((b"tRNS", values[1, 2].astype(">u2").tobytes()))
    source = png(values, colour, depth, *more, interlaced=interlaced)
    pixels, alpha = expected(values, colour, depth, key)
    picture = Picture.read(source)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(picture.alpha, alpha)
    mask = scribbled(picture)
    again = Picture.read(picture.encode(mask))
    np.testing.assert_array_equal(again.pixels[~mask], pixels[~mask])
    if alpha is not None:
        np.testing.assert_array_equal(again.alpha, alpha)


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt", b"tEXt"])
@pytest.mark.parametrize("depth", [8, 16])
def test_huge_texts_and_profiles_are_kept(kind: bytes, depth: int) -> None:
    """Over a megabyte unpacked, which Pillow would refuse to read."""
    packed = zlib.compress(bytes(5_000_000))
    content = {
        b"iCCP": b"name\0\0" + packed,
        b"zTXt": b"word\0\0" + packed,
        b"iTXt": b"word\0\1\0\0\0" + packed,
        b"tEXt": b"word\0" + b"x" * 2_000_000,
    }[kind]
    values = np.random.default_rng(0).integers(0, 2**depth, (6, 9, 3))
    picture = Picture.read(png(values, 2, depth, (kind, content)))
    assert content in picture.encode(scribbled(picture))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"iCCP", b"name\0\0no profile"),
        (b"zTXt", b"word\0\0no text"),
        (b"iTXt", b"\xff\0\1\0"),
        (b"pHYs", b"\1"),
        (b"eXIf", b"no directory"),
        (b"cHRM", b""),
        (b"tIME", b"abcdefghi"),
    ],
)
def test_broken_words_never_cost_the_picture(kind: bytes, content: bytes) -> None:
    values = np.random.default_rng(0).integers(0, 256, (6, 9, 3))
    picture = Picture.read(png(values, 2, 8, (kind, content)))
    np.testing.assert_array_equal(picture.pixels, values)
    mask = scribbled(picture)
    for options in ({}, {"strip_metadata": True}, {"format": "jpeg"}, {"format": "tiff"}):
        assert Picture.read(picture.encode(mask, **options)).width == 9


def test_a_wrong_checksum_of_a_text_is_passed_over_and_told() -> None:
    values = np.random.default_rng(0).integers(0, 256, (6, 9, 3))
    source = png(values, 2, 8, (b"tEXt", b"word\0text"))
    at = source.index(b"tEXtword")
    broken = source[: at + 5] + b"_" + source[at + 6 :]
    picture = Picture.read(broken)
    np.testing.assert_array_equal(picture.pixels, values)
    mask = scribbled(picture)
    assert "damaged-chunks-left-out" in picture.losses(mask)
    assert b"tEXt" not in picture.encode(mask)
    at = source.index(b"IDAT")
    with pytest.raises(PictureError, match="checksum"):
        Picture.read(source[: at + 8] + b"\0\0" + source[at + 10 :])


def test_a_chunk_that_must_be_known_is_damage() -> None:
    with pytest.raises(PictureError, match="CgBI"):
        Picture.read(png(np.zeros((2, 2, 3), int), 2, 8, (b"CgBI", b"\0\0\0\0")))


def test_a_header_that_promises_more_than_there_is_costs_no_memory() -> None:
    rows = png_rows(np.zeros((4, 4, 3), int), 8)
    source = png(np.zeros((4, 4, 3), int), 2, 8)
    header = b"IHDR" + struct.pack(">II", 20000, 20000) + source[24:29]
    huge = source[:12] + header + struct.pack(">I", zlib.crc32(header)) + source[33:]
    assert zlib.compress(rows) in huge
    with pytest.raises(PictureError, match="less than its header says"):
        Picture.read(huge)


def test_chunks_that_are_not_known_and_what_is_behind_the_end_are_told() -> None:
    values = np.random.default_rng(0).integers(0, 256, (6, 9, 3))
    source = png(values, 2, 8, (b"prVW", b"a preview"), (b"bKGD", bytes(6))) + b"behind"
    picture = Picture.read(source)
    mask = scribbled(picture)
    said = picture.losses(mask)
    assert sorted(said) == ["chunks-left-out", "trailer-left-out"]
    assert "(prVW)" in said["chunks-left-out"]
    assert b"prVW" not in picture.encode(mask)
    assert picture.losses(np.zeros_like(mask)) == {}


def test_what_another_format_does_not_take_is_told() -> None:
    values = np.random.default_rng(0).integers(0, 256, (6, 9, 3))
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    picture = Picture.read(png(values, 2, 8, gamma, (b"tEXt", b"Title\0x")))
    mask = scribbled(picture)
    assert sorted(picture.losses(mask, format="jpeg")) == ["colours-left-out", "metadata-left-out"]
    assert picture.losses(mask) == {}
    stripped = picture.losses(mask, format="jpeg", strip_metadata=True)
    assert sorted(stripped) == ["colours-left-out"]
    plain = Picture.read(saved(samples(6, 9), "PNG", exif=exif()))
    assert plain.losses(mask, format="tiff") == {}


def test_an_animation_of_one_picture_is_a_still() -> None:
    out = io.BytesIO()
    frames = [Image.fromarray(samples(6, 9, seed=seed)) for seed in range(2)]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedError, match="animated"):
        Picture.read(out.getvalue())
    values = samples(6, 9)
    control = struct.pack(">II", 1, 0)
    frame = struct.pack(">5I2H2B", 0, 9, 6, 0, 0, 1, 10, 0, 0)
    picture = Picture.read(png(values, 2, 8, (b"acTL", control), (b"fcTL", frame)))
    np.testing.assert_array_equal(picture.pixels, values)
    mask = scribbled(picture)
    assert picture.losses(mask) == {}
    assert read_by_others(picture.encode(mask)).format == "PNG"
