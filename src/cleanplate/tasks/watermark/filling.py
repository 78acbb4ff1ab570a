"""A detected watermark taken off at full size, region by region and band by band."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Card, Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import run_in_bands
from cleanplate.tasks.base import write_found
from cleanplate.tasks.inpainting_mask import strips
from cleanplate.tasks.maps import Floats, as_planes, enlarged, grey, scaled
from cleanplate.tasks.watermark.detection import Detection
from cleanplate.tasks.watermark.overlay import Overlay, seen_through

CLEAR = 0.8  # opacity of a mark through which enough can be seen
STRIP = 1 << 18  # pixels written at a time, about


def check_filler(card: Card) -> None:
    """Check that a model can fill for this task, by its card.

    Raises:
        UsageError: it cannot.
    """
    outputs = ("fill", "mask", "cover")
    card.check("watermark", planes=8, outputs=outputs, numbers=("threshold", "side"))


def fill(
    model: Model,
    picture: Picture,
    mask: NDArray[np.uint8],
    detection: Detection,
    overlay: Overlay,
    strict: float = 0.0,
) -> None:
    """Take marks off a picture, in place.

    Args:
        model: the filler, which gives `fill` and `mask`.
        picture: is changed.
        mask: (H, W), in which the change is noted.
        detection: what is taken off; at least one find.
        overlay: what it is made of.
        strict: how much surer than usual to be that a pixel is marked; at 1 none is.

    Raises:
        ModelError: the model failed.
    """
    boxes = detection.boxes()
    for box in [around(boxes)] if detection.overlay else boxes:  # copies share tiles
        region = scaled(box, detection.mask.shape, mask.shape)
        _fill(model, picture, mask, detection, overlay, region, strict)


def _fill(
    model: Model,
    picture: Picture,
    mask: NDArray[np.uint8],
    detection: Detection,
    overlay: Overlay,
    region: Box,
    strict: float,
) -> None:
    """Solve for what shows through the mark in a region, let the filler correct it, write it back.

    It is written where both models together take it for marked: they err in different places. Of a
    repeated mark the copies know that better than the filler, and the solution, too, where enough
    of the picture shows through.
    """
    threshold = model.card.parameter("threshold")

    def solved(box: Box) -> tuple[Floats, Floats, Floats, Floats]:
        rgb, coverage = picture.rgb(box), enlarged(detection.coverage, box, mask.shape)
        alpha = coverage * np.float32(overlay.opacity)
        return seen_through(rgb, alpha, overlay.colour), rgb, coverage, alpha

    def planes(box: Box) -> Floats:
        guess, rgb, coverage, alpha = solved(box)
        return as_planes(np.concatenate([guess, rgb, grey(coverage), grey(alpha)], 2))

    def wanted(box: Box) -> bool:
        least = ((detection.coverage, 0.1), (detection.probability, 0.5))
        return any(enlarged(seen, box, mask.shape).max() > above for seen, above in least)

    for band, maps in run_in_bands(
        model, planes, mask.shape, region=region, outputs=("fill", "mask"), wanted=wanted
    ):
        for box in strips(band, max(STRIP // band.width, 16)):
            rows = slice(box.top - band.top, box.bottom - band.top)
            fill, found = maps["fill"][:, rows], enlarged(detection.probability, box, mask.shape)
            sure = (maps["mask"][0, rows] + found) / 2 > threshold + strict * (1 - threshold)
            if detection.overlay:
                copied = enlarged(detection.repeat_mask, box, mask.shape) > 0.5
                guess, _, _, alpha = solved(box)
                fill = np.where(copied & (alpha < CLEAR), as_planes(guess), fill)
                sure = np.where(copied, found > 0.5 + strict / 2, sure)
            write_found(picture, mask, box, fill, sure)


def around(boxes: list[Box]) -> Box:
    """Return the least box that holds all of some boxes."""
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))
