"""Pages: turned, cropped, several; images in forms and shared; masks of pages as they are seen."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pytest
from fakes import Blot
from pdf_makers import BLOT, SIZE, add_page, blotted, cleaned, image, image_of, samples, saved, scan
from pikepdf import Array, Dictionary, Name, Pdf

from cleanplate.document import Document, FinishedIn, Ways
from cleanplate.document.ranges import pages_of
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned

# How an image lies that is seen upright on a page that is turned so; the corner is marked.
LYING = {0: 0, 90: 1, 180: 2, 270: 3}


class Corner:
    """A task that wants the red blot in the upper left part of an upright picture."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def clean(self, picture: Picture, *, mask: np.ndarray | None = None) -> Cleaned:
        rows, columns = np.nonzero(picture.pixels[..., 1] < 80)
        self.seen.append((int(rows.mean()), int(columns.mean())))
        found = np.where(picture.pixels[..., 1] < 80, 255, 0).astype(np.uint8)
        picture.pixels[found > 0] = 128
        return Cleaned(picture, found, {})


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_task_sees_a_turned_page_upright(turn: int) -> None:
    upright = blotted((60, 80))
    lying = np.ascontiguousarray(np.rot90(upright, LYING[turn]))
    height, width = lying.shape[:2]
    pdf = Pdf.new()
    stream = image(pdf, lying.tobytes(), (height, width))
    add_page(
        pdf,
        [stream],
        matrices=[(width, 0, 0, height, 0, 0)],
        box=(0, 0, width, height),
        Rotate=turn,
    )
    task = Corner()
    result, (page,) = cleaned(saved(pdf), task)
    assert task.seen == [(23, 23)]
    expected = np.zeros((60, 80), bool)
    expected[16:32, 16:32] = True
    np.testing.assert_array_equal(page.mask > 127, expected)
    after = np.rot90(samples(image_of(result)), -LYING[turn])
    assert (after[expected] == 128).all()
    np.testing.assert_array_equal(after[~expected], upright[~expected])


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((80, 0, 0, 60, 0, 0), lambda one: one),
        ((-80, 0, 0, 60, 80, 0), lambda one: one[:, ::-1]),
        ((80, 0, 0, -60, 0, 60), lambda one: one[::-1]),
        ((0, 60, -80, 0, 80, 0), lambda one: np.rot90(one, -1)),
        ((0, -60, 80, 0, 0, 60), lambda one: np.rot90(one)),
        ((0, 60, 80, 0, 0, 0), lambda one: np.rot90(one, -1)[::-1]),
    ],
)
def test_the_task_sees_what_the_page_shows_through_any_matrix(matrix: Any, turned: Any) -> None:
    upright = blotted((60, 80))
    lying = np.ascontiguousarray(turned(upright))
    pdf = Pdf.new()
    stream = image(pdf, lying.tobytes(), lying.shape[:2])
    add_page(pdf, [stream], matrices=[matrix], box=(0, 0, 80, 60))
    content = saved(pdf)
    with Document(content) as document:  # the test's own matrices show it upright
        drawn = document.page(1, dpi=72).pixels
        assert np.abs(drawn[20:28, 20:28].astype(int) - (255, 0, 0)).max() < 3
    task = Corner()
    _result, (page,) = cleaned(content, task)
    assert task.seen == [(23, 23)]
    expected = np.zeros((60, 80), bool)
    expected[16:32, 16:32] = True
    np.testing.assert_array_equal(page.mask > 127, expected)


def test_a_mask_covers_what_the_crop_box_leaves() -> None:
    pdf = Pdf.new()
    stream = image(pdf, blotted().tobytes())
    add_page(pdf, [stream], CropBox=Array([8, 8, 64, 48]))
    _result, (page,) = cleaned(saved(pdf))
    np.testing.assert_array_equal(page.mask > 127, BLOT[:40, 8:])


