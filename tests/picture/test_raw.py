"""RAW files read, written and developed; judged by LibRaw, exiftool and dcraw."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image
from raw_makers import BLACK, LEVELS, MATRIX, WHITE, dng, flat, framed

from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import PATTERNS, Picture, RawPicture, directory, read_any
from cleanplate.picture.directory import longs, octets, rational, shorts, text

FORMS: dict[str, dict[str, Any]] = {
    "16 bits": {},
    "14 bits": {"bits": 14, "order": ">"},
    "12 bits": {"bits": 12},
    "12 bits in tiles": {"bits": 12, "tile": 48},
    "lossless JPEG": {"lossless": True},
    "lossless JPEG in tiles": {"lossless": True, "tile": 48},
    "lossless JPEG, something behind": {"lossless": True, "behind": b"notes" * 20},
}
PLAIN = [name for name in FORMS if "JPEG" not in name]


def decoded(data: bytes) -> np.ndarray:
    with rawpy.imread(io.BytesIO(data)) as raw:
        return raw.raw_image.copy()


def dimmed(data: bytes) -> RawPicture:
    """The picture with half of its light."""
    picture = RawPicture.read(data)
    picture.mosaic.put(picture.mosaic.planes() * np.float32(0.5))
    return picture


def another_raw(mosaic: np.ndarray, order: str = "<", model: str = "NIKON D850") -> bytes:
    """A TIFF that LibRaw takes for a camera's own RAW file."""
    exif = {33434: rational(order, 0.02), 34855: shorts(order, 3200), 37500: octets(*bytes(2000))}
    tags = {
        254: longs(order, 0),
        256: longs(order, mosaic.shape[1]),
        257: longs(order, mosaic.shape[0]),
        258: shorts(order, 16),
        259: shorts(order, 1),
        262: shorts(order, 32803),
        271: text("NIKON CORPORATION"),
        272: text(model),
        273: longs(order, 8),
        274: shorts(order, 6),
        277: shorts(order, 1),
        278: longs(order, mosaic.shape[0]),
        279: longs(order, mosaic.nbytes),
        33421: shorts(order, 2, 2),
        33422: octets(0, 1, 1, 2),
        34665: directory.Entry(4, 1, bytes(4), exif),
    }
    at = 8 + mosaic.nbytes
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    body = mosaic.astype(order + "u2").tobytes()
    return head + body + directory.pack(tags, at, order)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("margins", [(0, 0), (3, 5), (4, 2)])
def test_a_dng_is_read_as_it_was_written(form: str, margins: tuple[int, int]) -> None:
    mosaic = framed("GBRG", 64, 96, margins)
    picture = RawPicture.read(dng(mosaic, "GBRG", margins=margins, **FORMS[form]))
    inside = mosaic[margins[0] :, margins[1] :]
    assert np.array_equal(picture.mosaic.samples, inside)
    assert picture.mosaic.pattern == "GBRG"
    assert picture.mosaic.black == (BLACK,) * 4 and picture.mosaic.white == WHITE
    assert (picture.height, picture.width) == inside.shape


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("margins", [(0, 0), (1, 0), (0, 1), (3, 5)])
def test_phase_and_black_levels_are_those_of_the_active_area(
    pattern: str, margins: tuple[int, int]
) -> None:
    levels = (100, 110, 120, 130)
    source = dng(framed(pattern, 64, 96, margins), pattern, margins=margins, black=levels)
    picture = RawPicture.read(source)
    assert picture.mosaic.pattern == pattern and picture.mosaic.black == levels
    red, _, _, blue = picture.mosaic.planes().mean((0, 1))
    assert red == pytest.approx(LEVELS["R"], abs=0.01)
    assert blue == pytest.approx(LEVELS["B"], abs=0.01)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_changed_comes_back_as_the_same_bytes(form: str) -> None:
    source = dng(flat("RGGB", 64, 96), **FORMS[form])
    assert RawPicture.read(source).encode() == source


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_another_mosaic_is_read_back_exactly(form: str, pattern: str) -> None:
    source = dng(framed(pattern, 64, 96, (3, 5)), pattern, margins=(3, 5), **FORMS[form])
    picture = dimmed(source)
    again = RawPicture.read(picture.encode())
    assert np.array_equal(again.mosaic.samples, picture.mosaic.samples)
    assert again.mosaic.pattern == pattern
    old, new = decoded(source), decoded(picture.encode())
    assert np.array_equal(new[:3], old[:3]) and np.array_equal(new[:, :5], old[:, :5])
    assert not np.array_equal(new, old)


