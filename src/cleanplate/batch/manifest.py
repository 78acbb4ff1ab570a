"""The record of a run: one JSON line a picture, or a page, readable after a kill at any moment."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from io import BufferedReader, FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from cleanplate.errors import CleanplateError, UsageError
from cleanplate.writing import remove_leftovers, write_all

Line = dict[str, Any]
_Key = tuple[str, int | None]
"""Source, as it is named in the file, and page; None for a picture, or for a whole document."""

PATHS = ("source", "result", "mask", "sheet")
"""The fields of a line that are paths."""

_START = b'{"source": '


class Manifest:
    """`manifest.jsonl` in a folder of results: what became of each source, now and in earlier runs.

    Lines are appended while a run goes on, and the last one of a source counts; closing leaves one
    line a source, and of a document one for each page that was cleaned. While open it is locked, so
    that two runs never write into one folder.

    In the file, paths are relative to its folder, so that it holds when all that it names is moved
    together; lines that are given and taken have them absolute. In memory is where each line
    begins, not what it says, as there may be very many.

    Args:
        folder: that of the results; made where it is missing.
        look: only read what earlier runs have left; nothing is made, locked or written.

    Raises:
        UsageError: another run holds it, or the file is somebody else's.
        CleanplateError: the folder cannot be written.
    """

    NAME = "manifest.jsonl"

    def __init__(self, folder: Path, *, look: bool = False) -> None:
        self.path = folder / self.NAME
        self._look = look
        self._places = _Places(folder)
        self._file = self._there() if look else self._opened(folder)
        try:
            self._spans = self._index()
        except UsageError:
            self._file.close()
            raise
        if not look:
            remove_leftovers([self.path])

    def known(self, source: Path) -> Line:
        """Give the last line of a source, its paths as `place` gives them; empty for none."""
        key = (self._places.relative(str(source)), None)
        return self._line(key) if key in self._spans else {}

    def pages(self, source: Path) -> list[Line]:
        """Give the last line of each page of a document."""
        name = self._places.relative(str(source))
        return [self._line(key) for key in self._spans if key[0] == name and key[1] is not None]

    def place(self, path: Path) -> str:
        """Give how the lines name a path: absolute, through no linked folder."""
        return self._places.absolute(str(path))

    def record(self, line: Line, *, sync: bool = True) -> None:
        """Append a line, and with `sync` wait until the disk has it and all before it.

        Raises:
            OSError: it cannot be written; no half line is left.
        """
        if self._look:
            return
        line = self._places.bare(line)
        content = _encoded(line)
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if sync:
                os.fsync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), end)
            raise
        self._spans[line["source"], line.get("page")] = (end, len(content))

    def close(self) -> None:
        """Leave one line a source; on a full disk the longer file stays, which says the same."""
        if self._look:
            self._file.close()
            return
        with contextlib.suppress(OSError):
            lines = (self._places.bare(self._line(key)) for key in self._spans)
            content = b"".join(map(_encoded, lines))
            self._file.close()
            write_all({self.path: content})
        self._file.close()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, CleanplateError) and not self._spans and not self._look:
            with contextlib.suppress(OSError):
                self.path.unlink()  # nothing was begun: neither is a record of it
            self._file.close()
        else:
            self.close()

    def _there(self) -> FileIO:
        try:
            return open(self.path, "rb", buffering=0)
        except FileNotFoundError:
            return open(os.devnull, "rb", buffering=0)
        except OSError as error:
            raise CleanplateError(f"{self.path}: cannot be read: {error.strerror}.") from error

    def _opened(self, folder: Path) -> FileIO:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Without a buffer, since one that a full disk has refused would be written again later.
            file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - open as long as the run
        except OSError as error:
            raise CleanplateError(f"{self.path}: cannot be written: {error.strerror}.") from error
        try:
            _lock(file)
        except BlockingIOError:
            file.close()
            raise UsageError(f"Another run is writing into {folder}.") from None
        return file

    def _line(self, key: _Key) -> Line:
        """Read the last line of a source or a page."""
        start, length = self._spans[key]
        self._file.seek(start)
        return self._places.resolved(json.loads(self._file.read(length)))

    def _index(self) -> dict[_Key, tuple[int, int]]:
        """Find start and length of the last line of each; cut off a half line at the end."""
        self._file.seek(0)
        spans: dict[_Key, tuple[int, int]] = {}
        start = 0
        reader = BufferedReader(self._file)
        for raw in reader:
            if not raw.endswith(b"\n"):
                if not raw.startswith(_START) and not _START.startswith(raw):
                    raise self._foreign()
                if not self._look:
                    os.ftruncate(self._file.fileno(), start)
                break
            try:
                line = json.loads(raw)
                source = os.path.join(self._places.folder, line["source"])
                spans[self._places.relative(source), line.get("page")] = (start, len(raw))
            except (ValueError, KeyError, TypeError):
                raise self._foreign() from None
            start += len(raw)
        reader.detach()  # it would close the file
        return spans

    def _foreign(self) -> UsageError:
        return UsageError(f"{self.path} was not written by Cleanplate; choose another folder.")


class _Places:
    """How paths are named in the manifest of a folder, and outside of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self._real: dict[str, str] = {}

    def absolute(self, path: str) -> str:
        """Name a directory entry, whatever links lead to its folder."""
        folder, name = os.path.split(os.path.abspath(path))
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return os.path.join(self._real[folder], name)

    def relative(self, path: str) -> str:
        """Name a directory entry as seen from the manifest's folder."""
        absolute = self.absolute(path)
        try:
            return Path(os.path.relpath(absolute, self.folder)).as_posix()
        except ValueError:  # it lies on another drive
            return absolute

    def bare(self, line: Line) -> Line:
        """Give a line as it stands in the file."""
        return {**line, **{key: self.relative(line[key]) for key in PATHS if line.get(key)}}

    def resolved(self, line: Line) -> Line:
        """Give a line of the file with absolute paths; older files have them so already."""
        seen = {key: os.path.join(self.folder, line[key]) for key in PATHS if line.get(key)}
        return {**line, **{key: self.absolute(path) for key, path in seen.items()}}


def _encoded(line: Line) -> bytes:
    # ASCII, as a file name need not be valid UTF-8.
    return json.dumps(line).encode("ascii") + b"\n"


def _lock(file: FileIO) -> None:
    """Lock the file for this process.

    Raises:
        BlockingIOError: another one has it.
    """
    if sys.platform == "win32":
        return  # there, an open file cannot be replaced: the other run's manifest stays as it is
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # a network folder without locks
