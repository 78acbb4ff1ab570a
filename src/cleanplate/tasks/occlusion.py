"""Occlusions: hands, fingers and heads before a page, and whatever a mask of the user's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.picture import Box, Picture
from cleanplate.restoring import regions, run_tiled
from cleanplate.tasks.base import Cleaned, Report, write_found
from cleanplate.tasks.maps import Floats, as_planes, cut, enlarged, planes_of, resized, scaled
from cleanplate.tasks.masks import Masks
from cleanplate.tasks.tone import flow_in

MARGIN = 0.5  # of a hole's longer side, seen around it
GROWTH = 1  # pixels of the small copy that a hole is grown by: what is half an occluder is one
STRIP = 512  # rows written at a time
SHADE = (0.6, 2.5)  # how much brighter a page can be than its shaded part


class View(NamedTuple):
    """A small copy of a picture: `rgb` (h, w, 3) in [0, 1], and the `hole` (h, w) bool in it."""

    rgb: Floats
    hole: NDArray[np.bool_]


class Occlusion:
    """Finds what is before a page on a small copy, guesses the page there, keeps what is seen."""

    name: ClassVar[str] = "occlusion"

    def __init__(
        self,
        *,
        locator: str | Path = "occlusion-locator",
        filler: str | Path = "occlusion-filler",
        mask: str | Path | NDArray[Any] | None = None,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            locator: says where something hides or shades the page (`mask`).
            filler: gives the page there (`fill`) and how much of it is to be seen (`seen`).
            mask: what is to be filled in, instead of what the locator finds; see `masks.Masks`.
            threshold: probability from which a pixel counts as hidden; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            PictureError: the mask cannot be read.
        """
        self._filler = models.load(filler, device=device, threads=threads)
        self._masks = None if mask is None else Masks(mask)
        self._threshold = 0.5
        if self._masks is None:
            self._locator = models.load(locator, device=device, threads=threads)
            own = self._locator.card.parameter("threshold")
            self._threshold = own if threshold is None else threshold

    def clean(self, picture: Picture) -> Cleaned:
        """Fill in what hides the page, in place."""
        mask = np.zeros((picture.height, picture.width), np.uint8)
        report: Report = {"device": self._filler.device}
        found = self._masks.of(picture) if self._masks else self._locate(picture)
        hidden = found > self._threshold
        if hidden.any():
            self._take_off(picture, mask, found, hidden)
        report["filled"] = round(float(np.mean(mask > 127)), 6)
        return Cleaned(picture, mask, report)

    def _locate(self, picture: Picture) -> Floats:
        """Return how probably each pixel of a small copy is hidden; 0 for what is not certain."""
        card = self._locator.card
        view = picture.shrunk(int(card.parameter("side")))
        found: Floats = run_tiled(self._locator, planes_of(view), view.shape[:2])["mask"][0]
        parts = cv2.connectedComponents((found > self._threshold).astype(np.uint8))
        for part in range(1, parts[0]):
            here = parts[1] == part
            small = here.mean() < card.parameter("least")
            if small or found[here].mean() < card.parameter("certainty"):
                found[here] = 0
        return found

    def _take_off(
        self,
        picture: Picture,
        mask: NDArray[np.uint8],
        found: Floats,
        hidden: NDArray[np.bool_],
    ) -> None:
        """Fill the holes on a small copy, a region each, and write them at full size."""
        rgb = picture.shrunk(int(self._filler.card.parameter("side")))
        hole = resized(hidden.astype(np.float32), rgb.shape) > 0.01
        brush = np.ones((2 * GROWTH + 1, 2 * GROWTH + 1), np.uint8)
        hole = cv2.dilate(hole.astype(np.uint8), brush) > 0
        view = View(rgb, hole)
        fill, seen = self._fill(view)
        for box in regions(hidden, MARGIN):
            self._write(
                picture, mask, scaled(box, hidden.shape, mask.shape), found, view, fill, seen
            )

    def _fill(self, view: View) -> tuple[Floats, Floats]:
        """Return the page (h, w, 3) behind the holes of a view, and how much of it is seen."""
        hole = view.hole.astype(np.float32)
        known = np.dstack([flow_in(view.rgb, view.hole), view.rgb, hole])
        fill, seen = view.rgb.copy(), np.ones_like(hole)
        for box in regions(view.hole, MARGIN):
            maps = run_tiled(self._filler, planes_of(known), hole.shape, region=box)
            cut(fill, box)[:] = np.clip(maps["fill"], 0, 1).transpose(1, 2, 0)
            cut(seen, box)[:] = maps["seen"][0]
        return fill, seen

    def _write(
        self,
        picture: Picture,
        mask: NDArray[np.uint8],
        region: Box,
        found: Floats,
        view: View,
        fill: Floats,
        seen: Floats,
    ) -> None:
        """Enlarge the fill of a region; where the page is seen, in shade, keep its own detail."""
        brighter = np.clip(fill / np.maximum(view.rgb, 0.02), *SHADE)
        light = np.asarray(brighter * seen[..., None], np.float32)
        for top in range(region.top, region.bottom, STRIP):
            box = region._replace(top=top, bottom=min(top + STRIP, region.bottom))
            sure = enlarged(found, box, mask.shape) > self._threshold
            if sure.any():
                detail = picture.rgb(box) - enlarged(view.rgb, box, mask.shape)
                whole = enlarged(fill, box, mask.shape) + detail * enlarged(light, box, mask.shape)
                write_found(picture, mask, box, as_planes(whole), sure)


class Inpaint(Occlusion):
    """Fills in what a mask names: nothing is searched for."""

    name: ClassVar[str] = "inpaint"

    def __init__(
        self,
        *,
        mask: str | Path | NDArray[Any],
        filler: str | Path = "occlusion-filler",
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the model; arguments and errors are those of `Occlusion`."""
        super().__init__(mask=mask, filler=filler, device=device, threads=threads)
