"""Noise taken off a mosaic, band by band: by a model, or by system 4's bilateral filter."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Model
from cleanplate.picture import Box, Mosaic
from cleanplate.restoring import run_in_bands
from cleanplate.tasks.sensor_noise import SensorNoise, estimate, of_profile

Floats = NDArray[np.float32]

BAYER = ("red", "green beside red", "green beside blue", "blue")
"""The inputs of a model of mosaics."""

RADIUS, SPACE, COLOUR = 20, 15.0, 10.0 / 255
"""The bilateral filter's, in positions of the planes, and in light of a range of 1."""

MEASURED = 2048  # positions of the planes, at most, in whose middle noise is measured
_BAND = 512  # rows of the planes filtered at a time


def noise_of(mosaic: Mosaic, profile: tuple[tuple[float, float], ...]) -> SensorNoise:
    """The noise that the file states, or that is measured in the middle of the mosaic."""
    stated = of_profile(profile)
    if stated is not None and stated.seen():
        return stated
    return measured(mosaic)


def measured(mosaic: Mosaic) -> SensorNoise:
    """The noise as the middle of the mosaic shows it."""
    height, width = mosaic.size
    top, left = max(0, height - MEASURED) // 2, max(0, width - MEASURED) // 2
    middle = Box(top, left, min(height, top + MEASURED), min(width, left + MEASURED))
    return estimate(mosaic.planes(middle))


def denoise(model: Model, mosaic: Mosaic, noise: SensorNoise, strength: float = 1.0) -> None:
    """Take noise off a mosaic, in place.

    Args:
        model: of the four planes `BAYER`. Where its card states a `unit`, planes are normalised by
            the noise (k-sigma); another is given planes of 0 to 1 and has its way with the noise.
        mosaic: whose samples are changed.
        noise: of the mosaic.
        strength: times the standard deviation of the noise, for a model that is told; of another,
            the share of what it does, at most all.

    Raises:
        ModelError: the model failed.
    """
    told = noise.scaled(strength)
    normalises = "unit" in model.card.parameters
    if strength == 0 or (normalises and not told.seen()):
        return

    def planes(box: Box) -> Floats:
        seen = mosaic.planes(box)
        given = told.normalised(seen) if normalises else seen
        return np.ascontiguousarray(given.transpose(2, 0, 1), np.float32)

    for box, maps in run_in_bands(model, planes, mosaic.size, outputs=("picture",)):
        clean = maps["picture"].transpose(1, 2, 0)
        if normalises:
            clean = told.restored(clean)
        else:
            seen = mosaic.planes(box)
            clean = seen + np.float32(min(strength, 1.0)) * (clean - seen)
        mosaic.put(clean, box)


def filter_bilaterally(mosaic: Mosaic, strength: float = 1.0) -> None:
    """Smooth each colour of a mosaic but across edges, in place (Tomasi and Manduchi, ICCV 1998).

    Args:
        mosaic: whose samples are changed.
        strength: what `COLOUR` is multiplied by; 0 changes nothing.
    """
    if strength == 0:
        return
    height, width = mosaic.size
    above: tuple[Floats, Box] | None = None
    for band in _bands(height):
        top, bottom = max(0, band.start - RADIUS), min(height, band.stop + RADIUS)
        around = bilateral(mosaic.planes(Box(top, 0, bottom, width)), strength)
        if above is not None:  # this band has seen what lies above it as it was
            mosaic.put(*above)
        above = around[band.start - top : band.stop - top], Box(band.start, 0, band.stop, width)
    if above is not None:
        mosaic.put(*above)


def bilateral(planes: Floats, strength: float = 1.0) -> Floats:
    """Each of the planes (H, W, 4) through the bilateral filter."""
    parts = [
        cv2.bilateralFilter(
            np.ascontiguousarray(planes[..., n]), 2 * RADIUS + 1, COLOUR * strength, SPACE
        )
        for n in range(4)
    ]
    return np.stack(parts, axis=-1)


def _bands(height: int) -> Iterator[slice]:
    for start in range(0, height, _BAND):
        yield slice(start, min(height, start + _BAND))