def test_images_in_forms_are_cleaned_where_the_form_puts_them() -> None:
    pdf = Pdf.new()
    stream = image(pdf, blotted().tobytes())
    form = pdf.make_stream(b"q 32 0 0 24 0 0 cm /Im0 Do Q")
    form.Type, form.Subtype = Name.XObject, Name.Form
    form.BBox, form.Matrix = Array([0, 0, 64, 48]), Array([1, 0, 0, 1, 32, 24])
    form.Resources = Dictionary(XObject=Dictionary(Im0=stream))
    add_page(pdf, [form], matrices=[(1, 0, 0, 1, 0, 0)])
    _result, (page,) = cleaned(saved(pdf))
    assert page.mask.shape == (96, 128)  # two pixels a point
    np.testing.assert_array_equal(page.mask[:48, 64:] > 127, BLOT)


def test_forms_that_draw_themselves_end() -> None:
    pdf = Pdf.new()
    form = pdf.make_stream(b"/Me Do /Im0 Do")
    form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 64, 48])
    stream = image(pdf, blotted().tobytes())
    form.Resources = Dictionary(XObject=Dictionary(Me=form, Im0=stream))
    add_page(pdf, [form])
    _result, (page,) = cleaned(saved(pdf))
    assert page.report["edited"] == 1


def test_an_image_that_pages_share_is_cleaned_once() -> None:
    pdf = Pdf.new()
    stream = pdf.make_indirect(image(pdf, blotted().tobytes()))
    for _ in range(3):
        add_page(pdf, [stream])
    content = saved(pdf)
    task = Corner()
    _result, pages = cleaned(content, task)
    assert len(task.seen) == 1
    assert [bool(page.mask.any()) for page in pages] == [True] * 3
    result, pages = cleaned(content, Blot(), pages="2-")
    assert result is content
    assert "not to be cleaned show it" in pages[0].remarks[0].text


def test_pages_that_were_not_asked_for_stay() -> None:
    pdf = Pdf.new()
    for _ in range(3):
        add_page(pdf, [image(pdf, blotted().tobytes())])
    content = saved(pdf)
    result, pages = cleaned(content, Blot(), pages="2")
    assert [page.number for page in pages] == [2]
    for number, edited in ((0, False), (1, True), (2, False)):
        before = image_of(content, number)
        after = image_of(result, number)
        assert (before.read_raw_bytes() != after.read_raw_bytes()) is edited


@pytest.mark.parametrize("mask_size", [SIZE, (96, 128), (24, 32)])
def test_a_mask_of_a_page_names_what_is_filled(mask_size: tuple[int, int]) -> None:
    from cleanplate import tasks

    pdf = Pdf.new()
    pixels = blotted()
    add_page(pdf, [image(pdf, pixels.tobytes())])
    mask = np.asarray(BLOT, np.uint8) * 255
    scale = mask_size[0] / SIZE[0]
    mask = np.kron(mask, np.ones((2, 2), np.uint8)) if scale == 2 else mask
    mask = mask[::2, ::2] if scale == 0.5 else mask
    with Document(saved(pdf)) as document:
        cleaning = document.cleaning(tasks.create("inpaint", device="cpu"))
        page = cleaning.clean_page(1, lambda number: np.ascontiguousarray(mask))
        out = io.BytesIO()
        assert cleaning.save(out)
    after = samples(image_of(out.getvalue()))
    assert (np.abs(after[20:28, 20:28].astype(int) - (20, 160, 60)).max(2) < 60).all()
    assert (page.mask[BLOT] > 127).all()
    assert not page.mask[:12].any() and not page.mask[36:].any()


def test_a_mask_of_another_shape_is_refused() -> None:
    pdf = Pdf.new()
    add_page(pdf, [image(pdf, blotted().tobytes())])
    with Document(saved(pdf), name="a.pdf") as document:
        cleaning = document.cleaning(Blot())
        with pytest.raises(PictureError, match=r"a\.pdf, page 1: its mask has 48x48 pixels"):
            cleaning.clean_page(1, lambda number: np.full((48, 48), 255, np.uint8))


