"""Watermarks: text, logos and patterns laid over a picture, mostly half transparent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.picture import Box, Picture
from cleanplate.restoring import regions, run_in_bands, run_tiled
from cleanplate.tasks.base import Cleaned, Remark, Task, doubt_of, share_filled, write_found
from cleanplate.tasks.evidence import certainty, features
from cleanplate.tasks.exported import Exported
from cleanplate.tasks.hidden import strips
from cleanplate.tasks.maps import Floats, as_planes, enlarged, grey, planes_of, resized, scaled
from cleanplate.tasks.masks import shrunk
from cleanplate.tasks.overlay import Overlay, estimate, seen_through
from cleanplate.tasks.repeats import repeated

SCATTERED = 0.25  # share of the picture that the copies of a mark spread over at least
CLEAR = 0.8  # opacity of a mark through which enough can be seen
STRIP = 1 << 18  # pixels written at a time, about


class Look(NamedTuple):
    """What both models see on a small copy; finds are not judged yet.

    Attributes:
        small: the copy, (h, w, 3) in [0, 1].
        found: (h, w), how probably each of its pixels is marked, as the locator sees it.
        marked: (h, w) bool, where that is above the threshold.
        cover: (h, w) in [0, 1], how far the mark covers each pixel, as the filler sees it.
        there: (h, w), 1 on and about the copies of a mark that is repeated, else 0.
        overlay: what the copies show that such a mark is made of.
    """

    small: Floats
    found: Floats
    marked: NDArray[np.bool_]
    cover: Floats
    there: Floats
    overlay: Overlay | None = None

    def evidence(self, box: Box) -> dict[str, float]:
        """Measure the find in a box (see `evidence.features`)."""
        small, found = box.cut(self.small), box.cut(self.found)
        return features(small, found, box.cut(self.marked), box.cut(self.cover))

    def only(self, where: NDArray[Any]) -> Look:
        """Return what is found on some of the pixels, (h, w) bool or of 0 and 1."""
        return self._replace(
            found=self.found * where,
            marked=self.marked & (where > 0),
            cover=self.cover * where,
            there=self.there * where,
        )

    def boxes(self) -> list[Box]:
        """Return boxes about the finds; letters of a line share one."""
        return regions(cv2.dilate(self.marked.astype(np.uint8), np.ones((5, 5))) > 0)


def make(*, eraser: str | Path | None = None, threshold: float | None = None, **given: Any) -> Task:
    """Make the task of a locator and a filler, or of an eraser in the place of both.

    Args:
        eraser: a model that gives `mask` and `picture` in one pass, such as EraseNet.
        threshold: see `Watermark` and `Exported`.
        given: see `Watermark`; of its models none with an eraser.

    Raises:
        ModelError: a model or the device cannot be used.
        UsageError: there is no such model, or an eraser beside others.
    """
    if eraser is None:
        return Watermark(threshold=threshold, **given)
    if {"locator", "filler"} & set(given):
        raise UsageError("An eraser takes the place of locator and filler: leave these out.")
    return Exported(eraser, threshold=threshold, **given)


class Watermark:
    """Finds a mark on a copy, learns what it is made of, and takes it off at full size."""

    def __init__(
        self,
        *,
        locator: str | Path = "watermark-locator",
        filler: str | Path = "watermark-filler",
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            locator: says where a mark is (`mask`).
            filler: outlines the mark (`cover`, `mask`) and corrects what is seen through it
                (`fill`).
            threshold: probability from which a pixel counts as marked; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            UsageError: there is no such model.
        """
        self._finder = models.load(locator, device=device, threads=threads)
        self._restorer = models.load(filler, device=device, threads=threads)
        own = self._finder.card.parameter("threshold")
        self._threshold = own if threshold is None else threshold

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Take the marks off `picture`, in place; see `Task.clean`."""
        filled = np.zeros((picture.height, picture.width), np.uint8)
        cleaned = Cleaned(picture, filled, {"device": self._finder.device})
        self._take_off(picture, cleaned, mask)
        cleaned.report["filled"] = share_filled(filled)
        if mask is not None and not (mask > self._threshold).any():
            cleaned.remarks.append(Remark("mask-empty", "the mask names nothing"))
        return cleaned

    def look(self, picture: Picture, given: Floats | None = None) -> Look:
        """Look at marks on a small copy; `given` (H, W) says where they are, else it is found."""
        small = picture.shrunk(int(self._restorer.card.parameter("side")))
        if given is None:
            found = self._locate(picture, small.shape[:2])
        else:
            found = shrunk(given, small.shape[:2])
        marked = found > self._threshold
        nothing = np.zeros_like(found)
        if not marked.any():
            return Look(small, found, marked, nothing, nothing)

        def outline(found: Floats) -> Floats:
            return self._outline(small, found)

        searched = given is None and scattered(marked)
        copies = repeated(small, found, outline) if searched else None
        if copies is None:
            return Look(small, found, marked, outline(found), nothing)
        marked = copies.found > self._threshold
        return Look(small, copies.found, marked, copies.cover, copies.there, copies.overlay)

    def _outline(self, small: Floats, found: Floats) -> Floats:
        """Return how far a mark covers each pixel, as the filler sees it at its first look."""
        marked = found > self._threshold

        def planes(box: Box) -> Floats:
            rgb, rough = as_planes(box.cut(small)), box.cut(found)[None]
            return np.concatenate([rgb, rgb, rough, np.zeros_like(rough)])

        cover: Floats = run_tiled(
            self._restorer,
            planes,
            found.shape,
            outputs=("cover",),
            wanted=lambda box: bool(box.cut(marked).any()),
        )["cover"][0]
        return cover

    def _take_off(self, picture: Picture, cleaned: Cleaned, given: Floats | None) -> None:
        """Fill at full size where a mark was found with certainty, or is given (H, W)."""
        mask = cleaned.mask
        look = self.look(picture, given)
        cleaned.steps = {"before": look.small, "found": grey(look.found)}
        if given is None:
            certain, cleaned.doubt = self._certain(look)
        else:  # is not questioned
            certain = within(look.boxes(), look.found.shape)
        look = look.only(certain)
        boxes = look.boxes()
        if not boxes:
            return
        overlay = look.overlay or estimate(look.small, look.cover)
        alpha = look.cover * np.float32(overlay.opacity)
        cleaned.steps |= {
            "cover": grey(look.cover),
            "seen through": seen_through(look.small, alpha, overlay.colour),
        }
        cleaned.report["opacity"] = round(overlay.opacity, 3)
        for box in [about(boxes)] if look.overlay else boxes:  # copies share tiles
            region = scaled(box, look.cover.shape, mask.shape)
            self._fill(picture, mask, look, overlay, region)

    def _certain(self, look: Look) -> tuple[NDArray[np.bool_], float]:
        """Return where (h, w) finds are marks and do not only look like one, and the doubt of it.

        Where one of them certainly is, the others need only be more probably marks than not. Copies
        are; what is found between them is not for that.
        """
        card, beside = self._finder.card, look.only(look.there == 0)
        boxes = beside.boxes()
        certain = [certainty(card, beside.evidence(box)) for box in boxes]
        asked = card.parameter("certainty")
        if max(certain, default=0) >= asked:
            asked = min(asked, 0.5)
        sure = [box for box, one in zip(boxes, certain, strict=True) if one >= asked]
        return (look.there > 0) | within(sure, look.found.shape), doubt_of(certain)

    def _locate(self, picture: Picture, size: tuple[int, int]) -> Floats:
        """Return how probably each pixel of a copy of the given size is marked.

        The locator looks at a copy of its own, enlarged where the picture is small: it outlines
        what it sees in twice the detail more truly than it loses in context.
        """
        side = int(self._finder.card.parameter("side"))
        view = picture.shrunk(side)
        zoom = min(self._finder.card.parameter("zoom"), side / max(view.shape))
        if zoom > 1:
            view = np.asarray(cv2.resize(view, None, fx=zoom, fy=zoom), np.float32)
        found = run_tiled(self._finder, planes_of(view), view.shape[:2])["mask"][0]
        return resized(found, size)

    def _fill(
        self,
        picture: Picture,
        mask: NDArray[np.uint8],
        look: Look,
        overlay: Overlay,
        region: Box,
    ) -> None:
        """See through the mark in a region, have the filler correct that, write it back.

        It is written where both models together think it marked: they err in different places. Of a
        repeated mark its copies tell that more truly than the filler, and the solution, too, where
        enough of the picture shows through.
        """
        threshold = self._restorer.card.parameter("threshold")

        def solved(box: Box) -> tuple[Floats, Floats, Floats, Floats]:
            rgb, covered = picture.rgb(box), enlarged(look.cover, box, mask.shape)
            alpha = covered * np.float32(overlay.opacity)
            return seen_through(rgb, alpha, overlay.colour), rgb, covered, alpha

        def planes(box: Box) -> Floats:
            guess, rgb, covered, alpha = solved(box)
            return as_planes(np.concatenate([guess, rgb, grey(covered), grey(alpha)], 2))

        def wanted(box: Box) -> bool:
            least = ((look.cover, 0.1), (look.found, 0.5))
            return any(enlarged(seen, box, mask.shape).max() > above for seen, above in least)

        for band, maps in run_in_bands(
            self._restorer,
            planes,
            mask.shape,
            region=region,
            outputs=("fill", "mask"),
            wanted=wanted,
        ):
            for box in strips(band, max(STRIP // band.width, 16)):
                rows = slice(box.top - band.top, box.bottom - band.top)
                fill, found = maps["fill"][:, rows], enlarged(look.found, box, mask.shape)
                sure = (maps["mask"][0, rows] + found) / 2 > threshold
                if look.overlay:
                    copied = enlarged(look.there, box, mask.shape) > 0.5
                    guess, _, _, alpha = solved(box)
                    fill = np.where(copied & (alpha < CLEAR), as_planes(guess), fill)
                    sure = np.where(copied, found > 0.5, sure)
                write_found(picture, mask, box, fill, sure)


def scattered(marked: NDArray[np.bool_]) -> bool:
    """Whether what is marked (h, w) lies so far apart that it may be the copies of one mark."""
    *_, width, height = cv2.boundingRect(marked.astype(np.uint8))
    return width * height > SCATTERED * marked.size


def about(boxes: list[Box]) -> Box:
    """Return the least box that holds all of some boxes."""
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


def within(boxes: list[Box], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a map (h, w) that is True in some boxes."""
    inside = np.zeros(size, bool)
    for box in boxes:
        box.cut(inside)[:] = True
    return inside
