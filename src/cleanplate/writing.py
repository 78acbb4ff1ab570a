"""Files that are whole or not there: written beside their place, then renamed onto it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

_PREFIX, _SUFFIX = ".cleanplate-", ".part"
_PIECE = 1 << 20  # bytes


def write_all(
    contents: Mapping[Path, bytes | Path],
    *,
    source: os.stat_result | None = None,
    keep_times: bool = False,
) -> None:
    """Write every file whole and onto the disk, then rename them to their places, in order.

    Nothing is replaced before all of them are written. A file that is replaced hands on its
    permissions. Folders are made as needed.

    Args:
        contents: what goes where; a path is that of a file, whose content it is.
        source: the file that all of it was made from: who may not read that may not read it either.
        keep_times: give the files the times of the source.

    Raises:
        OSError: one cannot be written; no temporary file is left.
    """
    with staged(contents, source=source, keep_times=keep_times) as put:
        put()
    sync_folders(contents)


@contextlib.contextmanager
def staged(
    contents: Mapping[Path, bytes | Path],
    *,
    source: os.stat_result | None = None,
    keep_times: bool = False,
) -> Iterator[Callable[[], None]]:
    """Write every file beside its place, and give what renames them; takes what `write_all` takes.

    What was not renamed is removed again. `sync_folders` has the renames last.
    """
    written: dict[Path, Path] = {}

    def put() -> None:
        for path, temporary in written.items():
            os.replace(temporary, path)

    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written[path] = path.with_name(_stem(path) + secrets.token_hex(4) + _SUFFIX)
            with _named(path, written[path]):
                _write(written[path], path, content, source)
                if source is not None and keep_times:
                    os.utime(written[path], ns=(source.st_atime_ns, source.st_mtime_ns))
        yield put
    finally:
        for temporary in written.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _named(path: Path, temporary: Path) -> Iterator[None]:
    """Have an error name the file itself, not the one beside it, of which nobody knows."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, os.fspath(temporary)):  # a full disk names no file
            error.filename = os.fspath(path)
        raise


def digest(content: bytes | Path) -> str:
    """Return the sha256 of bytes or of a file.

    Raises:
        OSError: the file cannot be read.
    """
    if not isinstance(content, Path):
        return hashlib.sha256(content).hexdigest()
    found = hashlib.sha256()
    with content.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def sync_folders(paths: Iterable[Path]) -> None:
    """Make renames onto these paths last through a power cut, where the system lets that be."""
    for folder in {path.parent for path in paths}:
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def make_folders(folder: Path, like: Path, depth: int) -> None:
    """Make a folder that mirrors another one, with those above it.

    Args:
        folder: what to make; where it is there, nothing happens.
        like: the folder that it mirrors: who may not look into that may not look into it either.
        depth: of how many of the folders, from the innermost, this holds.

    Raises:
        OSError: it cannot be made, or the other one is not there.
    """
    if depth == 0 or folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        return
    make_folders(folder.parent, like.parent, depth - 1)
    folder.mkdir(mode=0o700 | stat.S_IMODE(like.stat().st_mode), exist_ok=True)


def waiting_folder(path: Path) -> Path:
    """Return the hidden folder beside a file in which parts of it wait until it can be written."""
    return path.with_name(_stem(path) + "parts")


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove what a killed run left beside these paths. Files of other names are never touched."""
    stems: dict[Path, set[str]] = {}
    for path in paths:
        stems.setdefault(path.parent, set()).add(_stem(path))
    for folder, known in stems.items():
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                if entry.name.endswith(_SUFFIX) and entry.name[: -len(_SUFFIX) - 8] in known:
                    os.unlink(entry.path)


def _stem(path: Path) -> str:
    """Give how this file's temporaries begin: a digest, as a long name has no room left."""
    return _PREFIX + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16] + "-"


def _write(
    temporary: Path, place: Path, content: bytes | Path, source: os.stat_result | None
) -> None:
    # Opened by hand: tempfile's 0600 would hide the result from all but its owner.
    mode = 0o666 if source is None else 0o600 | (source.st_mode & 0o666)
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode
    )
    with os.fdopen(descriptor, "wb") as file:
        _permit(temporary, place, source)  # while it is empty
        if isinstance(content, Path):
            with content.open("rb") as given:
                shutil.copyfileobj(given, file, _PIECE)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _permit(temporary: Path, place: Path, source: os.stat_result | None) -> None:
    """Hand on the permissions of the file that is replaced; let nobody read who may not the source.

    A volume that refuses has permissions of its own.
    """
    with contextlib.suppress(OSError):
        new = temporary.stat()
        old = place.stat() if place.exists() else new
        if old.st_gid != new.st_gid:
            with contextlib.suppress(OSError):
                os.chown(temporary, -1, old.st_gid)
        group = temporary.stat().st_gid
        mode = stat.S_IMODE(old.st_mode)
        if group != old.st_gid:  # to its members, the old file was one of others'
            mode = mode & ~0o070 | (mode & 0o070 & mode << 3)
        if source is not None:
            readers = source.st_mode & 0o004
            readers |= source.st_mode & 0o040 if group == source.st_gid else readers << 3
            mode &= ~0o044 | readers
        if mode != stat.S_IMODE(new.st_mode):
            os.chmod(temporary, mode)