def test_small_images_and_letters_are_passed_over() -> None:
    pdf = Pdf.new()
    icon = image(pdf, np.full((16, 16, 3), (255, 0, 0), np.uint8).tobytes(), (16, 16))
    letter = image(
        pdf, np.zeros((64, 8), np.uint8).tobytes(), (64, 64), space=None, bits=1, ImageMask=True
    )
    add_page(pdf, [icon, letter], matrices=[(16, 0, 0, 16, 0, 0), (9, 0, 0, 9, 30, 30)])
    _result, (page,) = cleaned(saved(pdf))
    assert (page.report["images"], page.remarks) == (0, [])


def test_content_that_cannot_be_read_leaves_the_page() -> None:
    pdf = Pdf.new()
    add_page(pdf, [image(pdf, blotted().tobytes())])
    pdf.pages[0].obj.Contents = pikepdf.Stream(pdf, b"not deflated")
    pdf.pages[0].obj.Contents.Filter = Name.FlateDecode
    content = saved(pdf, compress_streams=False)
    result, (page,) = cleaned(content)
    assert result is content
    assert page.report["images"] == 0
    assert [one.code for one in page.remarks] == ["page-left-out"]


def test_content_that_is_a_bomb_leaves_the_page() -> None:
    pdf = Pdf.new()
    add_page(pdf, [image(pdf, blotted().tobytes())])
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(b" " * (1 << 24)) for _ in range(5)) + packer.flush()
    pdf.pages[0].obj.Contents = pikepdf.Stream(pdf, data)
    pdf.pages[0].obj.Contents.Filter = Name.FlateDecode
    _result, (page,) = cleaned(saved(pdf))
    assert "more than 64 MB" in page.remarks[0].text


def inline(*, blot: bool = True, space: bytes = b"/RGB") -> bytes:
    """Content that draws a picture which is written into it."""
    data = blotted(blot=blot).tobytes()
    return b"q 64 0 0 48 0 0 cm BI /W 64 /H 48 /BPC 8 /CS %b ID " % space + data + b" EI Q\n"


def drawn_alike(one: bytes, other: bytes) -> bool:
    """Whether first pages look the same, but for the blot, which the task paints grey."""
    with Document(one) as before, Document(other) as after:
        expected = before.page(1, dpi=72).pixels.copy()
        expected[BLOT] = 128
        return np.array_equal(after.page(1, dpi=72).pixels, expected)


@pytest.mark.parametrize("space", [b"/RGB", b"/Mine"])
def test_images_in_content_are_cleaned(space: bytes) -> None:
    pdf = Pdf.new()
    text = b"BT (as it was) Tj ET\n"
    small = b"q 9 0 0 9 0 0 cm BI /W 2 /H 2 /BPC 8 /CS /G ID abcd EI Q\n"
    page = add_page(pdf, [], extra=small + inline(space=space) + text)
    page.obj.Resources.ColorSpace = Dictionary(
        Mine=Array([Name.CalRGB, Dictionary(WhitePoint=[1, 1, 1])])
    )
    before = saved(pdf)
    after, (told,) = cleaned(before)
    assert (told.remarks, told.report["images"], told.report["edited"]) == ([], 1, 1)
    np.testing.assert_array_equal(told.mask > 127, BLOT)
    with pikepdf.open(io.BytesIO(after)) as pdf:
        content = pdf.pages[0].obj.Contents.read_bytes()
        edited = samples(pdf.pages[0].obj.Resources.XObject["/Inline0"])
        assert pdf.check_pdf_syntax() == []
    expected = blotted()
    expected[BLOT] = 128
    np.testing.assert_array_equal(edited, expected)
    assert (content.count(b"EI"), content.count(b"(as it was) Tj")) == (1, 1)
    assert b"abcd" in content
    assert space == b"/Mine" or drawn_alike(before, after)