@pytest.mark.parametrize("form", PLAIN)
def test_no_byte_changes_but_those_of_the_mosaic(form: str) -> None:
    source = dng(flat("RGGB", 64, 96), behind=b"a maker's secret", **FORMS[form])
    result = dimmed(source).encode()
    assert len(result) == len(source)
    end = source.index(b"a maker's secret")
    assert result[end:] == source[end:] and result[:8] == source[:8]
    assert result[8:end] != source[8:end]


def test_checksums_of_the_mosaic_are_renewed() -> None:
    import hashlib

    more = {50972: octets(*range(16)), 51111: octets(*range(16)), 50781: octets(*range(16))}
    result = dimmed(dng(flat("RGGB", 32, 32), more=more)).encode()
    tags, _, _ = directory.read(result)
    wanted = hashlib.md5(decoded(result).astype("<u2").tobytes()).digest()
    assert tags[50972].data == wanted and tags[51111].data == bytes(16)
    assert tags[50781].data == bytes(range(16))


def test_a_linearisation_table_is_kept_and_used() -> None:
    table = tuple(min(4095, round((i / 255) ** 2 * 4095)) for i in range(256))
    codes = np.random.default_rng(0).integers(40, 256, (64, 96)).astype(np.uint16)
    source = dng(codes, bits=8, table=table)
    picture = dimmed(source)
    result = picture.encode()
    assert len(result) == len(source)
    values = np.asarray(table)
    gaps = np.abs(decoded(result).astype(int) - picture.mosaic.samples)
    steps = np.diff(values).max()
    assert gaps.max() <= steps / 2 + 1
    assert set(np.unique(decoded(result))) <= set(values.tolist())


def test_what_was_compressed_is_described_anew_and_the_rest_kept() -> None:
    profile = directory.Entry(12, 2, struct.pack("<2d", 4e-4, 1e-6))
    source = dng(flat("RGGB", 64, 96), lossless=True, tile=48, more={51041: profile})
    assert RawPicture.read(source).profile == ((4e-4, 1e-6),)
    picture = dimmed(source)
    picture.noise_left = 0.25
    result = picture.encode()
    old, new = directory.read(source)[0], directory.read(result)[0]
    moved = {258, 259, 273, 278, 279, 322, 323, 324, 325}
    for tag in old.keys() - moved - {51041}:
        assert new[tag] == old[tag], tag
    assert struct.unpack("<2d", new[51041].data) == pytest.approx((1e-4, 2.5e-7))
    with tifffile.TiffFile(io.BytesIO(result)) as file:
        assert np.array_equal(file.pages[0].asarray(), decoded(result))


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({"white": None}, 1023),
        ({"white": 0}, 1023),
        ({"white": 900}, 900),
        ({"white": None, "table": tuple(range(0, 4096, 4))}, 1023),
    ],
)
def test_white_stays_what_the_old_bits_implied(made: dict[str, Any], wanted: int) -> None:
    mosaic = flat("RGGB", 64, 96) // 4
    source = dng(mosaic, lossless=True, bits=10, black=(0,) * 4, **made)
    assert RawPicture.read(source).mosaic.white == wanted
    result = dimmed(source).encode()
    tags, order, _ = directory.read(result)
    assert directory.number(tags, 258, order, 0) == 16
    assert directory.number(tags, 50717, order, 0) == wanted
    assert RawPicture.read(result).mosaic.white == wanted


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        ({}, {278: longs("<", 1)}),
        ({}, {278: longs("<", 0)}),
        ({"bits": 12, "tile": 96}, {322: longs("<", 0)}),
        ({"bits": 12, "tile": 96}, {323: longs("<", 10)}),
    ],
)
def test_samples_that_strips_or_tiles_leave_out_are_written(
    made: dict[str, Any], wrong: directory.Directory
) -> None:
    picture = dimmed(dng(flat("RGGB", 96, 96), **made, more=wrong))
    again = RawPicture.read(picture.encode())
    assert np.array_equal(again.mosaic.samples, picture.mosaic.samples)


