"""Holes in photographs, filled from coarse to fine by a model that sees nothing of them.

A wide hole is filled on a copy so small that its surroundings come near; what is filled there is
the coarse fill of a copy twice as large, up to the picture itself. On the smallest copy the coarse
fill is the tone that flows in.
"""

from __future__ import annotations

import math
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import regions, run_in_bands, run_tiled
from cleanplate.tasks.base import write_found
from cleanplate.tasks.inpainting_mask import InpaintingMask
from cleanplate.tasks.maps import Floats, as_planes, enlarged, grey
from cleanplate.tasks.pull_push import pull_push_fill

INPUTS = ("guess red", "guess green", "guess blue", "hole")
"""The planes of such a model: a coarse fill, and where the picture is not known."""

NEAR = 16  # pixels: a hole in which no pixel lies deeper is filled at once
CONTEXT = 64  # pixels about a hole that are seen
LEAST_SIDE = 32  # pixels: no copy is smaller
SHOWN_SIDE = 640  # longer side of the steps


def fill(
    model: Model, picture: Picture, mask: NDArray[np.uint8], hidden: InpaintingMask
) -> dict[str, Floats]:
    """Fill what is hidden of a photograph.

    Args:
        model: gives `fill` from the planes INPUTS.
        picture: changed in place; what is hidden must be concealed.
        mask: (H, W), in which the change is noted.
        hidden: what is filled in.

    Returns:
        The steps, see `Cleaned.steps`.

    Raises:
        ModelError: the model failed.
    """
    before = picture.shrunk(SHOWN_SIDE)
    where = grey(hidden.of_copy(before.shape).astype(np.float32))
    size = (picture.height, picture.width)
    coarse: Floats | None = None
    halvings = levels(hidden)
    for level in range(halvings, 0, -1):
        coarse = _filled(model, picture.shrunk(max(size) >> level), hidden, coarse)
    # Up to twice as deep the tone is as good a coarse fill; the mean of both is better than either.
    guesses = [coarse, None] if halvings == 1 else [coarse]
    for part in hidden.parts():
        bands = [
            run_in_bands(
                model,
                partial(_planes_at, picture, hidden, guess),
                size,
                region=part.grown(CONTEXT, size),
                outputs=("fill",),
                wanted=lambda tile: bool(hidden.within(tile).any()),
            )
            for guess in guesses
        ]
        for filled in zip(*bands, strict=True):
            band = filled[0][0]
            box = band.common(part)
            if box is not None:
                page = np.asarray(np.mean([maps["fill"] for _, maps in filled], 0, np.float32))
                page = page[:, box.top - band.top : box.bottom - band.top]
                page = page[:, :, box.left - band.left : box.right - band.left]
                write_found(picture, mask, box, np.clip(page, 0, 1), hidden.within(box))
    return {"before": before, "hole": where, "filled": picture.shrunk(SHOWN_SIDE)}


def levels(hidden: InpaintingMask) -> int:
    """Return how often a picture is halved until no pixel of a hole lies deeper than NEAR."""
    if hidden.small.all():
        return 0
    unknown = np.pad(hidden.small, 1, constant_values=True)  # as what lies outside the picture is
    distance = cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    deepest = distance[1:-1, 1:-1][hidden.small].max(initial=0)
    deepest = float(deepest) * hidden.size[0] / unknown.shape[0]
    most = int(math.log2(max(1, max(hidden.size) / LEAST_SIDE)))
    return min(most, max(0, math.ceil(math.log2(max(1e-6, deepest / NEAR)))))


def _filled(model: Model, small: Floats, hidden: InpaintingMask, coarse: Floats | None) -> Floats:
    """Return a small copy (h, w, 3) with its holes filled."""
    size = small.shape[:2]
    hole = hidden.of_copy(size)
    filled: Floats = small.copy()
    for box in regions(hole, 0, least=CONTEXT):

        def planes(part: Box) -> Floats:
            return _planes(part.cut(small), part.cut(hole), coarse, part, size)

        found = run_tiled(model, planes, size, region=box, outputs=("fill",))["fill"]
        there = box.cut(hole)
        box.cut(filled)[there] = np.clip(found, 0, 1).transpose(1, 2, 0)[there]
    return filled


def _planes_at(picture: Picture, hidden: InpaintingMask, coarse: Floats | None, box: Box) -> Floats:
    """Return the planes INPUTS of a box of the picture itself."""
    size = (picture.height, picture.width)
    return _planes(picture.rgb(box), hidden.within(box), coarse, box, size)


def _planes(
    rgb: Floats, hole: NDArray[np.bool_], coarse: Floats | None, box: Box, size: tuple[int, ...]
) -> Floats:
    """Return the planes INPUTS of a box of a picture of some size."""
    if coarse is None:
        guess = pull_push_fill(rgb, hole)
    else:
        guess = np.where(hole[..., None], enlarged(coarse, box, size), rgb)
    planes: Floats = as_planes(np.dstack([guess, hole.astype(np.float32)]))
    return planes
