"""A TIFF cleaned page by page: each is decoded, given to a task and coded as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.document.base import MASK_MISSING, CleanedPage, Cleaning, PageAhead, Ways
from cleanplate.document.finished import Finished, PageDone, Part
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.limits import Allowed, PageMask
from cleanplate.document.tiff.container import SUBDIRECTORIES
from cleanplate.document.tiff.document import TiffDocument
from cleanplate.document.tiff.forms import FAX_OPTIONS
from cleanplate.document.tiff.images import CodedPage, PageImage
from cleanplate.document.tiff.writing import Change
from cleanplate.errors import CleanplateError, PictureError
from cleanplate.models import noting
from cleanplate.picture import encode_mask
from cleanplate.picture.tiff import LAYERS
from cleanplate.tasks.base import Cleaned, Remark, Task
from cleanplate.tasks.limits import clean_allowed

_LOST = {
    SUBDIRECTORIES: Remark(
        "directories-left-out",
        "further directories of the page (SubIFDs) are left out, as they show the old page",
    ),
    LAYERS: Remark("layers-left-out", "Photoshop's layers are left out, as they show the old page"),
}
_COPIES = Remark(
    "copies-left-out", "the smaller copies of edited pages are left out, as they show the old ones"
)


class TiffCleaning(Cleaning):
    """A TIFF that is being cleaned."""

    def __init__(
        self, document: TiffDocument, task: Task, ways: Ways | None, finished: Finished | None
    ) -> None:
        """Choose the pages; see `Document.cleaning`."""
        super().__init__(document, task, ways, finished)
        self.document = document

    def save(self, place: Path | BinaryIO, *, strip_metadata: bool = False) -> bool:
        """Write the document with its finished pages; see `Cleaning`."""
        pages = self._changed()
        stripped = strip_metadata and self.document.strip_metadata()
        if not pages and not stripped:
            return False
        self.document.write(place, {number: self._giver(number) for number in pages})
        return True

    def remarks(self) -> list[Remark]:
        """Return what is to be said of the document as a whole, once it is changed."""
        return [_COPIES] if self.document.copies_of(self._changed()) else []

    def _clean(self, number: int, mask: PageMask | None) -> tuple[CleanedPage, PageDone]:
        page, done = CleanedPage(number), PageDone()
        try:
            form = self.document.form(number)
            page.mask = np.zeros(form.upright, np.uint8)
            given = None if mask is None else mask(number)
            allowed = self._allowed(page)
            if mask is not None and given is None:
                page.remarks.append(MASK_MISSING)
            elif allowed is not None:
                self._clean_image(self.document.image(number), given, allowed, page, done)
        except LeftAlone as reason:
            page.remarks.append(_left_out(reason))
            page.doubt = 1.0
        page.report["filled"] = page.filled
        return page, done

    def _allowed(self, page: CleanedPage) -> Allowed | None:
        """Return where a page may be changed; None, with a remark, where it may not be."""
        height, width = page.mask.shape
        try:
            return self._ways.limits.of(page.number, (height, width))
        except LeftAlone as reason:
            page.remarks.append(_left_out(reason))
            return None

    def _clean_image(
        self,
        image: PageImage,
        given: NDArray[np.uint8] | None,
        allowed: Allowed,
        page: CleanedPage,
        done: PageDone,
    ) -> None:
        mask = None
        if self._ways.whole and image.two_tone:
            text = "it stays as it was: it is black and white alone"
            page.remarks.append(Remark("page-left-out", text))
            return
        if given is not None:
            name = self.document.page_name(page.number)
            fitted = _fitted(given, page.mask.shape, name)
            if not (fitted > 127).any():
                return
            mask = np.multiply(fitted, np.float32(1 / 255), dtype=np.float32)
        with noting() as ran:
            cleaned = self._cleaned(image, mask, allowed, page)
        if cleaned is None:
            return
        if image.picture.new_alpha:
            raise CleanplateError(f"{image.picture.name}: pages of a TIFF get no transparency.")
        coded = CodedPage({}) if cleaned.unchanged else image.coded(cleaned.edited)
        page.models, page.mask, page.doubt = ran, cleaned.mask, cleaned.doubt
        page.report.update(cleaned.report)
        page.remarks += [*cleaned.remarks, *coded.remarks]
        page.shown = cleaned
        page.unchanged = not coded.blocks
        if coded.blocks:
            page.remarks += [
                remark for tag, remark in _LOST.items() if self.document.has(page.number, tag)
            ]
        done.parts[page.number, 0] = _part(coded, cleaned.mask)

    def _cleaned(
        self,
        image: PageImage,
        mask: NDArray[np.float32] | None,
        allowed: Allowed,
        page: CleanedPage,
    ) -> Cleaned | None:
        """Give a page, or what may be changed of it, to the task; None where it may not be."""
        if self._ways.limits.none:
            return self._task.clean(image.picture, mask=mask)
        box, free = allowed.region, np.ones(allowed.region.size, bool)
        if allowed.kept is not None:
            name = self.document.page_name(page.number)
            free &= ~box.cut(image.reach(_kept(allowed.kept, page.mask.shape, name)))
        return clean_allowed(self._task, image.picture, mask, box, free, page.remarks)

    def ahead(self) -> Iterator[PageAhead]:
        """Give what there is to be looked at, page by page."""
        for number in self.pages:
            try:
                box = self._ways.limits.of(number, self.document.form(number).upright).region
            except LeftAlone as reason:
                yield PageAhead(number, 0, 0, (_left_out(reason),))
            else:
                yield PageAhead(number, 1, box.size[0] * box.size[1])

    def _mask_again(self, number: int) -> NDArray[np.uint8]:
        part = self._finished.part((number, 0))
        if part is not None and (found := part.found()) is not None:
            return found
        try:
            return np.zeros(self.document.form(number).upright, np.uint8)
        except LeftAlone:
            return CleanedPage(number).mask

    def _changed(self) -> list[int]:
        """Return the numbers of the pages that are others now."""
        return [number for number, _ in self._finished.changed()]

    def _giver(self, number: int) -> Callable[[], Change]:
        """Return what gives the change of a page."""

        def change() -> Change:
            part = self._finished.part((number, 0))
            assert part is not None and part.data is not None
            blocks, at = {}, 0
            for block, length in part.how["blocks"]:
                blocks[block] = part.data[at : at + length]
                at += length
            dropped, values = self.document.previews_of(number)
            numbers = {FAX_OPTIONS: 0} if part.how["one_dimensional"] else {}
            return Change(blocks, numbers, values, dropped)

        return change


def _left_out(reason: LeftAlone) -> Remark:
    return Remark("page-left-out", f"it stays as it was: {reason}")


def _part(coded: CodedPage, mask: NDArray[np.uint8]) -> Part:
    """Return what is kept of a page: its new strips in a row, its mask upright."""
    data = b"".join(coded.blocks.values()) if coded.blocks else None
    lengths = [[number, len(block)] for number, block in coded.blocks.items()]
    how = {"blocks": lengths, "one_dimensional": coded.one_dimensional}
    return Part(data, how, encode_mask(mask) if mask.any() else None)


def _fitted(mask: NDArray[np.uint8], size: tuple[int, ...], name: str) -> NDArray[np.uint8]:
    """Return the mask of a page (H, W) at the page's own size.

    Raises:
        PictureError: it is not of the page's shape.
    """
    _check_shape(mask, size, name)
    height, width = size
    if mask.shape == size:
        return mask
    resized = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.uint8)


def _kept(mask: NDArray[np.uint8], size: tuple[int, ...], name: str) -> NDArray[np.bool_]:
    """Return every pixel of a page (H, W) that shows some of a mask of what is protected.

    Raises:
        PictureError: the mask is not of the page's shape.
    """
    _check_shape(mask, size, name)
    height, width = size
    kept = np.where(mask > 127, np.float32(1), np.float32(0))
    shares = cv2.resize(kept, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shares > 0, bool)


def _check_shape(mask: NDArray[np.uint8], size: tuple[int, ...], name: str) -> None:
    height, width = size
    if abs(mask.shape[0] * width - mask.shape[1] * height) > 0.02 * mask.shape[0] * width:
        raise PictureError(
            f"{name}: its mask has {mask.shape[1]}x{mask.shape[0]} pixels, which is not the shape "
            f"of the page ({width}x{height})."
        )
