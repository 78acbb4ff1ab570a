"""Five cameras' noise, as it was measured on them, and mosaics that it is drawn over.

The numbers are those of ELD (Wei et al., "A Physics-based Noise Formation Model for Extreme
Low-light Raw Denoising", CVPR 2020; its code and parameters are under the MIT licence): the range
of the gain from ISO 100 to 6400, and how the read noise grows with it, both in digital numbers, of
which 15,583 lie between black and white.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.tasks.denoise.sensor_noise import SensorNoise
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.raw import LEVELS
from cleanplate.training.data.synthesis.noise import (
    Noisy,
    Sensor,
    exposed,
    mosaicked,
    some_camera,
    undeveloped,
)

RANGE = 16383.0 - 800.0  # digital numbers from black to white
STOPS = math.log(64)  # from ISO 100 to 6400
BEYOND = 2.0  # the highest gain that is drawn, times the highest measured: ISO 12800
DIM = (0.05, 1.0)  # factor of the light of dim scenes, for which a high ISO is used
DIM_SHARE = 0.5  # share of dim scenes


class MeasuredSensor(NamedTuple):
    """A camera's gain at ISO 100, and log(spread) = slope * log(gain) + bias, give or take sigma.

    Both are in the sensor's numbers, the gain for each photoelectron.
    """

    gain: float
    slope: float
    bias: float
    sigma: float


SENSORS = {
    "Canon EOS 5D Mark IV": MeasuredSensor(0.21819, 0.67713, 1.51219, 0.24641),
    "Canon EOS 700D": MeasuredSensor(0.44763, 0.65246, 2.07986, 0.25782),
    "Canon EOS 70D": MeasuredSensor(0.40750, 0.56814, 1.99827, 0.24870),
    "Nikon D850": MeasuredSensor(0.41504, 0.56346, 0.79941, 0.21408),
    "Sony A7S II": MeasuredSensor(0.09392, 0.54075, 1.21824, 0.26751),
}


def noise_at(sensor: MeasuredSensor, iso: float, spread: float = 0.0) -> SensorNoise:
    """Return a camera's noise at an ISO, for light from 0 to 1.

    Read noise is moved from its mean by `spread` standard deviations.
    """
    gain = sensor.gain * iso / 100
    read = math.exp(sensor.slope * math.log(gain) + sensor.bias + spread * sensor.sigma)
    return SensorNoise(gain / RANGE, (read / RANGE) ** 2)


def some_noise(rng: np.random.Generator) -> SensorNoise:
    """Return the noise of one of the cameras at any ISO from 100 to 12800, all stops alike."""
    names = list(SENSORS)
    sensor = SENSORS[names[int(rng.integers(len(names)))]]
    iso = 100 * math.exp(rng.uniform(0, STOPS + math.log(BEYOND)))
    return noise_at(sensor, iso, float(rng.normal()))


def photographed(rng: np.random.Generator, picture: Array, noise: SensorNoise) -> Noisy:
    """Photograph a picture (H, W, 3) uint8, RGB, anew: RGGB planes (H/2, W/2, 4) float32.

    The clean planes lie in [0, 1]; the noisy ones, cut to whole levels, may lie a little below.
    """
    planes = mosaicked(undeveloped(picture, some_camera(rng)))
    if rng.random() < DIM_SHARE:
        planes = planes * np.float32(math.exp(rng.uniform(*np.log(DIM))))
    return Noisy(exposed(rng, planes, Sensor(noise.slope, noise.offset, LEVELS)), planes)


def scene(rng: np.random.Generator, picture: Array, side: int) -> Array:
    """Return a square of `side` samples of a picture, turned and mirrored, at times shrunk by half.

    The phase of the mosaic is drawn with its place.
    """
    height, width = picture.shape[:2]
    wide = min(round(side * math.exp(rng.uniform(0, math.log(2)))), height, width)
    wide = max(wide, min(side, height, width))
    top, left = (int(rng.integers(length - wide + 1)) for length in (height, width))
    square = picture[top : top + wide, left : left + wide]
    square = np.rot90(square, int(rng.integers(4)))
    if rng.random() < 0.5:
        square = square[:, ::-1]
    if square.shape[0] != side:
        way = cv2.INTER_AREA if square.shape[0] > side else cv2.INTER_CUBIC
        return cv2.resize(np.ascontiguousarray(square), (side, side), interpolation=way)
    return np.ascontiguousarray(square)
