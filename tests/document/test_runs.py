"""PDFs through the command line: pages as units, masks, sheets, resumed and killed runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx_models
import pikepdf
import pytest
from commands import run_to_end
from fakes import Blot, draw, leftovers, stand_in
from pdf_makers import BLOT, blotted, image_of, problems, scan
from PIL import Image
from typer.testing import CliRunner, Result

from cleanplate import models, tasks
from cleanplate.cli import make_app
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned

FAKE = Path(__file__).parents[1] / "cli" / "run_fake.py"


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(make_app(), [str(argument) for argument in arguments], input=stdin)


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def edited(before: Path, after: Path) -> list[int]:
    """The pages whose image is another, from 1."""
    one, other = before.read_bytes(), after.read_bytes()
    with pikepdf.open(before) as pdf:
        count = len(pdf.pages)
    return [
        number + 1
        for number in range(count)
        if image_of(one, number).read_raw_bytes() != image_of(other, number).read_raw_bytes()
    ]


@pytest.mark.usefixtures("blot")
def test_a_folder_with_a_document(photos: Path, tmp_path: Path) -> None:
    source = scan(photos / "sub" / "scan.pdf", pages=3, blots=(1, 3))
    out, masks, sheets = (tmp_path / name for name in ("out", "masks", "sheets"))
    result = run("watermark", photos, "-o", out, "--mask-out", masks, "--explain", sheets)
    assert (result.exit_code, result.stderr) == (0, "4 cleaned.\n")
    assert f"{source}, page 1 (8.33% filled in, " in result.stdout
    assert f"{source}, page 2 (unchanged, " in result.stdout
    assert f"{source} -> {out / 'sub' / 'scan.pdf'} (5.56% filled in, " in result.stdout
    assert edited(source, out / "sub" / "scan.pdf") == [1, 3]
    assert problems((out / "sub" / "scan.pdf").read_bytes()) == []
    for number, blot in ((1, True), (2, False), (3, True)):
        mask = np.asarray(Image.open(masks / "sub" / "scan" / f"page-00{number}.png"))
        np.testing.assert_array_equal(mask > 127, BLOT & blot)
        assert (sheets / "sub" / "scan" / f"page-00{number}.png").exists()
    of_document = [line for line in lines(out) if line["source"].endswith(".pdf")]
    assert [(line["page"], line["unchanged"]) for line in of_document] == [
        (None, False),
        (1, False),
        (2, True),
        (3, False),
    ]
    assert of_document[0]["report"] == {"pages": 3, "edited": 2}
    assert leftovers(out) == []


@pytest.mark.usefixtures("blot")
def test_a_document_in_which_nothing_is_found_is_the_same_file(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.pdf", pages=2, blots=())
    result = run("watermark", source, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert (tmp_path / "out" / "a.pdf").read_bytes() == source.read_bytes()
    assert "a.pdf (unchanged, " in result.stdout


@pytest.mark.usefixtures("blot")
def test_pages_are_chosen(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.pdf", pages=4, blots=(1, 2, 3, 4))
    out = tmp_path / "b.pdf"
    assert run("watermark", source, "-o", out, "--pages", "1,3-").exit_code == 0
    assert edited(source, out) == [1, 3, 4]
    result = run("watermark", source, "-o", out, "--pages", "x")
    assert (result.exit_code, result.stderr) == (2, "pages must be named like 1-3,7-, not 'x'.\n")


@pytest.mark.usefixtures("blot")
def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nnothing")
    empty = tmp_path / "empty.pdf"
    empty.write_bytes(b"")
    locked = scan(tmp_path / "locked.pdf", encryption=pikepdf.Encryption(owner="o", user="secret"))
    refused = ((broken, "damaged"), (empty, "damaged"), (locked, "encrypted; give its password"))
    for source, words in refused:
        result = run("watermark", source, "-o", tmp_path / "out")
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert words in result.stderr
        assert not (tmp_path / "out" / source.name).exists()
    opened = run("watermark", locked, "-o", tmp_path / "out", "--password", "secret")
    assert opened.exit_code == 0
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text()
    assert '"secret"' not in manifest
    wrong = run("watermark", draw(tmp_path / "a.png"), "-o", tmp_path / "a.pdf")
    assert (wrong.exit_code, "a PDF is made of a PDF" in wrong.stderr) == (2, True)
    wrong = run("watermark", locked, "-o", tmp_path / "a.png")
    assert (wrong.exit_code, "a PDF is written as .pdf" in wrong.stderr) == (2, True)


def test_cutout_refuses_documents(tmp_path: Path) -> None:
    result = run("cutout", scan(tmp_path / "a.pdf"), "-o", tmp_path / "out")
    assert (result.exit_code, "a PDF is not read" in result.stderr) == (1, True)
    assert "--pages" not in run("cutout", "--help").stdout


@pytest.mark.usefixtures("blot")
def test_results_are_not_overwritten_unasked(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.pdf")
    out = tmp_path / "out"
    assert run("watermark", source, "-o", out).exit_code == 0
    again = run("watermark", source, "-o", out)
    assert (again.exit_code, "--overwrite replaces it" in again.stderr) == (1, True)
    assert run("watermark", source, "-o", out, "--resume").exit_code == 0
    assert run("watermark", source, "-o", out, "--overwrite").exit_code == 0


@pytest.mark.usefixtures("blot")
def test_in_place(tmp_path: Path) -> None:
    source = scan(tmp_path / "in" / "a.pdf")
    before = tmp_path / "before.pdf"
    before.write_bytes(source.read_bytes())
    assert run("watermark", source, "-o", tmp_path / "in", "--overwrite").exit_code == 0
    assert edited(before, source) == [1]


@pytest.mark.usefixtures("blot")
def test_a_page_that_fails_keeps_the_others_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = scan(tmp_path / "a.pdf", pages=3, blots=(1, 2, 3))
    out = tmp_path / "out"
    seen: list[str] = []
    original = Blot.clean

    def clean(self: Blot, picture: object, **rest: object) -> object:
        seen.append(picture.name)  # type: ignore[attr-defined]
        if len(seen) == 3:
            raise ValueError("at a loss")
        return original(self, picture, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Blot, "clean", clean)
    failed = run("watermark", source, "-o", out)
    assert failed.exit_code == 1
    assert f"{source}: page 3: ValueError: at a loss" in failed.stderr
    assert not (out / "a.pdf").exists()
    assert run("watermark", source, "-o", out, "--resume").exit_code == 0
    assert [name.split(",")[1] for name in seen] == [" page 1", " page 2", " page 3", " page 3"]
    assert edited(source, out / "a.pdf") == [1, 2, 3]
    assert leftovers(out) == []


def test_inpaint_takes_masks_by_page(tmp_path: Path) -> None:
    source = scan(tmp_path / "scan.pdf", pages=3, blots=(1, 2, 3))
    masks = tmp_path / "masks" / "scan"
    masks.mkdir(parents=True)
    for number in (1, 3):
        Image.fromarray(np.uint8(BLOT) * 255).save(masks / f"page-00{number}.png")
    result = run("inpaint", source, "-o", tmp_path / "out", "--mask", tmp_path / "masks")
    assert result.exit_code == 0
    assert "page 2: there is no mask of this page" in result.stderr
    assert edited(source, tmp_path / "out" / "scan.pdf") == [1, 3]
    strict = run(
        *("inpaint", source, "-o", tmp_path / "strict", "--mask", tmp_path / "masks", "--strict")
    )
    assert (strict.exit_code, "page 2: there is no mask" in strict.stderr) == (1, True)
    inputs = ("inpaint", source, "-o", tmp_path / "out", "--mask", tmp_path / "masks", "--resume")
    strict = run(*inputs, "--strict")
    assert (strict.exit_code, "page 2: there is no mask" in strict.stderr) == (1, True)
    assert run(*inputs).exit_code == 0
    (tmp_path / "none").mkdir()
    none = run("inpaint", source, "-o", tmp_path / "none", "--mask", tmp_path / "none")
    assert (none.exit_code, "there is no mask scan/page-001.png" in none.stderr) == (1, True)


@pytest.mark.usefixtures("blot")
def test_standard_input(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.pdf", pages=2, blots=(2,))
    result = run("watermark", "-", stdin=source.read_bytes())
    assert result.exit_code == 0
    after = tmp_path / "b.pdf"
    after.write_bytes(result.stdout_bytes)
    assert edited(source, after) == [2]


@pytest.mark.usefixtures("blot")
def test_metadata_are_stripped_when_asked(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.pdf", blots=())
    with pikepdf.open(source, allow_overwriting_input=True) as pdf:
        pdf.docinfo["/Author"] = "Somebody"
        pdf.save(source)
    assert run("watermark", source, "-o", tmp_path / "out", "--strip-metadata").exit_code == 0
    with pikepdf.open(tmp_path / "out" / "a.pdf") as pdf:
        assert "/Info" not in pdf.trailer


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize("to_file", [False, True])
def test_a_killed_run_goes_on_and_gives_the_same_file(tmp_path: Path, to_file: bool) -> None:
    source = scan(tmp_path / "a.pdf", pages=5, blots=(1, 2, 4, 5))

    def start(out: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        place = out / "a.pdf" if to_file else out
        return run_to_end(FAKE, "watermark", source, "-o", place, *more, **variables)

    whole = start(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "out"
    killed = start(out, BLOT_KILL="replace:8:before")
    assert killed.returncode < 0
    assert not (out / "a.pdf").exists()
    waiting = [path for path in leftovers(out) if path.is_dir()]
    assert len(waiting) == 1
    finished = len(list(waiting[0].glob("page-*.json")))
    assert 0 < finished < 5
    resumed = start(out, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (out / "a.pdf").read_bytes() == (tmp_path / "whole" / "a.pdf").read_bytes()
    assert [path for path in leftovers(out) if path.exists()] == []


def test_what_a_killed_run_leaves_among_masks_goes(tmp_path: Path) -> None:
    source = scan(tmp_path / "a.pdf", pages=2, blots=(1, 2))
    masks = tmp_path / "masks"
    arguments = ["watermark", source, "-o", tmp_path / "out", "--mask-out", masks]
    # The state of the folder, three files of the first page, and then its mask.
    run_to_end(FAKE, *arguments, BLOT_KILL="replace:5:before")
    assert [path.suffix for path in (masks / "a").iterdir()] == [".part"]
    assert run_to_end(FAKE, *arguments, "--resume").returncode == 0
    assert sorted(path.name for path in (masks / "a").iterdir()) == ["page-001.png", "page-002.png"]


class Modelled(Blot):
    """A task that asks a model about the first image it gets, and fails at the third page."""

    model: ClassVar[Path]
    seen: ClassVar[list[str]]

    def clean(self, picture: Picture, **given: Any) -> Cleaned:
        self.seen.append(picture.name)
        if ", page 3" in picture.name and not self.model.with_suffix(".whole").exists():
            raise ValueError("the task is at a loss")
        if ", page 1" in picture.name:
            models.load(self.model, device="cpu")(np.zeros((1, 3, 32, 32), np.float32))
        return super().clean(picture, **given)


@pytest.mark.usefixtures("blot")
def test_pages_wait_in_private_and_are_done_again_where_other_models_did_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.catalogue, "FOLDER", tmp_path)  # as if it shipped
    Modelled.model = onnx_models.write(tmp_path, "finder", onnx_models.threshold())
    Modelled.seen = []
    first = models.read_card(tmp_path / "finder.json").sha256
    stand_in(Modelled)
    source = scan(tmp_path / "papers" / "sub" / "a.pdf", pages=3, blots=(1, 2, 3))
    source.parent.chmod(0o700)
    out = tmp_path / "out"
    arguments = ["watermark", tmp_path / "papers", "-o", out, "--resume"]
    assert run(*arguments).exit_code == 1
    [waiting] = (path for path in leftovers(out) if path.is_dir())
    assert waiting.stat().st_mode & 0o077 == 0
    assert waiting.parent.stat().st_mode & 0o077 == 0
    assert run(*arguments).exit_code == 1
    assert len(Modelled.seen) == 3 + 1  # what is finished is kept
    onnx_models.write(tmp_path, "finder", onnx_models.threshold(0.123))
    other = models.read_card(tmp_path / "finder.json").sha256
    Modelled.model.with_suffix(".whole").touch()
    assert run(*arguments).exit_code == 0
    assert len(Modelled.seen) == 3 + 1 + 3
    known = {line["page"]: line["models"] for line in lines(out)}
    assert first != other
    assert known == {None: {"finder": other}, 1: {"finder": other}, 2: {}, 3: {}}


@pytest.mark.usefixtures("blot")
def test_the_library(tmp_path: Path) -> None:
    import cleanplate

    source = scan(tmp_path / "a.pdf", pages=3, blots=(2,))
    result = cleanplate.clean(source, pages="2-")
    assert isinstance(result, cleanplate.DocumentResult)
    assert [(page.number, page.unchanged) for page in result.pages] == [(2, False), (3, True)]
    assert result.report == {"pages": 2, "edited": 1}
    result.save(tmp_path / "b.pdf")
    assert edited(source, tmp_path / "b.pdf") == [2]
    from_bytes = cleanplate.clean(source.read_bytes(), pages="2-")
    assert from_bytes.picture == result.picture == (tmp_path / "b.pdf").read_bytes()
    unchanged = cleanplate.clean(source.read_bytes(), pages="1")
    assert unchanged.picture == source.read_bytes()
    with pytest.raises(cleanplate.CleanplateError, match=r"\.pdf, and as nothing else"):
        result.save(tmp_path / "b.png")
    with cleanplate.Document(source) as document:
        assert document.page(2, dpi=72).pixels.shape == (48, 64, 3)
    mask = np.zeros((48, 64), bool)
    mask[5:9, 5:9] = True
    filled = cleanplate.clean(source, "inpaint", mask=mask, device="cpu")
    assert filled.report == {"pages": 3, "edited": 3}
    with pytest.raises(cleanplate.CleanplateError, match="a PDF is not read"):
        cleanplate.clean(source.read_bytes(), "cutout")


def test_whole_tasks_leave_black_and_white_alone(tmp_path: Path) -> None:
    with pikepdf.Pdf.new() as pdf:
        from pdf_makers import add_page, image

        bits = np.packbits(blotted()[..., 0] > 100, axis=1).tobytes()
        add_page(pdf, [image(pdf, bits, space=pikepdf.Name.DeviceGray, bits=1)])
        noisy = np.random.default_rng(0).normal(blotted() * 0.8 + 20, 20).clip(0, 255)
        add_page(pdf, [image(pdf, noisy.astype(np.uint8).tobytes())])
        pdf.save(tmp_path / "a.pdf")
    result = run(
        *("denoise", tmp_path / "a.pdf", "-o", tmp_path / "out", "--method", "bilateral"),
    )
    assert result.exit_code == 0
    assert "stays as it was: it is black and white alone" in result.stderr
    assert edited(tmp_path / "a.pdf", tmp_path / "out" / "a.pdf") == [2]


def test_no_verb_reads_the_pdf_packages_for_its_help() -> None:
    code = (
        "import sys; from cleanplate.cli import make_app; make_app();"
        "assert not {'pikepdf', 'pypdfium2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("blot")
def test_without_the_packages_a_document_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    source = scan(tmp_path / "in" / "a.pdf")
    for name in [one for one in sys.modules if one.startswith("cleanplate.document")]:
        monkeypatch.delitem(sys.modules, name)
    import cleanplate

    monkeypatch.delattr(cleanplate, "document", raising=False)
    original = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "pikepdf" else original(name, *rest),
    )
    result = run("watermark", source, "-o", tmp_path / "out")
    assert (result.exit_code, "pip install 'cleanplate[pdf]'" in result.stderr) == (1, True)
    draw(tmp_path / "in" / "b.png")
    result = run("watermark", tmp_path / "in", "-o", tmp_path / "two", "--workers", "1")
    assert (result.exit_code, "1 cleaned, 1 ignored." in result.stderr) == (0, True)


def test_every_task_says_whether_it_takes_documents() -> None:
    assert [one for one in tasks.names() if not tasks.info(one).documents] == ["cutout"]
