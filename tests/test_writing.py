from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from fakes import leftovers

from cleanplate.writing import make_folders, remove_leftovers, write_all


def test_files_are_written_with_their_folders(tmp_path: Path) -> None:
    write_all({tmp_path / "x" / "y.png": b"one", tmp_path / "z.png": b"two"})
    assert (tmp_path / "x" / "y.png").read_bytes() == b"one"
    assert (tmp_path / "z.png").read_bytes() == b"two"
    assert leftovers(tmp_path) == []


def test_an_error_names_the_file_and_not_the_one_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as error:
        write_all({tmp_path / "x.png": b"one"})
    assert error.value.filename == str(tmp_path / "x.png")


def test_permissions_are_the_usual_or_those_of_the_file_before(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    old = tmp_path / "old.png"
    old.touch()
    old.chmod(0o640)
    write_all({old: b"", tmp_path / "new.png": b""})
    assert old.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "new.png").stat().st_mode == usual.stat().st_mode


def test_a_private_source_does_not_become_public(tmp_path: Path) -> None:
    source, old = tmp_path / "source.png", tmp_path / "old.png"
    for path, mode in ((source, 0o600), (old, 0o664)):
        path.touch()
        path.chmod(mode)
    new = tmp_path / "new.png"
    write_all({new: b"", old: b""}, source=source.stat())
    assert new.stat().st_mode & 0o777 == 0o600
    assert old.stat().st_mode & 0o777 == 0o620
    source.chmod(0o400)
    new.unlink()
    write_all({new: b""}, source=source.stat())
    assert new.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="for root alone")
def test_a_group_of_another_file_gets_nothing(tmp_path: Path) -> None:
    source, new = tmp_path / "source.png", tmp_path / "new.png"
    source.touch()
    source.chmod(0o640)
    os.chown(source, -1, 12345)
    write_all({new: b""}, source=source.stat())
    assert new.stat().st_gid != 12345
    assert new.stat().st_mode & 0o777 == 0o600
    write_all({source: b"again"}, source=source.stat())
    assert (source.stat().st_gid, source.stat().st_mode & 0o777) == (12345, 0o640)


def test_folders_are_as_private_as_those_that_they_mirror(tmp_path: Path) -> None:
    private = tmp_path / "photos" / "of us"
    private.mkdir(parents=True)
    private.chmod(0o700)
    (tmp_path / "photos").chmod(0o700)
    made = tmp_path / "new" / "out" / "of us"
    make_folders(made, private, 1)
    assert made.stat().st_mode & 0o777 == 0o700
    usual = tmp_path / "usual"
    usual.mkdir()
    assert made.parent.stat().st_mode == usual.stat().st_mode  # that one is the user's own choice
    make_folders(made, private, 1)


def test_a_volume_that_refuses_chmod_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    path, source = tmp_path / "a.png", tmp_path / "source.png"
    for one, mode in ((path, 0o640), (source, 0o600)):
        one.write_bytes(b"old")
        one.chmod(mode)
    for call in ("chmod", "fchmod", "chown"):
        monkeypatch.setattr(os, call, refuse)
    write_all({path: b"new"}, source=source.stat())
    assert path.read_bytes() == b"new"
    assert leftovers(tmp_path) == []


def test_times_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    source, path = tmp_path / "source.png", tmp_path / "a.png"
    source.touch()
    os.utime(source, ns=(10**18 + 1, 10**18 + 987_654_321))
    write_all({path: b""}, source=source.stat())
    assert path.stat().st_mtime_ns != source.stat().st_mtime_ns
    write_all({path: b""}, source=source.stat(), keep_times=True)
    assert path.stat().st_mtime_ns == source.stat().st_mtime_ns


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
