"""Watermarks: text, logos and patterns laid over a picture, mostly half transparent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.picture import Box, Picture
from cleanplate.restoring import regions, run_in_bands, run_tiled
from cleanplate.tasks.base import Cleaned, Report, share_filled, write_found
from cleanplate.tasks.evidence import certainty, features
from cleanplate.tasks.maps import Floats, as_planes, cut, enlarged, grey, planes_of, resized, scaled
from cleanplate.tasks.masks import Masks
from cleanplate.tasks.overlay import Overlay, estimate, seen_through


class Look(NamedTuple):
    """What the locator sees on a small copy.

    Attributes:
        small: the copy, (h, w, 3) in [0, 1].
        found: (h, w), how probably each of its pixels is marked.
        marked: (h, w) bool, where that is above the threshold.
    """

    small: Floats
    found: Floats
    marked: NDArray[np.bool_]

    def within(self, box: Box) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return the parts of all three that lie in a box."""
        return cut(self.small, box), cut(self.found, box), cut(self.marked, box)


class Mark(NamedTuple):
    """A watermark as seen on a copy of the picture: where it is, (h, w) in [0, 1], and its make."""

    cover: Floats
    overlay: Overlay


class Watermark:
    """Finds a mark on a copy, learns what it is made of, and takes it off at full size."""

    name: ClassVar[str] = "watermark"

    def __init__(
        self,
        *,
        locator: str | Path = "watermark-locator",
        filler: str | Path = "watermark-filler",
        eraser: str | Path | None = None,
        mask: str | Path | NDArray[Any] | None = None,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            locator: says where a mark is (`mask`).
            filler: outlines the mark (`mask`) and corrects what is seen through it (`fill`).
            eraser: a model that gives `mask` and `picture` in one pass, such as EraseNet; it takes
                the place of both.
            mask: where the mark is, instead of what the locator finds; see `masks.Masks`.
            threshold: probability from which a pixel counts as marked; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            PictureError: the mask cannot be read.
            UsageError: a mask for an eraser, which finds marks by itself.
        """
        if eraser and mask is not None:
            raise UsageError("An eraser finds marks by itself; leave out its model or the mask.")
        self._masks = None if mask is None else Masks(mask)
        wanted = (eraser,) if eraser else (locator, filler)
        loaded = [models.load(name, device=device, threads=threads) for name in wanted]
        self._finder, self._restorer = loaded[0], loaded[-1]
        self._in_one = eraser is not None
        own = self._finder.card.parameter("threshold")
        self._threshold = own if threshold is None else threshold

    def clean(self, picture: Picture) -> Cleaned:
        """Take the marks off `picture`, in place."""
        mask = np.zeros((picture.height, picture.width), np.uint8)
        report: Report = {"device": self._finder.device}
        steps: dict[str, Floats] = {}
        if self._in_one:
            self._erase(picture, mask)
        else:
            report |= self._take_off(picture, mask, steps)
        report["filled"] = share_filled(mask)
        return Cleaned(picture, mask, report, steps)

    def look(self, picture: Picture) -> Look:
        """Look for marks on a small copy; what is found is not judged yet."""
        small = picture.shrunk(int(self._restorer.card.parameter("side")))
        if self._masks:
            found = resized(self._masks.of(picture), small.shape)
        else:
            found = self._locate(picture, small.shape[:2])
        return Look(small, found, found > self._threshold)

    def _take_off(
        self, picture: Picture, mask: NDArray[np.uint8], steps: dict[str, Floats]
    ) -> Report:
        """Fill at full size where a mark was found with certainty."""
        look = self.look(picture)
        steps |= {"before": look.small, "found": grey(look.found)}
        certain = [box for box in finds(look.marked) if self._is_certain(look, box)]
        if not certain:
            return {}
        mark = self._understand(look)
        alpha = mark.cover * np.float32(mark.overlay.opacity)
        steps |= {"cover": grey(mark.cover)}
        steps |= {"seen through": seen_through(look.small, alpha, mark.overlay.colour)}
        for box in certain:
            self._fill(picture, mask, mark, scaled(box, look.marked.shape, mask.shape))
        return {"opacity": round(mark.overlay.opacity, 3)}

    def _is_certain(self, look: Look, box: Box) -> bool:
        """Tell a mark from what only looks like one; what is not certain is struck from the finds.

        A mask of the user's own is not questioned.
        """
        if self._masks:
            return True
        card = self._finder.card
        if certainty(card, features(*look.within(box))) >= card.parameter("certainty"):
            return True
        cut(look.marked, box)[:] = False
        return False

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

    def _understand(self, look: Look) -> Mark:
        """Outline the mark on the small copy, and tell from its outline what it is made of."""

        def planes(box: Box) -> Floats:
            rgb, rough = as_planes(cut(look.small, box)), cut(look.found, box)[None]
            return np.concatenate([rgb, rgb, rough, np.zeros_like(rough)])

        cover = run_tiled(
            self._restorer,
            planes,
            look.found.shape,
            outputs=("mask",),
            wanted=lambda box: bool(cut(look.marked, box).any()),
        )["mask"][0]
        return Mark(cover, estimate(look.small, cover))

    def _fill(self, picture: Picture, mask: NDArray[np.uint8], mark: Mark, region: Box) -> None:
        """See through the mark in a region, have the filler correct that, write it back."""

        def planes(box: Box) -> Floats:
            rgb, cover = picture.rgb(box), enlarged(mark.cover, box, mask.shape)
            alpha = cover * np.float32(mark.overlay.opacity)
            guess = seen_through(rgb, alpha, mark.overlay.colour)
            return as_planes(np.concatenate([guess, rgb, cover[..., None], alpha[..., None]], 2))

        for box, maps in run_in_bands(
            self._restorer,
            planes,
            mask.shape,
            region=region,
            outputs=("fill", "mask"),
            wanted=lambda box: bool(enlarged(mark.cover, box, mask.shape).max() > 0.1),
        ):
            sure = maps["mask"][0] > self._restorer.card.parameter("threshold")
            write_found(picture, mask, box, maps["fill"], sure)

    def _erase(self, picture: Picture, mask: NDArray[np.uint8]) -> None:
        """Run a model that locates and fills in one pass over the whole picture."""

        def planes(box: Box) -> Floats:
            return as_planes(picture.rgb(box))

        for box, maps in run_in_bands(self._restorer, planes, mask.shape):
            write_found(picture, mask, box, maps["picture"], maps["mask"][0] > self._threshold)


def finds(marked: NDArray[np.bool_]) -> list[Box]:
    """Return boxes about the parts of a mark (h, w) bool; letters of a line share one."""
    return regions(cv2.dilate(marked.astype(np.uint8), np.ones((5, 5))) > 0)
