"""The verb that learns a mark from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mark_makers import scene, under
from typer.testing import CliRunner

import cleanplate
from cleanplate.cli import make_app
from cleanplate.picture import encode_png, read_mark
from cleanplate.tasks.marks.mark import Place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(6):
        content = encode_png(under(scene(seed), Place(100, 20, 1, 1)))
        (pictures / f"{seed}.png").write_bytes(content)
    (pictures / "plain.png").write_bytes(encode_png(np.rint(scene(20) * 255).astype(np.uint8)))
    return pictures


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(make_app(), ["learn-mark", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_folder_gives_a_mark(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mark.png"
    (folder / "turning.gif").write_bytes(b"GIF89a")
    status, told, notes = run(folder, "-o", out)
    assert status == 0
    assert "turning.gif: ignored: a GIF is not read" in notes
    assert "learnt from 6 of 7 pictures" in told
    assert "plain.png: the mark was not found" in notes
    assert 0.4 < read_mark(out).alpha.max() < 0.52
    status, _, notes = run(folder, "-o", out)
    assert status == 1 and "--overwrite" in notes


def test_a_terminal_sees_how_far_it_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleanplate.cli.messages.is_terminal", lambda: True)
    status, told, notes = run(folder, "-o", tmp_path / "mark.png")
    assert status == 0 and "100%" in notes and "%" not in told


def test_what_gives_no_mark_is_said(folder: Path, tmp_path: Path) -> None:
    status, _, notes = run(folder / "1.png", "-o", tmp_path / "mark.png")
    assert status == 1 and "1 picture is too few" in notes
    status, _, notes = run(folder, "-o", tmp_path / "mark.jpg")
    assert status == 2 and "PNG" in notes


def test_the_library_learns_from_arrays(tmp_path: Path) -> None:
    pictures = [under(scene(seed), Place(100, 20, 1, 1)) for seed in range(5)]
    shares: list[float] = []
    mark = cleanplate.learn_mark(pictures, progress=shares.append)
    assert shares == sorted(shares) and len(shares) > 10 and shares[-1] == 1
    assert mark.bearing == [0, 1, 2, 3, 4] and mark.others == []
    mark.save(tmp_path / "mark.png")
    assert read_mark(tmp_path / "mark.png").alpha == pytest.approx(mark.alpha, abs=1e-4)
