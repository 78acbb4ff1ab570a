"""What a mark is made of, told by the pictures that share it.

Under a mark of opacity `alpha` and colour `C`, with `u = -log(1 - alpha)`, gradients are
`grad(picture) = (1 - alpha) * grad(clean) + (C - picture) * grad(u)`: those of the clean pictures
are mostly small and differ from one to the next, the last term they share. A robust mean over the
pictures keeps it (Weiss, "Deriving Intrinsic Images from Image Sequences", ICCV 2001; Dekel et al.,
"On the Effectiveness of Visible Watermarks", CVPR 2017). How it depends on the brightness of a
picture tells colour and opacity apart, and a Poisson equation turns gradients into opacities.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.maps import Floats
from cleanplate.tasks.marks.mark import OPAQUE, Layer, Mark
from cleanplate.tasks.marks.registering import expected, gradients, midpoints, sum_channels, weights
from cleanplate.tasks.pull_push import pull_push_fill
from cleanplate.tasks.watermark.repeats import body_opacity

EDGES = 6000  # the strongest gradients; a colour is learnt from so many at most
WINDOW = 6.0  # standard deviation in pixels of the neighbourhood that shares a colour
FAINT = 0.012  # opacity under which nothing is there
DOUBT = 0.05  # standard error of what is behind a mark that halves its certainty
DARKEST, LIGHTEST = 1.5 / 255, 253.5 / 255  # samples beyond these may be clipped


class Patch(NamedTuple):
    """What a picture shows where the mark lies, in the mark's own pixels.

    Attributes:
        picture: (h, w, 3) in [0, 1].
        valid: (h, w) bool, where there is a picture.
        weight: how much it counts, such as for how sharp it is.
    """

    picture: Floats
    valid: NDArray[np.bool_]
    weight: float = 1.0


class GradientSums:
    """Sums over pictures, (2, h, w, ...) for gradients down and to the right."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.count = np.zeros((2, *size), np.float32)  # of pictures
        self.weight = np.zeros((2, *size), np.float32)
        self.sum = np.zeros((2, *size, 3), np.float32)  # of the picture
        self.square = np.zeros((2, *size), np.float32)
        self.slope = np.zeros((2, *size, 3), np.float32)  # of its gradients
        self.product = np.zeros((2, *size), np.float32)  # of the two
        self.noise = np.zeros((2, *size), np.float32)

    def add(self, patch: Patch, mark: Mark | None) -> None:
        """Add a picture's gradients; a mark that is roughly known tells how much each weighs."""
        picture, middle = patch.picture, midpoints(patch.picture)
        slope = gradients(picture)
        clipped = ((picture > LIGHTEST) | (picture < DARKEST)).any(2)
        valid = midpoints((patch.valid & ~clipped).astype(np.float32)) == 1
        if mark is None:
            residual = np.zeros(slope.shape[:3], np.float32) + np.float32(0.03)
            weight = np.where(valid, patch.weight * weights(residual), 0)
        else:
            layer = Layer(mark.alpha, mark.alpha[..., None] * mark.colour, mark.certainty)
            residual = np.sqrt(sum_channels((slope - expected(picture, layer)) ** 2))
            residual /= np.maximum(1 - midpoints(mark.alpha), 1 - OPAQUE)
            weight = np.where(valid, patch.weight * weights(residual), 0)
            towards = sum_channels((mark.colour - middle) ** 2)
            self.noise += weight**2 * (residual * (1 - midpoints(mark.alpha))) ** 2 * towards
        self.count += valid
        self.weight += weight
        self.sum += weight[..., None] * middle
        self.square += weight * sum_channels(middle**2)
        self.slope += weight[..., None] * slope
        self.product += weight * sum_channels(middle * slope)

    def opacity_slope(self, colour: Floats) -> tuple[Floats, Floats]:
        """Return the gradients (2, h, w) of log opacity for colours (..., 3), and their weights."""
        both = sum_channels(colour * self.slope) - self.product
        power = (
            (colour**2).sum(-1) * self.weight - 2 * sum_channels(colour * self.sum) + self.square
        )
        return both / (power + 1e-3 * self.weight.max() + 1e-9), power


def solve(sums: GradientSums) -> Mark:
    """Solve for the mark that explains most of what pictures share."""
    colour = common_colour(sums)
    slope, power = sums.opacity_slope(colour)
    local = local_colours(sums, slope, colour)
    slope, power = sums.opacity_slope(midpoints(local))
    # Opacity jumps between pixels: turn the slope at their midpoint into the step of the logarithm.
    steps = 2 * np.arctanh(np.clip(slope / 2, -0.99, 0.99))
    alpha = np.clip(1 - np.exp(-without_drift(poisson_solved(steps), steps)), 0, OPAQUE)
    alpha[alpha < FAINT] = 0
    return Mark(alpha, local, certainty(sums, alpha, power))


