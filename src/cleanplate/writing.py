"""Files that are whole or not there: written beside their place, then renamed onto it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

_PREFIX, _SUFFIX = ".cleanplate-", ".part"


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write every file whole and onto the disk, then rename them to their places, in order.

    Nothing is replaced before all of them are written. A file that is replaced hands on its
    permissions. Folders are made as needed. Raises OSError, and then leaves no temporary file.
    """
    written: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written[path] = path.with_name(_stem(path) + secrets.token_hex(4) + _SUFFIX)
            _write(written[path], content)
            if path.exists():
                shutil.copymode(path, written[path])
        for path, temporary in written.items():
            os.replace(temporary, path)
            _sync_folder(path.parent)
    finally:
        for temporary in written.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


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


def _write(path: Path, content: bytes) -> None:
    # Opened by hand: tempfile's 0600 would hide the result from all but its owner.
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
    )
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
