"""TIFFs of several pages: edited pages keep their form, all else keeps its bytes."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tiff_makers import (
    FILL,
    SIZE,
    SPOT,
    Spot,
    by_pillow,
    cleaned,
    coded,
    coloured,
    grey,
    linked,
    read,
    scan,
    shown,
    starts,
    tags,
    with_tag,
    written,
)

from cleanplate.document import Document, FinishedIn, kind_of
from cleanplate.errors import PictureError
from cleanplate.picture import directory
from cleanplate.tasks.base import Cleaned


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 5},
        {"compression": "zlib", "predictor": True},
        {"compression": "zlib", "tile": (16, 32)},
        {"compression": "lzma"},
        {"planarconfig": "separate", "compression": "zlib", "predictor": True},
    ],
    ids=lambda one: "-".join(one) or "plain",
)
def test_pages_keep_their_form(
    options: dict[str, Any], bigtiff: bool, byteorder: str, deep: bool
) -> None:
    arrays = [coloured(spot=one != 1, seed=one) for one in range(3)]
    if deep:
        arrays = [array.astype(np.uint16) * 257 for array in arrays]
    planar = "planarconfig" in options
    stored = [array.transpose(2, 0, 1) if planar else array for array in arrays]
    extra = {"extratags": [(65000, "s", 0, "private", True)], "resolution": (300, 200)}
    source = written(
        *stored, photometric="rgb", bigtiff=bigtiff, byteorder=byteorder, **options, **extra
    )
    result, pages, _ = cleaned(source)
    assert [page.unchanged for page in pages] == [False, True, False]
    assert result[:4] == source[:4]
    for number, (array, after) in enumerate(zip(arrays, read(result), strict=True)):
        assert tags(result, number) == tags(source, number)
        array[SPOT & (number != 1)] = FILL * (257 if deep else 1)
        np.testing.assert_array_equal(after.transpose(1, 2, 0) if planar else after, array)
    assert coded(result, 1) == coded(source, 1)
    blocks = [*zip(coded(source, 0), coded(result, 0), strict=True)]
    if "tile" in options or "rowsperstrip" in options:  # those beside the spot keep their bytes
        assert 0 < sum(one == other for one, other in blocks) < len(blocks)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd"])
def test_compressions_of_bytes_stay(compression: str) -> None:
    source = by_pillow([coloured(), coloured(spot=False)], "RGB", compression=compression)
    result, _, _ = cleaned(source)
    first, second = shown(result)
    np.testing.assert_array_equal(first, np.where(SPOT[..., None], FILL, coloured()))
    np.testing.assert_array_equal(second, coloured(spot=False))
    assert tags(result, 0) == tags(source, 0)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw", "raw"])
def test_two_tone_pages_stay_so(compression: str) -> None:
    arrays = [grey(), grey(spot=False, seed=9)]
    source = by_pillow(arrays, "1", compression=compression)
    result, pages, _ = cleaned(source)
    assert [page.unchanged for page in pages] == [False, True]
    assert tags(result, 0).get(258, 1) == 1
    assert tags(result, 0) == tags(source, 0)
    before, after = shown(source)[0], shown(result)[0]
    assert (before[SPOT] == 0).all()
    assert (after[SPOT] == 255).all()
    np.testing.assert_array_equal(after[~SPOT], before[~SPOT])
    assert coded(result, 1) == coded(source, 1)


@pytest.mark.parametrize("compression", ["group4", "raw", "tiff_lzw"])
def test_bits_that_lie_the_other_way_round_in_bytes(compression: str) -> None:
    plain = by_pillow([grey(), grey()], "1", compression=compression, tiffinfo={266: 1})
    turned = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
    source = bytearray(with_tag(with_tag(plain, 0, 266, 3, 2), 1, 266, 3, 2))
    at = 0
    for number in range(2):
        (strip,) = coded(plain, number)
        at = plain.index(strip, at + 1)
        source[at : at + len(strip)] = strip.translate(turned)
    np.testing.assert_array_equal(shown(bytes(source))[0], shown(plain)[0])
    result, _, _ = cleaned(bytes(source), pages="2")
    np.testing.assert_array_equal(shown(result)[0], shown(plain)[0])
    assert (shown(result)[1] == 255).all()
    assert tags(result, 1)[266] == 2


def test_a_fax_in_two_dimensions_is_coded_in_one() -> None:
    tag = {292: 1}
    source = by_pillow([grey(), grey()], "1", compression="group3", tiffinfo=tag)
    assert tags(source, 0)[292] == 1
    result, _, _ = cleaned(source, pages="1")
    assert (tags(result, 0)[292], tags(result, 1)[292]) == (0, 1)
    assert (shown(result)[0] == 255).all()
    np.testing.assert_array_equal(shown(result)[1], shown(source)[1])


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_jpeg_blocks_that_are_not_edited_keep_their_coefficients(mode: str) -> None:
    arrays = [grey() if mode == "L" else coloured(), coloured(spot=False)]
    source = by_pillow(arrays, mode, compression="jpeg", quality=95)
    result, pages, _ = cleaned(source)
    assert not pages[0].unchanged
    before, after = (Image.open(io.BytesIO(one)) for one in (source, result))
    assert after.tag_v2[259] == 7
    assert after.tag_v2[262] == before.tag_v2[262]
    one, other = (np.asarray(image.convert("RGB"), int) for image in (before, after))
    assert np.abs(other[18:30, 18:30] - FILL).max() < 12
    np.testing.assert_array_equal(one[:, 48:], other[:, 48:])
    assert coded(result, 1) == coded(source, 1)


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_strips_of_jpeg_that_share_tables_are_read_in_any_order(mode: str) -> None:
    """libtiff decodes a strip without Huffman tables by those it read last."""
    page = np.tile(coloured(), (4, 1, 1))
    page[50:] = coloured(spot=False)[:1, :1]
    page[60:] += np.random.default_rng(0).integers(0, 9, page[60:].shape, np.uint8)
    arrays = [page[..., 0] if mode == "L" else page, coloured(spot=False)]
    strips = {"tiffinfo": {278: 16}}
    source = by_pillow(arrays, mode, compression="jpeg", quality=95, **strips)
    assert len(coded(source, 0)) > 4
    result, pages, _ = cleaned(source)
    assert not pages[0].unchanged
    np.testing.assert_array_equal(shown(result)[0][64:], shown(source)[0][64:])
    np.testing.assert_array_equal(shown(result)[1], shown(source)[1])


def test_a_page_that_calls_itself_its_copy_stays_whole() -> None:
    source = written(
        (coloured(), {"subifds": 1}), (coloured()[:20], {}), coloured(), photometric="rgb"
    )
    itself = with_tag(source, 0, 330, 4, starts(source)[0])
    result, _, _ = cleaned(itself)
    np.testing.assert_array_equal(shown(result)[0][SPOT], FILL)
    assert tags(result, 0)[258] == tags(source, 0)[258]


def test_palettes_few_bits_and_white_that_is_zero() -> None:
    palette = np.zeros((3, 256), np.uint16)
    palette[:, :5] = np.array([[20, 160, 60], [255, 0, 0], [128, 128, 128], [1, 2, 3], [9] * 3]).T
    codes = np.where(SPOT, 1, 0).astype(np.uint8)
    codes[0, :8] = 4
    source = written(
        (codes, {"photometric": "palette", "colormap": palette * 257, "compression": "zlib"}),
        (255 - grey(), {"photometric": "miniswhite"}),
        (np.dstack([grey(), grey(spot=False)]), {"photometric": 1, "extrasamples": ["unassalpha"]}),
    )
    result, pages, _ = cleaned(source)
    assert not any(page.unchanged for page in pages)
    first, second, third = read(result)
    np.testing.assert_array_equal(first, np.where(SPOT, 2, codes))
    np.testing.assert_array_equal(second, 255 - np.where(SPOT, FILL, grey()))
    np.testing.assert_array_equal(third[..., 0], np.where(SPOT, FILL, grey()))
    np.testing.assert_array_equal(third[..., 1], grey(spot=False))
    assert [tags(result, one)[262] for one in range(3)] == [3, 0, 1]


def test_four_bits_a_sample() -> None:
    four = Image.fromarray(np.where(SPOT, 0, 15).astype(np.uint8) * 17)
    packed = np.asarray(four)[:, ::2] & 0xF0 | np.asarray(four)[:, 1::2] >> 4
    source = written(packed, grey())
    source = with_tag(with_tag(source, 0, 256, 3, 64), 0, 258, 3, 4)
    result, pages, _ = cleaned(source)
    assert not pages[0].unchanged
    nibbles = np.frombuffer(coded(result, 0)[0], np.uint8).reshape(48, 32)
    assert (nibbles[16:32, 8:16] == 0x88).all()
    assert (nibbles[:16] == 0xFF).all()


def test_cmyk_is_cleaned_in_its_inks() -> None:
    inks = np.zeros((*SIZE, 4), np.uint8)
    inks[SPOT] = (0, 255, 255, 0)
    source = written(inks, inks, photometric="separated", compression="zlib")
    result, pages, _ = cleaned(source, pages="2")
    assert [page.number for page in pages] == [2]
    first, second = read(result)
    np.testing.assert_array_equal(first, inks)
    assert (second[~SPOT] == 0).all()
    assert len(np.unique(second[SPOT], axis=0)) == 1
    assert 120 <= second[20, 20].max() <= 130


def test_the_orientation_is_honoured_and_kept() -> None:
    turned = np.rot90(coloured())  # orientation 6: the first row is the right side
    entry = {"extratags": [(274, "H", 1, 6, True)]}
    source = written((turned, entry), coloured(spot=False), photometric="rgb")
    with Document(source) as document:
        np.testing.assert_array_equal(document.page(1).pixels, coloured())
    result, pages, _ = cleaned(source)
    np.testing.assert_array_equal(pages[0].mask > 127, SPOT)
    assert tags(result, 0)[274] == 6
    np.testing.assert_array_equal(
        np.rot90(read(result)[0], -1), np.where(SPOT[..., None], FILL, coloured())
    )


def test_nothing_found_is_the_same_bytes() -> None:
    source = written(coloured(spot=False), coloured(spot=False, seed=1), photometric="rgb")
    result, pages, _ = cleaned(source)
    assert result is source
    assert all(page.unchanged and not page.mask.any() for page in pages)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_what_was_removed_is_nowhere_in_the_file(bigtiff: bool) -> None:
    noise = np.random.default_rng(0).integers(200, 256, (16, 16), np.uint8)
    page = coloured()
    page[16:32, 16:32, 0] = noise
    small = {"photometric": "rgb", "subfiletype": 1}
    source = written(
        (page, {"subifds": 1}),
        (page[12:36, 12:36], small),  # the SubIFD
        (page[10:40, 10:40], small),  # a copy in the chain
        (SPOT, {"subfiletype": 4, "photometric": 4}),
        (coloured(spot=False), {}),
        (coloured(spot=False)[:20], small),
        bigtiff=bigtiff,
        **{"photometric": "rgb"},
    )
    result, pages, codes = cleaned(source)
    assert codes == ["copies-left-out"]
    assert [one.code for one in pages[0].remarks] == ["directories-left-out"]
    assert len(starts(result)) == len(starts(source)) - 1
    row = page[20, 16:32].tobytes()
    assert (source.count(row), result.count(row)) == (3, 0)
    first, mask, second, copy = read(result)
    np.testing.assert_array_equal(first[SPOT], FILL)
    np.testing.assert_array_equal(mask > 0, SPOT)
    np.testing.assert_array_equal(second, coloured(spot=False))
    np.testing.assert_array_equal(copy, second[:20])


def test_where_copies_cannot_be_told_apart_all_go() -> None:
    small = {"subfiletype": 1}
    source = written(
        (coloured(), {}),
        (coloured(spot=False), {}),
        (coloured()[::2, ::2], small),
        (coloured(spot=False)[::2, ::2], small),
        photometric="rgb",
    )
    result, pages, codes = cleaned(source)
    assert (len(pages), len(starts(result)), codes) == (2, 2, ["copies-left-out"])


def test_photoshops_thumbnails_and_layers_go() -> None:
    thumbnail = b"8BIM" + struct.pack(">HHI", 1036, 0, 8) + b"thumbnai"
    other = b"8BIM" + struct.pack(">HHI", 1005, 0, 4) + b"keep"
    both = thumbnail + other
    extra = [(34377, "B", len(both), both, True), (37724, "B", 6, b"layers", True)]
    source = written((coloured(), {"extratags": extra}), coloured(spot=False), photometric="rgb")
    result, pages, _ = cleaned(source)
    assert [one.code for one in pages[0].remarks] == ["layers-left-out"]
    assert (bytes(tags(result, 0)[34377]), 37724 in tags(result, 0)) == (other, False)
    assert b"thumbnai" not in result
    assert b"layers" not in result


def test_strips_that_pages_share_are_not_written_over() -> None:
    source = written(coloured(), coloured(), photometric="rgb")
    with tifffile.TiffFile(io.BytesIO(source)) as file:
        shared = file.pages[0].dataoffsets[0]
    source = with_tag(source, 1, 273, 4, shared)
    result, _, _ = cleaned(source, pages="1")
    first, second = read(result)
    np.testing.assert_array_equal(second, coloured())
    np.testing.assert_array_equal(first, np.where(SPOT[..., None], FILL, coloured()))


def test_counts_that_do_not_fit_their_type_get_another() -> None:
    class Noise(Spot):
        def clean(self, picture: Any, *, mask: Any = None) -> Cleaned:
            noise = np.random.default_rng(0).integers(0, 256, picture.pixels.shape, np.uint8)
            picture.pixels[:] = noise
            return Cleaned(picture, np.full(noise.shape[:2], 255, np.uint8), {})

    plain = np.zeros((200, 200, 3), np.uint8)
    source = written(plain, plain, photometric="rgb", compression="zlib")
    (strip,) = coded(source, 0)
    source = with_tag(source, 0, 279, 3, len(strip))
    result, _, _ = cleaned(source, Noise(), pages="1")
    assert len(coded(result, 0)[0]) > 65535
    assert read(result)[0].std() > 60
    assert not read(result)[1].any()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (np.zeros(SIZE, np.float32), "floating-point"),
        (np.zeros(SIZE, np.int16), "signed"),
        (np.zeros(SIZE, np.uint32), "32 bits a sample"),
    ],
)
def test_pages_that_cannot_be_cleaned_are_named(page: np.ndarray, words: str) -> None:
    source = written((page, {"photometric": 1}), (coloured(), {"photometric": "rgb"}))
    result, pages, _ = cleaned(source)
    assert [one.code for one in pages[0].remarks] == ["page-left-out"]
    assert words in pages[0].remarks[0].text
    assert (pages[0].doubt, pages[0].unchanged, pages[1].unchanged) == (1.0, True, False)
    assert coded(result, 0) == coded(source, 0)


def test_damaged_pages_are_named_and_the_others_cleaned() -> None:
    arrays = [coloured(), coloured(seed=1), coloured(seed=2), coloured(seed=3)]
    source = written(*arrays, photometric="rgb", compression="zlib")
    with tifffile.TiffFile(io.BytesIO(source)) as file:
        at, length = (file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0])
    source = source[:at] + bytes(length) + source[at + length :]
    source = with_tag(source, 1, 273, 4, len(source) - 5)
    source = with_tag(with_tag(source, 2, 257, 3, 4000), 2, 278, 3, 4000)
    result, pages, _ = cleaned(source)
    texts = [page.remarks[0].text if page.remarks else "" for page in pages]
    assert "damaged" in texts[0]
    assert "beyond the end" in texts[1]
    assert "cut short" in texts[2]
    assert [page.doubt for page in pages] == [1.0, 1.0, 1.0, None]
    with tifffile.TiffFile(io.BytesIO(result)) as file:
        np.testing.assert_array_equal(file.pages[3].asarray()[SPOT], FILL)


def test_chains_that_are_broken_or_run_in_a_circle_are_refused() -> None:
    source = written(coloured(), coloured(), coloured(), photometric="rgb")
    for to in starts(source)[:2]:
        circle = linked(source, 2, to)
        assert kind_of(circle) is not None
        with pytest.raises(PictureError, match="its pages run in a circle"):
            Document(circle)
    with pytest.raises(PictureError, match=r"directory 3: .*beyond the end"):
        Document(linked(source, 1, len(source) + 10))


@pytest.mark.parametrize("kind", ["fax", "tiles", "big"])
def test_damaged_files_end_in_a_word(kind: str) -> None:
    if kind == "fax":
        sound = by_pillow([grey(), grey()], "1", compression="group4")
    else:
        many = {"tile": (16, 16), "compression": "zlib", "bigtiff": kind == "big"}
        sound = written(coloured(), coloured(), photometric="rgb", **many)
    random = Random(0)
    ended = tried = 0
    for _ in range(60):
        odd = bytearray(sound)
        for place in (0, *starts(sound)):
            at = min(place + random.randrange(200), len(odd) - 1)
            odd[at] = random.choice([0, 1, 255])
        content = bytes(odd)
        if kind_of(content) is None:
            continue
        tried += 1
        try:
            _, pages, _ = cleaned(content)
        except PictureError as error:
            ended += "\n" not in str(error)
        else:
            ended += all(page.remarks or page.doubt is None for page in pages)
    assert ended == tried > 20


def test_what_is_a_document() -> None:
    page, copy = coloured(), (coloured()[::2], {"subfiletype": 1})
    many = {"photometric": "rgb"}
    assert kind_of(written(page, page, **many)) is not None
    assert kind_of(written(page, bigtiff=True, **many)) is not None
    assert kind_of(written(page, copy, **many)) is None
    assert kind_of(written(copy, page, page, **many)) is None  # as RAW files begin
    assert kind_of(written(page, **many)) is None
    assert kind_of(b"II*\0") is None


def test_a_big_file_of_one_page(tmp_path: Path) -> None:
    result, pages, _ = cleaned(scan(tmp_path / "a.tif", pages=1, bigtiff=True))
    assert len(pages) == 1
    assert result[:4] == b"II+\0"
    np.testing.assert_array_equal(read(result)[0][SPOT], FILL)


def test_metadata_is_stripped_from_every_page(tmp_path: Path) -> None:
    extra = {"extratags": [(65000, "s", 0, "secret", True), (34675, "B", 4, b"icc!", True)]}
    drawn = coloured(spot=False)
    source = written(
        drawn, drawn, photometric="rgb", description="secret words", resolution=(300, 300), **extra
    )
    with Document(source) as document:
        assert document.strip_metadata()
        out = io.BytesIO()
        document.save(out)
    result = out.getvalue()
    assert b"secret" not in result
    for number in range(2):
        assert tags(result, number).keys() >= {282, 283, 34675}
        assert coded(result, number) == coded(source, number)
    with Document(result) as document:
        assert not document.strip_metadata()


def test_a_stopped_run_gives_the_same_file(tmp_path: Path) -> None:
    path = scan(tmp_path / "a.tif", pages=4, blots=(1, 2, 4))
    whole, _, _ = cleaned(path)
    for resume, numbers in ((False, [1, 2]), (True, [1, 2, 3, 4])):
        finished = FinishedIn(tmp_path / "wait", {}, resume=resume)
        with Document(path) as document:
            cleaning = document.cleaning(Spot(), finished=finished)
            pages = [cleaning.clean_page(number) for number in numbers]
            cleaning.save(tmp_path / "out.tif")
    assert (tmp_path / "out.tif").read_bytes() == whole
    np.testing.assert_array_equal(pages[0].mask > 127, SPOT)
    assert not pages[2].mask.any()


def test_memory_does_not_grow_with_the_pages(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        size = (256, 256)
        drawn = [coloured(seed=one % 200, size=size) for one in range(count)]
        path = tmp_path / f"{count}.tif"
        path.write_bytes(written(*drawn, photometric="rgb", compression="zlib"))
        del drawn
        tracemalloc.start()
        with Document(path) as document:
            cleaning = document.cleaning(Spot())
            for number in cleaning.pages:
                cleaning.clean_page(number)
            cleaning.save(tmp_path / "out.tif")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(60) < 1.2 * peak(3)


def test_an_edited_page_is_stripped_with_the_others() -> None:
    thumbnail = b"8BIM" + struct.pack(">HHI", 1036, 0, 8) + b"thumbnai"
    words = b"8BIM" + struct.pack(">HHI", 1028, 0, 6) + b"secret"
    extra = [(34377, "B", len(thumbnail + words), thumbnail + words, True)]
    source = written((coloured(), {"extratags": extra}), coloured(spot=False), photometric="rgb")
    with Document(source) as document:
        cleaning = document.cleaning(Spot())
        cleaning.clean_page(1)
        out = io.BytesIO()
        assert cleaning.save(out, strip_metadata=True)
    assert b"thumbnai" not in out.getvalue()
    assert b"secret" not in out.getvalue()
    np.testing.assert_array_equal(read(out.getvalue())[0][SPOT], FILL)


def long_strips(pages: Sequence[NDArray[Any]], extra: int) -> bytes:
    """A file of uncompressed pages (H, W, 3) in strips of 10 rows, each longer than it need be."""
    file, pointer = bytearray(b"II*\0\0\0\0\0"), 4
    for page in pages:
        places, lengths = [], []
        for top in range(0, len(page), 10):
            strip = page[top : top + 10].tobytes() + b"\x7f" * extra
            places.append(len(file))
            lengths.append(len(strip))
            file += strip
        height, width = page.shape[:2]
        sizes = {256: (width,), 257: (height,), 273: places, 278: (10,), 279: lengths}
        kinds = {258: (8, 8, 8), 259: (1,), 262: (2,), 277: (3,), 284: (1,)}
        known = {tag: directory.longs("<", *values) for tag, values in sizes.items()}
        known |= {tag: directory.shorts("<", *values) for tag, values in kinds.items()}
        file += bytes(len(file) % 2)
        struct.pack_into("<I", file, pointer, len(file))
        pointer = len(file) + 2 + 12 * len(known)
        file += directory.pack(dict(sorted(known.items())), len(file), "<")
    return bytes(file)


def test_strips_that_are_longer_than_needed_stay_so() -> None:
    """libtiff guesses the lengths of all strips where those of the first two differ."""
    page = coloured()
    before = long_strips([page, coloured(spot=False)], 64)
    after, pages, _ = cleaned(before)
    assert [one.unchanged for one in pages] == [False, True]
    np.testing.assert_array_equal(pages[0].mask > 127, SPOT)
    assert [len(one) for one in coded(after, 0)] == [len(one) for one in coded(before, 0)]
    expected = page.copy()
    expected[SPOT] = FILL
    _, seen = cv2.imdecodemulti(np.frombuffer(after, np.uint8), cv2.IMREAD_COLOR)
    for other in (seen[0][..., ::-1], read(after)[0]):
        np.testing.assert_array_equal(other, expected)
