"""Occlusions: hands, fingers and heads before a page, and whatever a mask of the user's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models import Model
from cleanplate.picture import Picture
from cleanplate.restoring import run_tiled
from cleanplate.tasks import behind, squares
from cleanplate.tasks.base import Cleaned, Report, share_filled
from cleanplate.tasks.hidden import Hidden
from cleanplate.tasks.maps import Floats, planes_of
from cleanplate.tasks.masks import Masks

NONE = "none"  # in the place of a locator: all of the page is hidden


class Occlusion:
    """Finds what is before a page on a small copy, and puts the page in its place."""

    name: ClassVar[str] = "occlusion"

    def __init__(
        self,
        *,
        locator: str | Path = "occlusion-locator",
        filler: str | Path = "occlusion-filler",
        eraser: str | Path | None = None,
        mask: str | Path | NDArray[Any] | None = None,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            locator: says where something hides or shades the page (`mask`); "none", with an eraser:
                the whole page is redrawn, tile by tile.
            filler: gives the page there (`fill`) and how much of it is to be seen (`seen`); or,
                like DeepFill v2, what it paints on a small square (`picture`), see `squares.paint`.
            eraser: gives the clean page from the page (`picture`), such as NAFNet; it takes the
                place of the filler, on a square about what is hidden.
            mask: what is to be filled in, instead of what the locator finds; see `masks.Masks`.
            threshold: probability from which a pixel counts as hidden; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            PictureError: the mask cannot be read.
            UsageError: there is no such model; neither locator, nor eraser, nor mask; or an eraser
                or a filler like DeepFill v2 that gives no picture.
        """
        self._masks = None if mask is None else Masks(mask)
        self._model = models.load(eraser or filler, device=device, threads=threads)
        card = self._model.card
        on_squares = eraser is not None or card.inputs == squares.INPUTS
        if on_squares and "picture" not in card.outputs:
            raise UsageError(f"{card.name} gives {', '.join(card.outputs)}, but no picture.")
        self._fill = squares.erase if eraser else squares.fill if on_squares else behind.fill
        self._locator = None
        self._threshold = 0.5
        if locator == NONE:
            if eraser is None and mask is None:
                raise UsageError(
                    "Without a locator, give an eraser, or say by a mask what to fill."
                )
        elif self._masks is None:
            self._locator = models.load(locator, device=device, threads=threads)
            own = self._locator.card.parameter("threshold")
            self._threshold = own if threshold is None else threshold

    def clean(self, picture: Picture) -> Cleaned:
        """Put the page in the place of what hides it, in place."""
        mask = np.zeros((picture.height, picture.width), np.uint8)
        report: Report = {"device": self._model.device}
        hidden = Hidden(self._found(picture), self._threshold, mask.shape)
        steps: dict[str, Floats] = {}
        if hidden.small.any():
            steps = self._fill(self._model, picture, mask, hidden)
        report["filled"] = share_filled(mask)
        return Cleaned(picture, mask, report, steps)

    def _found(self, picture: Picture) -> Floats:
        """Return how probably each pixel of the picture, or of a copy, is hidden."""
        if self._masks:
            return self._masks.of(picture)
        if self._locator is None:
            return np.ones((1, 1), np.float32)
        return _locate(self._locator, picture, self._threshold)


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


def _locate(model: Model, picture: Picture, threshold: float) -> Floats:
    """Return how probably each pixel of a small copy is hidden; 0 for what is not certain."""
    card = model.card
    view = picture.shrunk(int(card.parameter("side")))
    found: Floats = run_tiled(model, planes_of(view), view.shape[:2])["mask"][0]
    _, parts = cv2.connectedComponents((found > threshold).astype(np.uint8))
    sizes = np.bincount(parts.ravel())
    means = np.bincount(parts.ravel(), found.ravel()) / np.maximum(sizes, 1)
    small = sizes < card.parameter("least") * parts.size
    struck = small | (means < card.parameter("certainty"))
    struck[0] = False  # what was not found is left as it is
    found[struck[parts]] = 0
    return found
