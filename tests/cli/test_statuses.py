"""Every exit status of docs/command-line.md, with what is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from fakes import Blot, draw, stand_in
from PIL import Image
from typer.testing import CliRunner

from cleanplate.cli import make_app
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned

DOCS = Path(__file__).parents[2] / "docs" / "command-line.md"

pytestmark = pytest.mark.usefixtures("blot")


class Stopped(Blot):
    """Ctrl-C comes while a picture is cleaned."""

    def clean(self, picture: Picture, **given: Any) -> Cleaned:
        if picture.name == "b.jpg":
            raise KeyboardInterrupt
        return super().clean(picture, **given)


@pytest.fixture
def here(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the run, with what the cases name."""
    here = photos.parent
    monkeypatch.chdir(here)
    draw(here / "there" / "a.png")
    draw(here / "others" / "a.png")
    (here / "bad").mkdir()
    (here / "bad" / "bad.png").write_bytes(b"no picture")
    draw(here / "bad" / "good.png")
    Image.new("RGB", (8, 8)).save(here / "cartoon.gif")
    (here / "mixed").mkdir()
    draw(here / "mixed" / "a.png")
    (here / "mixed" / "cartoon.gif").write_bytes((here / "cartoon.gif").read_bytes())
    (here / "empty").mkdir()
    (here / "toons").mkdir()
    (here / "toons" / "a.gif").write_bytes((here / "cartoon.gif").read_bytes())
    Image.new("L", (64, 48)).save(here / "black.png")
    (here / "black.onnx").write_bytes(b"")
    onnx_models.write(here, "filler", onnx_models.threshold(), role="filler")
    return here


NO_FILE = "no.png: there is no such file or folder"
ONE_BAD = "bad/bad.png: this is no picture"
SKIPPED = "photos/a.png: skipped: there/a.png exists; --overwrite replaces it"
SECOND = "others/a.png: skipped: its result would lie where photos/a.png or its result lies"

CASES: list[tuple[int, str, list[str]]] = [
    (0, "photos -o out", ["3 cleaned."]),
    (0, "photos -o done", ["3 cleaned."]),
    (0, "photos -o done --resume", ["3 cleaned before."]),
    (0, "photos -o done --overwrite", ["3 cleaned."]),
    (0, "photos/a.png -o one.png", []),
    (0, "mixed -o out", ["mixed/cartoon.gif: ignored: ", "1 cleaned, 1 ignored."]),
    (0, "photos -o out --dry-run", ["3 to be cleaned; about 1 s."]),
    (1, "bad -o out", [ONE_BAD, "1 cleaned, 1 failed."]),
    (1, "no.png photos -o out", [NO_FILE, "3 cleaned, 1 failed."]),
    (1, "photos/a.png -o there", [SKIPPED]),
    (1, "photos others -o out", [SECOND, "3 cleaned, 1 skipped."]),
    (1, "photos -o there --dry-run", [SKIPPED, "2 to be cleaned, 1 skipped; about 1 s."]),
    (1, "bad/bad.png -o out.png", [ONE_BAD]),
    (1, "photos/a.png -o out --region 64,0,9,9", ["photos/a.png: the region begins at 64,0, "]),
    (1, "photos/a.png -o out --mask black.png --strict", ["photos/a.png: the mask names nothing"]),
    (2, "", ["Missing argument"]),
    (2, "photos", ["Say where the results go: -o FOLDER."]),
    (2, "photos -o out --colour red", ["No such option: --colour"]),
    (2, "photos -o out --threshold 2", ["threshold"]),
    (2, "photos -o out --region 1,2,3", ["1,2,3 is no region"]),
    (2, "photos -o out --device abacus", ["There is no device 'abacus'; there are: auto, "]),
    (2, "photos -o out --device cuda", ["The device cuda is not there; "]),
    (2, "photos -o out --mask no.png", [NO_FILE]),
    (2, "photos -o out --protect no.png", [NO_FILE]),
    (2, "photos -o out --model locator", ["There is no model 'locator'; those that ship: "]),
    (2, "photos -o out --model filler", ["--model filler.onnx: its card gives it the role filler"]),
    (2, "photos -o out --model mine.onnx", ["mine.onnx is missing: there is no such model file."]),
    (2, "photos -o black.onnx", ["black.onnx is a file; give a folder."]),
    (2, "photos -o out --mask-out black.onnx", ["black.onnx is a file; give a folder."]),
    (2, "photos -o out --explain black.onnx", ["black.onnx is a file; give a folder."]),
    (2, "photos/a.png -o out.gif", ["out.gif: no picture is written as .gif, but: "]),
    (2, "photos/a.png -o out.png --resume", ["--resume goes on with a folder; "]),
    (2, "photos -o out.png", ["out.png names one picture; give a folder"]),
    (2, "photos -o -", ["Standard output (-) is for the picture on standard input alone."]),
    (2, "- photos -o out", ["- (standard input) goes without other paths"]),
    (2, "- --dry-run", ["- (standard input) goes without other paths"]),
    (2, "no.png -o out", [NO_FILE]),
    (2, "empty -o out", ["Nothing to do: no picture in empty."]),
    (2, "toons -o out", ["toons/a.gif: ignored: ", "Nothing to do: no picture that is taken."]),
    (2, "toons -o out --dry-run", ["toons/a.gif: ignored: ", "0 to be ", "Nothing to do: no "]),
    (130, "photos -o out --workers 1", ["Interrupted: 1 of 3 cleaned; the same command with "]),
]


@pytest.mark.parametrize(
    ("status", "arguments", "said"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES]
)
def test_the_status_is_the_documented_one_and_says_why(
    here: Path, status: int, arguments: str, said: list[str]
) -> None:
    if "done" in arguments and arguments != "photos -o done":
        CliRunner().invoke(make_app(), ["watermark", "photos", "-o", "done"])
    if status == 130:
        stand_in(Stopped)
    before = sorted(here.rglob("*"))
    result = CliRunner().invoke(make_app(), ["watermark", *arguments.split()])
    lines = result.stderr.splitlines()
    assert result.exit_code == status, result.stderr
    if said and not said[0].startswith(("Missing", "No such", "threshold", "1,2,3")):
        assert len(lines) == len(said), result.stderr
        for line, beginning in zip(lines, said, strict=True):
            assert line.startswith(beginning)
    else:  # as typer words it, in a frame of its own
        assert all(words in result.stderr for words in said)
        assert said or not lines
    if status == 2 or "--dry-run" in arguments:
        assert sorted(here.rglob("*")) == before  # nothing was begun


def test_the_table_of_the_docs_has_these_statuses_and_no_others() -> None:
    page = DOCS.read_text(encoding="utf-8")
    table = page[page.index("| exit status | meaning |") :].split("\n\n")[0]
    assert {int(one) for one in re.findall(r"^\| (\d+) \|", table, re.M)} == {
        status for status, _, _ in CASES
    }
