"""Noise taken off a mosaic, band by band: by a model, or by the bilateral filter."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from cleanplate.models import Model
from cleanplate.picture import Box, Mosaic
from cleanplate.restoring import run_mirrored, write_planes
from cleanplate.tasks.denoise import filters
from cleanplate.tasks.denoise.sensor_noise import SensorNoise, estimate, of_profile
from cleanplate.tasks.maps import Floats

BAYER = ("red", "green beside red", "green beside blue", "blue")
"""The inputs of a model of mosaics."""

MEASURED = 2048  # positions of the planes, at most, in whose middle noise is measured
NEIGHBOURHOOD = 65  # positions of the planes: the noise of so many has hardly a mean
ROWS = 512  # of the planes that a classical filter takes at a time


def noise_of(mosaic: Mosaic, profile: tuple[tuple[float, float], ...]) -> SensorNoise:
    """Return the noise that the file states, or that is measured in the middle of the mosaic."""
    stated = of_profile(profile)
    return measured(mosaic) if stated is None or not stated.seen() else stated


def measured(mosaic: Mosaic) -> SensorNoise:
    """Return the noise as the middle of the mosaic shows it."""
    height, width = mosaic.size
    top, left = max(0, height - MEASURED) // 2, max(0, width - MEASURED) // 2
    middle = Box(top, left, min(height, top + MEASURED), min(width, left + MEASURED))
    return estimate(mosaic.planes(middle))


def takes_normalised(model: Model) -> bool:
    """Return whether the model takes planes normalised to noise of one level."""
    return "unit" in model.card.parameters


def denoise(
    model: Model,
    mosaic: Mosaic,
    noise: SensorNoise,
    strength: float = 1.0,
    keep_grain: float = 0.0,
) -> None:
    """Take noise off a mosaic, in place.

    Args:
        model: of the four planes `BAYER`. Where its card states a `unit`, planes are normalised by
            the noise (k-sigma); any other is given planes of 0 to 1 and judges the noise itself.
        mosaic: whose samples are changed.
        noise: of the mosaic.
        strength: what the standard deviation of the noise is multiplied by, above 0; a model that
            judges the noise itself ignores it.
        keep_grain: share of the noisy mosaic that is mixed back in, 0 to 1.

    Raises:
        ModelError: the model failed.
    """
    scaled = noise.scaled(strength)
    normalises = takes_normalised(model)

    def planes(box: Box) -> Floats:
        seen = mosaic.planes(box)
        given = scaled.normalised(seen) if normalises else seen
        return np.ascontiguousarray(given.transpose(2, 0, 1), np.float32)

    for box, maps in run_mirrored(model, planes, mosaic.size, outputs=("picture",)):
        clean = maps["picture"].transpose(1, 2, 0)
        clean = scaled.restored(clean) if normalises else clean
        clean += mean_taken(mosaic.planes(box), clean)
        _mix(mosaic, box, clean, keep_grain)


def mean_taken(noisy: Floats, clean: Floats) -> Floats:
    """Return what was taken from planes (h, w, 4) in the mean over a neighbourhood.

    The noise of a mosaic has the mean 0, so that this is a network's bias.
    """
    side = (NEIGHBOURHOOD, NEIGHBOURHOOD)
    mean: Floats = cv2.blur(noisy - clean, side, borderType=cv2.BORDER_REFLECT)  # type: ignore[assignment]
    return mean


def filter_bilaterally(mosaic: Mosaic, strength: float = 1.0, keep_grain: float = 0.0) -> None:
    """Smooth each colour of a mosaic, but not across edges, in place; see `filters.bilateral`.

    Args:
        mosaic: whose samples are changed.
        strength: what the standard deviation over light is multiplied by, above 0.
        keep_grain: share of the noisy mosaic that is mixed back in, 0 to 1.
    """
    height, width = mosaic.size
    above: tuple[Box, Floats] | None = None
    for band in _bands(height):
        top, bottom = max(0, band.start - filters.REACH), min(height, band.stop + filters.REACH)
        around = filters.bilateral(mosaic.planes(Box(top, 0, bottom, width)), strength)
        if above is not None:  # not before this band has read the rows above it as they were
            _mix(mosaic, *above, keep_grain)
        here = Box(band.start, 0, band.stop, width)
        above = here, around[band.start - top : band.stop - top]
    if above is not None:
        _mix(mosaic, *above, keep_grain)


def _mix(mosaic: Mosaic, box: Box, clean: Floats, keep_grain: float) -> None:
    if keep_grain:
        clean = clean + np.float32(keep_grain) * (mosaic.planes(box) - clean)
    write_planes(mosaic, box, clean)


def _bands(height: int) -> Iterator[slice]:
    for start in range(0, height, ROWS):
        yield slice(start, min(height, start + ROWS))
