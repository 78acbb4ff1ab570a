"""Where pictures share a mark of which nothing is known yet.

Pictures of one size may bear it at one place: there the mean of their gradients stays large. Else
two pictures are laid over each other at every shift and ratio of sizes: where their marks meet,
gradients agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box
from cleanplate.tasks.maps import Floats, resized
from cleanplate.tasks.marks.mark import Place
from cleanplate.tasks.marks.patches import patch_of
from cleanplate.tasks.marks.registering import gradients

STRONG = np.float32(0.02)  # a gradient of this counts one half, the strongest edge 1
WINDOW = 7  # pixels over which agreement is judged
AGREED = 0.12  # share of the power of gradients that pictures must have in common
LEAST_AREA = 80  # pixels that must agree
RIM = 6  # pixels around them that belong to the seed
SIDE = 224  # pixels of the copies that are laid over each other
RATIOS = 1.05 ** np.arange(-22, 23)  # of the sizes of a mark in two pictures
NEARBY = (0.98, 0.99, 1.01, 1.02)
WHITE = 0.5  # power by which spectra are whitened, so that long edges do not outweigh all else
TRIED = 4  # pictures that all others are compared with
TRIALS = 6  # others by which the best of these is chosen
PEAK = 15.5  # standard deviations by which the right shift stands out
LEAST = 3  # pictures that must agree

_OPPONENT = np.array([[0.299, 0.587, 0.114], [0.5, -0.42, -0.08], [-0.17, -0.33, 0.5]], np.float32)


class Seed(NamedTuple):
    """Where some pictures seem to share something: a box of each, all boxes of one content.

    Attributes:
        places: of that box, by the picture's number.
        size: height and width of the box.
    """

    places: dict[int, Place]
    size: tuple[int, int]


def same_position(copies: Sequence[Floats]) -> Seed | None:
    """Find what copies of one size have in common at one place."""
    sizes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, copy in enumerate(copies):
        sizes[copy.shape].append(number)
    group = max(sizes.values(), key=len)
    places = {number: Place(0, 0, 1, 1) for number in group}
    return _agreed(copies, places, copies[group[0]].shape[:2])


def any_position(copies: Sequence[Floats]) -> Seed | None:
    """Find what copies of at most `SIDE` pixels have in common at places of their own."""
    small = [unit_gradients(copy) for copy in copies]
    if len(small) < LEAST:
        return None
    chosen = np.linspace(0, len(small) - 1, min(TRIED, len(small))).astype(int)
    trials = []
    for number in chosen:
        others = [other for other in range(len(small)) if other != number]
        some = others[:: max(len(others) // TRIALS, 1)][:TRIALS]
        found = {other: alignment(small[number], small[other]) for other in some}
        trials.append((sum(min(peak, 40) for peak, _ in found.values()), int(number), found))
    for _, number, found in sorted(trials, key=lambda one: -one[0])[:2]:
        for other in range(len(small)):
            if other != number and other not in found:
                found[other] = alignment(small[number], small[other])
        places = {other: place for other, (peak, place) in found.items() if peak >= PEAK}
        places[number] = Place(0, 0, 1, 1)
        seed = _agreed(copies, places, copies[number].shape[:2])
        if seed is not None:
            return seed
    return None


def smaller(copy: Floats) -> Floats:
    """Return a copy (h, w, 3) as small as `any_position` wants it."""
    factor = min(1, SIDE / max(copy.shape[:2]))
    size = tuple(max(round(side * factor), 8) for side in copy.shape[:2])
    return resized(copy, size)


def unit_gradients(copy: Floats) -> Floats:
    """Return gradients (2, h, w, 3) of brightness and two opponent colours, at most about 1."""
    slope = gradients(copy @ _OPPONENT.T)
    held: Floats = slope / (np.sqrt((slope**2).sum((0, 3), keepdims=True)) + STRONG)
    return held


def alignment(one: Floats, other: Floats) -> tuple[float, Place]:
    """Return how surely two pictures share something, in standard deviations, and where.

    Args:
        one: unit gradients (2, h, w, 3) of the first picture.
        other: those of the second.

    Returns:
        The place is that of the first picture's content in the second one.
    """
    best = max((_alignment(one, other, ratio) for ratio in RATIOS), key=lambda found: found[0])
    if best[0] < PEAK:
        return best
    near = [_alignment(one, other, best[1].scale_y * ratio) for ratio in NEARBY]
    return max([best, *near], key=lambda found: found[0])


def _alignment(one: Floats, other: Floats, ratio: float) -> tuple[float, Place]:
    first, second = (one, _shrunk(other, 1 / ratio)) if ratio > 1 else (_shrunk(one, ratio), other)
    size = tuple(cv2.getOptimalDFTSize(first.shape[axis] + second.shape[axis]) for axis in (1, 2))
    spectra = [
        np.fft.fft2(values[0] + 1j * values[1], size, axes=(0, 1)) for values in (first, second)
    ]
    first_power, second_power = (np.abs(spectrum) + 1e-6 for spectrum in spectra)
    white = spectra[0].conj() * spectra[1] / (first_power * second_power) ** WHITE
    alike = np.fft.ifft2(white.sum(2)).real
    peak = np.unravel_index(int(alike.argmax()), size)
    spread = 1.4826 * float(np.median(np.abs(alike[::3, ::3]))) + 1e-6
    down, right = (
        int(at) - (side if at >= second.shape[axis] else 0)
        for at, side, axis in zip(peak, size, (1, 2), strict=True)
    )
    step = max(ratio, 1)
    return float(alike[peak]) / spread, Place(down * step, right * step, ratio, ratio)


def _shrunk(values: Floats, factor: float) -> Floats:
    """Return gradients (2, h, w, 3) at a smaller size."""
    size = tuple(max(round(side * factor), 4) for side in values.shape[1:3])
    return np.stack([resized(part, size) for part in values])


def _agreed(
    copies: Sequence[Floats], places: dict[int, Place], size: tuple[int, ...]
) -> Seed | None:
    """Return the box of a frame (h, w) in which pictures agree, laid over each other."""
    if len(places) < LEAST:
        return None
    box = _box_of(agreement(copies, places, (size[0], size[1])))
    if box is None:
        return None
    moved = {
        number: place._replace(
            top=place.top + box.top * place.scale_y, left=place.left + box.left * place.scale_x
        )
        for number, place in places.items()
    }
    return Seed(moved, box.size)


def agreement(
    copies: Sequence[Floats], places: dict[int, Place], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return where (h, w) the gradients of pictures have more in common than by chance."""
    total, power = np.zeros((2, *size, 3), np.float32), np.zeros(size, np.float32)
    count = np.zeros(size, np.float32)
    for number, place in places.items():
        patch = patch_of(copies[number], place, size)
        inside = cv2.erode(patch.valid.astype(np.float32), np.ones((3, 3)))
        slope = unit_gradients(patch.picture) * inside[..., None]
        total += slope
        power += (slope**2).sum((0, 3))
        count += patch.valid
    common, single = (
        cv2.blur(part, (WINDOW, WINDOW))
        for part in ((total**2).sum((0, 3)) / np.maximum(count, 1), power / np.maximum(count, 1))
    )
    least = np.maximum(1 + AGREED * (count - 1), 1.8)
    busy = single > 0.1 * np.quantile(single, 0.9)
    agreed: NDArray[np.bool_] = (common > least * single) & busy & (count >= LEAST)
    return agreed


def _box_of(agreed: NDArray[np.bool_]) -> Box | None:
    """Return the box around all larger parts of a map."""
    number, _, stats, _ = cv2.connectedComponentsWithStats(agreed.astype(np.uint8))
    kept = [stats[i] for i in range(1, number) if stats[i][cv2.CC_STAT_AREA] >= LEAST_AREA]
    if not kept:
        return None
    left, top, width, height = np.array(kept)[:, :4].T
    return Box(
        max(int(top.min()) - RIM, 0),
        max(int(left.min()) - RIM, 0),
        min(int((top + height).max()) + RIM, agreed.shape[0]),
        min(int((left + width).max()) + RIM, agreed.shape[1]),
    )
