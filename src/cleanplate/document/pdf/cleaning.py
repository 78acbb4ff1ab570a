"""A PDF cleaned page by page: the images on each are given to a task and put back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Name, Stream

from cleanplate.document.base import MASK_MISSING, CleanedPage, Cleaning, PageMask, Ways
from cleanplate.document.finished import Finished, PageDone, Part, mask_png
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.pdf import page_masks
from cleanplate.document.pdf.document import PdfDocument
from cleanplate.document.pdf.images import Embedded, embedded
from cleanplate.document.pdf.marks import Mark, TaggedMarks
from cleanplate.document.pdf.placing import (
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
from cleanplate.document.pdf.putting import put
from cleanplate.document.pdf.repeated import RepeatedMarks
from cleanplate.document.pdf.spaces import is_stencil
from cleanplate.errors import CleanplateError
from cleanplate.models import noting
from cleanplate.tasks.base import Cleaned, Remark, Task

_LEAST = 32  # pixels of the shorter side of an image that is looked at
_STENCIL_SHARE = 0.5  # of the page that a stencil covers at least, to be a scan and no letter


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


class PdfCleaning(Cleaning):
    """A PDF that is being cleaned: the images on its pages, and marks that it names itself."""

    def __init__(
        self, document: PdfDocument, task: Task, ways: Ways | None, finished: Finished | None
    ) -> None:
        """Take tagged marks off the pages, and look where the document's images lie.

        The document is changed when it is saved.
        """
        super().__init__(document, task, ways, finished)
        self.document = document
        self._removed = self._without_marks(self._ways.marks, self._ways.repeated)
        self._placer = Placer()
        self._elsewhere = self._shown_elsewhere()

    def _clean(self, number: int, mask: PageMask | None) -> tuple[CleanedPage, PageDone]:
        """Clean the images of a page that are not finished."""
        page = self.document.pdf.pages[number - 1]
        shape = shape_of(page)
        spots, remarks = self._spots(page, shape)
        done = PageDone()
        cleaned = CleanedPage(number, remarks=remarks)
        given = None
        if mask is not None:
            given = mask(number)
            if given is None:
                remarks.append(MASK_MISSING)
                spots = []
        for spot in sorted(spots, key=lambda one: -one.area):
            if self._finished.part(spot.key) is None and spot.key not in done.parts:
                self._clean_image(spot, shape, given, cleaned, done)
        self._sum_up(cleaned, shape, spots, done)
        return cleaned, done

    def save(self, place: Path | BinaryIO, *, strip_metadata: bool = False) -> bool:
        """Write the document with its finished images; see `Cleaning`."""
        changed = any(self._removed.values())
        changed |= strip_metadata and self.document.strip_metadata()
        changed |= put(self._finished, self.document.pdf)
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
            done.parts[spot.key] = Part()
            return
        if self._ways.whole and image.two_tone:
            page.remarks.append(_left(spot.key, "it is black and white alone"))
            done.parts[spot.key] = Part()
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
        mask = mask_png(image.picture.lying(cleaned.mask))
        done.parts[spot.key] = Part(mask=mask) if coded is None else coded.part(mask)

    def _sum_up(self, page: CleanedPage, shape: Shape, spots: list[_Spot], done: PageDone) -> None:
        page.mask, edited = self._mask_of(shape, spots, done)
        removed = self._removed[page.number]
        page.unchanged = not edited and not removed
        page.report |= {"images": len(spots), "edited": edited, "filled": page.filled}
        if removed:
            page.report["removed"] = "; ".join(mark.name for mark in removed)

    def _mask_of(
        self, shape: Shape, spots: list[_Spot], done: PageDone
    ) -> tuple[NDArray[np.uint8], int]:
        """Return the mask of a page as it is seen, and how many of its images are others now."""
        finest = max((density(spot.seen) for spot in spots), default=1.0)
        mask = np.zeros(page_masks.size_of(shape, finest), np.uint8)
        edited = 0
        for spot in spots:
            image = done.parts.get(spot.key) or self._finished.part(spot.key)
            if image is None:
                continue
            edited += image.data is not None
            found = image.found()
            if found is not None:
                page_masks.laid_on(mask, shape, spot.seen, found)
        return mask, edited

    def _mask_again(self, number: int) -> NDArray[np.uint8]:
        page = self.document.pdf.pages[number - 1]
        shape = shape_of(page)
        spots, _ = self._spots(page, shape)
        mask, _ = self._mask_of(shape, spots, PageDone())
        return mask

    def _drop_thumbnails(self) -> None:
        """Remove the thumbnails of the pages that were cleaned: they show what was removed."""
        for number in self.pages:
            page = self.document.pdf.pages[number - 1].obj
            if Name.Thumb in page:
                del page.Thumb


def marks_of(document: PdfDocument) -> dict[Mark, list[int]]:
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
