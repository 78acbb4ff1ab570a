"""Where watermarks are, on a small copy of the picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import regions, run_tiled
from cleanplate.tasks.maps import Floats, as_planes, dilated, planes_of, resized
from cleanplate.tasks.masks import shrunk
from cleanplate.tasks.watermark.overlay import Overlay
from cleanplate.tasks.watermark.repeats import repeated

SCATTERED = 0.25  # share of the picture that the copies of a mark spread over at least


class Detection(NamedTuple):
    """What both models see on a small copy; nothing is verified yet.

    Attributes:
        small: the copy, (h, w, 3) in [0, 1].
        probability: (h, w), how probably each of its pixels is marked, by the locator.
        mask: (h, w) bool, where that is above the threshold.
        coverage: (h, w) in [0, 1], how far the mark covers each pixel, by the filler.
        repeat_mask: (h, w), 1 on and around the copies of a mark that is repeated, else 0.
        overlay: opacity and colour of such a mark, by its copies.
    """

    small: Floats
    probability: Floats
    mask: NDArray[np.bool_]
    coverage: Floats
    repeat_mask: Floats
    overlay: Overlay | None = None

    def only(self, where: NDArray[Any]) -> Detection:
        """Return what is detected on some of the pixels, (h, w) bool or of 0 and 1."""
        return self._replace(
            probability=self.probability * where,
            mask=self.mask & (where > 0),
            coverage=self.coverage * where,
            repeat_mask=self.repeat_mask * where,
        )

    def boxes(self) -> list[Box]:
        """Return boxes around the finds; letters of a line share one."""
        return regions(dilated(self.mask, 2))


class Detector(NamedTuple):
    """The two models, as they look at a small copy.

    Attributes:
        locator: says where a mark is (`mask`).
        filler: says how far a mark covers each pixel (`cover`).
        threshold: probability above which a pixel counts as marked.
    """

    locator: Model
    filler: Model
    threshold: float

    def detect(self, picture: Picture, given: Floats | None = None) -> Detection:
        """Detect marks and their coverage on a small copy.

        Args:
            picture: stays as it is.
            given: (H, W) in [0, 1], the user's mask, in the place of what the locator finds.

        Raises:
            ModelError: a model failed.
        """
        small = picture.shrunk(int(self.filler.card.parameter("side")))
        if given is None:
            probability = self._locate(picture, small.shape[:2])
        else:
            probability = shrunk(given, small.shape[:2])
        mask = probability > self.threshold
        nothing = np.zeros_like(probability)
        if not mask.any():
            return Detection(small, probability, mask, nothing, nothing)

        def coverage(probability: Floats) -> Floats:
            return self._coverage(small, probability)

        searched = given is None and scattered(mask)
        copies = repeated(small, probability, coverage) if searched else None
        if copies is None:
            return Detection(small, probability, mask, coverage(probability), nothing)
        mask = copies.probability > self.threshold
        return Detection(
            small, copies.probability, mask, copies.coverage, copies.repeat_mask, copies.overlay
        )

    def _locate(self, picture: Picture, size: tuple[int, int]) -> Floats:
        """Return how probably each pixel of a copy of the given size is marked.

        The locator sees a copy of its own, enlarged where the picture is small: at twice the size
        it gains more in outlines than it loses in context.
        """
        side = int(self.locator.card.parameter("side"))
        view = picture.shrunk(side)
        zoom = min(self.locator.card.parameter("zoom"), side / max(view.shape))
        if zoom > 1:
            view = np.asarray(cv2.resize(view, None, fx=zoom, fy=zoom), np.float32)
        probability = run_tiled(self.locator, planes_of(view), view.shape[:2])["mask"][0]
        return resized(probability, size)

    def _coverage(self, small: Floats, probability: Floats) -> Floats:
        """Return how far a mark covers each pixel, as the filler sees it at its first look."""
        mask = probability > self.threshold

        def planes(box: Box) -> Floats:
            rgb, rough = as_planes(box.cut(small)), box.cut(probability)[None]
            return np.concatenate([rgb, rgb, rough, np.zeros_like(rough)])

        coverage: Floats = run_tiled(
            self.filler,
            planes,
            probability.shape,
            outputs=("cover",),
            wanted=lambda box: bool(box.cut(mask).any()),
        )["cover"][0]
        return coverage


def scattered(mask: NDArray[np.bool_]) -> bool:
    """Return whether a mask (h, w) spreads so far that it may show the copies of one mark."""
    *_, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return width * height > SCATTERED * mask.size
