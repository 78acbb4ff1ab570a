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
from cleanplate.tasks.maps import Floats, as_planes, cut, enlarged, grey, planes_of, resized, scaled
from cleanplate.tasks.masks import Masks
from cleanplate.tasks.tone import flow_in

MARGIN = 0.5  # of a hole's longer side, seen around it
GROWTH = 1  # pixels of the small copy that a hole is grown by: what is half an occluder is one
RIM = 4  # pixels about a find that are worked on with it, for its soft edge
STRIP = 512  # rows written at a time
SHADE = (0.6, 2.5)  # how much brighter a page can be than its shaded part


class View(NamedTuple):
    """A small copy `rgb` (h, w, 3) in [0, 1], the `hole` in it, and the `tone` that flows in."""

    rgb: Floats
    hole: NDArray[np.bool_]
    tone: Floats


class Guess(NamedTuple):
    """The page behind a view's holes.

    Attributes:
        fill: the page, (h, w, 3).
        light: what the detail of the view is to be multiplied by, (h, w, 3): how much brighter the
            page is than its shaded part, and 0 where it is not to be seen.
    """

    fill: Floats
    light: Floats


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
        steps = self._take_off(picture, mask, found, hidden) if hidden.any() else {}
        report["filled"] = round(float(np.mean(mask > 127)), 6)
        return Cleaned(picture, mask, report, steps)

    def _locate(self, picture: Picture) -> Floats:
        """Return how probably each pixel of a small copy is hidden; 0 for what is not certain."""
        card = self._locator.card
        view = picture.shrunk(int(card.parameter("side")))
        found: Floats = run_tiled(self._locator, planes_of(view), view.shape[:2])["mask"][0]
        _, parts = cv2.connectedComponents((found > self._threshold).astype(np.uint8))
        sizes = np.bincount(parts.ravel())
        means = np.bincount(parts.ravel(), found.ravel()) / np.maximum(sizes, 1)
        small = sizes < card.parameter("least") * parts.size
        struck = small | (means < card.parameter("certainty"))
        struck[0] = False  # what was not found is left as it is
        found[struck[parts]] = 0
        return found

    def _take_off(
        self,
        picture: Picture,
        mask: NDArray[np.uint8],
        found: Floats,
        hidden: NDArray[np.bool_],
    ) -> dict[str, Floats]:
        """Fill the holes on a small copy and write them at full size; return the steps."""
        view = self._view(picture, hidden)
        guess = self._guess(view)
        for box in regions(hidden, 0, least=RIM):
            region = scaled(box, hidden.shape, mask.shape)
            self._write(picture, mask, region, found, view, guess)
        hole = grey(view.hole.astype(np.float32))
        return {"before": view.rgb, "hole": hole, "tone": view.tone, "coarse": guess.fill}

    def _view(self, picture: Picture, hidden: NDArray[np.bool_]) -> View:
        rgb = picture.shrunk(int(self._filler.card.parameter("side")))
        hole = resized(hidden.astype(np.float32), rgb.shape) > 0.01
        brush = np.ones((2 * GROWTH + 1, 2 * GROWTH + 1), np.uint8)
        hole = cv2.dilate(hole.astype(np.uint8), brush) > 0
        return View(rgb, hole, flow_in(rgb, hole))

    def _guess(self, view: View) -> Guess:
        """Correct the tone that flowed into the holes, a region each."""
        hole = view.hole.astype(np.float32)
        known = np.dstack([view.tone, view.rgb, hole])
        fill, seen = view.rgb.copy(), np.ones_like(hole)
        for box in regions(view.hole, MARGIN):
            maps = run_tiled(self._filler, planes_of(known), hole.shape, region=box)
            cut(fill, box)[:] = np.clip(maps["fill"], 0, 1).transpose(1, 2, 0)
            cut(seen, box)[:] = np.clip(2 * maps["seen"][0] - 1, 0, 1)  # a doubt is no sight
        brighter = np.clip(fill / np.maximum(view.rgb, 0.02), *SHADE)
        return Guess(fill, np.asarray(brighter * seen[..., None], np.float32))

    def _write(
        self,
        picture: Picture,
        mask: NDArray[np.uint8],
        region: Box,
        found: Floats,
        view: View,
        guess: Guess,
    ) -> None:
        """Enlarge the guess in a region; where the page is seen, in shade, keep its own detail."""
        for top in range(region.top, region.bottom, STRIP):
            box = region._replace(top=top, bottom=min(top + STRIP, region.bottom))
            sure = enlarged(found, box, mask.shape) > self._threshold
            if sure.any():
                detail = picture.rgb(box) - enlarged(view.rgb, box, mask.shape)
                page = enlarged(guess.fill, box, mask.shape)
                page += detail * enlarged(guess.light, box, mask.shape)
                write_found(picture, mask, box, as_planes(page), sure)


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