def test_nothing_goes_for_a_strip_that_is_said_to_be_too_long() -> None:
    more = {279: longs("<", 10**6)}
    source = dng(flat("RGGB", 64, 96), lossless=True, behind=b"a maker's secret", more=more)
    assert b"a maker's secret" in dimmed(source).encode()


def test_previews_of_a_compressed_dng_are_made_anew() -> None:
    thumb = io.BytesIO()
    Image.new("RGB", (48, 32), (255, 0, 255)).save(thumb, "JPEG")
    coded = thumb.getvalue() + bytes(len(thumb.getvalue()) % 2)
    source = dng(flat("RGGB", 64, 96), lossless=True, behind=coded)
    at = len(source)
    preview = {
        254: longs("<", 1),
        256: longs("<", 48),
        257: longs("<", 32),
        258: shorts("<", 8, 8, 8),
        259: shorts("<", 7),
        262: shorts("<", 6),
        273: longs("<", at - len(coded)),
        277: shorts("<", 3),
        278: longs("<", 32),
        279: longs("<", len(thumb.getvalue())),
    }
    start = directory.read(source)[0]
    assert 330 not in start
    pointer = struct.unpack_from("<I", source, 4)[0]
    last = pointer + 2 + 12 * len(start)
    source = source[:last] + struct.pack("<I", at) + source[last + 4 :]
    source += directory.pack(preview, at, "<")
    result = dimmed(source).encode()
    _, following = directory.table(result, struct.unpack_from("<I", result, 4)[0], "<")
    tags, _ = directory.table(result, following, "<")
    begin, length = (directory.number(tags, tag, "<", 0) for tag in (273, 279))
    fresh = np.asarray(Image.open(io.BytesIO(result[begin : begin + length])))
    assert fresh.shape == (32, 48, 3)
    assert abs(fresh.astype(int).mean((0, 1)) - [255, 0, 255]).max() > 60


@pytest.mark.parametrize("order", ["<", ">"])
def test_another_raw_file_becomes_a_dng(order: str) -> None:
    mosaic = flat("RGGB", 256, 384)
    picture = RawPicture.read(another_raw(mosaic, order))
    assert "notes" in picture.remarks["makers-notes-left-out"]
    result = picture.encode()
    assert np.array_equal(decoded(result), mosaic)
    again = RawPicture.read(result)
    assert again.mosaic.pattern == "RGGB" and not again.remarks
    assert again.mosaic.black == picture.mosaic.black
    assert again.mosaic.white == picture.mosaic.white
    tags, found, _ = directory.read(result)
    assert found == order and directory.number(tags, 274, order, 0) == 6
    assert tags[272].data == b"NIKON D850\0" and tags[50708].data == b"NIKON D850\0"
    assert directory.number(tags[34665].inner, 34855, order, 0) == 3200
    assert 37500 not in tags[34665].inner
    with rawpy.imread(io.BytesIO(another_raw(mosaic, order))) as raw:
        wanted = raw.rgb_xyz_matrix[:3].ravel()
    assert np.allclose(directory.reals(tags, 50721, order), wanted, atol=1e-4)
    begin, length = (directory.number(tags, tag, order, 0) for tag in (273, 279))
    preview = Image.open(io.BytesIO(result[begin : begin + length]))
    assert preview.size == (384, 256)