def test_images_in_content_in_which_nothing_is_found_stay_there() -> None:
    pdf = Pdf.new()
    beside = {"matrices": ((64, 0, 0, 48, 64, 0),), "box": (0, 0, 128, 48)}
    add_page(pdf, [image(pdf, blotted().tobytes())], extra=inline(blot=False), **beside)
    before = saved(pdf)
    after, (told,) = cleaned(before)
    assert (told.report["images"], told.report["edited"]) == (2, 1)
    with pikepdf.open(io.BytesIO(before)) as one, pikepdf.open(io.BytesIO(after)) as other:
        assert one.pages[0].obj.Contents.read_bytes() == other.pages[0].obj.Contents.read_bytes()
        assert len(one.objects) == len(other.objects)


def test_images_in_the_content_of_a_form_that_pages_share() -> None:
    pdf = Pdf.new()
    form = pdf.make_stream(inline())
    form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 64, 48])
    for _ in range(2):
        add_page(pdf, [form], matrices=((1, 0, 0, 1, 0, 0),))
    before = saved(pdf)
    after, pages = cleaned(before)
    assert [page.unchanged for page in pages] == [False, False]
    assert drawn_alike(before, after)
    same, (page,) = cleaned(before, pages="1")  # the other page would change with it
    assert (same, [one.code for one in page.remarks]) == (before, ["image-left-out"])


def test_images_in_content_are_known_again_by_a_later_run(tmp_path: Path) -> None:
    pdf = Pdf.new()
    for _ in range(3):
        add_page(pdf, [], extra=inline())
    content = saved(pdf)
    whole, _ = cleaned(content)
    for number in (1, 2, 3):  # each run is stopped behind a page
        with Document(content) as document:
            finished = FinishedIn(tmp_path / "parts", {}, resume=True)
            cleaning = document.cleaning(Blot(), Ways(), finished)
            for page in cleaning.pages[:number]:
                cleaning.clean_page(page)
            out = io.BytesIO()
            assert cleaning.save(out)
    assert out.getvalue() == whole


def test_images_in_content_that_are_damaged_are_told_of() -> None:
    pdf = Pdf.new()
    add_page(pdf, [image(pdf, blotted().tobytes())], extra=inline(space=b"/Unknown"))
    _, (page,) = cleaned(saved(pdf))
    assert [one.code for one in page.remarks] == ["inline-images-left-out"]


def test_pictures_beside_each_other_are_no_layers() -> None:
    pdf = Pdf.new()
    two = [image(pdf, blotted(blot=blot).tobytes()) for blot in (True, False)]
    beside = ((40, 0, 0, 48, 0, 0), (40, 0, 0, 48, 24, 0))  # over each other by a quarter
    add_page(pdf, two, matrices=beside)
    _, (page,) = cleaned(saved(pdf))
    assert (page.report["images"], page.remarks) == (2, [])


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("1-3,7-", [1, 2, 3, 7, 8, 9]),
        ("9,2", [2, 9]),
        ("-2", [1, 2]),
        (" 3 - 4 ", [3, 4]),
        ("8-20", [8, 9]),
        ("12", []),
    ],
)
def test_ranges(text: str, pages: list[int]) -> None:
    assert pages_of(text, 9) == pages


@pytest.mark.parametrize("text", ["", "a", "0", "3-1", "-", "1,,2", "1-2-3"])
def test_ranges_that_name_nothing(text: str) -> None:
    with pytest.raises(UsageError, match="pages must be named"):
        pages_of(text, 9)


def test_none_of_the_pages_is_there(tmp_path: Path) -> None:
    with (
        Document(scan(tmp_path / "a.pdf")) as document,
        pytest.raises(PictureError, match="it has 1 pages, none of 4-"),
    ):
        document.cleaning(Blot(), Ways(pages="4-"))
