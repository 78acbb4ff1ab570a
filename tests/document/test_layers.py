"""Scans in layers: a mark is found as the page is seen, and taken off the layers that show it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pikepdf
import pytest
from numpy.typing import NDArray
from pdf_makers import add_page, cleaned, image, jpeg, problems, saved
from pikepdf import Name, Pdf, Stream

from cleanplate.document import Document, FinishedIn, Ways
from cleanplate.document.limits import PageLimits
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned

PAGE = (0, 0, 128, 96)
WHOLE = ((128, 0, 0, 96, 0, 0),)
SIZE = (96, 128)  # of what is seen: a pixel a point
RED, PAPER, INK = (255, 0, 0), (240, 236, 220), (30, 30, 40)
MARK = np.zeros(SIZE, bool)
MARK[24:48, 48:72] = True
LEFT, RIGHT = MARK.copy(), MARK.copy()
LEFT[:, 60:] = RIGHT[:, :60] = False
WORDS = np.zeros(SIZE, bool)
WORDS[66:84, 12:108] = True


class Whole:
    """A task that finds what is red, if most of the mark is there, and so many pixels around it,
    and gives that a colour.
    """

    def __init__(self, colour: Sequence[int] = PAPER, around: int = 0) -> None:
        self.colour, self.around = colour, around

    def clean(self, picture: Picture, *, mask: NDArray[np.float32] | None = None) -> Cleaned:
        red = (np.abs(picture.pixels.astype(int) - RED) < 24).all(2)
        red &= red.sum() > 0.7 * MARK.sum()
        brush = np.ones((2 * self.around + 1,) * 2, np.uint8)
        red = cv2.dilate(red.astype(np.uint8), brush) > 0
        picture.pixels[red] = self.colour
        return Cleaned(picture, np.where(red, 255, 0).astype(np.uint8), {})


def bits(pdf: Pdf, ink: NDArray[np.bool_], **entries: Any) -> Stream:
    """A stencil that paints where there is ink."""
    data = np.packbits(~ink, axis=1).tobytes()
    return image(pdf, data, ink.shape, space=None, bits=1, ImageMask=True, **entries)


def ground(pdf: Pdf, mark: NDArray[np.bool_], step: int = 1, *, coded: bool = False) -> Stream:
    """Paper with a mark, a pixel of `step` points."""
    pixels = np.full((*SIZE, 3), PAPER, np.uint8)
    pixels[..., 2] -= (np.arange(SIZE[1]) // 8 % 2).astype(np.uint8)
    pixels[mark] = RED
    pixels = np.ascontiguousarray(pixels[::step, ::step])
    if coded:
        data = jpeg(pixels, subsampling=0, quality=95)
        return image(pdf, data, pixels.shape[:2], filter="/DCTDecode")
    return image(pdf, pixels.tobytes(), pixels.shape[:2])


def foreground(pdf: Pdf, mark: NDArray[np.bool_], step: int = 1, *, soft: bool = False) -> Stream:
    """Ink in words and a mark, of their colours, which are spread as compressors do, seen through a
    mask as fine as the page.
    """
    pixels = np.full((*SIZE, 3), INK, np.uint8)
    pixels[: 56 if mark.any() else 0] = RED
    pixels = np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step])
    if soft:
        data = np.where(WORDS | mark, 255, 0).astype(np.uint8).tobytes()
        seen = {"SMask": image(pdf, data, SIZE, space=Name.DeviceGray)}
    else:
        seen = {"Mask": bits(pdf, WORDS | mark)}
    return image(pdf, pixels.tobytes(), pixels.shape[:2], **seen)


def page_of(pdf: Pdf, images: Sequence[Stream], **entries: Any) -> bytes:
    add_page(pdf, images, **({"matrices": WHOLE, "box": PAGE} | entries))
    return saved(pdf)


def seen(content: bytes, number: int = 1) -> NDArray[np.int64]:
    with Document(content) as document:
        return document.page(number, dpi=72).pixels.astype(int)


def data_of(content: bytes) -> list[bytes]:
    """The coded bytes of the images on the first page, and of their masks."""
    with pikepdf.open(io.BytesIO(content)) as pdf:
        found = []
        for one in pdf.pages[0].obj.Resources.XObject.values():
            masks = [one.get(name) for name in (Name.Mask, Name.SMask)]
            found += [part.read_raw_bytes() for part in (one, *masks) if part is not None]
        return found


@pytest.mark.parametrize("soft", [False, True])
def test_a_mark_in_two_layers_goes_from_both(soft: bool) -> None:
    pdf = Pdf.new()
    content = page_of(pdf, [ground(pdf, LEFT), foreground(pdf, RIGHT, soft=soft)])
    result, (page,) = cleaned(content, Whole())
    expected = seen(content)
    expected[LEFT] = PAPER
    expected[RIGHT] = (
        PAPER if soft else seen(page_of(other := Pdf.new(), [ground(other, LEFT)]))[RIGHT]
    )
    np.testing.assert_array_equal(seen(result), expected)
    np.testing.assert_array_equal(page.mask > 127, MARK)
    assert (page.remarks, page.report["edited"]) == ([], 2)
    same = [one == other for one, other in zip(data_of(content), data_of(result), strict=True)]
    assert same == [False, not soft, soft]  # a mask of two tones goes, the colours else
    assert problems(result) == []


@pytest.mark.parametrize("coded", [False, True])
def test_layers_that_do_not_show_a_mark_keep_their_bytes(coded: bool) -> None:
    pdf = Pdf.new()
    none = np.zeros(SIZE, bool)
    content = page_of(pdf, [ground(pdf, MARK, 2, coded=coded), foreground(pdf, none)])
    result, (page,) = cleaned(content, Whole(around=3))
    assert (page.remarks, page.report["edited"]) == ([], 1)
    before, after = data_of(content), data_of(result)
    assert (before[0] != after[0], before[1:] == after[1:]) == (True, True)
    assert np.abs(seen(result)[MARK] - PAPER).max() < 12
    np.testing.assert_array_equal(seen(result)[66:], seen(content)[66:])  # smooth below 64


@pytest.mark.parametrize("soft", [False, True])
def test_a_coarse_foreground_is_edited_where_it_shows(soft: bool) -> None:
    pdf = Pdf.new()
    content = page_of(pdf, [ground(pdf, LEFT), foreground(pdf, RIGHT, 4, soft=soft)])
    result, (page,) = cleaned(content, Whole(around=3))
    assert page.remarks == []
    assert np.abs(seen(result)[MARK] - PAPER).max() < 12
    np.testing.assert_array_equal(seen(result)[WORDS], seen(content)[WORDS])


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("decode", [None, [1, 0]])
def test_ink_goes_from_stencils_where_paper_lies_beneath(
    small: bool, decode: list[int] | None
) -> None:
    pdf = Pdf.new()
    red = MARK[24:72, 32:96] if small else MARK
    red = red if decode is None else ~red
    entries = {} if decode is None else {"Decode": pikepdf.Array(decode)}
    stencil, words = bits(pdf, red, **entries), bits(pdf, WORDS)
    place = (64, 0, 0, 48, 32, 24) if small else WHOLE[0]
    add_page(pdf, [ground(pdf, LEFT & False)], matrices=WHOLE, box=PAGE)
    page = pdf.pages[0].obj
    page.Resources.XObject.Red, page.Resources.XObject.Words = stencil, words
    numbers = " ".join(map(str, place))
    drawn = f"q 1 0 0 rg {numbers} cm /Red Do Q q .1 g 128 0 0 96 0 0 cm /Words Do Q"
    page.Contents = pdf.make_stream(page.Contents.read_bytes() + drawn.encode())
    content = saved(pdf)
    result, (told,) = cleaned(content, Whole())
    expected = seen(content)
    expected[MARK] = PAPER
    assert np.abs(seen(result) - expected).max() < 2
    assert (told.remarks, told.report["edited"]) == ([], 1)
    before, after = data_of(content), data_of(result)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    np.testing.assert_array_equal(told.mask > 127, MARK)
    assert cleaned(content, Whole(colour=(230, 226, 212)))[0] == result  # about what lies beneath
    other, (told,) = cleaned(content, Whole(colour=(0, 120, 255)))  # not what lies beneath
    assert (other, told.unchanged) == (content, True)
    assert [one.code for one in told.remarks] == ["layers-left-out"]
    assert told.remarks[0].text.startswith("100% of what was found")


def test_text_and_drawings_over_layers_are_not_looked_at() -> None:
    pdf = Pdf.new()
    none = np.zeros(SIZE, bool)
    images = [ground(pdf, none), foreground(pdf, none)]
    content = page_of(pdf, images, extra=b"1 0 0 rg 48 48 24 24 re f\n")
    assert cleaned(content, Whole())[0] is content


def test_what_is_protected_stays_in_all_layers() -> None:
    pdf = Pdf.new()
    content = page_of(pdf, [ground(pdf, LEFT), foreground(pdf, RIGHT)])
    kept = np.zeros(SIZE, np.uint8)
    kept[:36] = 255
    result, (page,) = cleaned(content, Whole(), limits=PageLimits(protect=lambda number: kept))
    expected = seen(content)
    np.testing.assert_array_equal(seen(result)[:36], expected[:36])
    expected[MARK] = PAPER
    assert np.abs(seen(result) - expected)[36:].max() <= 1  # the paper beneath is not even
    assert page.remarks == []


def test_a_mask_that_is_given_is_of_the_page_as_it_is_seen() -> None:
    class Given:
        def clean(self, picture: Picture, *, mask: NDArray[np.float32]) -> Cleaned:
            picture.pixels[mask > 0.5] = PAPER
            return Cleaned(picture, np.where(mask > 0.5, 255, 0).astype(np.uint8), {})

    pdf = Pdf.new()
    content = page_of(pdf, [ground(pdf, LEFT), foreground(pdf, RIGHT)])
    with Document(content) as document:
        cleaning = document.cleaning(Given())  # type: ignore[arg-type]
        mask = np.kron(MARK, np.ones((2, 2), np.uint8)) * np.uint8(255)
        page = cleaning.clean_page(1, lambda number: mask)
        assert (page.report["edited"], page.remarks) == (2, [])
        np.testing.assert_array_equal(page.mask > 127, MARK)
        none = document.cleaning(Given()).clean_page(1, lambda number: mask & 0)  # type: ignore[arg-type]
        assert none.unchanged


def test_a_layer_that_cannot_be_edited_is_named() -> None:
    pdf = Pdf.new()
    top = foreground(pdf, RIGHT, soft=True)
    top.SMask.Matte = pikepdf.Array([0, 0, 0])
    content = page_of(pdf, [ground(pdf, LEFT), top])
    result, (page,) = cleaned(content, Whole())
    np.testing.assert_array_equal(seen(result)[LEFT], np.array([PAPER] * LEFT.sum()))
    assert data_of(result)[1:] == data_of(content)[1:]
    assert [one.code for one in page.remarks] == ["image-left-out", "layers-left-out"]
    assert page.remarks[1].text.startswith("50% of what was found")


def test_layers_that_are_said_to_be_huge_are_not_drawn() -> None:
    pdf = Pdf.new()
    top = foreground(pdf, RIGHT)
    top.Width = top.Height = 100_000
    _, (page,) = cleaned(page_of(pdf, [ground(pdf, MARK), top]), Whole())
    assert page.report["edited"] == 1  # by itself
    assert "100000x100000 pixels" in page.remarks[0].text


def test_a_layer_that_pages_share_is_cleaned_once_also_by_later_runs(tmp_path: Path) -> None:
    pdf = Pdf.new()
    shared = pdf.make_indirect(ground(pdf, MARK))
    none = np.zeros(SIZE, bool)
    for _ in range(2):
        content = page_of(pdf, [shared, foreground(pdf, none)])
    whole, pages = cleaned(content, Whole())
    assert [page.unchanged for page in pages] == [False, False]
    np.testing.assert_array_equal(pages[1].mask > 127, MARK)
    assert np.abs(seen(whole, 2)[MARK] - PAPER).max() < 2
    for numbers in ([1], [1, 2]):
        with Document(content) as document:
            finished = FinishedIn(tmp_path / "parts", {}, resume=True)
            cleaning = document.cleaning(Whole(), Ways(), finished)
            for number in numbers:
                cleaning.clean_page(number)
            out = io.BytesIO()
            assert cleaning.save(out)
    assert out.getvalue() == whole
