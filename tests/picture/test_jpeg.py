from __future__ import annotations

import io
import struct
from typing import Any

import jpeglib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from picture_makers import EXIF_CAMERA, ICC, exif, read_by_others, samples, saved, scribbled
from PIL import Image

from cleanplate.errors import PictureError
from cleanplate.picture import Picture

SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def coefficients(data: bytes, folder: Any) -> list[NDArray[np.int16]]:
    path = folder / "read.jpg"
    path.write_bytes(data)
    jpeg = jpeglib.read_dct(str(path))
    return [plane for plane in (jpeg.Y, jpeg.Cb, jpeg.Cr) if plane is not None]


def only_masked_blocks_changed(
    before: bytes, after: bytes, stored_mask: NDArray[np.bool_], folder: Any
) -> bool:
    """Whether blocks in the mask changed; those outside it are asserted to be the same.

    A plain loop over blocks, which shares no code with the package.
    """
    old, new = coefficients(before, folder), coefficients(after, folder)
    assert [plane.shape for plane in old] == [plane.shape for plane in new]
    changed = False
    height, width = stored_mask.shape
    for was, now in zip(old, new, strict=True):
        rows, columns = was.shape[:2]
        down, across = sampling_of(old, was, height, width)
        for row in range(rows):
            for column in range(columns):
                block = stored_mask[
                    row * 8 * down : (row + 1) * 8 * down,
                    column * 8 * across : (column + 1) * 8 * across,
                ]
                if block.any():
                    changed |= bool((was[row, column] != now[row, column]).any())
                else:
                    np.testing.assert_array_equal(was[row, column], now[row, column])
    return changed


def sampling_of(
    planes: list[NDArray[np.int16]], plane: NDArray[np.int16], height: int, width: int
) -> tuple[int, int]:
    if plane is planes[0]:
        return 1, 1
    return next(
        (down, across)
        for down in (1, 2, 4)
        for across in (1, 2, 4)
        if plane.shape[:2] == (-(-height // (8 * down)), -(-width // (8 * across)))
    )


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(33, 90),
    width=st.integers(33, 90),
    sampling=st.sampled_from(sorted(SUBSAMPLINGS)),
    quality=st.sampled_from([30, 75, 92, 100]),
    progressive=st.booleans(),
    restart=st.sampled_from([0, 1, 3]),
    orientation=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
def test_untouched_blocks_keep_their_coefficients(
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    sampling: str,
    quality: int,
    progressive: bool,
    restart: int,
    orientation: int,
    seed: int,
) -> None:
    source = saved(
        samples(height, width, seed=seed),
        "JPEG",
        quality=quality,
        subsampling=SUBSAMPLINGS[sampling],
        progressive=progressive,
        restart_marker_blocks=restart,
        exif=exif(orientation),
    )
    picture = Picture.read(source)
    mask = scribbled(picture, seed)
    result = picture.encode(mask)
    folder = tmp_path_factory.mktemp("jpeg")
    assert only_masked_blocks_changed(source, result, picture.lying(mask), folder)
    before, after = read_by_others(source), read_by_others(result)
    assert after.quantization == before.quantization
    assert [layer[:3] for layer in after.layer] == [layer[:3] for layer in before.layer]
    assert after.info.get("progressive") == before.info.get("progressive")
    assert after.info["exif"] == before.info["exif"]


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (16, 17), (40, 65)])
@pytest.mark.parametrize("progressive", [False, True])
def test_grey_keeps_its_coefficients(
    tmp_path: Any, size: tuple[int, int], progressive: bool
) -> None:
    source = saved(samples(*size, 1), "JPEG", quality=85, progressive=progressive)
    picture = Picture.read(source)
    assert picture.pixels.shape == (*size, 1)
    mask = np.zeros(size, bool)
    mask[0, 0] = True
    picture.pixels[mask] = 255 - picture.pixels[mask]
    result = picture.encode(mask)
    assert only_masked_blocks_changed(source, result, mask, tmp_path)
    assert read_by_others(result).mode == "L"
    assert read_by_others(result).info.get("progressive") == (1 if progressive else None)


