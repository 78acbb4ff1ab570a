from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanplate.batch import Manifest
from cleanplate.errors import CleanplateError, UsageError


def record(folder: Path, *lines: tuple[str, str]) -> None:
    with Manifest(folder) as manifest:
        for source, status in lines:
            manifest.record({"source": source, "status": status})


def lines(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_of_several_lines_of_a_source_the_last_stays(tmp_path: Path) -> None:
    record(tmp_path / "out", ("a", "writing"), ("b", "failed"), ("a", "done"))
    record(tmp_path / "out", ("b", "done"))
    assert lines(tmp_path / "out") == [
        {"source": "a", "status": "done"},
        {"source": "b", "status": "done"},
    ]


def test_a_line_is_there_before_the_manifest_is_closed(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.record({"source": "a", "status": "done"})
        assert lines(tmp_path) == [{"source": "a", "status": "done"}]


@settings(max_examples=40)
@given(st.data())
def test_a_manifest_cut_anywhere_keeps_its_whole_lines(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record(folder, ("a", "done"), ("ü\udcff", "failed"), ("c", "done"))
        content = (folder / "manifest.jsonl").read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        (folder / "manifest.jsonl").write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")
        with Manifest(folder) as manifest:
            assert list(manifest.lines) == ["a", "ü\udcff", "c"][:whole]
            manifest.record({"source": "d", "status": "done"})
        assert [line["source"] for line in lines(folder)] == [*["a", "ü\udcff", "c"][:whole], "d"]


@pytest.mark.parametrize(
    "content", ['{"file": "a.png"}\n', "a.png\n", "a.png", '{"source": "a"}\nother\n', "[1]\n"]
)
def test_a_manifest_of_another_program_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match="not written by Cleanplate"):
        Manifest(tmp_path)
    assert path.read_text() == content


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    with Manifest(tmp_path), pytest.raises(UsageError, match="Another run"):
        Manifest(tmp_path)
    Manifest(tmp_path).close()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Manifest(tmp_path) as manifest:
        manifest.record({"source": "a", "status": "done"})
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                manifest.record({"source": "b", "status": "done"})
        manifest.record({"source": "c", "status": "done"})
        assert [line["source"] for line in lines(tmp_path)] == ["a", "c"]


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(CleanplateError, match="cannot be written"):
        Manifest(tmp_path / "out")
