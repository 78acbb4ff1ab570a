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
    MASK_MISSING,
    CleanedPage,
    Document,
    Finished,
    FinishedIn,
    Kind,
    PageAhead,
    PageLimits,
    PageMask,
    Ways,
    check_pages,
)
from cleanplate.errors import CleanplateError, PictureError, UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned, Remark, Report
from cleanplate.tasks.limits import NONE, Limits
from cleanplate.tasks.masks import Masks


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

    def check(self, *, limited: bool = False) -> None:
        """Check what can be checked before a document is opened.

        Args:
            limited: whether there is a region, or something is protected.

        Raises:
            UsageError: `pages` names no pages, or marks are to be removed that have no place.
        """
        if self.pages is not None:
            check_pages(self.pages)
        if limited and self.remove_repeated:
            raise UsageError(
                "--remove-repeated takes marks off whole pages: leave out --region and --protect."
            )

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
        self._begin(finished)
        mask = self._mask_by(self._maker.masks)
        for number in self._cleaning.pages:
            try:
                page = self._cleaning.clean_page(number, mask)
            except CleanplateError:
                raise  # names the page
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                raise CleanplateError(f"{self._job.name}, page {number}: {why}") from error
            self._cleaned.append((page.filled, page.unchanged, page.doubt))
            yield page

    def ahead(self) -> Iterator[PageAhead]:
        """Give what there is to be looked at, page by page; no image is decoded.

        Raises:
            CleanplateError: as `pages`, before the first one.
        """
        self._begin(Finished())
        masks = self._maker.masks
        for page in self._cleaning.ahead():
            if masks is None or masks.has(page_name(self._job.name, page.number)):
                yield page
            else:
                yield PageAhead(page.number, 0, 0, (*page.remarks, MASK_MISSING))

    def seconds_of(self, number: int) -> float:
        """Clean a page, keep nothing of it, and return how long that took.

        Raises:
            CleanplateError: it cannot be cleaned.
        """
        self._begin(Finished())
        return self._cleaning.clean_page(number, self._mask_by(self._maker.masks)).seconds

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

    def _begin(self, finished: Finished) -> None:
        """Look what is to be cleaned.

        Raises:
            PictureError: the document has none of the pages, or none of them has a mask.
        """
        options, maker = self._options, self._maker
        # Where on a page a mark lies that the document names is not known.
        marks = options.marks and maker.masks is None and maker.limits == NONE
        limits = PageLimits(maker.limits.region, self._mask_by(maker.limits.protect))
        ways = Ways(options.pages, options.whole, marks, options.remove_repeated, limits)
        self._cleaning = self._document.cleaning(maker.task, ways, finished)
        names = [page_name(self._job.name, number) for number in self._cleaning.pages]
        for masks, what in ((maker.masks, ""), (maker.limits.protect, " of what is protected")):
            if masks is not None and not any(masks.has(name) for name in names):
                raise PictureError(
                    f"{self._job.name}: there is no mask {names[0]} of any of its pages{what}."
                )

    def _mask_by(self, masks: Masks | None) -> PageMask | None:
        """Return what gives the mask of a page."""
        if masks is None:
            return None
        return lambda number: masks.named(page_name(self._job.name, number))


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


def pages_ahead(
    job: Job, masks: Masks | None, limits: Limits, options: DocumentOptions
) -> list[PageAhead]:
    """Return what there is to be looked at in a document, page by page.

    Raises:
        CleanplateError: as `DocumentRun` and its `pages`, before the first one.
    """
    with DocumentRun(job, Maker(_Idle(), masks, limits), options) as run:
        return [*run.ahead()]


class _Idle:
    """A task that leaves everything as it is, where there is only to be looked."""

    def clean(self, picture: Picture, *, mask: NDArray[np.float32] | None = None) -> Cleaned:
        return Cleaned(picture, np.zeros((picture.height, picture.width), np.uint8), {})


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