@pytest.mark.parametrize("factors", [(1, 2), (2, 1), (1, 4), (4, 1)])
def test_other_samplings(tmp_path: Any, factors: tuple[int, int]) -> None:
    """4:4:0, 4:1:1 and their like, which Pillow does not write."""
    down, across = factors
    luma = samples(64, 96, 1).astype(np.uint8)
    rgb = np.dstack([luma] * 3)
    path = tmp_path / "odd.jpg"
    spatial = jpeglib.from_spatial(np.ascontiguousarray(rgb))
    spatial.samp_factor = [[down, across], [1, 1], [1, 1]]
    spatial.write_spatial(str(path), qt=90)
    source = path.read_bytes()
    picture = Picture.read(source)
    mask = np.zeros((64, 96), bool)
    mask[10:30, 40:50] = True
    picture.pixels[mask] = (200, 30, 60)
    result = picture.encode(mask)
    assert only_masked_blocks_changed(source, result, mask, tmp_path)
    assert [one[1:3] for one in read_by_others(result).layer] == [
        (across, down),
        (1, 1),
        (1, 1),
    ]
    centre = Picture.read(result).pixels[16:24, 43:47].astype(int)
    assert np.abs(centre - (200, 30, 60)).mean() < 12


@pytest.mark.parametrize("sampling", sorted(SUBSAMPLINGS))
def test_new_content_is_written_faithfully(sampling: str) -> None:
    array = samples(120, 160)
    source = saved(array, "JPEG", quality=95, subsampling=SUBSAMPLINGS[sampling])
    picture = Picture.read(source)
    mask = np.zeros((120, 160), bool)
    mask[30:80, 40:120] = True
    picture.pixels[mask] = (40, 160, 90)
    again = Picture.read(picture.encode(mask))
    inside = again.pixels[40:70, 56:104].astype(int)
    assert np.abs(inside - (40, 160, 90)).max() <= 3
    # Pixels of touched blocks that were not edited move by little more than rounding.
    near = np.zeros_like(mask)
    near[16:96, 32:128] = True
    near &= ~mask
    drift = np.abs(again.pixels[near].astype(int) - Picture.read(source).pixels[near])
    assert np.median(drift) <= 2


def test_edited_to_what_it_was_changes_next_to_nothing(tmp_path: Any) -> None:
    source = saved(samples(64, 64), "JPEG", quality=75, subsampling=0)
    picture = Picture.read(source)
    result = picture.encode(np.ones((64, 64), bool))
    for was, now in zip(
        coefficients(source, tmp_path), coefficients(result, tmp_path), strict=True
    ):
        assert np.abs(was.astype(int) - now).max() <= 1
        assert (was == now).mean() > 0.98


def test_rgb_without_colour_transform(tmp_path: Any) -> None:
    array = samples(48, 64)
    source = saved(array, "JPEG", quality=95, keep_rgb=True)
    picture = Picture.read(source)
    mask = np.zeros((48, 64), bool)
    mask[8:24, 8:40] = True
    picture.pixels[mask] = (250, 10, 120)
    result = picture.encode(mask)
    assert only_masked_blocks_changed(source, result, mask, tmp_path)
    inside = np.asarray(read_by_others(result))[10:22, 10:38].astype(int)
    assert np.abs(inside - (250, 10, 120)).max() <= 3


def test_segments_are_carried_byte_for_byte() -> None:
    xmp = b"<x:xmpmeta>hello</x:xmpmeta>"
    source = saved(
        samples(40, 40),
        "JPEG",
        exif=exif(6),
        icc_profile=ICC,
        xmp=xmp,
        comment=b"a remark",
        dpi=(300, 300),
    )
    picture = Picture.read(source)
    result = picture.encode(scribbled(picture))
    before, after = read_by_others(source), read_by_others(result)
    assert after.applist == before.applist
    for key in ("exif", "icc_profile", "xmp", "comment", "dpi", "jfif_density"):
        assert after.info[key] == before.info[key]


@pytest.mark.parametrize("edit", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_stripping_keeps_colour_and_orientation(
    tmp_path: Any, edit: bool, orientation: int
) -> None:
    source = saved(
        samples(40, 56),
        "JPEG",
        exif=exif(orientation),
        icc_profile=ICC,
        comment=b"a remark",
        xmp=b"<x/>",
        dpi=(300, 300),
    )
    picture = Picture.read(source)
    mask = scribbled(picture) if edit else np.zeros((picture.height, picture.width), bool)
    result = picture.encode(mask, strip_metadata=True)
    after = read_by_others(result)
    assert after.info["icc_profile"] == ICC
    assert "comment" not in after.info
    assert "xmp" not in after.info
    assert EXIF_CAMERA.encode() not in result
    assert dict(after.getexif()) == ({} if orientation == 1 else {274: orientation})
    assert Picture.read(result).pixels.shape == picture.pixels.shape
    changed = only_masked_blocks_changed(source, result, picture.lying(mask), tmp_path)
    assert changed == edit


def test_second_picture_in_the_file_is_dropped() -> None:
    first, second = Image.fromarray(samples(32, 32)), Image.fromarray(samples(16, 16))
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[second])
    picture = Picture.read(out.getvalue())
    assert picture.pixels.shape == (32, 32, 3)
    result = read_by_others(picture.encode(scribbled(picture)))
    assert result.format == "JPEG"
    assert getattr(result, "n_frames", 1) == 1


