"""How a result is made of one picture: cleaned, and encoded with all that goes beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cleanplate.batch.sheets import sheet
from cleanplate.batch.sources import Job
from cleanplate.errors import PictureError
from cleanplate.models import noting
from cleanplate.picture import encode_mask, encode_png
from cleanplate.tasks.limits import NONE, Limits, clean_with
from cleanplate.tasks.masks import Masks

if TYPE_CHECKING:
    from cleanplate.tasks.base import Cleaned, Remark, Task

SHEET_SIDE = 640  # longer side in pixels of a picture on a sheet


class Made(NamedTuple):
    """A result in memory.

    Attributes:
        cleaned: the picture, and what was done to it.
        content: its file.
        models: those that ran, sha256 by name.
    """

    cleaned: Cleaned
    content: bytes
    models: dict[str, str]

    def told(self) -> dict[str, Any]:
        """Give what an outcome tells of it."""
        cleaned = self.cleaned
        return {
            "filled": cleaned.filled,
            "unchanged": cleaned.unchanged,
            "remarks": tuple(cleaned.remarks),
            "doubt": cleaned.doubt,
            "report": cleaned.report,
            "device": cleaned.device,
            "models": self.models,
        }

    def files(self, job: Job) -> dict[Path, bytes]:
        """Give what goes where; the result last: where it is, its mask and its sheet are too."""
        files = {}
        if job.sheet is not None:
            files[job.sheet] = sheet_of(self.cleaned)
        if job.mask is not None:
            files[job.mask] = encode_mask(self.cleaned.mask)
        return {**files, job.result: self.content}


@dataclass(frozen=True)
class Maker:
    """What makes the results of a run.

    Attributes:
        task: cleans the pictures.
        masks: what is worked on.
        limits: where pictures may be changed.
        strip_metadata: leave EXIF and the like out of the results.
        strict: what masks and losses are remarked upon for is a failure.
    """

    task: Task
    masks: Masks | None = None
    limits: Limits = NONE
    strip_metadata: bool = False
    strict: bool = False

    def make(self, picture: Any, format: str | None) -> Made:
        """Clean a picture, in place, and encode it.

        Raises:
            PictureError: it cannot be encoded, or, in strict runs, a remark is grave.
            CleanplateError: see `clean_with`.
        """
        with noting() as ran:
            cleaned = clean_with(self.task, picture, self.masks, self.limits)
        return Made(cleaned, self._encoded(cleaned, format), ran)

    def check(self, remarks: Iterable[Remark], name: str) -> None:
        """Refuse grave remarks in strict runs.

        Raises:
            PictureError: there is one.
        """
        if self.strict and (grave := grave_of(remarks)):
            raise PictureError(f"{name}: {grave}.")

    def _encoded(self, cleaned: Cleaned, format: str | None) -> bytes:
        """Encode a picture, and have its remarks say what is lost by that."""
        strip = self.strip_metadata
        cleaned.remarks += cleaned.losses(strip_metadata=strip, format=format)
        self.check(cleaned.remarks, cleaned.picture.name)
        return cleaned.picture.encode(cleaned.edited, strip_metadata=strip, format=format)


def grave_of(remarks: Iterable[Remark]) -> str:
    """Say why remarks make a failure of a picture in strict runs; empty where they do not."""
    grave = [remark.text for remark in remarks if remark.grave]
    return f"{'; '.join(grave)} (--strict)" if grave else ""


def sheet_of(cleaned: Cleaned) -> bytes:
    """Draw the small copies of a picture that a task went through, and its result, as PNG."""
    steps = cleaned.steps | {"result": cleaned.picture.shrunk(SHEET_SIDE)}
    cells = [step.transpose(2, 0, 1) for step in steps.values()]
    return encode_png(sheet([cells], SHEET_SIDE, list(steps)))
