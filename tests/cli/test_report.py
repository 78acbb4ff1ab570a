"""`--report`: a page of what became of each picture."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from fakes import draw
from PIL import Image
from typer.testing import CliRunner, Result

from cleanplate.batch.outcome import Outcome
from cleanplate.batch.report import SHOWN, write_report
from cleanplate.cli import make_app

pytestmark = pytest.mark.usefixtures("blot")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(make_app(), ["watermark", *map(str, arguments)])


class Page(HTMLParser):
    """Links, pictures and headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.headings: list[str] = []
        self._heading = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links.append(unquote(given["href"] or ""))
        if tag == "img":
            self.pictures.append(given["src"] or "")
        self._heading = tag == "h2"

    def handle_data(self, data: str) -> None:
        if self._heading:
            self.headings.append(data)
        self._heading = False


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    draw(folder / "a <b>&.png")
    Image.fromarray(np.full((60, 80, 3), 255, np.uint8)).save(folder / "plain.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def test_the_page_tells_of_all_and_stands_alone(pictures: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "pages" / "report.html"
    report.parent.mkdir()
    result = run(pictures, "-o", out, "--report", report)
    assert result.exit_code == 1
    text = report.read_text()
    page = Page(text)
    assert "broken.png" in page.headings[0]  # failures first
    assert len(page.headings) == 3 and "a <b>&amp;" not in "".join(page.headings)
    assert len(page.pictures) >= 2
    assert all(one.startswith("data:image/jpeg;base64,") for one in page.pictures)
    assert not re.search(r"https?://|<script", text)
    assert page.links
    for link in page.links:
        assert (report.parent / link).exists(), link
    again = run(pictures, "-o", out, "--report", report)
    assert again.exit_code == 2 and "--overwrite replaces it" in again.stderr


def test_a_resumed_run_tells_of_what_was_done_before(pictures: Path, tmp_path: Path) -> None:
    (pictures / "broken.png").unlink()
    out, report = tmp_path / "out", tmp_path / "report.html"
    assert run(pictures, "-o", out).exit_code == 0
    assert run(pictures, "-o", out, "--resume", "--report", report).exit_code == 0
    page = Page(report.read_text())
    assert len(page.headings) == 2 and len(page.pictures) >= 2
    assert "2 done before" in report.read_text()
    assert 'class="skipped"' not in report.read_text()


@pytest.mark.parametrize("name", ["in/plain.png", "out/manifest.jsonl", "report"])
def test_a_report_does_away_with_nothing_but_a_page(
    pictures: Path, tmp_path: Path, name: str
) -> None:
    before = (pictures / "plain.png").read_bytes()
    result = run(pictures, "-o", tmp_path / "out", "--report", tmp_path / name, "--overwrite")
    assert result.exit_code == 2 and "ends in .html" in result.stderr
    assert (pictures / "plain.png").read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_a_report_takes_no_place_that_is_no_file(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "x.html").mkdir()
    result = run(pictures, "-o", tmp_path / "out", "--report", tmp_path / "x.html", "--overwrite")
    assert result.exit_code == 2 and "no file" in result.stderr
    (tmp_path / "y").write_text("")
    result = run(pictures, "-o", tmp_path / "out", "--report", tmp_path / "y" / "r.html")
    assert result.exit_code == 2 and "takes no files" in result.stderr


def test_doubt_comes_first_and_pictures_are_not_without_end(tmp_path: Path) -> None:
    place = tmp_path / "a.png"
    draw(place)
    outcomes = [
        Outcome(Path(f"{n}.png"), "done", doubt=n / 500, settled=True, result=place, unchanged=True)
        for n in range(20)
    ]
    changed = [
        Outcome(place, "done", result=place, settled=True, filled=0.5) for _ in range(SHOWN + 5)
    ]
    write_report(tmp_path / "report.html", [*outcomes, *changed])
    page = Page((tmp_path / "report.html").read_text())
    assert page.headings[:2] == ["19.png", "18.png"]
    assert len(page.pictures) == SHOWN  # in place: one each, as they are now


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_shown_and_linked(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    draw(folder / "a.png")
    os.rename(folder / "a.png", os.fsencode(folder) + b"/\xff.png")
    report = tmp_path / "report.html"
    assert run(folder, "-o", tmp_path / "out", "--report", report).exit_code == 0
    assert "dcff.png" in report.read_text() and "%FF.png" in report.read_text()