def test_a_camera_whose_colours_are_unknown_is_said_to_be_such() -> None:
    picture = RawPicture.read(another_raw(flat("RGGB", 256, 384), model="Nobody's"))
    assert "not known" in picture.remarks["colours-unknown"]
    assert np.array_equal(decoded(picture.encode()), picture.mosaic.samples)


def results() -> dict[str, bytes]:
    """A DNG of every form that was written to, but those whose source dcraw does not read."""
    made = {
        form: dimmed(dng(flat("RGGB", 64, 96), **options)).encode()
        for form, options in FORMS.items()
        if form != "12 bits in tiles"
    }
    return made | {"new": RawPicture.read(another_raw(flat("RGGB", 256, 384))).encode()}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_finds_nothing_wrong(tmp_path: Path) -> None:
    for form, result in results().items():
        path = tmp_path / "a.dng"
        path.write_bytes(result)
        asked = ["exiftool", "-validate", "-warning", "-error", "-a", "-CFAPattern2", "-s3"]
        said = subprocess.run([*asked, str(path)], capture_output=True, text=True, check=True)
        lines = said.stdout.splitlines()
        assert lines[0] == "OK" and lines[-1] == "0 1 1 2", (form, said.stdout)


@pytest.mark.skipif(shutil.which("dcraw") is None, reason="dcraw is not installed")
def test_dcraw_reads_the_same_mosaic(tmp_path: Path) -> None:
    for form, result in results().items():
        path = tmp_path / "a.dng"
        path.write_bytes(result)
        said = subprocess.run(
            ["dcraw", "-D", "-4", "-c", "-t", "0", str(path)], capture_output=True, check=True
        )
        theirs = np.frombuffer(said.stdout[-2 * decoded(result).size :], ">u2")
        assert np.array_equal(theirs, decoded(result).ravel()), form


@pytest.mark.parametrize("form", ["16 bits", "lossless JPEG"])
def test_developed_pictures_are_those_of_libraw(form: str) -> None:
    source = dng(flat("RGGB", 64, 96, noise=0), **FORMS[form])
    picture = RawPicture.read(source)
    with tifffile.TiffFile(io.BytesIO(picture.encode(format="tiff"))) as file:
        ours = file.asarray()
    with rawpy.imread(io.BytesIO(source)) as raw:
        wanted = raw.postprocess(use_camera_wb=True, output_bps=16, adjust_maximum_thr=0.0)
    assert ours.dtype == np.uint16 and np.array_equal(ours, wanted)
    jpeg = Image.open(io.BytesIO(picture.encode(format="jpeg")))
    assert jpeg.size == (96, 64) and jpeg.getexif()[272] == "Testcam"
    assert np.abs(np.asarray(jpeg, int) - (wanted >> 8)).max() < 8
    assert not Image.open(io.BytesIO(picture.encode(format="jpeg", strip_metadata=True))).getexif()
    assert np.abs(np.asarray(picture.to_pil(), int) - (wanted >> 8)).max() <= 1
    assert picture.shrunk(24).shape == (16, 24, 3)
    with pytest.raises(PictureError, match="TIFF"):
        picture.encode(format="webp")
    with pytest.raises(PictureError, match="--develop"):
        picture.encode(strip_metadata=True)


