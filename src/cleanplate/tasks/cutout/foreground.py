"""The subject's own colours along its edge, where the picture mixes them with the background's."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.cutout.sampling import Floats, Places, sampled

Samples = NDArray[np.uint8] | NDArray[np.uint16]
Bools = NDArray[np.bool_]

WHOLE = 128  # longer side in pixels up to which a level is solved everywhere
LARGEST = 2048  # longer side in pixels above which the edge is solved pixel by pixel
REGULAR = 1e-5  # weight of smoothness where alpha is even
GRADIENT = 0.1  # what the gradient of alpha adds to it
ROUNDS = 8  # iterations of a level
CLOSE = 0.01  # weight of what the level before gave, where pixels are solved one by one
SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))


class Colours(NamedTuple):
    """Those of the subject and of what is behind it, (h, w, C) or (N, C) each, in [0, 1]."""

    foreground: Floats
    background: Floats


def mixed_at(alpha: Floats) -> Bools:
    """Return where a pixel shows both foreground and background, in the shape of alpha."""
    return np.asarray((alpha > 1 / 255) & (alpha < 1 - 1 / 255))


def estimate(pixels: Samples, alpha: Floats) -> tuple[Places, Places, Floats]:
    """Estimate the foreground's colours wherever they are mixed with the background's.

    Multi-level foreground estimation (Germer, Uelwer, Conrad and Harmeling, Fast Multi-Level
    Foreground Estimation, ICPR 2020): foreground and background are smooth and, mixed by alpha,
    give the picture. Levels are solved from one pixel up, each starting from the one before. From
    WHOLE on only the edge is solved, and above LARGEST pixel by pixel, which bounds the memory.

    Args:
        pixels: the picture, (H, W, 3 or 1).
        alpha: (H, W) in [0, 1].

    Returns:
        Rows and columns of these pixels, (N,) each, and their colours (N, 3 or 1) in [0, 1].
    """
    rows, columns = np.nonzero(mixed_at(alpha))
    channels = pixels.shape[2]
    if not len(rows):
        return rows, columns, np.zeros((0, channels), np.float32)
    colours = Colours(*np.zeros((2, 1, 1, channels), np.float32))
    for picture, share in _pyramid(pixels, alpha):
        size = share.shape
        colours = Colours(*(_enlarged(one, size) for one in colours))
        if max(size) <= WHOLE:
            colours = _smooth(picture, share, colours, np.ones(size, bool))
        else:
            at = (share >= 1 - 1 / 255), (share <= 1 / 255)
            for one, known in zip(colours, at, strict=True):
                np.copyto(one, picture, where=known[..., None])
            colours = _smooth(picture, share, colours, mixed_at(share))
    if colours.foreground.shape[:2] == alpha.shape:
        return rows, columns, colours.foreground[rows, columns]
    near = Colours(
        *(sampled(one, rows, columns, alpha.shape).reshape(-1, channels) for one in colours)
    )
    seen = pixels[rows, columns] * np.float32(1 / np.iinfo(pixels.dtype).max)
    return rows, columns, _by_itself(seen, alpha[rows, columns, None], near)


def _pyramid(pixels: Samples, alpha: Floats) -> list[tuple[Floats, Floats]]:
    """Return picture and alpha at every level, from one pixel up to LARGEST, doubling in size.

    They are averaged over areas, each level from the next larger one.
    """
    size = alpha.shape
    while max(size) > LARGEST:
        size = _half(size)
    scale = np.float32(1 / np.iinfo(pixels.dtype).max)
    levels = [(_resized(pixels, size) * scale, _resized(alpha, size))]
    while max(size) > 1:
        size = _half(size)
        levels.append((_resized(levels[-1][0], size), _resized(levels[-1][1], size)))
    return levels[::-1]


def _half(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-side // 2) for side in size)


def _resized(maps: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    small = cv2.resize(maps, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small).reshape(*size, *maps.shape[2:])


def _enlarged(maps: Floats, size: tuple[int, ...]) -> Floats:
    large = cv2.resize(maps, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32).reshape(*size, maps.shape[2])


def _smooth(picture: Floats, share: Floats, start: Colours, at: Bools) -> Colours:
    """Solve the pixels of `at` by Jacobi iteration over their four neighbours.

    The paper's eq. 6 and 7, with gradients of alpha as weights.
    """
    height, width = share.shape
    rows, columns = np.nonzero(at)
    around = [
        np.clip(rows + down, 0, height - 1) * width + np.clip(columns + right, 0, width - 1)
        for down, right in SIDES
    ]
    own = rows * width + columns
    alpha, seen = share.reshape(-1)[own], picture.reshape(len(share.reshape(-1)), -1)[own]
    steps = [np.abs(share.reshape(-1)[place] - alpha) for place in around]
    ties = [(REGULAR + GRADIENT * step)[:, None] for step in steps]
    alpha = alpha[:, None]
    total = sum(ties[1:], ties[0])
    first, last, both = alpha**2 + total, (1 - alpha) ** 2 + total, alpha * (1 - alpha)
    determinant = first * last - both * both
    foreground, background = (one.reshape(height * width, -1) for one in start)
    for _ in range(ROUNDS):
        f, g = alpha * seen, (1 - alpha) * seen
        for tie, place in zip(ties, around, strict=True):
            f += tie * foreground[place]
            g += tie * background[place]
        foreground[own] = np.clip((last * f - both * g) / determinant, 0, 1)
        background[own] = np.clip((first * g - both * f) / determinant, 0, 1)
    return start


def _by_itself(seen: Floats, alpha: Floats, near: Colours) -> Floats:
    """Move nearby colours so that they mix to what is seen: eq. 6 with one tie, in closed form."""
    lacking = seen - alpha * near.foreground - (1 - alpha) * near.background
    step = alpha / (alpha**2 + (1 - alpha) ** 2 + np.float32(CLOSE))
    found: Floats = np.clip(near.foreground + step * lacking, 0, 1)
    return found
