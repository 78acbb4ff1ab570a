"""TIFFs of several pages through the command line and the library, as PDFs go."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import run_to_end
from fakes import draw, leftovers
from PIL import Image
from tiff_makers import SPOT, by_pillow, coded, coloured, grey, linked, read, scan
from typer.testing import CliRunner, Result

import cleanplate
from cleanplate.cli import make_app

FAKE = Path(__file__).parents[1] / "cli" / "run_fake.py"


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(make_app(), [str(argument) for argument in arguments], input=stdin)


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def edited(before: Path, after: Path) -> list[int]:
    """The pages that are others, from 1."""
    pairs = zip(read(before.read_bytes()), read(after.read_bytes()), strict=True)
    return [
        number for number, (one, other) in enumerate(pairs, 1) if not np.array_equal(one, other)
    ]


@pytest.mark.usefixtures("blot")
def test_a_folder_with_a_document(photos: Path, tmp_path: Path) -> None:
    source = scan(photos / "sub" / "scan.tif", pages=3, blots=(1, 3))
    draw(photos / "single.tif")
    out, masks, sheets = (tmp_path / name for name in ("out", "masks", "sheets"))
    result = run("watermark", photos, "-o", out, "--mask-out", masks, "--explain", sheets)
    assert (result.exit_code, result.stderr) == (0, "5 cleaned.\n")
    assert f"{source}, page 1 (8.33% filled in, " in result.stdout
    assert f"{source}, page 2 (unchanged, " in result.stdout
    assert edited(source, out / "sub" / "scan.tif") == [1, 3]
    for number, blot in ((1, True), (2, False), (3, True)):
        mask = np.asarray(Image.open(masks / "sub" / "scan" / f"page-00{number}.png"))
        np.testing.assert_array_equal(mask > 127, SPOT & blot)
        assert (sheets / "sub" / "scan" / f"page-00{number}.png").exists()
    assert (masks / "single.png").exists()  # one of a single page is a picture
    of_document = [line for line in lines(out) if line["source"].endswith("scan.tif")]
    assert [(line["page"], line["unchanged"]) for line in of_document] == [
        (None, False),
        (1, False),
        (2, True),
        (3, False),
    ]
    assert of_document[0]["report"] == {"pages": 3, "edited": 2}
    assert leftovers(out) == []
    again = run("watermark", photos, "-o", out, "--resume")
    assert again.stderr == "5 cleaned before.\n"


@pytest.mark.usefixtures("blot")
def test_pages_are_chosen_and_names_checked(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif", pages=4, blots=(1, 2, 3, 4))
    out = tmp_path / "b.tiff"
    assert run("watermark", source, "-o", out, "--pages", "1,3-").exit_code == 0
    assert edited(source, out) == [1, 3, 4]
    for name in ("c.png", "c.pdf"):
        wrong = run("watermark", source, "-o", tmp_path / name)
        assert (wrong.exit_code, "is written as .tif or .tiff" in wrong.stderr) == (2, True)


def test_a_folder_of_masks(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif", pages=3, blots=())
    masks = tmp_path / "masks" / "a"
    masks.mkdir(parents=True)
    Image.fromarray(np.where(SPOT, 255, 0).astype(np.uint8)).save(masks / "page-002.png")
    Image.new("L", (10, 40), 255).save(masks / "page-003.png")
    arguments = ("inpaint", source, "-o", tmp_path / "out", "--mask", masks.parent)
    result = run(*arguments, "--device", "cpu", "--pages", "1-2")
    assert (result.exit_code, "there is no mask of this page" in result.stderr) == (0, True)
    assert edited(source, tmp_path / "out" / "a.tif") == [2]
    after = read((tmp_path / "out" / "a.tif").read_bytes())[1]
    np.testing.assert_array_equal(after[:10], coloured(spot=False, seed=2)[:10])
    result = run(*arguments, "--device", "cpu", "--overwrite")
    assert (result.exit_code, "not the shape of the page (64x48)" in result.stderr) == (1, True)


def test_cutout_refuses_documents(photos: Path, tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif")
    result = run("cutout", source, "-o", tmp_path / "out")
    assert (result.exit_code, "the TIFF file has several pages" in result.stderr) == (1, True)
    scan(tmp_path / "in" / "big.tif", bigtiff=True)
    scan(tmp_path / "in" / "several.tif")
    result = run("cutout", tmp_path / "in", "-o", tmp_path / "two", "--workers", "1")
    assert result.stderr.count(": ignored: ") == 2


@pytest.mark.usefixtures("blot")
def test_broken_documents_fail_in_a_line(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif", pages=3)
    source.write_bytes(linked(source.read_bytes(), 1, 1 << 30))
    result = run("watermark", source, "-o", tmp_path / "out")
    assert (result.exit_code, "this TIFF file is damaged (directory 3" in result.stderr) == (
        1,
        True,
    )
    assert not (tmp_path / "out" / "a.tif").exists()


@pytest.mark.usefixtures("blot")
def test_standard_input(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif")
    result = run("watermark", "-", "-o", tmp_path / "b.tif", stdin=source.read_bytes())
    assert result.exit_code == 0
    assert edited(source, tmp_path / "b.tif") == [1]


@pytest.mark.parametrize("to_file", [True, False])
def test_a_killed_run_goes_on_and_gives_the_same_file(tmp_path: Path, to_file: bool) -> None:
    source = scan(tmp_path / "a.tif", pages=5, blots=(1, 2, 4, 5))

    def start(out: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        place = out / "a.tif" if to_file else out
        return run_to_end(FAKE, "watermark", source, "-o", place, *more, **variables)

    whole = start(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "out"
    assert start(out, BLOT_KILL="replace:8:before").returncode < 0
    [waiting] = (path for path in leftovers(out) if path.is_dir())
    assert 0 < len(list(waiting.glob("page-*.json"))) < 5
    resumed = start(out, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (out / "a.tif").read_bytes() == (tmp_path / "whole" / "a.tif").read_bytes()
    assert [path for path in leftovers(out) if path.exists()] == []


@pytest.mark.usefixtures("blot")
def test_the_library(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif", pages=3, blots=(2,), description="a title")
    result = cleanplate.clean(source, pages="2-")
    assert isinstance(result, cleanplate.DocumentResult)
    assert [(page.number, page.unchanged) for page in result.pages] == [(2, False), (3, True)]
    assert result.report == {"pages": 2, "edited": 1}
    result.save(tmp_path / "b.tif")
    assert edited(source, tmp_path / "b.tif") == [2]
    assert cleanplate.clean(source.read_bytes(), pages="2-").picture == result.picture
    assert cleanplate.clean(source, pages="1").picture == source.read_bytes()
    with pytest.raises(cleanplate.CleanplateError, match=r"\.tif or \.tiff, and as nothing else"):
        result.save(tmp_path / "b.pdf")
    result.save(tmp_path / "c.tif", strip_metadata=True)
    assert b"a title" not in (tmp_path / "c.tif").read_bytes()
    with cleanplate.Document(source) as document:
        assert len(document) == 3
        np.testing.assert_array_equal(document.page(1).pixels, coloured(spot=False, seed=1))
    with pytest.raises(cleanplate.CleanplateError, match="several pages"):
        cleanplate.clean(source, "cutout")


def test_whole_tasks_leave_black_and_white_alone(tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    source.write_bytes(by_pillow([grey(), grey()], "1", compression="group4"))
    result = run("denoise", source, "-o", tmp_path / "out", "--method", "bilateral")
    assert result.exit_code == 0
    assert "it is black and white alone" in result.stderr
    assert (tmp_path / "out" / "a.tif").read_bytes() == source.read_bytes()


def test_no_package_for_pdfs_is_needed(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif")
    code = (
        "import sys; sys.modules['pikepdf'] = sys.modules['pypdfium2'] = None; import cleanplate;"
        "print(len(cleanplate.Document(sys.argv[1])))"
    )
    asked = [sys.executable, "-c", code, source]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert told.stdout == "3\n"


def test_strips_of_pages_left_out_stay(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.tif", pages=3, blots=(1, 2, 3))
    mask = io.BytesIO()
    Image.fromarray(np.where(SPOT, 255, 0).astype(np.uint8)).save(mask, "PNG")
    filled = cleanplate.clean(source, "inpaint", mask=mask.getvalue(), pages="2", device="cpu")
    before = source.read_bytes()
    assert [coded(before, one) == coded(filled.picture, one) for one in range(3)] == [
        True,
        False,
        True,
    ]
