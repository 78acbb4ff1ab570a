"""What every kind of document offers: its pages as pictures, cleaned one by one, written again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.document.finished import Finished, PageDone
from cleanplate.document.kinds import Kind
from cleanplate.document.limits import EVERYWHERE, PageLimits, PageMask
from cleanplate.document.ranges import pages_of
from cleanplate.document.tiff.container import begins_tiff
from cleanplate.errors import PictureError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned, Remark, Report, Task, share_filled

MASK_MISSING = Remark("mask-missing", "there is no mask of this page; it stays as it is")


@dataclass
class CleanedPage:
    """A page after a task.

    Attributes:
        number: from 1.
        mask: (H, W) uint8, the page's as it is seen, as `Cleaned.mask`.
        report: what there is to tell, such as the share that was `filled`.
        remarks: what the user should know.
        doubt: as `Cleaned.doubt`, of the most doubtful image; 1 where the page cannot be read.
        unchanged: whether there was nothing to do.
        seconds: how long it took.
        shown: the largest image that was cleaned, for a sheet; None where there was none.
        models: those that ran on it, sha256 by name.
    """

    number: int
    mask: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((1, 1), np.uint8))
    report: Report = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    doubt: float | None = None
    unchanged: bool = True
    seconds: float = 0.0
    shown: Cleaned | None = None
    models: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return what an outcome tells of it."""
        device = self.report.get("device")
        return {
            "page": self.number,
            "filled": self.filled,
            "unchanged": self.unchanged,
            "remarks": tuple(self.remarks),
            "doubt": self.doubt,
            "report": self.report,
            "device": None if device is None else str(device),
            "models": self.models,
            "seconds": round(self.seconds, 3),
        }

    @property
    def filled(self) -> float:
        """The share of the page, 0 to 1, that was filled in."""
        return share_filled(self.mask)


@dataclass(frozen=True)
class Ways:
    """How a document is cleaned.

    Attributes:
        pages: which ones, as `1-3,7-`; None for all.
        whole: the task changes whole pictures: two-tone ones, which hold no noise, are left.
        marks: remove what the document itself says to be marks.
        repeated: remove what most pages repeat and is translucent or turned.
        limits: where pages may be changed.
    """

    pages: str | None = None
    whole: bool = False
    marks: bool = False
    repeated: bool = False
    limits: PageLimits = EVERYWHERE


class PageAhead(NamedTuple):
    """A page that is to be cleaned.

    Attributes:
        number: from 1.
        images: how many a task would look at that it has not seen on a page before.
        pixels: of all these images.
        remarks: what can be said before they are decoded.
    """

    number: int
    images: int
    pixels: int
    remarks: tuple[Remark, ...] = ()


class Document:
    """A document that is open until it is closed; a context manager.

    Opening one gives what its first bytes say it is: a PDF, or a TIFF of several pages.

    Attributes:
        name: for messages.
        kind: of the document.
    """

    name: str
    kind: Kind

    def __new__(cls, source: str | Path | bytes, **options: Any) -> Document:
        """Choose the kind of the document."""
        if cls is not Document:
            return super().__new__(cls)
        if begins_tiff(source if isinstance(source, bytes) else Path(source)):
            from cleanplate.document.tiff.document import TiffDocument

            return super().__new__(TiffDocument)
        from cleanplate.document.pdf import PdfDocument  # raises where its packages are missing

        return super().__new__(PdfDocument)

    def __init__(
        self,
        source: str | Path | bytes,
        *,
        password: str = "",
        break_signature: bool = False,
        name: str | None = None,
    ) -> None:
        """Open a document.

        Args:
            source: the path of a file, or the bytes of one.
            password: of an encrypted PDF.
            break_signature: open a signed PDF, too.
            name: for messages; the path, where there is none.

        Raises:
            PictureError: it cannot be read, is damaged, encrypted, signed, an XFA form or a
                portfolio, or its pages run in a circle.
            UnsupportedError: a package is missing that reads it.
        """
        self.name = name or ("document" if isinstance(source, bytes) else str(source))
        self._source = source if isinstance(source, bytes) else Path(source)

    def __len__(self) -> int:
        raise NotImplementedError

    def __enter__(self) -> Document:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""

    def page(self, number: int, *, dpi: float = 150) -> Picture:
        """Return a page as it is seen.

        Args:
            number: of the page, from 1.
            dpi: pixels an inch; the page of a TIFF has its own.

        Raises:
            PictureError: there is no such page, or it cannot be drawn.
        """
        if not 1 <= number <= len(self):
            raise PictureError(f"{self.name}: there is no page {number}; it has {len(self)}.")
        return self._page(number, dpi)

    def page_name(self, number: int) -> str:
        """Return what a page is called in messages."""
        return f"{self.name}, page {number}"

    def unchanged(self) -> bytes:
        """Return the bytes that the document was read from.

        Raises:
            OSError: its file cannot be read any more.
        """
        return self._source if isinstance(self._source, bytes) else self._source.read_bytes()

    def cleaning(
        self, task: Task, ways: Ways | None = None, finished: Finished | None = None
    ) -> Cleaning:
        """Return what cleans the document with a task.

        Args:
            task: cleans the images.
            ways: how.
            finished: what an earlier run has done, and takes what is done.

        Raises:
            PictureError: the document has none of the pages.
            UsageError: the pages are not named as pages are.
        """
        raise NotImplementedError

    def strip_metadata(self) -> bool:
        """Leave title, author, XMP and the like out; return whether there was any."""
        raise NotImplementedError

    def save(self, place: Path | BinaryIO) -> None:
        """Write the document with all that was changed in it, and all else as it was.

        Raises:
            PictureError: it cannot be written.
        """
        raise NotImplementedError

    def _page(self, number: int, dpi: float) -> Picture:
        """Return a page that there is."""
        raise NotImplementedError