def common_colour(sums: GradientSums) -> Floats:
    """Return the one colour (3,) that explains most gradients, whatever the opacities are."""
    level = sum_channels(sums.slope**2) / np.maximum(sums.weight, 1e-6)
    level[sums.count < 0.5 * sums.count.max()] = 0
    edges = np.unravel_index(np.argsort(-level, axis=None)[:EDGES], level.shape)
    slope, total = sums.slope[edges], sums.sum[edges]
    weight, square = sums.weight[edges], sums.square[edges]
    mixed = sums.product[edges]

    def explained(colours: NDArray[np.float64]) -> NDArray[np.float64]:
        both = colours @ slope.T - mixed
        power = (colours**2).sum(1)[:, None] * weight - 2 * colours @ total.T + square
        told: NDArray[np.float64] = (both**2 / np.maximum(power, 1e-3 * weight)).sum(1)
        return told

    colours = np.array(list(product(np.linspace(0, 1, 6), repeat=3)))
    best = colours[int(explained(colours).argmax())]
    around = np.array(list(product((-1, 0, 1), repeat=3)))
    for reach in (0.1, 0.05, 0.025, 0.012, 0.006, 0.003):
        for _ in range(3):
            colours = np.clip(best + reach * around, 0, 1)
            best = colours[int(explained(colours).argmax())]
    found: Floats = best.astype(np.float32)
    return found


def local_colours(sums: GradientSums, slope: Floats, colour: Floats) -> Floats:
    """Return the colours (h, w, 3) that neighbourhoods of a mark share, near the common one."""
    power = (slope**2 * sums.weight).sum(0)
    both = (slope[..., None] * sums.slope + (slope**2)[..., None] * sums.sum).sum(0)
    prior = np.float32(0.02 * np.quantile(power, 0.99) + 1e-9)
    power, both = (cv2.GaussianBlur(part, (0, 0), WINDOW) for part in (power, both))
    colours = np.clip((both + prior * colour) / (power + prior)[..., None], 0, 1)
    local: Floats = colours.astype(np.float32)
    return local


def poisson_solved(slopes: Floats) -> Floats:
    """Return the map (h, w) whose gradients are nearest to given ones (2, h, w); 0 outside it.

    Solves the Poisson equation by sine transforms, as fast Fourier transforms of odd functions.
    """
    height, width = slopes.shape[1:]
    divergence = np.zeros((height, width), np.float32)
    for axis, slope in enumerate(slopes):
        divergence -= slope
        divergence[tuple(slice(1, None) if i == axis else slice(None) for i in (0, 1))] += slope[
            tuple(slice(None, -1) if i == axis else slice(None) for i in (0, 1))
        ]
    for axis, side in enumerate((height, width)):
        divergence = _sines(divergence, axis)
        rates = 2 - 2 * np.cos(np.pi * np.arange(1, side + 1) / (side + 1))
        if axis == 0:
            down = rates[:, None]
        else:
            divergence = divergence / (down + rates[None]).astype(np.float32)
    for axis, side in enumerate((height, width)):
        divergence = _sines(divergence, axis) * np.float32(2 / (side + 1))
    return divergence


def without_drift(opacity: Floats, steps: Floats) -> Floats:
    """Return log opacity (h, w) without the drift of integration.

    Outside the mark opacity is 0. What was integrated there is drift; it is continued smoothly into
    the mark and subtracted.
    """
    level = body_opacity(opacity)
    sharp = np.hypot(steps[0], steps[1]) > 0.15 * level
    clear = cv2.morphologyEx(sharp.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2)))
    edges = np.asarray(cv2.dilate(clear, np.ones((7, 7)))) > 0
    for share in (0.4, 0.25):
        drawn = (opacity > share * level).astype(np.uint8)
        there = edges | (np.asarray(cv2.dilate(drawn, np.ones((5, 5)))) > 0)
        opacity = opacity - pull_push_fill(np.repeat(opacity[..., None], 3, 2), there)[..., 0]
    return np.where(there, opacity, 0)


def _sines(values: Floats, axis: int) -> Floats:
    """Return the sine transform (type 1) of a map along an axis."""
    side = values.shape[axis]
    spectrum = np.fft.rfft(_odd(values, axis), axis=axis)
    taken = np.take(spectrum.imag, np.arange(1, side + 1), axis=axis)
    return (-taken / 2).astype(np.float32)


def _odd(values: Floats, axis: int) -> Floats:
    nothing = np.zeros_like(np.take(values, [0], axis=axis))
    return np.concatenate([nothing, values, nothing, -np.flip(values, axis)], axis=axis)


def certainty(sums: GradientSums, alpha: Floats, power: Floats) -> Floats:
    """Return how surely a mark is known: 1 where what is behind it follows without error."""
    error = np.sqrt(sums.noise) / np.maximum(power, 1e-9)  # of log opacity
    towards = np.sqrt(np.maximum(power / np.maximum(sums.weight, 1e-9), 0))
    seen = (error * towards).max(0)
    enough = np.minimum(sums.count.min(0) / 4, 1)
    sure = np.where(alpha > 0, enough / (1 + (seen / DOUBT) ** 2), 1)
    return sure.astype(np.float32)
