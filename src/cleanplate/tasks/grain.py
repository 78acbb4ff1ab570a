"""The grain of paper and sensor, measured where a picture is flat and laid over what is filled in.

A fill is a mean, and so smoother than what surrounds it, which the eye sees at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.picture import Box, Picture
from cleanplate.tasks.inpainting_mask import InpaintingMask
from cleanplate.tasks.maps import Floats

SIDE = 32  # pixels of a window that is measured
AROUND = 0.25  # share of a part's longer side up to which its surroundings are measured
PLACES = 12  # most windows along each axis
FLAT = 0.2  # share of the windows, the flattest ones, that count as bare paper
FORM = 3.0  # standard deviation in pixels of the blur that removes grain and keeps forms
NORMAL = 1.4826  # of the median deviation: the standard deviation of noise


class Grain(NamedTuple):
    """Noise of a standard deviation, (3,) in [0, 1], blurred by `softness` pixels."""

    strength: Floats
    softness: float

    def over(self, box: Box) -> Floats:
        """Return the grain (h, w, 3) of a box; the same box has the same grain."""
        size = box.size
        noise = np.random.default_rng(tuple(box)).standard_normal(size, np.float32)
        if self.softness > 0:
            noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), self.softness), np.float32)
        scale = self.strength / np.float32(noise.std() + 1e-6)
        return np.asarray(noise[..., None] * scale, np.float32)


def measure(picture: Picture, part: Box, hidden: InpaintingMask) -> Grain:
    """Measure the grain of the surroundings of a hidden part.

    Args:
        picture: stays as it is.
        part: box of the picture.
        hidden: all that is hidden in the picture.

    Returns:
        The grain of the flattest windows; none where no window is wholly seen.
    """
    reach = round(AROUND * max(part.size))
    rows = _places(part.top - reach, part.bottom + reach, picture.height)
    columns = _places(part.left - reach, part.right + reach, picture.width)
    windows = []
    for box in (Box(y, x, y + SIDE, x + SIDE) for y in rows for x in columns):
        if not hidden.within(box).any():
            window = picture.rgb(box)
            windows.append(window - cv2.GaussianBlur(window, (0, 0), FORM))
    if not windows:
        return Grain(np.zeros(3, np.float32), 0.0)
    windows.sort(key=_deviation)
    flat = np.stack(windows[: max(1, round(FLAT * len(windows)))])
    grey = flat.mean(-1)
    alike = float((grey[:, :, 1:] * grey[:, :, :-1]).mean() / (grey.var() + 1e-12))
    # Neighbours in noise that was blurred by s correlate by exp(-1 / (4 s^2)).
    softness = math.sqrt(-1 / (4 * math.log(min(alike, 0.9)))) if alike > 0.05 else 0.0
    return Grain(_deviation(flat, axis=(0, 1, 2)), softness)


def _deviation(values: Floats, axis: tuple[int, ...] | None = None) -> Floats:
    """Return the standard deviation of noise, which a few letters or edges in it do not raise."""
    return np.asarray(NORMAL * np.median(np.abs(values), axis=axis), np.float32)


def _places(start: int, stop: int, length: int) -> list[int]:
    """Return where windows start, spread evenly over a span of an axis."""
    start, stop = max(start, 0), min(stop, length)
    count = min(PLACES, (stop - start) // SIDE)
    return [round(place) for place in np.linspace(start, stop - SIDE, count)] if count else []