class Cleaning(ABC):
    """A document that is being cleaned.

    Attributes:
        pages: the numbers of the pages to clean.
    """

    def __init__(
        self, document: Document, task: Task, ways: Ways | None, finished: Finished | None
    ) -> None:
        """Choose the pages; takes what `Document.cleaning` takes, and raises the same."""
        self._ways = ways or Ways()
        self.pages = pages_of(self._ways.pages, len(document))
        if not self.pages:
            raise PictureError(
                f"{document.name}: it has {len(document)} pages, none of {self._ways.pages}."
            )
        self._task = task
        self._finished = Finished() if finished is None else finished

    def clean_page(self, number: int, mask: PageMask | None = None) -> CleanedPage:
        """Clean a page that is not finished, and keep it.

        Raises:
            CleanplateError: it cannot be cleaned.
            OSError: what is finished cannot be written.
        """
        begin = time.monotonic()
        known = self._finished.page(number)
        if known is not None:
            return self._told_again(number, known)
        page, done = self._clean(number, mask)
        page.seconds = time.monotonic() - begin
        done.told = {
            "report": page.report,
            "remarks": [one._asdict() for one in page.remarks],
            "doubt": page.doubt,
            "unchanged": page.unchanged,
            "models": page.models,
            "seconds": page.seconds,
        }
        self._finished.add(number, done)
        return page

    @abstractmethod
    def ahead(self) -> Iterator[PageAhead]:
        """Give what there is to be looked at, page by page; no image is decoded."""

    @abstractmethod
    def save(self, place: Path | BinaryIO, *, strip_metadata: bool = False) -> bool:
        """Write the document with its finished pages; return whether anything is changed.

        Where nothing is, nothing is written: the source is the result.

        Args:
            place: where to.
            strip_metadata: leave out title, author, XMP and the like.

        Raises:
            PictureError: it cannot be written.
            OSError: what is finished cannot be read.
        """

    def remarks(self) -> list[Remark]:
        """Return what is to be said of the document as a whole, once it is changed."""
        return []

    @abstractmethod
    def _clean(self, number: int, mask: PageMask | None) -> tuple[CleanedPage, PageDone]:
        """Clean a page; give it and what is to be kept of it, but for what is told."""

    @abstractmethod
    def _mask_again(self, number: int) -> NDArray[np.uint8]:
        """Return the mask of a page that is finished."""

    def _told_again(self, number: int, known: dict[str, Any]) -> CleanedPage:
        """Return a page that is finished as it was told of."""
        remarks = [Remark(**one) for one in known["remarks"]]
        page = CleanedPage(number, self._mask_again(number), known["report"], remarks)
        page.doubt, page.unchanged = known["doubt"], known["unchanged"]
        page.seconds, page.models = known["seconds"], known["models"]
        return page
