"""Documents in a run: what is told, and what a stopped run goes on with, is a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.batch.making import Maker
from cleanplate.batch.sources import Job
from cleanplate.document import (
    CleanedPage,
    Document,
    Finished,
    FinishedIn,
    Kind,
    Ways,
    check_pages,
)
from cleanplate.errors import CleanplateError, PictureError
from cleanplate.tasks.base import Remark, Report
from cleanplate.tasks.limits import NONE


@dataclass(frozen=True)
class DocumentOptions:
    """How documents are cleaned.

    Attributes:
        pages: which pages, as `1-3,7-`; None for all.
        password: of encrypted ones.
        break_signature: clean signed ones, too.
        whole: as `TaskInfo.whole`.
        marks: as `TaskInfo.marks`.
        remove_repeated: remove what most pages repeat and is translucent or turned.
    """

    pages: str | None = None
    password: str = ""
    break_signature: bool = False
    whole: bool = False
    marks: bool = False
    remove_repeated: bool = False

    def check(self) -> None:
        """Check what can be checked before a document is opened.

        Raises:
            UsageError: `pages` names no pages.
        """
        if self.pages is not None:
            check_pages(self.pages)

    def settings(self) -> dict[str, Any]:
        """Give what decides how a result looks, as JSON."""
        return {"pages": self.pages, "remove_repeated": self.remove_repeated}


class DocumentRun:
    """A document of a run while it is cleaned; a context manager."""

    def __init__(
        self, job: Job, maker: Maker, options: DocumentOptions, source: bytes | None = None
    ) -> None:
        """Prepare to clean the document of a job, or, without a file, its `source`."""
        self._job, self._maker, self._options = job, maker, options
        self._source = job.source if source is None else source
        self._cleaned: list[tuple[float, bool, float | None]] = []

    def __enter__(self) -> DocumentRun:
        """Open the document.

        Raises:
            PictureError: it cannot be read or given back faithfully.
        """
        if self._maker.limits != NONE:
            raise PictureError(
                f"{self._job.name}: regions and protected places are those of pictures; say what "
                "to change in a document by masks of its pages."
            )
        self._document = Document(
            self._source,
            password=self._options.password,
            break_signature=self._options.break_signature,
            name=self._job.name,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._document.close()

    def __len__(self) -> int:
        return len(self._document)

    @property
    def kind(self) -> Kind:
        """Of the document."""
        return self._document.kind

    def pages(self, finished: Finished) -> Iterator[CleanedPage]:
        """Clean the pages, one after the other.

        Args:
            finished: takes the pages, and has those of an earlier run.

        Raises:
            CleanplateError: a page cannot be cleaned or kept, or none of the pages has a mask.
        """
        options = self._options
        marks = options.marks and self._maker.masks is None
        ways = Ways(options.pages, options.whole, marks, options.remove_repeated)
        self._cleaning = self._document.cleaning(self._maker.task, ways, finished)
        masks = self._maker.masks
        if masks is not None and not any(self._has_mask(one) for one in self._cleaning.pages):
            first = page_name(self._job.name, self._cleaning.pages[0])
            raise PictureError(f"{self._job.name}: there is no mask {first} of any of its pages.")
        for number in self._cleaning.pages:
            try:
                page = self._cleaning.clean_page(number, self._mask if masks is not None else None)
            except CleanplateError:
                raise  # names the page
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                raise CleanplateError(f"{self._job.name}, page {number}: {why}") from error
            self._cleaned.append((page.filled, page.unchanged, page.doubt))
            yield page

    def write(self, place: Path) -> Path:
        """Write the result into a file, and return it; the source where nothing is changed.

        Raises:
            PictureError: it cannot be written.
            OSError: what is finished cannot be read.
        """
        changed = self._cleaning.save(place, strip_metadata=self._maker.strip_metadata)
        return place if changed else self._job.source

    def content(self) -> bytes:
        """Return the file of the result; the source's own bytes where nothing is changed.

        Raises:
            PictureError: it cannot be written, or, in strict runs, a remark is grave.
            OSError: what is finished, or the source, cannot be read.
        """
        out = io.BytesIO()
        changed = self._cleaning.save(out, strip_metadata=self._maker.strip_metadata)
        return out.getvalue() if changed else self._document.unchanged()

    def summary(self) -> dict[str, Any]:
        """Give what is told of the document as a whole, as fields of an outcome."""
        filled = [one for one, _, _ in self._cleaned]
        edited = sum(not unchanged for _, unchanged, _ in self._cleaned)
        doubts = [doubt for _, _, doubt in self._cleaned if doubt is not None]
        remarks: list[Remark] = self._cleaning.remarks() if edited else []
        report: Report = {"pages": len(filled), "edited": edited}
        return {
            "filled": round(sum(filled) / len(filled), 6),
            "unchanged": not edited,
            "remarks": tuple(remarks),
            "doubt": max(doubts, default=None),
            "report": report,
        }

    def _has_mask(self, number: int) -> bool:
        masks = self._maker.masks
        return masks is not None and masks.has(page_name(self._job.name, number))

    def _mask(self, number: int) -> NDArray[np.uint8] | None:
        assert self._maker.masks is not None
        return self._maker.masks.named(page_name(self._job.name, number))


@dataclass(frozen=True)
class CleanedDocument:
    """A document after a task: the bytes of its file, its pages, and what is told of the whole."""

    kind: Kind
    content: bytes
    pages: list[CleanedPage]
    report: Report
    remarks: list[Remark]
    doubt: float | None

    def all_remarks(self) -> list[Remark]:
        """Return those of the pages, which say which page it is, and of the whole."""
        of_pages = [one.of_page(page.number) for page in self.pages for one in page.remarks]
        return of_pages + self.remarks


def clean_document(
    source: Path | bytes, name: str, maker: Maker, options: DocumentOptions
) -> CleanedDocument:
    """Clean a single document, in memory; `name` is for messages and masks.

    Raises:
        CleanplateError: it cannot be cleaned.
    """
    path = Path(name) if isinstance(source, bytes) else source
    given = source if isinstance(source, bytes) else None
    pages = []
    with DocumentRun(Job(path, name, path), maker, options, given) as run:
        for page in run.pages(Finished()):
            page.shown = None  # a picture as large as the page
            pages.append(page)
        content = run.content()
        told = run.summary()
    return CleanedDocument(
        run.kind, content, pages, told["report"], list(told["remarks"]), told["doubt"]
    )


def without_metadata(content: bytes) -> bytes:
    """Return a document without its title, author, EXIF, XMP and the like.

    Raises:
        PictureError: it cannot be written.
    """
    out = io.BytesIO()
    with Document(content, break_signature=True) as document:
        if not document.strip_metadata():
            return content
        document.save(out)
    return out.getvalue()


def finished_in(folder: Path, state: dict[str, Any], *, resume: bool) -> Finished:
    """Open the folder in which finished pages wait.

    Raises:
        OSError: it cannot be read or made.
    """
    return FinishedIn(folder, state, resume=resume)


def list_marks(path: Path, options: DocumentOptions) -> dict[str, list[int]]:
    """Return the marks of a PDF by what they are, with the numbers of their pages.

    Raises:
        PictureError: it cannot be read or given back faithfully.
    """
    from cleanplate.document.pdf import PdfDocument, marks_of

    document = PdfDocument(path, password=options.password, break_signature=True)
    with document:
        return {mark.name: pages for mark, pages in marks_of(document).items()}


def page_file(number: int) -> str:
    """Return the name of the mask or sheet of a page.

    >>> page_file(7)
    'page-007.png'
    """
    return f"page-{number:03d}.png"


def page_name(name: str, number: int) -> str:
    """Return the name by which the mask of a page is looked for.

    >>> page_name("sub/scan.pdf", 7)
    'sub/scan/page-007.png'
    """
    return (Path(name).with_suffix("") / page_file(number)).as_posix()


def page_masks_in(mask: Path, job: Job) -> dict[str, Path]:
    """Give the masks that a document's pages have, by name."""
    if not mask.is_dir():
        return {"": mask}
    for folder in (mask / Path(job.name).with_suffix(""), mask):
        if found := sorted(folder.glob("page-*.*")):
            return {path.name: path for path in found}
    return {}
