"""Noise as a sensor makes it: pictures turned back into what it saw.

After Brooks et al., "Unprocessing Images for Learned Raw Denoising" (CVPR 2019): the steps of a
camera's development are undone one after the other (tone curve, gamma, colour matrix, white
balance, mosaic), with the ranges given there, which follow the cameras of the Darmstadt Noise
Dataset. Light arrives in photons and is read with errors, so noise is Poisson plus Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.raw import LEVELS, Levels

GAMMA = 2.2
BRIGHT = 0.9  # from here on highlights stay: undoing the gain would turn white grey
SHOT = (1e-4, 1.2e-2)  # variance of shot noise per unit of light; ISO 100 to about 6400
SIGMAS = (2.0, 50.0)  # of 255; plain Gaussian noise
QUALITIES = (60, 98)  # of JPEG

# Linear sRGB (D65) to CIE XYZ, IEC 61966-2-1.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
# CIE XYZ to the sensor colours of four cameras, as their DNG files state them (Brooks et al.).
SENSORS = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)


class Noisy(NamedTuple):
    """The same scene twice: with noise and without."""

    noisy: Array
    clean: Array


@dataclass(frozen=True)
class Camera:
    """How a camera develops.

    Attributes:
        matrix: linear sRGB to the camera's colours, (3, 3); rows sum to 1.
        gains: of red, green and blue, (3,): white balance times brightness.
    """

    matrix: Array
    gains: Array


@dataclass(frozen=True)
class Sensor:
    """How a sensor errs: at light x in [0, 1] the variance of its noise is `shot * x + read`."""

    shot: float
    read: float
    levels: Levels = LEVELS


def some_camera(rng: np.random.Generator) -> Camera:
    """Return a mixture of cameras in some light.

    Gains of red 1.9 to 2.4 and of blue 1.5 to 1.9, all brightened by 1 / N(0.8, 0.1).
    """
    shares = rng.random(4)
    matrix = np.tensordot(shares / shares.sum(), SENSORS, 1) @ TO_XYZ
    matrix /= matrix.sum(1, keepdims=True)
    gain = 1 / np.clip(rng.normal(0.8, 0.1), 0.5, 1.1)
    gains = gain * np.array([rng.uniform(1.9, 2.4), 1.0, rng.uniform(1.5, 1.9)])
    return Camera(matrix.astype(np.float32), gains.astype(np.float32))


def some_sensor(rng: np.random.Generator, levels: Levels = LEVELS) -> Sensor:
    """Return a sensor at some ISO.

    The logarithm of `shot` is uniform over `SHOT`; that of `read` lies on the line
    2.18 * log(shot) + 1.2 with a spread of 0.26, as measured on cameras (Brooks et al., 3.1).
    """
    shot = rng.uniform(*np.log(SHOT))
    read = 2.18 * shot + 1.2 + rng.normal(0, 0.26)
    return Sensor(float(np.exp(shot)), float(np.exp(read)), levels)


def undeveloped(picture: Array, camera: Camera) -> Array:
    """Return the light that a sensor saw, in all three colours at every pixel.

    Args:
        picture: (H, W, 3) uint8, RGB.
        camera: whose development is undone.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    linear = cv2.transform(np.take(UNTONED, picture), camera.matrix)
    return dimmed(np.clip(linear, 0, 1), camera.gains)


def dimmed(linear: Array, gains: Array) -> Array:
    """Undo gains, except in highlights, which stay white (Brooks et al., section 3.4)."""
    grey = linear.mean(-1, keepdims=True)
    kept = np.clip((grey - BRIGHT) / (1 - BRIGHT), 0, 1) ** 2
    inverse = 1 / gains
    return np.clip(linear * np.maximum(kept + (1 - kept) * inverse, inverse), 0, 1)


def mosaicked(light: Array) -> Array:
    """Sample light (H, W, 3) as an RGGB filter does: planes (H/2, W/2, 4); odd sides lose one."""
    light = light[: light.shape[0] // 2 * 2, : light.shape[1] // 2 * 2]
    places = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
    return np.stack([light[y::2, x::2, colour] for y, x, colour in places], axis=-1)


def exposed(rng: np.random.Generator, planes: Array, sensor: Sensor) -> Array:
    """Read planes with a sensor: photons are counted, read with noise, and rounded to levels.

    Args:
        rng: draws the noise.
        planes: light in [0, 1], (H, W, 4).
        sensor: how it errs, and its black and white levels.

    Returns:
        float32 of the same shape; 0 is the black level, below which noise may go, 1 the white one.
    """
    counted = rng.poisson(planes / sensor.shot) * sensor.shot
    read = counted + np.sqrt(sensor.read) * rng.standard_normal(planes.shape, np.float32)
    black, white = sensor.levels
    values = np.clip(np.rint(read * (white - black) + black), 0, white)
    return ((values - black) / (white - black)).astype(np.float32)


def _untoned(values: Array) -> Array:
    """Undo gamma, then a smoothstep, as the tone curve that most cameras have (Brooks et al.)."""
    return (0.5 - np.sin(np.arcsin(1 - 2 * values) / 3)) ** GAMMA


DEEP = Levels(0.0, 65535.0)
UNTONED = _untoned(np.arange(256) / 255).astype(np.float32)


class RawNoise:
    """A source of noisy and clean RAW planes."""

    def draw(self, rng: np.random.Generator, picture: Array) -> Noisy:
        """Photograph a picture (H, W, 3) uint8, RGB, anew: planes (H/2, W/2, 4) float32.

        The clean planes lie in [0, 1]; the noisy ones may lie a little below.
        """
        planes = mosaicked(undeveloped(picture, some_camera(rng)))
        return Noisy(exposed(rng, planes, some_sensor(rng)), planes)


def plain(rng: np.random.Generator, picture: Array) -> Noisy:
    """Add Gaussian noise, in grey now and then; its spread is log-uniform over `SIGMAS`."""
    sigma = np.exp(rng.uniform(*np.log(SIGMAS)))
    channels = 1 if rng.random() < 0.1 else 3
    noise = rng.standard_normal((*picture.shape[:2], channels), np.float32)
    noisy = np.rint(picture + sigma * noise).clip(0, 255).astype(np.uint8)
    return Noisy(noisy, picture)


def recompressed(picture: Array, quality: int, sampling: int | None = None) -> Array:
    """Return an RGB picture (H, W, 3) uint8 after a trip through JPEG.

    Args:
        picture: stays as it is.
        quality: of the JPEG, 1 to 100.
        sampling: how its colours are sampled, one of `cv2.IMWRITE_JPEG_SAMPLING_FACTOR_*`; None for
            OpenCV's own choice.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if sampling is not None:
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    coded = cv2.imencode(".jpg", picture[..., ::-1], options)[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was coded a line above
    return np.ascontiguousarray(decoded[..., ::-1])
