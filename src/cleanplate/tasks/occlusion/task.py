"""What hides a page is found or given, and the page is put in its place."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models import Model
from cleanplate.picture import Picture
from cleanplate.restoring import run_tiled
from cleanplate.tasks.base import Cleaned, Remark, doubt_of
from cleanplate.tasks.inpainting import Inpaint
from cleanplate.tasks.inpainting_mask import InpaintingMask
from cleanplate.tasks.maps import Floats, at_the_frame, planes_of

# Most of a page is to be seen. Of a picture of anything else, nearly all may count as hiding one.
_MOST = 0.5

_HOLE = 0.02  # of the finds' area: smaller holes in them, as a mouth or a pale cuff, are none

NONE = "none"  # as the locator: all of the page is hidden


class Occlusion:
    """Finds what is before a page on a small copy, and puts the page in its place."""

    def __init__(
        self,
        *,
        locator: str | Path = "occlusion-locator",
        filler: str | Path = "occlusion-filler",
        eraser: str | Path | None = None,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            locator: says where something hides or shades the page (`mask`); "none", with an eraser:
                the whole page is redrawn, tile by tile.
            filler: see `Inpaint`.
            eraser: see `Inpaint`.
            threshold: probability from which a pixel counts as hidden; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            UsageError: there is no such model, or it does not fit this task; or there is neither
                locator nor eraser.
        """
        self._inpaint = Inpaint(
            filler=filler, eraser=eraser, kind="page", device=device, threads=threads
        )
        self._locator = None
        self._threshold = 0.5
        if locator != NONE:
            self._locator = models.load(locator, device=device, threads=threads)
            numbers = ("threshold", "side", "certainty", "least")
            self._locator.card.check("occlusion", planes=3, outputs=("mask",), numbers=numbers)
            own = self._locator.card.parameter("threshold")
            self._threshold = own if threshold is None else threshold
        elif eraser is None:
            raise UsageError(
                "Without a locator, give an eraser; what a mask names is filled in by inpaint."
            )

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Put the page in the place of what hides it, in place; see `Task.clean`."""
        if mask is not None:
            return self._inpaint.clean(picture, mask=mask)
        size = (picture.height, picture.width)
        if self._locator is None:
            return self._inpaint.fill(
                picture, InpaintingMask(np.ones((1, 1), np.float32), 0.5, size)
            )
        found = _locate(self._locator, picture, self._threshold)
        share = float((found.kept > self._threshold).mean())
        if share > _MOST:
            return _left(self._locator, picture, found, share)
        cleaned = self._inpaint.fill(picture, InpaintingMask(found.kept, self._threshold, size))
        cleaned.doubt = found.doubt
        return cleaned


def _left(locator: Model, picture: Picture, found: Found, share: float) -> Cleaned:
    """Leave a picture as it was: what is found on it is hardly a page with something before it."""
    text = f"{share:.0%} of it was taken for what hides a page: it is left as it was"
    return Cleaned(
        picture,
        np.zeros((picture.height, picture.width), np.uint8),
        {"device": locator.device, "filled": 0.0},
        remarks=[Remark("mask-over-half", text)],
        doubt=max(found.doubt, round(share, 3)),
    )


class Found(NamedTuple):
    """What a locator found on a small copy.

    Attributes:
        kept: (h, w), how probably each pixel is hidden; 0 for what is not certain.
        doubt: 0 to 1, see `Cleaned.doubt`.
    """

    kept: Floats
    doubt: float


def _locate(model: Model, picture: Picture, threshold: float) -> Found:
    """Find what hides a page on a small copy of it."""
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
    found[_small_holes(found > threshold)] = 1
    return Found(found, doubt_of(means[1:][~small[1:]]))


def _small_holes(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the small holes in finds, (h, w); a larger one shows the page, as by a bent arm."""
    count, labels, figures, _ = cv2.connectedComponentsWithStats(
        (~found).astype(np.uint8), connectivity=4
    )
    small = figures[:, cv2.CC_STAT_AREA] < _HOLE * found.sum()
    small[0] = False  # the finds themselves
    small &= ~at_the_frame(np.asarray(labels, np.int32), count)
    return np.asarray(small[labels])
