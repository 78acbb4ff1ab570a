"""What became of one picture."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cleanplate.batch.manifest import Line
from cleanplate.errors import CleanplateError

if TYPE_CHECKING:
    from cleanplate.tasks.base import Remark, Report


@dataclass(frozen=True)
class Outcome:
    """What became of one picture, of one page of a document, or of a document as a whole.

    `page` is the page's number, from 1, and `pages` how many the document has. `status` is "done",
    "failed" (tried in vain), "skipped" (not tried) or "ignored" (a picture of a kind that is not
    taken, which nobody has named by itself); before a run, "planned". `settled` says that the
    picture has its result, from this run or an earlier one. `filled` is the share of pixels, 0 to
    1, that was filled in, `unchanged` that there was nothing to do, `device` what the models ran
    on, `models` those that ran, sha256 by name; `remarks`, `doubt` and `report` are those of
    `Cleaned`.
    """

    source: Path
    status: str
    result: Path | None = None
    mask: Path | None = None
    sheet: Path | None = None
    reason: str | None = None
    filled: float | None = None
    unchanged: bool | None = None
    remarks: tuple[Remark, ...] = ()
    doubt: float | None = None
    report: Report | None = None
    device: str | None = None
    models: dict[str, str] | None = None
    seconds: float | None = None
    page: int | None = None
    pages: int | None = None
    settled: bool = False
    trace: str | None = None  # as text: a traceback itself would keep the picture in memory

    @property
    def name(self) -> str:
        """What it is about: a picture, a document or a page of one."""
        return f"{self.source}" + (f", page {self.page}" if self.page is not None else "")

    @property
    def kept(self) -> bool:
        """Whether its result is that of an earlier run."""
        return self.settled and self.status != "done"

    def line(self) -> Line:
        """Give the outcome as a line of the manifest, its paths absolute."""
        return {
            "source": os.path.abspath(self.source),
            "page": self.page,
            "result": self.result and os.path.abspath(self.result),
            "mask": self.mask and os.path.abspath(self.mask),
            "sheet": self.sheet and os.path.abspath(self.sheet),
            "status": self.status,
            "reason": self.reason,
            "filled": self.filled,
            "unchanged": self.unchanged,
            "remarks": [remark._asdict() for remark in self.remarks],
            "doubt": self.doubt,
            "report": self.report,
            "device": self.device,
            "version": _version(),
            "models": self.models,
            "seconds": self.seconds,
        }


@functools.cache
def _version() -> str:
    return version("cleanplate")


def reason(error: Exception, name: str = "") -> str:
    """Say in a line why something failed, without the picture's name, which the outcome tells."""
    if isinstance(error, CleanplateError):
        return str(error).removeprefix(f"{name}: ").removeprefix(f"{name}, ")
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return f"{type(error).__name__}: {error}"
