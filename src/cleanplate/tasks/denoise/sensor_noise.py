"""The noise of a sensor: how strong it is, and planes normalised so that it is always alike.

Light arrives in photons and is read with errors: at light x the variance is `slope * x + offset`
(Foi et al., "Practical Poissonian-Gaussian Noise Modeling", TIP 2008). The k-sigma transform (Wang
et al., "Practical Deep Raw Image Denoising on Mobile Devices", ECCV 2020, eq. 6) counts light in
units of the slope and shifts it, so that the variance is the value itself whatever the camera and
its ISO were: one network does for all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

UNIT = 5e-4
"""What one unit of the slope becomes, so that networks see numbers of about 0 to 10."""

MIDDLE = 0.2  # of full light, at which the level of noise is stated
LEAST = 2e-4  # standard deviation there below which noise cannot be seen
LEAST_SLOPE = 0.3  # least slope, times the variance there; real sensors have ten times as much
SIDE = 16  # side of a block in which noise is measured, in positions
GROUPS = 24  # of blocks, by their light
LOW = 0.05  # quantile of a group's variances that is noise alone
LOW_NORMAL = -1.6449  # that quantile of the standard normal distribution
ROUNDS = 8  # of the robust fit


@dataclass(frozen=True)
class SensorNoise:
    """Noise of variance `slope * x + offset` at light x, 0 for black and 1 for white.

    The numbers are floats, or tensors that are of one shape with what is transformed.
    """

    slope: Any
    offset: Any

    def scaled(self, strength: float) -> SensorNoise:
        """Return noise of `strength` times the standard deviation."""
        return SensorNoise(self.slope * strength**2, self.offset * strength**2)

    def variance(self, light: Any) -> Any:
        """Return the variance at some light."""
        return self.slope * light + self.offset

    def normalised(self, planes: Any) -> Any:
        """Normalise planes so that the variance of the noise is `UNIT` times the value."""
        return (planes / self.slope + self.offset / self.slope**2) * UNIT

    def restored(self, planes: Any) -> Any:
        """Undo `normalised`."""
        return (planes / UNIT - self.offset / self.slope**2) * self.slope

    def level(self) -> float:
        """Return the standard deviation at `MIDDLE` light."""
        return math.sqrt(self.variance(MIDDLE))

    def seen(self) -> bool:
        """Say whether there is noise enough to be seen."""
        return self.level() >= LEAST


def of_profile(profile: tuple[tuple[float, float], ...]) -> SensorNoise | None:
    """Return the noise that a DNG states, the mean over its colours; None where it states none."""
    if not profile:
        return None
    slope, offset = (float(mean) for mean in np.mean(profile, axis=0))
    return _sloping(slope, offset)


def estimate(planes: Floats) -> SensorNoise:
    """Measure the noise of a mosaic, of all its colours alike.

    Blocks of `SIDE` positions are grouped by their light. The flattest blocks of each group show
    the noise, as the difference of diagonal neighbours; a line is fitted through the groups.

    Args:
        planes: (H, W, 4), at least `SIDE` positions high and wide, 0 for black and 1 for white.
    """
    light, variance = _blocks(planes)
    order = np.argsort(light)
    light, variance = light[order], variance[order]
    groups = np.array_split(np.arange(len(light)), min(GROUPS, max(1, len(light) // 8)))
    lights = np.array([light[group].mean() for group in groups])
    variances = np.array([np.quantile(variance[group], LOW) for group in groups])
    slope, offset = _line(lights, variances / _low_of_square(SIDE**2 // 4))
    return _sloping(slope, offset)


def _sloping(slope: float, offset: float) -> SensorNoise:
    """Return noise that can be normalised: as strong at `MIDDLE` light, with a least slope.

    Noise without a slope comes from no sensor, but from exercises.
    """
    middle = slope * MIDDLE + offset
    least = LEAST_SLOPE * middle
    if slope >= least:
        return SensorNoise(slope, offset)
    return SensorNoise(max(least, 1e-12), middle - least * MIDDLE)


def _blocks(planes: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the noise's mean and variance in every block of every plane, clipped ones left out."""
    height, width = (side // SIDE * SIDE for side in planes.shape[:2])
    lights, variances = [], []
    for plane in range(4):
        part = planes[:height, :width, plane].astype(np.float64)
        fine = (part[::2, ::2] - part[1::2, ::2] - part[::2, 1::2] + part[1::2, 1::2]) / 2
        lights.append(_means(part, SIDE))
        variances.append(_means(fine**2, SIDE // 2))
    light, variance = np.concatenate(lights).ravel(), np.concatenate(variances).ravel()
    whole = light < 0.9  # noise near white is clipped and looks weaker than it is
    return (light[whole], variance[whole]) if whole.any() else (light, variance)


def _means(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    height, width = values.shape
    means: NDArray[np.float64] = values.reshape(height // side, side, width // side, side).mean(
        (1, 3)
    )
    return means.reshape(-1)


def _low_of_square(count: int) -> float:
    """Return the quantile `LOW` of the mean of so many squared normal numbers (Wilson and
    Hilferty).
    """
    spread = 2 / (9 * count)
    return float((1 - spread + LOW_NORMAL * spread**0.5) ** 3)


def _line(light: NDArray[np.float64], variance: NDArray[np.float64]) -> tuple[float, float]:
    """Fit slope and offset of a line, neither below 0, by relative errors.

    Points above the line belong to groups without a flat block: they weigh less and less.
    """
    weights = 1 / np.maximum(variance, 1e-12)
    trust = np.ones_like(variance)
    slope, offset = 0.0, 0.0
    for _ in range(ROUNDS):
        scale = weights * trust
        columns = np.stack([light, np.ones_like(light)], 1)
        found, *_ = np.linalg.lstsq(columns * scale[:, None], variance * scale, rcond=None)
        slope, offset = float(found[0]), float(found[1])
        if slope < 0:
            slope, offset = 0.0, float(np.average(variance, weights=scale**2))
        if offset < 0:
            offset = 0.0
            slope = float(
                np.sum(light * variance * scale**2) / max(np.sum((light * scale) ** 2), 1e-30)
            )
        excess = variance / np.maximum(slope * light + offset, 1e-12)
        trust = 1.2 / np.maximum(excess, 1.2)
    return max(slope, 0.0), max(offset, 0.0)