def test_it_is_the_changed_mosaic_that_is_developed_upright() -> None:
    mosaic = flat("RGGB", 64, 96, noise=0)
    source = dng(mosaic, more={274: shorts("<", 6)})
    picture = RawPicture.read(source)
    bright = np.asarray(Image.open(io.BytesIO(picture.encode(format="jpeg"))))
    assert bright.shape == (96, 64, 3)
    picture.mosaic.samples[:, :48] = BLACK
    half = np.asarray(Image.open(io.BytesIO(picture.encode(format="jpeg"))))
    assert half[:40].max() < 30 < half[60:].min(axis=2).max()


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_arrays_keep_shape_and_type(planes: bool, dtype: Any, tmp_path: Path) -> None:
    mosaic = flat("GRBG", 64, 96)
    array = mosaic if dtype == np.uint16 else ((mosaic - BLACK) / (WHITE - BLACK)).astype(dtype)
    if planes:
        array = np.stack([array[y::2, x::2] for y in (0, 1) for x in (0, 1)], -1)
    path = tmp_path / "a.npy"
    np.save(path, array)
    levels = {"black": BLACK, "white": WHITE} if dtype == np.uint16 else {}
    picture = RawPicture.read(path)
    picture.tell(pattern="grbg", **levels)
    assert picture.format == "npy" and picture.shrunk(24).shape == (16, 24, 3)
    assert np.array_equal(np.load(io.BytesIO(picture.encode())), array)
    found = picture.mosaic.planes()
    assert found[..., 0].mean() == pytest.approx(LEVELS["R"], abs=0.01)
    picture.mosaic.put(found * np.float32(0.5))
    after = np.load(io.BytesIO(picture.encode()))
    assert after.shape == array.shape and after.dtype == dtype
    with pytest.raises(PictureError, match="no camera"):
        picture.encode(format="tiff")


def test_levels_and_pattern_of_a_file_can_be_overruled() -> None:
    picture = RawPicture.read(dng(flat("RGGB", 32, 32)))
    picture.tell(black=100, white=3000, pattern="bggr")
    mosaic = picture.mosaic
    assert (mosaic.black, mosaic.white, mosaic.pattern) == ((100,) * 4, 3000, "BGGR")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, UsageError, "--black"),
        ({"black": 10.0}, UsageError, "--white"),
        ({"black": 10.0, "white": 10.0}, UsageError, "above black"),
        ({"black": 0.0, "white": 10.0, "pattern": "RGB"}, UsageError, "no Bayer pattern"),
    ],
)
def test_arrays_need_their_levels(options: Any, error: type[Exception], said: str) -> None:
    file = io.BytesIO()
    np.save(file, flat("RGGB", 32, 32))
    picture = RawPicture.read(file.getvalue(), name="a.npy")
    with pytest.raises(error, match=said):
        picture.tell(**options)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.uint16),
        np.zeros(4, np.uint16),
        np.zeros((4, 4), np.int32),
        np.full((32, 32), np.nan, np.float32),
        np.zeros((31, 32), np.uint16),
        np.zeros((15, 16, 4), np.uint16),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    file = io.BytesIO()
    np.save(file, array)
    with pytest.raises(PictureError, match=r"^a\.npy: "):
        RawPicture.read(file.getvalue(), name="a.npy")


X_TRANS = [
    *(1, 0, 2, 1, 2, 0, 2, 1, 1, 0, 1, 1, 0, 1, 1, 2, 1, 1),
    *(1, 2, 0, 1, 0, 2, 0, 1, 1, 2, 1, 1, 2, 1, 1, 0, 1, 1),
]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({262: shorts("<", 34892)}, "linear DNG, developed already"),
        ({33421: shorts("<", 6, 6), 33422: octets(*X_TRANS)}, "X-Trans"),
        (
            {
                33422: octets(3, 4, 1, 5),
                50710: octets(3, 4, 5, 1),
                50721: rational("<", *MATRIX, 0.1, 0.2, 0.3, signed=True),
            },
            "GMCY",
        ),
        ({33422: octets(0, 0, 1, 2)}, "not Bayer's"),
    ],
)
def test_other_sensors_are_refused_by_name(more: Any, said: str) -> None:
    source = dng(flat("RGGB", 66, 96), more=more)
    with pytest.raises(PictureError, match=said):
        RawPicture.read(source, name="a.dng")


def test_developed_dngs_are_refused() -> None:
    file = io.BytesIO()
    tags = [(50706, 1, 4, bytes([1, 4, 0, 0]), True)]
    pixels = np.full((64, 96, 3), 2000, np.uint16)
    tifffile.imwrite(file, pixels, photometric=34892, extratags=tags)
    with pytest.raises(PictureError, match="full colours"):
        RawPicture.read(file.getvalue())


