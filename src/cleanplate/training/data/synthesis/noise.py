"""Noise as a camera makes it: pictures turned back into what a sensor saw, and developed again.

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

from cleanplate.training.data.raw import LEVELS, Levels, unpack
from cleanplate.training.data.synthesis.lettering import Map

GAMMA = 2.2
BRIGHT = 0.9  # from here on highlights are kept: a gain below 1 would turn white grey
SHOT = (1e-4, 1.2e-2)  # variance of the noise a unit of light; ISO 100 to about 6400
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

    noisy: Map
    clean: Map


@dataclass(frozen=True)
class Camera:
    """How a camera develops.

    Attributes:
        matrix: linear sRGB to the camera's colours, (3, 3); rows sum to 1.
        gains: of red, green and blue, (3,): white balance times brightness.
    """

    matrix: Map
    gains: Map


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


def undeveloped(picture: Map, camera: Camera) -> Map:
    """The light that a sensor saw, in all three colours at every pixel.

    Args:
        picture: (H, W, 3) uint8, RGB.
        camera: whose development is undone.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    linear = cv2.transform(np.take(UNTONED, picture), camera.matrix)
    return _dimmed(np.clip(linear, 0, 1), camera.gains)


def _dimmed(linear: Map, gains: Map) -> Map:
    """Undo gains, but for highlights (Brooks et al., section 3.4): these stay white."""
    grey = linear.mean(-1, keepdims=True)
    kept = np.clip((grey - BRIGHT) / (1 - BRIGHT), 0, 1) ** 2
    inverse = 1 / gains
    return np.clip(linear * np.maximum(kept + (1 - kept) * inverse, inverse), 0, 1)


def mosaicked(light: Map) -> Map:
    """What lies behind an RGGB filter: (H, W, 3) to planes (H/2, W/2, 4); odd sides lose one."""
    light = light[: light.shape[0] // 2 * 2, : light.shape[1] // 2 * 2]
    places = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
    return np.stack([light[y::2, x::2, colour] for y, x, colour in places], axis=-1)


def exposed(rng: np.random.Generator, planes: Map, sensor: Sensor) -> Map:
    """Read planes with a sensor: photons are counted, misread, and cut to whole levels.

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


def developed(planes: Map, camera: Camera, sharp: bool = True) -> Map:
    """Develop planes (H, W, 4) to a picture (2H, 2W, 3) uint8, RGB.

    White balance, demosaicing (along edges, or bilinear where not `sharp`), colour matrix, gamma
    and tone curve.
    """
    gains = camera.gains[[0, 1, 1, 2]]
    mosaic = np.rint(unpack(np.clip(planes * gains, 0, 1), DEEP)).astype(np.uint16)
    how = cv2.COLOR_BayerRGGB2RGB_EA if sharp else cv2.COLOR_BayerRGGB2RGB
    full = cv2.demosaicing(mosaic, how).astype(np.float32) / DEEP.white
    linear = cv2.transform(full, np.linalg.inv(camera.matrix).astype(np.float32))
    return np.take(TONED, np.rint(np.clip(linear, 0, 1) * (len(TONED) - 1)).astype(np.uint16))


def _toned(linear: Map) -> Map:
    """Gamma, then a smooth tone curve (smoothstep), as most cameras have one."""
    bright = linear ** (1 / GAMMA)
    return 3 * bright**2 - 2 * bright**3


def _untoned(values: Map) -> Map:
    """Undo `_toned`."""
    return (0.5 - np.sin(np.arcsin(1 - 2 * values) / 3)) ** GAMMA


DEEP = Levels(0.0, 65535.0)
UNTONED = _untoned(np.arange(256) / 255).astype(np.float32)
TONED = np.rint(255 * _toned(np.arange(65536) / 65535)).astype(np.uint8)


class RawNoise:
    """A source of noisy and clean RAW planes."""

    def __init__(self, levels: Levels = LEVELS) -> None:
        """Read with sensors of these black and white levels."""
        self.levels = levels

    def draw(self, rng: np.random.Generator, picture: Map) -> Noisy:
        """Photograph a picture (H, W, 3) uint8, RGB, anew: planes (H/2, W/2, 4) float32.

        The clean planes lie in [0, 1]; the noisy ones may lie a little below.
        """
        planes = mosaicked(undeveloped(picture, some_camera(rng)))
        return Noisy(exposed(rng, planes, some_sensor(rng, self.levels)), planes)


class PictureNoise:
    """A source of noisy and clean pictures: a camera's noise, plain Gaussian noise, JPEG after."""

    def __init__(self, jpeg_share: float = 0.3, plain_share: float = 0.3) -> None:
        """Give shares of the pictures that noise is plain in, and that go through JPEG."""
        self.jpeg_share, self.plain_share = jpeg_share, plain_share

    def draw(self, rng: np.random.Generator, picture: Map) -> Noisy:
        """Make a picture (H, W, 3) uint8, RGB, noisy; (H, W, 3) each."""
        make = plain if rng.random() < self.plain_share else by_camera
        pair = make(rng, picture)
        if rng.random() >= self.jpeg_share:
            return pair
        return Noisy(recompressed(pair.noisy, int(rng.integers(*QUALITIES))), pair.clean)


def plain(rng: np.random.Generator, picture: Map) -> Noisy:
    """Add Gaussian noise, in grey now and then; its spread is log-uniform over `SIGMAS`."""
    sigma = np.exp(rng.uniform(*np.log(SIGMAS)))
    channels = 1 if rng.random() < 0.1 else 3
    noise = rng.standard_normal((*picture.shape[:2], channels), np.float32)
    noisy = np.rint(picture + sigma * noise).clip(0, 255).astype(np.uint8)
    return Noisy(noisy, picture)


def by_camera(rng: np.random.Generator, picture: Map) -> Noisy:
    """Add the noise that a camera would have made of the same scene.

    The picture is photographed anew with noise and without; what the two differ by is added to it.
    So the noise depends on the light and is as coarse as demosaicing makes it, but the picture
    keeps its own sharpness, and no error of demosaicing is learnt for truth. Half of the cameras
    smooth their noise.
    """
    height, width = picture.shape[:2]
    even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REFLECT_101)
    camera, sensor = some_camera(rng), some_sensor(rng)
    planes = mosaicked(undeveloped(even, camera))
    sharp = bool(rng.random() < 0.7)
    noise = developed(exposed(rng, planes, sensor), camera, sharp).astype(np.float32)
    noise -= developed(planes, camera, sharp)
    if rng.random() < 0.5:
        noise = smoothed(rng, noise)
    noisy = np.rint(picture + noise[:height, :width]).clip(0, 255).astype(np.uint8)
    return Noisy(noisy, picture)


def smoothed(rng: np.random.Generator, noise: Map) -> Map:
    """What a camera's own noise reduction leaves of noise (H, W, 3): the coarse, less of colour."""
    parts = cv2.transform(noise, TO_YCC)
    luma = cv2.GaussianBlur(parts[..., 0], (0, 0), rng.uniform(0.35, 0.9))
    chroma = cv2.GaussianBlur(parts[..., 1:], (0, 0), rng.uniform(0.6, 2.5))
    gain = rng.uniform(1.0, 1.8)  # it is at a high ISO that cameras smooth
    return gain * cv2.transform(np.dstack([luma, chroma]), np.linalg.inv(TO_YCC))


TO_YCC = np.array(  # ITU-R BT.601
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)


def recompressed(picture: Map, quality: int) -> Map:
    """Return an RGB picture (H, W, 3) uint8 after a trip through JPEG."""
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was coded a line above
    return np.ascontiguousarray(decoded[..., ::-1])
