"""A document cleaned page by page: the images on each are given to a task and put back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Name, Stream

from cleanplate.document import page_masks
from cleanplate.document.colours import is_stencil
from cleanplate.document.document import Document
from cleanplate.document.finished import Finished, ImageDone, PageDone, mask_png
from cleanplate.document.images import Embedded, embedded
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.marks import Mark, TaggedMarks
from cleanplate.document.placing import (
    Key,
    Matrix,
    Placement,
    Placer,
    Shape,
    density,
    orientation,
    seen,
    shape_of,
)
from cleanplate.document.ranges import pages_of
from cleanplate.document.repeated import RepeatedMarks
from cleanplate.errors import CleanplateError, PictureError
from cleanplate.models import noting
from cleanplate.tasks.base import Cleaned, Remark, Report, Task, share_filled

PageMask = Callable[[int], NDArray[np.uint8] | None]
"""Gives the mask (H, W) of a page as it is seen, by the page's number; None where it has none."""

_LEAST = 32  # pixels of the shorter side of an image that is looked at
_STENCIL_SHARE = 0.5  # of the page that a stencil covers at least, to be a scan and no letter


@dataclass
class CleanedPage:
    """A page after a task.

    Attributes:
        number: from 1.
        mask: (H, W) uint8, the page's as it is seen, as `Cleaned.mask`.
        report: what there is to tell, such as the number of `images` and of those `edited`.
        remarks: what the user should know.
        doubt: as `Cleaned.doubt`, of the most doubtful image.
        unchanged: whether there was nothing to do.
        seconds: how long it took.
        shown: the largest image that was cleaned, for a sheet; None where there was none.
        models: those that ran on it, sha256 by name.
    """

    number: int
    mask: NDArray[np.uint8]
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
class _Spot:
    """An image on a page: where, `seen` from its pixels to the page's points, and how large."""

    key: Key
    stream: Stream
    size: tuple[int, int]
    seen: Matrix

    @property
    def turn(self) -> int:
        return orientation(self.seen)

    @property
    def area(self) -> float:
        return float(abs(np.linalg.det(self.seen[:2, :2]))) * self.size[0] * self.size[1]


