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
            manifest.record({"source": str(folder / source), "status": status})


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
        manifest.record({"source": str(tmp_path / "a"), "status": "done"})
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
            known = [name for name in ("a", "ü\udcff", "c") if manifest.known(folder / name)]
            assert known == ["a", "ü\udcff", "c"][:whole]
            manifest.record({"source": str(folder / "d"), "status": "done"})
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
        manifest.record({"source": str(tmp_path / "a"), "status": "done"})
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                manifest.record({"source": str(tmp_path / "b"), "status": "done"})
        manifest.record({"source": str(tmp_path / "c"), "status": "done"})
        assert [line["source"] for line in lines(tmp_path)] == ["a", "c"]


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(CleanplateError, match="cannot be written"):
        Manifest(tmp_path / "out")


def test_paths_are_relative_in_the_file_and_absolute_outside(tmp_path: Path) -> None:
    source, result = tmp_path / "photos" / "sub" / "a.png", tmp_path / "out" / "sub" / "a.png"
    line = {"source": str(source), "result": str(result), "mask": None, "status": "done"}
    with Manifest(tmp_path / "out") as manifest:
        manifest.record(line)
        assert manifest.known(source) == line
        assert manifest.known(tmp_path / "photos" / "b.png") == {}
    [kept] = lines(tmp_path / "out")
    assert (kept["source"], kept["result"]) == ("../photos/sub/a.png", "sub/a.png")
    (tmp_path / "elsewhere").mkdir()
    for folder in ("photos", "out"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder).rename(tmp_path / "elsewhere" / folder)
    with Manifest(tmp_path / "elsewhere" / "out") as manifest:
        moved = manifest.known(tmp_path / "elsewhere" / "photos" / "sub" / "a.png")
        assert moved["result"] == str(tmp_path / "elsewhere" / "out" / "sub" / "a.png")
        assert manifest.known(source) == {}


def test_a_line_is_found_whatever_links_lead_to_its_folders(tmp_path: Path) -> None:
    for name in ("photos", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / f"linked {name}").symlink_to(tmp_path / name, target_is_directory=True)
    line = {"source": str(tmp_path / "linked photos" / "a.png"), "status": "done"}
    with Manifest(tmp_path / "linked out") as manifest:
        manifest.record(line)
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.known(tmp_path / "photos" / "a.png")["status"] == "done"


def test_a_manifest_of_an_older_version_is_read(tmp_path: Path) -> None:
    """It had absolute paths."""
    source = tmp_path / "photos" / "a.png"
    old = {"source": str(source), "result": str(tmp_path / "out" / "a.png"), "status": "done"}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.jsonl").write_text(json.dumps(old) + "\n")
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.known(source) == old
    [line] = lines(tmp_path / "out")
    assert (line["source"], line["result"]) == ("../photos/a.png", "a.png")
