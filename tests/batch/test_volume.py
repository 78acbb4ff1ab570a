"""A volume of the test's own, on which case and Unicode form of a name do not count."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import draw

from cleanplate.batch import Plan, plan
from cleanplate.batch.volume import Volume, are_one, spellings

CALLS = ("stat", "lstat", "mkdir", "open", "unlink", "rmdir", "scandir", "listdir")


@pytest.fixture
def folding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below which the system calls fold every name, as some volumes do."""
    root = tmp_path / "folding"
    root.mkdir()
    begin = str(root) + os.sep

    def folded(path: Any) -> Any:
        text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
        if not isinstance(text, str) or not text.startswith(begin):
            return path
        return begin + unicodedata.normalize("NFD", text[len(begin) :].casefold())

    def folds(call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda path=".", *given, **named: call(folded(path), *given, **named)

    for name in CALLS:
        monkeypatch.setattr(os, name, folds(getattr(os, name)))
    return root


def taken(planned: Plan) -> list[str]:
    return [str(job.source) for job in planned.jobs]


PAIRS = [("a.png", "A.PNG"), ("é.png", "e\u0301.png"), ("sub/a.png", "Sub/a.png")]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_of_two_results_that_would_be_one_file_the_second_is_skipped_by_name(
    folding: Path, tmp_path: Path, first: str, second: str
) -> None:
    sources = [draw(tmp_path / "one" / first), draw(tmp_path / "two" / second)]
    planned = plan([tmp_path / "one", tmp_path / "two"], folding / "out")
    assert taken(planned) == [str(sources[0])]
    [trouble] = planned.troubles
    assert (trouble.source, trouble.status) == (sources[1], "skipped")
    assert str(sources[0]) in trouble.reason
    assert list(folding.iterdir()) == []  # nothing is left of having asked


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_elsewhere_both_have_their_results(tmp_path: Path, first: str, second: str) -> None:
    if are_one(tmp_path / "x", tmp_path / "X"):
        pytest.skip("this volume folds case")
    draw(tmp_path / "one" / first)
    draw(tmp_path / "two" / second)
    planned = plan([tmp_path / "one", tmp_path / "two"], tmp_path / "out")
    assert (len(planned.jobs), planned.troubles) == (2, [])


def test_masks_that_would_be_one_file_take_longer_names(folding: Path, tmp_path: Path) -> None:
    draw(tmp_path / "photos" / "a.png")
    draw(tmp_path / "photos" / "A.JPG")
    planned = plan([tmp_path / "photos"], tmp_path / "out", folding / "masks")
    masks = {str(job.mask).casefold() for job in planned.jobs}
    assert len(masks) == 2
    assert planned.troubles == []


def test_results_that_are_there_in_another_spelling_are_asked_about(folding: Path) -> None:
    draw(folding / "out" / "a.png")
    volume = Volume()
    assert volume.entry(folding / "out" / "A.png") == volume.entry(folding / "OUT" / "a.png")
    assert volume.entry(folding / "out" / "b.png") != volume.entry(folding / "out" / "a.png")


def test_the_folder_of_results_is_known_by_another_spelling(folding: Path) -> None:
    draw(folding / "photos" / "a.png")
    draw(folding / "photos" / "clean" / "a.png")
    out = folding / "photos" / "Clean"
    assert spellings(out) == [out, out.with_name("clean")]
    planned = plan([folding / "photos"], out)
    assert taken(planned) == [str(folding / "photos" / "a.png")]


def test_hard_links_are_two_files(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    if (tmp_path / "A.png").exists():
        pytest.skip("this volume folds case")
    os.link(tmp_path / "a.png", tmp_path / "A.png")
    assert not are_one(tmp_path / "a.png", tmp_path / "A.png")


def test_where_nothing_can_be_made_they_count_as_two(
    folding: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)
    assert not are_one(folding / "a.png", folding / "A.png")