class Cleaning:
    """A document that is being cleaned.

    Attributes:
        pages: the numbers of the pages to clean.
    """

    def __init__(
        self,
        document: Document,
        task: Task,
        *,
        pages: str | None = None,
        whole: bool = False,
        marks: bool = False,
        repeated: bool = False,
        finished: Finished | None = None,
    ) -> None:
        """Take tagged marks off the pages, and look where the document's images lie.

        Args:
            document: is changed when it is saved.
            task: cleans the images.
            pages: which ones, as `1-3,7-`; None for all.
            whole: the task changes whole pictures: two-tone ones, which hold no noise, are left.
            marks: remove what the document itself says to be marks.
            repeated: remove what most pages repeat and is translucent or turned.
            finished: what an earlier run has done.

        Raises:
            PictureError: the document has none of the pages.
            UsageError: `pages` names none.
        """
        self.document = document
        self.pages = pages_of(pages, len(document))
        if not self.pages:
            count = len(document)
            raise PictureError(f"{document.name}: it has {count} pages, none of {pages}.")
        self._task = task
        self._whole = whole
        self._finished = Finished() if finished is None else finished
        self._removed = self._without_marks(marks, repeated)
        self._placer = Placer()
        self._elsewhere = self._shown_elsewhere()

    def clean_page(self, number: int, mask: PageMask | None = None) -> CleanedPage:
        """Clean the images of a page that are not finished, and keep them.

        Raises:
            CleanplateError: an image cannot be cleaned.
            OSError: what is finished cannot be written.
        """
        begin = time.monotonic()
        page = self.document.pdf.pages[number - 1]
        shape = shape_of(page)
        known = self._finished.page(number)
        if known is not None:
            spots, _ = self._spots(page, shape)
            return self._told_again(number, shape, spots, known)
        spots, remarks = self._spots(page, shape)
        done = PageDone()
        cleaned = CleanedPage(number, np.zeros((1, 1), np.uint8), remarks=remarks)
        given = None
        if mask is not None:
            given = mask(number)
            if given is None:
                remarks.append(
                    Remark("mask-missing", "there is no mask of this page; it stays as it is")
                )
                spots = []
        for spot in sorted(spots, key=lambda one: -one.area):
            if self._finished.image(spot.key) is None and spot.key not in done.images:
                self._clean_image(spot, shape, given, cleaned, done)
        self._sum_up(cleaned, shape, spots, done)
        cleaned.seconds = time.monotonic() - begin
        done.told = {
            "report": cleaned.report,
            "remarks": [one._asdict() for one in cleaned.remarks],
            "doubt": cleaned.doubt,
            "unchanged": cleaned.unchanged,
            "models": cleaned.models,
            "seconds": cleaned.seconds,
        }
        self._finished.add(number, done)
        return cleaned

    def save(self, place: Path | BinaryIO, *, strip_metadata: bool = False) -> bool:
        """Write the document with its finished images; return whether anything is changed.

        Where nothing is, nothing is written: the source is the result.

        Args:
            place: where to.
            strip_metadata: leave out title, author, XMP and the like.

        Raises:
            PictureError: it cannot be written.
            OSError: what is finished cannot be read.
        """
        changed = any(self._removed.values())
        changed |= strip_metadata and self.document.strip_metadata()
        changed |= self._finished.put(self.document.pdf)
        if not changed:
            return False
        self._drop_thumbnails()
        self.document.save(place)
        return True

    def remarks(self) -> list[Remark]:
        """Return what is to be said of the document as a whole, once it is changed."""
        remarks = []
        if self.document.was_signed:
            remarks.append(Remark("signature-broken", "its signature does not hold any more"))
        if self.document.was_damaged:
            text = "the PDF was damaged; it was written anew from what could be read"
            remarks.append(Remark("document-repaired", text))
        return remarks

    def _without_marks(self, tagged: bool, repeated: bool) -> dict[int, list[Mark]]:
        """Take marks off the pages; return them by page."""
        pdf = self.document.pdf
        every = len(self.pages) == len(pdf.pages)
        said = TaggedMarks(pdf) if tagged else None
        alike = RepeatedMarks(pdf) if repeated else None
        removed: dict[int, list[Mark]] = {}
        for number in self.pages:
            page = pdf.pages[number - 1]
            removed[number] = said.remove(page, deep=every) if said else []
            removed[number] += alike.remove(page) if alike else []
        if said is not None and every and any(removed.values()):
            said.remove_layers()
        return removed

    def _shown_elsewhere(self) -> set[Key]:
        """Return the images that pages show which are not to be cleaned."""
        others = set(range(1, len(self.document) + 1)) - set(self.pages)
        keys: set[Key] = set()
        for number in sorted(others):
            page = self.document.pdf.pages[number - 1]
            try:
                keys |= {one.key for one in self._placer.placements(page)}
            except (pikepdf.PdfError, RuntimeError, ValueError, TypeError, AttributeError):
                continue
        return keys

    def _spots(self, page: pikepdf.Page, shape: Shape) -> tuple[list[_Spot], list[Remark]]:
        """Return the images of a page that a task may look at, and what is said of the others."""
        remarks: list[Remark] = []
        try:
            placements = self._placer.placements(page)
        except (pikepdf.PdfError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            why = " ".join(str(error).split())
            remarks.append(Remark("page-left-out", f"its content cannot be read ({why})"))
            return [], remarks
        if self._placer.inline:
            text = f"{self._placer.inline} images within the page's content are left as they were"
            remarks.append(Remark("inline-images-left-out", text))
        spots: dict[Key, _Spot] = {}
        for placement in placements:
            spot = self._spot(placement, shape)
            if spot is None:
                continue
            if spot.key in self._elsewhere:
                left = _left(spot.key, "pages that are not to be cleaned show it, too")
                if left not in remarks:
                    remarks.append(left)
            elif spot.key not in spots or spot.area > spots[spot.key].area:
                spots[spot.key] = spot
        return list(spots.values()), remarks

    def _spot(self, placement: Placement, shape: Shape) -> _Spot | None:
        stream = self.document.pdf.get_object(placement.key)
        if not isinstance(stream, Stream):
            return None
        try:
            size = int(stream.Height), int(stream.Width)
        except (AttributeError, TypeError, ValueError):
            return None
        if min(size) < _LEAST or abs(np.linalg.det(placement.matrix[:2, :2])) < 1e-9:
            return None
        spot = _Spot(placement.key, stream, size, seen(shape, placement.matrix, size))
        if is_stencil(stream) and spot.area < _STENCIL_SHARE * shape.size[0] * shape.size[1]:
            return None
        return spot

    def _clean_image(
        self,
        spot: _Spot,
        shape: Shape,
        given: NDArray[np.uint8] | None,
        page: CleanedPage,
        done: PageDone,
    ) -> None:
        name = f"{self.document.page_name(page.number)}, image {spot.key[0]}"
        stored = None
        if given is not None:
            where = self.document.page_name(page.number)
            stored = page_masks.taken_from(given, shape, spot.seen, spot.size, where)
            if not (stored > 127).any():
                return
        try:
            image = embedded(spot.stream, spot.turn, name)
        except LeftAlone as reason:
            page.remarks.append(_left(spot.key, str(reason)))
            done.images[spot.key] = ImageDone(None, None)
            return
        if self._whole and image.two_tone:
            page.remarks.append(_left(spot.key, "it is black and white alone"))
            done.images[spot.key] = ImageDone(None, None)
            return
        mask = None
        if stored is not None:
            mask = np.multiply(image.picture.upright(stored), np.float32(1 / 255), dtype=np.float32)
        with noting() as ran:
            cleaned = self._task.clean(image.picture, mask=mask)
        page.models.update(ran)
        self._note(spot, image, cleaned, page, done)

    def _note(
        self, spot: _Spot, image: Embedded, cleaned: Cleaned, page: CleanedPage, done: PageDone
    ) -> None:
        """Keep what became of an image, and tell of it."""
        if image.picture.new_alpha:
            raise CleanplateError(f"{image.picture.name}: images of PDFs get no transparency.")
        coded = None if cleaned.unchanged else image.coded(cleaned.edited)
        remarks = [*cleaned.remarks, *(coded.remarks if coded else ())]
        page.remarks += [one._replace(text=f"image {spot.key[0]}: {one.text}") for one in remarks]
        if cleaned.doubt is not None:
            page.doubt = max(page.doubt or 0.0, cleaned.doubt)
        if page.shown is None:
            page.shown = cleaned
            page.report.update(cleaned.report)
        done.images[spot.key] = ImageDone(coded, mask_png(image.picture.lying(cleaned.mask)))

    def _sum_up(self, page: CleanedPage, shape: Shape, spots: list[_Spot], done: PageDone) -> None:
        finest = max((density(spot.seen) for spot in spots), default=1.0)
        page.mask = np.zeros(page_masks.size_of(shape, finest), np.uint8)
        edited = 0
        for spot in spots:
            image = done.images.get(spot.key) or self._finished.image(spot.key)
            if image is None:
                continue
            edited += image.coded is not None
            found = image.found()
            if found is not None:
                page_masks.laid_on(page.mask, shape, spot.seen, found)
        removed = self._removed[page.number]
        page.unchanged = not edited and not removed
        page.report |= {"images": len(spots), "edited": edited, "filled": page.filled}
        if removed:
            page.report["removed"] = "; ".join(mark.name for mark in removed)

    def _told_again(
        self, number: int, shape: Shape, spots: list[_Spot], known: dict[str, Any]
    ) -> CleanedPage:
        """Return a page that is finished as it was told of."""
        page = CleanedPage(number, np.zeros((1, 1), np.uint8))
        self._sum_up(page, shape, spots, PageDone())
        page.report = known["report"]
        page.remarks = [Remark(**one) for one in known["remarks"]]
        page.doubt, page.unchanged = known["doubt"], known["unchanged"]
        page.seconds, page.models = known["seconds"], known["models"]
        return page

    def _drop_thumbnails(self) -> None:
        """Remove the thumbnails of the pages that were cleaned: they show what was removed."""
        for number in self.pages:
            page = self.document.pdf.pages[number - 1].obj
            if Name.Thumb in page:
                del page.Thumb


def marks_of(document: Document) -> dict[Mark, list[int]]:
    """Return the marks of a document, those that are tagged and those that repeat, with the numbers
    of their pages.
    """
    found: dict[Mark, list[int]] = {}
    tagged, repeated = TaggedMarks(document.pdf), RepeatedMarks(document.pdf)
    for number, page in enumerate(document.pdf.pages, 1):
        for mark in dict.fromkeys(tagged.find(page) + repeated.find(page)):
            found.setdefault(mark, []).append(number)
    return found


def _left(key: Key, why: str) -> Remark:
    return Remark("image-left-out", f"image {key[0]} stays as it was: {why}")
