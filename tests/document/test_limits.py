"""Regions, protected places and dry runs of documents."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from fakes import draw
from numpy.typing import NDArray
from pdf_makers import SIZE, add_page, blotted, image, image_of, jpeg, samples
from pdf_makers import scan as pdf_scan
from pikepdf import Pdf
from PIL import Image
from tiff_makers import by_pillow, coloured, scan, shown
from typer.testing import CliRunner, Result

import cleanplate
from cleanplate.cli import make_app
from cleanplate.errors import UsageError

FIRST, SECOND = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
FIRST[16:32, 16:32] = SECOND[16:32, 40:56] = True


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(make_app(), [str(argument) for argument in arguments])


def two_spots() -> NDArray[np.uint8]:
    """A page with a red spot at `FIRST`, and one at `SECOND`."""
    pixels = blotted()
    pixels[SECOND] = (255, 0, 0)
    return pixels


def flate(path: Path, *, pages: int = 1, **entries: object) -> Path:
    """A PDF of pages with two spots, each an image of its own, a pixel a point."""
    with Pdf.new() as pdf:
        for number in range(pages):
            pixels = two_spots()
            pixels[0, 0] = number
            add_page(pdf, [image(pdf, pixels.tobytes())], **entries)
        pdf.save(path)
    return path


def mask(path: Path, where: NDArray[np.bool_]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(where.astype(np.uint8) * 255).save(path)
    return path


def changed(path: Path, number: int = 0) -> NDArray[np.bool_]:
    """Where an image of `flate` is another, but for its first pixel, which tells the pages."""
    pixels = samples(image_of(path.read_bytes(), number))
    other = (pixels != two_spots()).any(2)
    other[0, 0] = False
    return other


@pytest.mark.usefixtures("blot")
def test_a_region_of_a_pdf_is_of_the_page_as_it_is_seen(tmp_path: Path) -> None:
    out, masks = tmp_path / "out", tmp_path / "masks"
    upright = flate(tmp_path / "upright.pdf")
    # A quarter clockwise: what lies left is above; the page is 48 wide and 64 high.
    turned = flate(tmp_path / "turned.pdf", Rotate=90)
    for source, region in ((upright, "0,0,36,48"), (turned, "0,0,48,36")):
        result = run("watermark", source, "-o", out, "--mask-out", masks, "--region", region)
        assert (result.exit_code, result.stderr) == (0, "")
        np.testing.assert_array_equal(changed(out / source.name), FIRST)
    seen = np.asarray(Image.open(masks / "turned" / "page-001.png"))
    np.testing.assert_array_equal(seen > 127, np.rot90(FIRST, -1))


@pytest.mark.usefixtures("blot")
def test_a_part_of_a_mark_lies_in_the_region(tmp_path: Path) -> None:
    source, out = flate(tmp_path / "a.pdf"), tmp_path / "out"
    assert run("watermark", source, "-o", out, "--region", "20,18,30,9").exit_code == 0
    inside = np.zeros(SIZE, bool)
    inside[18:27, 20:50] = True
    np.testing.assert_array_equal(changed(out / "a.pdf"), (FIRST | SECOND) & inside)


@pytest.mark.usefixtures("blot")
def test_what_a_pdf_has_protected_is_never_touched(tmp_path: Path) -> None:
    source, out = flate(tmp_path / "a.pdf", pages=2), tmp_path / "out"
    one = mask(tmp_path / "one.png", FIRST)
    assert run("watermark", source, "-o", out, "--protect", one).exit_code == 0
    for number in (0, 1):
        np.testing.assert_array_equal(changed(out / "a.pdf", number), SECOND)
    # A mask twice as fine protects each pixel that it reaches into.
    fine = np.kron(FIRST, np.ones((2, 2), bool))
    fine[20, 84] = True
    finer = mask(tmp_path / "fine.png", fine)
    run("watermark", source, "-o", out, "--protect", finer, "--overwrite")
    assert not changed(out / "a.pdf")[FIRST].any()
    assert not changed(out / "a.pdf")[10, 42]
    assert changed(out / "a.pdf")[24, 50]


@pytest.mark.usefixtures("blot")
def test_a_page_without_a_mask_of_what_is_protected_stays(tmp_path: Path) -> None:
    source, out = flate(tmp_path / "a.pdf", pages=2), tmp_path / "out"
    folder = mask(tmp_path / "kept" / "a" / "page-002.png", SECOND).parents[1]
    result = run("watermark", source, "-o", out, "--protect", folder)
    assert result.exit_code == 0
    assert "a.pdf, page 1: it stays as it was: there is no mask of what is" in result.stderr
    assert not changed(out / "a.pdf", 0).any()
    np.testing.assert_array_equal(changed(out / "a.pdf", 1), FIRST)
    # Another mask, and the run is another.
    mask(folder / "a" / "page-001.png", FIRST)
    assert run("watermark", source, "-o", out, "--protect", folder, "--resume").exit_code == 0
    np.testing.assert_array_equal(changed(out / "a.pdf", 0), SECOND)
    none = run("watermark", source, "-o", tmp_path / "b", "--protect", tmp_path / "out")
    assert (none.exit_code, "of any of its pages of what is protected" in none.stderr) == (1, True)


@pytest.mark.usefixtures("blot")
def test_an_image_on_two_pages_is_protected_by_each(tmp_path: Path) -> None:
    with Pdf.new() as pdf:
        shared = image(pdf, two_spots().tobytes())
        for _ in range(2):
            add_page(pdf, [shared])
        pdf.save(tmp_path / "a.pdf")
    mask(tmp_path / "kept" / "a" / "page-001.png", np.zeros(SIZE, bool))
    mask(tmp_path / "kept" / "a" / "page-002.png", SECOND)
    out = tmp_path / "out"
    result = run("watermark", tmp_path / "a.pdf", "-o", out, "--protect", tmp_path / "kept")
    assert result.exit_code == 0
    np.testing.assert_array_equal(changed(out / "a.pdf"), FIRST)


def decoded(path: Path) -> NDArray[np.uint8]:
    """The JPEG on a page."""
    return np.asarray(Image.open(io.BytesIO(image_of(path.read_bytes()).read_raw_bytes())))


@pytest.mark.usefixtures("blot")
def test_blocks_of_a_jpeg_that_are_protected_keep_their_pixels(tmp_path: Path) -> None:
    with Pdf.new() as pdf:
        data = jpeg(two_spots(), subsampling=0)
        add_page(pdf, [image(pdf, data, filter="/DCTDecode")])
        pdf.save(tmp_path / "a.pdf")
    before = decoded(tmp_path / "a.pdf")
    one = np.zeros(SIZE, bool)
    one[20, 20] = True  # of the block from 16,16 to 23,23
    out = tmp_path / "out"
    run("watermark", tmp_path / "a.pdf", "-o", out, "--protect", mask(tmp_path / "m.png", one))
    after = decoded(out / "a.pdf")
    np.testing.assert_array_equal(after[16:24, 16:24], before[16:24, 16:24])
    assert (after[24:32, 24:32] != before[24:32, 24:32]).all(2).any()


@pytest.mark.usefixtures("blot")
def test_what_is_protected_in_jpeg_2000_with_loss_stays_as_it_is_decoded(tmp_path: Path) -> None:
    coded = io.BytesIO()
    options = {"irreversible": True, "quality_mode": "rates", "quality_layers": [4]}
    Image.fromarray(two_spots()).save(coded, "JPEG2000", **options)
    with Pdf.new() as pdf:
        add_page(pdf, [image(pdf, coded.getvalue(), space=None, filter="/JPXDecode")])
        pdf.save(tmp_path / "a.pdf")
    before, out = np.asarray(Image.open(coded)), tmp_path / "out"
    kept = mask(tmp_path / "m.png", FIRST)
    for limits in (["--protect", kept], ["--region", "36,0,28,48"]):
        result = run("watermark", tmp_path / "a.pdf", "-o", out, "--overwrite", *limits)
        assert "a JPEG 2000 image is now Flate" in result.stderr
        after = samples(image_of((out / "a.pdf").read_bytes()))
        np.testing.assert_array_equal(after[FIRST], before[FIRST])
        assert (after[SECOND] != before[SECOND]).any(1).mean() > 0.9


@pytest.mark.parametrize("compression", ["raw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.usefixtures("blot")
def test_regions_and_protected_places_of_a_tiff(tmp_path: Path, compression: str) -> None:
    page = coloured()
    page[16:32, 40:56] = (255, 0, 0)
    source, kept = tmp_path / "a.tif", mask(tmp_path / "m.png", FIRST)
    source.write_bytes(by_pillow([page, page], "RGB", compression=compression))
    one, two = tmp_path / "region.tif", tmp_path / "protect.tif"
    for out, *limits in ((one, "--region", "0,0,36,48"), (two, "--protect", kept)):
        result = run("watermark", source, "-o", out, *limits)
        assert (result.exit_code, result.stderr) == (0, "")
    pages = (shown(path.read_bytes()) for path in (source, one, two))
    for before, region, protected in zip(*pages, strict=True):
        assert (region[FIRST] != before[FIRST]).any(1).mean() > 0.9
        np.testing.assert_array_equal(region[:, 48:], before[:, 48:])
        assert (protected[SECOND] != before[SECOND]).any(1).mean() > 0.9
        np.testing.assert_array_equal(protected[FIRST], before[FIRST])


@pytest.mark.usefixtures("blot")
def test_a_region_beside_a_page_is_said(tmp_path: Path) -> None:
    tiff, pdf = scan(tmp_path / "a.tif", pages=2, blots=(1, 2)), flate(tmp_path / "b.pdf")
    out = tmp_path / "out"
    result = run("watermark", tiff, pdf, "-o", out, "--region", "90,0,9,9")
    assert result.exit_code == 0
    assert (
        result.stderr.count("the region begins at 90,0, outside of the page, which has 64x48") == 3
    )
    assert (out / "a.tif").read_bytes() == tiff.read_bytes()
    assert (out / "b.pdf").read_bytes() == pdf.read_bytes()
    strict = run("watermark", pdf, "-o", tmp_path / "c", "--region", "90,0,9,9", "--strict")
    assert strict.exit_code == 1


@pytest.mark.usefixtures("blot")
def test_marks_without_a_place_stay_where_there_are_limits(tmp_path: Path) -> None:
    source = flate(tmp_path / "a.pdf")
    with pikepdf.open(source, allow_overwriting_input=True) as pdf:
        mark = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Watermark)
        mark.Rect = pikepdf.Array([0, 0, 9, 9])
        pdf.pages[0].obj.Annots = pikepdf.Array([pdf.make_indirect(mark)])
        pdf.save(source)
    out = tmp_path / "out"
    run("watermark", source, "-o", out, "--region", "0,0,36,48")
    with pikepdf.open(out / "a.pdf") as pdf:
        assert len(pdf.pages[0].obj.Annots) == 1
    wrong = run("watermark", source, "-o", out, "--region", "0,0,9,9", "--remove-repeated")
    assert (wrong.exit_code, "leave out --region and --protect" in wrong.stderr) == (2, True)
    with pytest.raises(UsageError, match="leave out"):
        cleanplate.clean(source, region=(0, 0, 9, 9), remove_repeated=True)


def test_inpaint_fills_in_what_its_mask_names_in_a_region(tmp_path: Path) -> None:
    source, out = flate(tmp_path / "a.pdf", pages=2), tmp_path / "out"
    both = mask(tmp_path / "m.png", FIRST | SECOND)
    result = run("inpaint", source, "-o", out, "--mask", both, "--region", "0,0,36,48")
    assert (result.exit_code, result.stderr) == (0, "")
    assert changed(out / "a.pdf")[FIRST].all()
    assert not changed(out / "a.pdf")[:, 36:].any()
    beside = run("inpaint", source, "-o", out, "--mask", both, "--region", "0,0,9,9", "--overwrite")
    assert beside.stderr.count("the mask names nothing in the region") == 2


@pytest.mark.usefixtures("blot")
def test_the_library_takes_them(tmp_path: Path) -> None:
    source = flate(tmp_path / "a.pdf")
    result = cleanplate.clean(source, region=(0, 0, 60, 48), protect=SECOND)
    (tmp_path / "b.pdf").write_bytes(result.picture)
    np.testing.assert_array_equal(changed(tmp_path / "b.pdf"), FIRST)


@pytest.mark.usefixtures("blot")
def test_a_dry_run_names_pages_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOT_SECONDS", "0.2")
    pdf = pdf_scan(tmp_path / "in" / "a.pdf", pages=12)
    tiff = scan(tmp_path / "in" / "b.tif", pages=3)
    draw(tmp_path / "in" / "c.png")
    (tmp_path / "in" / "d.pdf").write_bytes(b"%PDF-1.7\nnothing")
    before = sorted(tmp_path.rglob("*"))
    arguments = ["watermark", tmp_path / "in", "-o", tmp_path / "out", "--workers", "1"]
    result = run(*arguments, "--dry-run", "--pages", "1-10")
    assert sorted(tmp_path.rglob("*")) == before
    said = result.stdout.splitlines()
    assert said[0] == f"{pdf}, page 1 (1 images, 0.0 megapixels)"
    assert said[10] == f"{pdf} -> {tmp_path / 'out' / 'a.pdf'} (10 pages, 10 images)"
    assert said[14] == f"{tiff} -> {tmp_path / 'out' / 'b.tif'} (3 pages, 3 images)"
    damaged, end = result.stderr.splitlines()
    assert "damaged" in damaged
    assert (result.exit_code, end.startswith("3 to be cleaned, 1 failed; about ")) == (1, True)
    assert 2 <= int(end.split()[-2]) <= 6  # 14 pages and pictures of 0.2 s
    lines = [
        json.loads(line) for line in run(*arguments, "--dry-run", "--json").stdout.splitlines()
    ]
    pages = [line for line in lines if line["page"] is not None]
    assert (len(pages), {line["status"] for line in pages}) == (15, {"planned"})
    assert pages[0]["report"] == {"images": 1, "pixels": 64 * 48}


def test_a_dry_run_says_which_pages_lack_a_mask(tmp_path: Path) -> None:
    source = flate(tmp_path / "a.pdf", pages=2)
    folder = mask(tmp_path / "masks" / "a" / "page-002.png", FIRST).parents[1]
    result = run("inpaint", source, "-o", tmp_path / "out", "--mask", folder, "--dry-run")
    assert f"{source}, page 1 (0 images" in result.stdout
    assert "page 1: there is no mask of this page" in result.stderr


@pytest.mark.usefixtures("blot")
def test_a_dry_run_counts_what_lies_in_the_region(tmp_path: Path) -> None:
    with Pdf.new() as pdf:
        two = [image(pdf, two_spots().tobytes()) for _ in range(2)]
        matrices = ((64, 0, 0, 48, 0, 0), (64, 0, 0, 48, 64, 0))
        add_page(pdf, two, matrices=matrices, box=(0, 0, 128, 48))
        pdf.save(tmp_path / "a.pdf")
    scan(tmp_path / "b.tif", pages=2)
    arguments = ["watermark", tmp_path / "a.pdf", tmp_path / "b.tif", "-o", tmp_path / "out"]
    result = run(*arguments, "--dry-run", "--json", "--region", "70,8,10,5")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    pages = [line for line in told if line["page"] is not None]
    assert [page["report"]["images"] for page in pages] == [1, 0, 0]
    assert [page["report"]["pixels"] for page in pages] == [50, 0, 0]
    assert [len(page["remarks"]) for page in pages] == [0, 1, 1]
