"""A PDF cleaned page by page: the images on each are given to a task and put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pikepdf import Name

from cleanplate.document.base import MASK_MISSING, CleanedPage, Cleaning, PageAhead, Ways
from cleanplate.document.finished import Finished, Key, PageDone, Part, mask_png
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.limits import PageMask
from cleanplate.document.pdf import page_masks
from cleanplate.document.pdf.document import PdfDocument
from cleanplate.document.pdf.images import Coded, Embedded, embedded
from cleanplate.document.pdf.layered import Change, Drawn, LayerEdits, Opened
from cleanplate.document.pdf.layers import Layers
from cleanplate.document.pdf.limiting import ImageLimits, Limiter
from cleanplate.document.pdf.marks import Mark, TaggedMarks
from cleanplate.document.pdf.placing import Shape
from cleanplate.document.pdf.putting import put
from cleanplate.document.pdf.repeated import RepeatedMarks
from cleanplate.document.pdf.spots import PageSpots, Spot, Spots, left_alone
from cleanplate.errors import CleanplateError
from cleanplate.models import noting
from cleanplate.picture import Box
from cleanplate.tasks.base import Cleaned, Remark, Task
from cleanplate.tasks.limits import clean_allowed


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
        self._spots = Spots(document, self.pages)
        limits = self._ways.limits
        self._limiter = None
        if not limits.none:
            self._limiter = Limiter(document, limits, self._spots, self.pages)

    def ahead(self) -> Iterator[PageAhead]:
        """Give what there is to be looked at, page by page."""
        known: set[Key] = set()
        for number in self.pages:
            page = self._spots.of(number)
            try:
                self._ways.limits.of(number, page.size)
            except LeftAlone as reason:
                yield PageAhead(number, 0, 0, (*page.remarks, _left_out(reason)))
                continue
            pixels = [self._pixels(spot) for spot in page.spots if spot.key not in known]
            known |= {spot.key for spot in page.spots}
            yield PageAhead(number, sum(one > 0 for one in pixels), sum(pixels), page.remarks)

    def _pixels(self, spot: Spot) -> int:
        """Return how many pixels of an image a task would look at."""
        if self._limiter is None:
            return spot.size[0] * spot.size[1]
        limits = self._limiter.of(spot)
        changeable = (limits.region & ~limits.kept).any()
        return int(np.count_nonzero(limits.region)) if changeable else 0

    def _clean(self, number: int, mask: PageMask | None) -> tuple[CleanedPage, PageDone]:
        """Clean the images of a page that are not finished."""
        found, done = self._spots.of(number), PageDone()
        cleaned = CleanedPage(number, remarks=[*found.remarks])
        given, spots = None if mask is None else mask(number), found.spots
        if mask is not None and given is None:
            cleaned.remarks.append(MASK_MISSING)
            spots = ()
        try:
            self._ways.limits.of(number, found.size)
        except LeftAlone as reason:
            cleaned.remarks.append(_left_out(reason))
            spots = ()
        if found.layered and spots and not self._ways.whole:
            self._clean_layers(found, given, cleaned, done)
            spots = found.layers
        else:
            for spot in sorted(spots, key=lambda one: -one.area):
                if self._finished.part(spot.key) is None:
                    self._clean_image(spot, found.shape, given, cleaned, done)
        self._sum_up(cleaned, found, len(spots), done)
        return cleaned, done

    def save(self, place: Path | BinaryIO, *, strip_metadata: bool = False) -> bool:
        """Write the document with its finished images; see `Cleaning`."""
        changed = any(self._removed.values())
        changed |= strip_metadata and self.document.strip_metadata()
        changed |= put(self._finished, self.document.pdf)
        self._spots.draw(self._finished.changed())
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

    def _clean_image(
        self,
        spot: Spot,
        shape: Shape,
        given: NDArray[np.uint8] | None,
        page: CleanedPage,
        done: PageDone,
    ) -> None:
        stored = None
        if given is not None:
            where = self.document.page_name(page.number)
            stored = page_masks.taken_from(given, shape, spot.seen, spot.size, where)
            if not (stored > 127).any():
                return
        limits = None if self._limiter is None else self._limiter.of(spot)
        if limits is not None and not (limits.region & ~limits.kept).any():
            done.parts[spot.key] = Part()
            return
        image = self._opened(spot, limits, page, done)
        if image is None:
            return
        if self._ways.whole and image.two_tone:
            page.remarks.append(left_alone(spot.key, "it is black and white alone"))
            done.parts[spot.key] = Part()
            return
        cleaned = self._cleaned(image, stored, limits, page)
        if cleaned is None:
            done.parts[spot.key] = Part()
        else:
            self._note(spot, image, cleaned, page, done)

    def _opened(
        self, spot: Spot, limits: ImageLimits | None, page: CleanedPage, done: PageDone
    ) -> Embedded | None:
        """Return an image; None where it is left alone, which is said."""
        name = f"{self.document.page_name(page.number)}, image {spot.key[0]}"
        try:
            exact = limits is not None and bool(limits.kept.any())
            return embedded(spot.stream, spot.turn, name, exact=exact)
        except LeftAlone as reason:
            page.remarks.append(left_alone(spot.key, str(reason)))
            done.parts[spot.key] = Part()
            return None

    def _cleaned(
        self,
        image: Embedded | Drawn,
        given: NDArray[np.uint8] | None,
        limits: ImageLimits | None,
        page: CleanedPage,
    ) -> Cleaned | None:
        """Give an image, or what may be changed of it, to the task; None where it may not be.

        `given` is its mask, (h, w) as it is stored.
        """
        mask = None
        if given is not None:
            mask = np.multiply(image.picture.upright(given), np.float32(1 / 255), dtype=np.float32)
        with noting() as ran:
            if limits is None:
                cleaned: Cleaned | None = self._task.clean(image.picture, mask=mask)
            else:
                cleaned = _cleaned_within(self._task, image, mask, limits, page)
        page.models.update(ran)
        if image.picture.new_alpha:
            raise CleanplateError(f"{image.picture.name}: images of PDFs get no transparency.")
        return cleaned

    def _clean_layers(
        self,
        found: PageSpots,
        given: NDArray[np.uint8] | None,
        page: CleanedPage,
        done: PageDone,
    ) -> None:
        """Clean images that lie over each other: as the page is seen, and then one by one."""
        name, keys = self.document.page_name(page.number), self._spots.drawn(page.number)
        layers = Layers(self.document.pdf, page.number, keys, found.size, name)
        for spot in found.layers:
            part = self._finished.part(spot.key)
            if part is not None and part.data is not None:
                layers.put(spot.key, Coded(part.data, **part.how))
        before = layers.seen(Box(0, 0, *layers.size))
        limits = None if self._limiter is None else self._limiter.of_page(page.number, layers.size)
        if given is not None:
            seen = page_masks.page_seen(found.shape, layers.size)
            given = page_masks.taken_from(given, found.shape, seen, layers.size, name)
            if not (given > 127).any():
                return
        drawn = Drawn(before, name)
        cleaned = self._cleaned(drawn, given, limits, page)
        if cleaned is None:
            return
        page.remarks += cleaned.remarks
        self._tell(cleaned, page)
        change = Change(before, drawn.picture.pixels, cleaned.mask)
        edits = LayerEdits(layers, found, change, lambda spot: self._layer(spot, page, done))
        done.parts.update(edits.parts)
        page.remarks += edits.remarks

    def _layer(self, spot: Spot, page: CleanedPage, done: PageDone) -> Opened | None:
        """Return an image that is edited with others, and where that is allowed."""
        if self._finished.part(spot.key) is not None:
            return None
        limits = None if self._limiter is None else self._limiter.of(spot)
        image = self._opened(spot, limits, page, done)
        if image is None:
            return None
        kept = np.zeros(spot.size, bool) if limits is None else limits.kept
        return Opened(image, ~image.reach(image.picture.upright(kept)))

    def _note(
        self, spot: Spot, image: Embedded, cleaned: Cleaned, page: CleanedPage, done: PageDone
    ) -> None:
        """Keep what became of an image, and tell of it."""
        coded = None if cleaned.unchanged else image.coded(cleaned.edited)
        remarks = [*cleaned.remarks, *(coded.remarks if coded else ())]
        page.remarks += [one._replace(text=f"image {spot.key[0]}: {one.text}") for one in remarks]
        self._tell(cleaned, page)
        mask = mask_png(image.picture.lying(cleaned.mask))
        done.parts[spot.key] = Part(mask=mask) if coded is None else coded.part(mask)

    def _tell(self, cleaned: Cleaned, page: CleanedPage) -> None:
        """Tell of a page what is told of an image on it."""
        if cleaned.doubt is not None:
            page.doubt = max(page.doubt or 0.0, cleaned.doubt)
        if page.shown is None:
            page.shown = cleaned
            page.report.update(cleaned.report)

    def _sum_up(self, page: CleanedPage, found: PageSpots, images: int, done: PageDone) -> None:
        page.mask, edited = self._mask_of(found, done)
        removed = self._removed[page.number]
        page.unchanged = not edited and not removed
        page.report |= {"images": images, "edited": edited, "filled": page.filled}
        if removed:
            page.report["removed"] = "; ".join(mark.name for mark in removed)

    def _mask_of(self, page: PageSpots, done: PageDone) -> tuple[NDArray[np.uint8], int]:
        """Return the mask of a page as it is seen, and how many of its images are others now."""
        mask = np.zeros(page.size, np.uint8)
        edited = 0
        for spot in page.layers:
            image = done.parts.get(spot.key) or self._finished.part(spot.key)
            if image is None:
                continue
            edited += image.data is not None
            found = image.found()
            if found is not None:
                page_masks.laid_on(mask, page.shape, spot.seen, found)
        return mask, edited

    def _mask_again(self, number: int) -> NDArray[np.uint8]:
        return self._mask_of(self._spots.of(number), PageDone())[0]

    def _drop_thumbnails(self) -> None:
        """Remove the thumbnails of the pages that were cleaned: they show what was removed."""
        for number in self.pages:
            page = self.document.pdf.pages[number - 1].obj
            if Name.Thumb in page:
                del page.Thumb


def _cleaned_within(
    task: Task,
    image: Embedded | Drawn,
    mask: NDArray[np.float32] | None,
    limits: ImageLimits,
    page: CleanedPage,
) -> Cleaned | None:
    """Give what may be changed of an image to a task; None where nothing may be."""
    box = Box.around(image.picture.upright(limits.region))
    if box is None:
        return None
    free = ~box.cut(image.reach(image.picture.upright(limits.kept)))
    return clean_allowed(task, image.picture, mask, box, free, page.remarks)


def _left_out(reason: LeftAlone) -> Remark:
    return Remark("page-left-out", f"it stays as it was: {reason}")


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
