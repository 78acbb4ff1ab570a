"""The record of a run: one JSON line a picture, readable after a kill at any moment."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from cleanplate.errors import CleanplateError, UsageError
from cleanplate.writing import remove_leftovers, write_all

Line = dict[str, Any]
_START = b'{"source": '


class Manifest:
    """`manifest.jsonl` in a folder of results; `lines` has those of earlier runs, by source.

    Lines are appended while a run goes on, and the last one of a source counts; closing leaves one
    line a source. While open it is locked, so that two runs never write into one folder.

    Raises:
        UsageError: another run holds it, or the file is somebody else's.
        CleanplateError: the folder cannot be written.
    """

    NAME = "manifest.jsonl"

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Without a buffer, since one that a full disk has refused would be written again later.
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - open as long as the run
        except OSError as error:
            raise CleanplateError(f"{self.path}: cannot be written: {error.strerror}.") from error
        try:
            _lock(self._file)
        except BlockingIOError:
            self._file.close()
            raise UsageError(f"Another run is writing into {folder}.") from None
        try:
            self.lines = self._read()
        except UsageError:
            self._file.close()
            raise
        remove_leftovers([self.path])

    def record(self, line: Line) -> None:
        """Append a line and wait until the disk has it. Raises OSError; no half line is left."""
        content = _encoded(line)
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), end)
            raise
        self.lines[line["source"]] = line

    def close(self) -> None:
        """Leave one line a source; on a full disk the longer file stays, which says the same."""
        self._file.close()
        with contextlib.suppress(OSError):
            write_all({self.path: b"".join(map(_encoded, self.lines.values()))})

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, CleanplateError) and not self.lines:
            with contextlib.suppress(OSError):
                self.path.unlink()  # nothing was begun: neither is a record of it
            self._file.close()
        else:
            self.close()

    def _read(self) -> dict[str, Line]:
        self._file.seek(0)
        *whole, half = self._file.read().split(b"\n")
        lines: dict[str, Line] = {}
        for raw in whole:
            try:
                line = json.loads(raw)
                lines[line["source"]] = line
            except (ValueError, KeyError, TypeError):
                raise self._foreign() from None
        if half:
            if not half.startswith(_START) and not _START.startswith(half):
                raise self._foreign()
            os.ftruncate(self._file.fileno(), sum(len(raw) + 1 for raw in whole))
        return lines

    def _foreign(self) -> UsageError:
        return UsageError(f"{self.path} was not written by Cleanplate; choose another folder.")


def _encoded(line: Line) -> bytes:
    # ASCII, as a file name need not be valid UTF-8.
    return json.dumps(line).encode("ascii") + b"\n"


def _lock(file: FileIO) -> None:
    """Lock the file for this process. Raises BlockingIOError when another one has it."""
    if sys.platform == "win32":
        return  # there, an open file cannot be replaced: the other run's manifest stays as it is
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # a network folder without locks
