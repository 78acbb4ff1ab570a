"""A job: files that a client has sent in one request, and how far they are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cleanplate.serve.names import other_than
from cleanplate.serve.work import Answer, FileWork, Progress


@dataclass
class JobFile:
    """A file of a job.

    Attributes:
        name: what the client calls it, made harmless.
        source: where it lies.
        state: "waiting", "working", "done" or "failed".
        pages: of a document, how many are cleaned; None while that is not known, and of a picture.
        pages_done: how many of them are done.
        error: why there is no result.
        result: where that lies.
        told: what there is to tell of it.
        remarks: what the client should know, each with a `code` and a `text`, of pages a `page`.
    """

    name: str
    source: Path
    state: str = "waiting"
    pages: int | None = None
    pages_done: int = 0
    error: str | None = None
    result: Path | None = None
    told: dict[str, Any] = field(default_factory=dict)
    remarks: list[dict[str, Any]] = field(default_factory=list)

    def advance(self, progress: Progress) -> None:
        """Note how far it is."""
        self.pages, self.pages_done = progress.pages, progress.done
        self.remarks += progress.remarks

    def end(self, answer: Answer) -> None:
        """Note what became of it; the source is not needed any more."""
        if answer.status != 200:
            self.fail(answer.reason)
            return
        told = dict(answer.report)
        self.state, self.result = "done", Path(told.pop("result"))
        self.remarks += told.pop("remarks")
        self.told = told
        self.source.unlink(missing_ok=True)

    def fail(self, why: str) -> None:
        """Note that it has no result; paths of the server's are left out of what is said."""
        self.state, self.error = "failed", why.replace(f"{self.source.parents[2]}{os.sep}", "")
        for path in (self.source, self.result):
            if path is not None:
                path.unlink(missing_ok=True)
        self.result = None


@dataclass
class Job:
    """Files that a client has sent in one request.

    Attributes:
        id: what it is asked for by; it cannot be guessed.
        folder: all its files lie here, and nothing else.
        work: what is done to each file, whose places are filled in.
        files: in the order in which they came.
        size: bytes that it takes on the disk.
        ended: by `time.monotonic`, when the last file was done; None before.
    """

    id: str
    folder: Path
    work: FileWork
    files: list[JobFile] = field(default_factory=list)
    size: int = 0
    ended: float | None = None

    def add(self, name: str) -> JobFile:
        """Take one more file in, for which a place is made."""
        number = len(self.files) + 1
        taken = {file.name.casefold() for file in self.files}
        chosen = other_than(name, taken)
        source = self.folder / "in" / str(number) / PurePosixPath(chosen).name
        source.parent.mkdir(parents=True)
        self.files.append(JobFile(chosen, source))
        return self.files[-1]

    def out(self, file: JobFile) -> Path:
        """Return the folder for the result of a file."""
        return self.folder / "out" / file.source.parent.name

    def results(self) -> dict[str, Path]:
        """Return the results by their names, which are those of the command line."""
        named: dict[str, Path] = {}
        taken: set[str] = set()
        for file in self.files:
            if file.result is not None:
                wanted = str(PurePosixPath(file.name).with_name(file.result.name))
                name = other_than(wanted, taken)
                taken.add(name.casefold())
                named[name] = file.result
        return named

    def told(self, keep: float) -> dict[str, Any]:
        """Return how far it is, as JSON; its results are kept for `keep` seconds."""
        states = [file.state for file in self.files]
        begun = any(state != "waiting" for state in states)
        now = time.monotonic()
        return {
            "id": self.id,
            "task": self.work.task,
            "state": "done" if self.ended is not None else "working" if begun else "waiting",
            "files": len(states),
            "files_done": states.count("done"),
            "files_failed": states.count("failed"),
            "pages_done": sum(file.pages_done for file in self.files),
            "expires_in": None if self.ended is None else round(max(0, self.ended + keep - now)),
            "of_files": list(self._of_files()),
        }

    def _of_files(self) -> Iterator[dict[str, Any]]:
        for file in self.files:
            yield {
                "name": file.name,
                "state": file.state,
                "pages": file.pages,
                "pages_done": file.pages_done,
                "error": file.error,
                "remarks": file.remarks,
                **file.told,
            }
