"""What a worker is asked and what it answers; nothing heavy is imported, as the server asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
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
class Answer:
    """What became of a job.

    Attributes:
        status: that of HTTP; 200 where there is a result.
        reason: why there is none, a sentence.
        picture: the result's file.
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
