from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from fakes import leftovers

from cleanplate.writing import remove_leftovers, write_all


def test_files_are_written_with_their_folders(tmp_path: Path) -> None:
    write_all({tmp_path / "x" / "y.png": b"one", tmp_path / "z.png": b"two"})
    assert (tmp_path / "x" / "y.png").read_bytes() == b"one"
    assert (tmp_path / "z.png").read_bytes() == b"two"
    assert leftovers(tmp_path) == []


def test_permissions_are_the_usual_or_those_of_the_file_before(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    old = tmp_path / "old.png"
    old.touch()
    old.chmod(0o640)
    write_all({old: b"", tmp_path / "new.png": b""})
    assert old.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "new.png").stat().st_mode == usual.stat().st_mode


def test_the_longest_name_has_room(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125 + ".png")
    write_all({path: b"x"})
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    paths = [tmp_path / "mask.png", tmp_path / "result.png"]
    for path in paths:
        path.write_bytes(b"old")
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_all(dict.fromkeys(paths, b"new"))
    assert [path.read_bytes() for path in paths] == [b"old", b"old"]
    assert leftovers(tmp_path) == []


def test_leftovers_of_these_paths_alone_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = tmp_path / "mine.png", tmp_path / "other.png"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: os._exit)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        write_all({mine: b"half"})
        write_all({other: b"half"})
    (tmp_path / ".cleanplate-of-the-user.part").touch()
    assert len(leftovers(tmp_path)) == 3
    remove_leftovers([mine, tmp_path / "no folder" / "x.png"])
    assert len(leftovers(tmp_path)) == 2
    remove_leftovers([other])
    assert [path.name for path in leftovers(tmp_path)] == [".cleanplate-of-the-user.part"]