def test_a_dng_by_another_hand_is_read_and_written() -> None:
    file = io.BytesIO()
    tags = [
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50708, 2, 0, "Testcam", True),
        (50721, 10, 9, [v for value in MATRIX for v in (round(value * 10000), 10000)], True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes([2, 1, 1, 0]), True),
        (50714, 4, 1, BLACK, True),
        (50717, 4, 1, WHITE, True),
    ]
    mosaic = flat("BGGR", 64, 96)
    tifffile.imwrite(file, mosaic, photometric=32803, extratags=tags, rowsperstrip=10)
    picture = dimmed(file.getvalue())
    assert picture.mosaic.pattern == "BGGR"
    result = picture.encode()
    with tifffile.TiffFile(io.BytesIO(result)) as there:
        assert np.array_equal(there.asarray(), picture.mosaic.samples)


@pytest.mark.parametrize("length", [0, 4, 50, 5000])
def test_damaged_files_are_refused_by_name(length: int) -> None:
    with pytest.raises(PictureError, match=r"^a\.dng: "):
        RawPicture.read(dng(flat("RGGB", 64, 96), lossless=True)[:length], name="a.dng")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.dng", b"", "is empty"),
        ("a.npy", b"", "is empty"),
        ("a.nef", b"words " * 100, "no RAW file"),
        ("a.nef", b"\xff\xd8\xff" + bytes(200), r"no RAW file .*\.jpg"),
        ("a.npy", b"\xff\xd8\xff" + bytes(200), r"no NumPy array, .*\.jpg"),
        ("a.dng", dng(flat("RGGB", 64, 96))[:-500], "cut short|no RAW file"),
        ("a.dng", dng(flat("RGGB", 64, 96), lossless=True)[:5000], "damaged or cut short"),
    ],
)
def test_what_a_file_is_instead_is_said(name: str, content: bytes, said: str) -> None:
    with pytest.raises(PictureError, match=rf"^{name}: .*({said})"):
        RawPicture.read(content, name=name)


@pytest.mark.parametrize(
    ("array", "levels", "said"),
    [
        (flat("RGGB", 32, 32) / 4095, {"black": 512, "white": 16383}, "all .*under .* 512;"),
        (np.full((32, 32), 200, np.uint8), {"black": 512, "white": 16383}, "all .*under .* 512;"),
        (flat("RGGB", 32, 32), {"black": 0, "white": 100}, "all .*above .* 100;"),
        (flat("RGGB", 32, 32).astype(float), {}, "all .*above .* 1;"),
        (np.eye(200, dtype=np.uint16) * 900, {"black": 512, "white": 16383}, "nearly all"),
    ],
)
def test_levels_that_no_sample_lies_between_are_refused(
    array: np.ndarray, levels: Any, said: str
) -> None:
    file = io.BytesIO()
    np.save(file, array)
    picture = RawPicture.read(file.getvalue(), name="a.npy")
    with pytest.raises(PictureError, match=rf"^a\.npy: {said}"):
        picture.tell(**levels)


def test_a_dark_frame_fits_its_levels() -> None:
    noise = np.random.default_rng(0).normal(128, 4, (64, 64)).round().astype(np.uint16)
    RawPicture.read(dng(noise)).tell(black=128, white=4095)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(PictureError, match=r"cleanplate\[raw\]"):
        RawPicture.read(dng(flat("RGGB", 32, 32)), name="a.dng")


def test_files_are_told_to_be_raw(tmp_path: Path) -> None:
    source = dng(flat("RGGB", 32, 32))
    for name, content in (("a.dng", source), ("a.png", b"")):
        (tmp_path / name).write_bytes(content)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert isinstance(read_any(tmp_path / "a.dng"), RawPicture)
    assert isinstance(read_any(source), RawPicture)
    assert isinstance(read_any(tmp_path / "a.png"), Picture)
    assert isinstance(read_any((tmp_path / "a.png").read_bytes()), Picture)
    with pytest.raises(PictureError, match="denoise"):
        Picture.read(tmp_path / "a.dng")