def test_trailing_bytes_and_fill_bytes_do_no_harm(tmp_path: Any) -> None:
    source = saved(samples(40, 40), "JPEG", quality=90)
    at = source.index(b"\xff\xdb")
    odd = source[:at] + b"\xff\xff" + source[at:] + b"trailing \xff\xd8\xff rubbish"
    picture = Picture.read(odd)
    mask = scribbled(picture)
    assert only_masked_blocks_changed(source, picture.encode(mask), mask, tmp_path)


def with_frame(source: bytes, marker: int, bits: int = 8) -> bytes:
    at = source.index(b"\xff\xc0")
    return (
        source[:at]
        + bytes([0xFF, marker])
        + source[at + 2 : at + 4]
        + bytes([bits])
        + source[at + 5 :]
    )


@pytest.mark.parametrize(
    ("marker", "bits", "word"),
    [(0xC3, 8, "lossless"), (0xC9, 8, "arithmetic"), (0xC1, 12, "12-bit"), (0xC5, 8, "hierarch")],
)
def test_other_kinds_are_refused_by_name(marker: int, bits: int, word: str) -> None:
    source = with_frame(saved(samples(16, 16), "JPEG"), marker, bits)
    with pytest.raises(PictureError, match=f"odd.jpg.*{word}"):
        Picture.read(source, name="odd.jpg")


def test_cmyk_is_refused_by_name() -> None:
    out = io.BytesIO()
    Image.new("CMYK", (16, 16)).save(out, "JPEG")
    with pytest.raises(PictureError, match="CMYK"):
        Picture.read(out.getvalue())


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 0.97), flip=st.integers(0, 10_000), value=st.integers(0, 255))
def test_damage_never_escapes_as_another_error(cut: float, flip: int, value: int) -> None:
    source = bytearray(saved(samples(40, 40), "JPEG", exif=exif(3), progressive=bool(value % 2)))
    source[flip % len(source)] = value
    for data in (bytes(source), bytes(source[: int(len(source) * cut)])):
        try:
            picture = Picture.read(data, name="x.jpg")
            picture.encode(scribbled(picture))
        except PictureError as error:
            assert "\n" not in str(error)


def test_a_header_that_promises_too_much_is_refused() -> None:
    source = saved(samples(16, 16), "JPEG")
    at = source.index(b"\xff\xc0") + 5
    huge = source[:at] + struct.pack(">HH", 60000, 60000) + source[at + 4 :]
    with pytest.raises(PictureError, match=r"60000 x 60000.*500 megapixels"):
        Picture.read(huge)


def test_new_jpeg_from_another_format_says_what_it_cannot_hold() -> None:
    none = np.zeros((20, 20), bool)
    deep = Picture.from_array(samples(20, 20, 3, np.uint16))
    with pytest.raises(PictureError, match="16"):
        deep.encode(none, format="jpeg")
    with pytest.raises(PictureError, match="transparency"):
        Picture.from_array(samples(20, 20, 4)).encode(none, format="jpg")
    opaque = samples(20, 20, 4)
    opaque[..., 3] = 255
    assert read_by_others(Picture.from_array(opaque).encode(none, format="jpg")).mode == "RGB"


def test_a_jpeg_that_holds_less_than_its_header_says_costs_no_memory() -> None:
    source = saved(samples(16, 16), "JPEG")
    at = source.index(b"\xff\xc0") + 5
    large = source[:at] + struct.pack(">HH", 20000, 20000) + source[at + 4 :]
    with pytest.raises(PictureError, match="less than its header says"):
        Picture.read(large)
    flat = np.full((2000, 2000, 3), 90, np.uint8)
    assert Picture.read(saved(flat, "JPEG", optimize=True)).width == 2000
    assert Picture.read(saved(flat, "JPEG", progressive=True)).width == 2000
