"""What a worker is asked and what it answers; nothing heavy is imported, as the server asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Work:
    """A picture, and what to do to it.

    Attributes:
        picture: its file.
        task: the name of a task; empty: only a copy for the screen is wanted.
        options: of the task, by name, as `TaskInfo.checked` takes them.
        mask: a file of what is to be worked on.
        protect: a file of what is never touched.
        region: left, top, width and height of what is looked at.
        strip_metadata: leave out EXIF and the like.
    """

    picture: bytes
    task: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    mask: bytes | None = None
    protect: bytes | None = None
    region: tuple[int, ...] | None = None
    strip_metadata: bool = False


@dataclass(frozen=True)
class FileWork:
    """A file of a job, a picture or a document, and what to do to it.

    Attributes:
        source: where it lies.
        out: the folder for its result.
        task: the name of a task.
        options: of the task, by name, as `TaskInfo.checked` takes them.
        mask: where a picture of what is to be worked on lies.
        protect: where a picture of what is never touched lies.
        region: left, top, width and height of what is looked at.
        strip_metadata: leave out EXIF and the like.
        pages: of a document, which ones, as `1-3,7-`; None for all.
        password: of an encrypted PDF.
        break_signature: clean a signed PDF, too.
        remove_repeated: of a PDF, remove what most pages repeat and is translucent or turned.
        most_pages: that a document may have.
    """

    source: Path
    out: Path
    task: str
    options: dict[str, Any] = field(default_factory=dict)
    mask: Path | None = None
    protect: Path | None = None
    region: tuple[int, ...] | None = None
    strip_metadata: bool = False
    pages: str | None = None
    password: str = ""
    break_signature: bool = False
    remove_repeated: bool = False
    most_pages: int = 1000


@dataclass(frozen=True)
class Progress:
    """How far a worker is with a document.

    Attributes:
        pages: how many it cleans.
        done: how many of them are done.
        remarks: what is to be told of the page that was done last.
    """

    pages: int
    done: int = 0
    remarks: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Answer:
    """What became of some work.

    Attributes:
        status: that of HTTP; 200 where there is a result.
        reason: why there is none, a sentence.
        picture: the result's file; empty for a file of a job, whose result lies where `report`
            says.
        media: its media type.
        mask: the file of what was found, as of `--mask-out`; empty for tasks that have none.
        preview: a PNG for the screen, where browsers do not show the result.
        report: what there is to tell.
    """

    status: int = 200
    reason: str = ""
    picture: bytes = b""
    media: str = ""
    mask: bytes = b""
    preview: bytes = b""
    report: dict[str, Any] = field(default_factory=dict)
