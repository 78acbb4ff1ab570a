"""The noise of pictures as cameras save them: mosaic, demosaicing, tone, smoothing, JPEG.

A picture is turned back into what a sensor saw and photographed anew, with noise and without, after
Brooks et al., "Unprocessing Images for Learned Raw Denoising" (CVPR 2019). The noise of real JPEG
pictures is coarser than demosaicing makes it and alike in all channels: cameras smooth its colour
and, a little, its light (noise of standard deviation 4 to 6 was measured with an autocorrelation of
0.6 to the next pixel and a correlation of 0.45 between channels).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.raw import unpack
from cleanplate.training.data.synthesis.noise import (
    DEEP,
    Camera,
    Noisy,
    dimmed,
    exposed,
    mosaicked,
    plain,
    recompressed,
    some_camera,
    some_sensor,
)

GAMMAS = (1.8, 2.6)
STEPS = 4096  # entries of a response's table
CHROMA_SHARE = 0.85  # share of cameras that smooth the chroma of noise
CHROMA_BLUR = (1.0, 2.4)  # standard deviation in pixels
LUMA_SHARE = 0.6  # share of those that smooth its luma
LUMA_BLUR = (0.25, 0.6)
JPEG_SHARE = 0.75  # share of those that save JPEG
PLAIN_SHARE = 0.3  # share of pictures whose noise is plain Gaussian noise
QUALITIES = (80, 98)  # of a camera's JPEG
ONCE_MORE = (60, 98)  # of a JPEG that was made of it later
GAINS = (0.7, 1.8)  # of the smoothed noise, which would be too weak: cameras smooth at a high ISO
SAMPLINGS = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
TO_YCC = np.array(  # ITU-R BT.601
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
FROM_YCC = np.linalg.inv(TO_YCC).astype(np.float32)


@dataclass(frozen=True)
class Response:
    """How light becomes a picture's values: a power, then partly a smoothstep.

    Attributes:
        gamma: the power is its inverse.
        contrast: share of the smoothstep, 0 to 1.
    """

    gamma: float
    contrast: float

    def table(self) -> Array:
        """Return the values in [0, 1] of `STEPS` equal steps of light in [0, 1]."""
        bright = np.linspace(0, 1, STEPS) ** (1 / self.gamma)
        steep = 3 * bright**2 - 2 * bright**3
        return ((1 - self.contrast) * bright + self.contrast * steep).astype(np.float32)

    def light(self) -> Array:
        """Return the light in [0, 1] that each of the 256 values stands for."""
        steps = np.linspace(0, 1, STEPS)
        return np.interp(np.arange(256) / 255, self.table(), steps).astype(np.float32)


class PictureNoise:
    """A source of noisy and clean pictures: a camera's noise, or plain Gaussian noise."""

    def __init__(self, jpeg_share: float = 0.3) -> None:
        """Set the share of pictures that go through JPEG once more."""
        self.jpeg_share = jpeg_share

    def draw(self, rng: np.random.Generator, picture: Array) -> Noisy:
        """Make a picture (H, W, 3) uint8, RGB, noisy; (H, W, 3) each."""
        make = plain if rng.random() < PLAIN_SHARE else photographed
        pair = make(rng, picture)
        if rng.random() >= self.jpeg_share:
            return pair
        return Noisy(recompressed(pair.noisy, int(rng.integers(*ONCE_MORE))), pair.clean)


def photographed(rng: np.random.Generator, picture: Array, scale: float = 1.0) -> Noisy:
    """Add the noise that a camera would have made of the same scene.

    The difference of photographs with and without noise is added to the picture, so that it keeps
    its own sharpness, and errors of demosaicing are not learnt as truth.

    Args:
        rng: draws the camera, its settings and the noise.
        picture: (H, W, 3) uint8, RGB.
        scale: what the photograph is shrunk by before it is saved, at most 1.

    Returns:
        Noisy and clean picture, shrunk so.
    """
    height, width = picture.shape[:2]
    even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REFLECT_101)
    noisy = picture + smoothed(rng, _difference(rng, even))[:height, :width]
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    shrunk, clean = (in_bytes(shrink(x, size)) for x in (noisy, picture.astype(np.float32)))
    return Noisy(saved(rng, shrunk) if rng.random() < JPEG_SHARE else shrunk, clean)


def shrink(picture: Array, size: tuple[int, int]) -> Array:
    """Shrink a picture by area to (width, height), unless it has that size."""
    if picture.shape[1::-1] == size:
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def in_bytes(values: Array) -> Array:
    """Round levels to uint8."""
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _difference(rng: np.random.Generator, picture: Array) -> Array:
    """Return what noise changes in a developed picture (H, W, 3), even sides; float32, levels of
    255.
    """
    camera, sensor = some_camera(rng), some_sensor(rng)
    response = Response(rng.uniform(*GAMMAS), rng.uniform(0, 1))
    down, right = (int(step) for step in rng.integers(0, 2, 2))  # which of the four Bayer phases
    shifted = np.roll(picture, (down, right), (0, 1))
    linear = cv2.transform(np.take(response.light(), shifted), camera.matrix)
    planes = mosaicked(dimmed(np.clip(linear, 0, 1), camera.gains))
    sharp = bool(rng.random() < 0.7)
    table = 255 * response.table()
    noisy = _developed(exposed(rng, planes, sensor), camera, table, sharp)
    noise = noisy - _developed(planes, camera, table, sharp)
    return np.roll(noise, (-down, -right), (0, 1))


def _developed(planes: Array, camera: Camera, table: Array, sharp: bool) -> Array:
    """Develop planes (H, W, 4) to (2H, 2W, 3) float32; values are looked up in `table`."""
    gains = camera.gains[[0, 1, 1, 2]]
    mosaic = np.rint(unpack(np.clip(planes * gains, 0, 1), DEEP)).astype(np.uint16)
    how = cv2.COLOR_BayerRGGB2RGB_EA if sharp else cv2.COLOR_BayerRGGB2RGB
    full = cv2.demosaicing(mosaic, how).astype(np.float32) / DEEP.white
    linear = cv2.transform(full, np.linalg.inv(camera.matrix).astype(np.float32))
    return np.take(table, np.rint(np.clip(linear, 0, 1) * (STEPS - 1)).astype(np.uint16))


def smoothed(rng: np.random.Generator, noise: Array) -> Array:
    """Return what a camera's own noise reduction leaves of noise (H, W, 3)."""
    parts = cv2.transform(noise, TO_YCC)
    luma, chroma = parts[..., 0], parts[..., 1:]
    if rng.random() < CHROMA_SHARE:
        chroma = cv2.GaussianBlur(chroma, (0, 0), rng.uniform(*CHROMA_BLUR))
    if rng.random() < LUMA_SHARE:
        luma = cv2.GaussianBlur(luma, (0, 0), rng.uniform(*LUMA_BLUR))
    gain = np.exp(rng.uniform(*np.log(GAINS)))
    left: Array = gain * cv2.transform(np.dstack([luma, chroma]), FROM_YCC)
    return left


def saved(rng: np.random.Generator, picture: Array) -> Array:
    """Return an RGB picture (H, W, 3) uint8 as a camera's JPEG holds it."""
    quality = int(rng.integers(QUALITIES[0], QUALITIES[1] + 1))
    return recompressed(picture, quality, int(rng.choice(SAMPLINGS)))
