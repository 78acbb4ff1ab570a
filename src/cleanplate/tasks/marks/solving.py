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
from cleanplate.tasks.marks.registering import expected, gradients, middles, over_colours, weights
from cleanplate.tasks.pull_push import pull_push_fill
from cleanplate.tasks.watermark.repeats import body

EDGES = 6000  # gradients at most that a colour is learnt from
WINDOW = 6.0  # standard deviation in pixels of the neighbourhood that shares a colour
FAINT = 0.012  # opacity under which nothing is there
DOUBT = 0.05  # standard error of what is behind a mark at which it counts as half certain
DARKEST, LIGHTEST = 1.5 / 255, 253.5 / 255  # samples beyond may have been cut off


class Piece(NamedTuple):
    """What a picture shows where the mark lies, in the mark's own pixels.

    Attributes:
        picture: (h, w, 3) in [0, 1].
        valid: (h, w) bool, where there is a picture.
        weight: how much it counts, such as for how sharp it is.
    """

    picture: Floats
    valid: NDArray[np.bool_]
    weight: float = 1.0


class Evidence:
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

    def add(self, piece: Piece, mark: Mark | None) -> None:
        """Add what a picture tells; a mark that is known roughly says how much each pixel does."""
        picture, middle = piece.picture, middles(piece.picture)
        slope = gradients(picture)
        cut_off = ((picture > LIGHTEST) | (picture < DARKEST)).any(2)
        valid = middles((piece.valid & ~cut_off).astype(np.float32)) == 1
        if mark is None:
            rest = np.zeros(slope.shape[:3], np.float32) + np.float32(0.03)
            weight = np.where(valid, piece.weight * weights(rest), 0)
        else:
            layer = Layer(mark.alpha, mark.alpha[..., None] * mark.colour, mark.certainty)
            rest = np.sqrt(over_colours((slope - expected(picture, layer)) ** 2))
            rest /= np.maximum(1 - middles(mark.alpha), 1 - OPAQUE)
            weight = np.where(valid, piece.weight * weights(rest), 0)
            towards = over_colours((mark.colour - middle) ** 2)
            self.noise += weight**2 * (rest * (1 - middles(mark.alpha))) ** 2 * towards
        self.count += valid
        self.weight += weight
        self.sum += weight[..., None] * middle
        self.square += weight * over_colours(middle**2)
        self.slope += weight[..., None] * slope
        self.product += weight * over_colours(middle * slope)

    def opacity_slope(self, colour: Floats) -> tuple[Floats, Floats]:
        """Return the gradients (2, h, w) of log opacity under colours (..., 3), and the weights."""
        both = over_colours(colour * self.slope) - self.product
        power = (
            (colour**2).sum(-1) * self.weight - 2 * over_colours(colour * self.sum) + self.square
        )
        return both / (power + 1e-3 * self.weight.max() + 1e-9), power


def solve(evidence: Evidence) -> Mark:
    """Return the mark that explains most of what pictures share."""
    colour = common_colour(evidence)
    slope, power = evidence.opacity_slope(colour)
    local = local_colours(evidence, slope, colour)
    slope, power = evidence.opacity_slope(middles(local))
    # opacity jumps from pixel to pixel: the slope at their mean stands for a step of the logarithm
    steps = 2 * np.arctanh(np.clip(slope / 2, -0.99, 0.99))
    alpha = np.clip(1 - np.exp(-levelled(integrated(steps), steps)), 0, OPAQUE)
    alpha[alpha < FAINT] = 0
    return Mark(alpha, local, certainty(evidence, alpha, power))


def common_colour(evidence: Evidence) -> Floats:
    """Return the one colour (3,) that explains most: the likeliest where opacities are free."""
    level = over_colours(evidence.slope**2) / np.maximum(evidence.weight, 1e-6)
    level[evidence.count < 0.5 * evidence.count.max()] = 0
    edges = np.unravel_index(np.argsort(-level, axis=None)[:EDGES], level.shape)
    slope, total = evidence.slope[edges], evidence.sum[edges]
    weight, square = evidence.weight[edges], evidence.square[edges]
    mixed = evidence.product[edges]

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


def local_colours(evidence: Evidence, slope: Floats, colour: Floats) -> Floats:
    """Return the colours (h, w, 3) that neighbourhoods of a mark share, near the common one."""
    power = (slope**2 * evidence.weight).sum(0)
    both = (slope[..., None] * evidence.slope + (slope**2)[..., None] * evidence.sum).sum(0)
    prior = np.float32(0.02 * np.quantile(power, 0.99) + 1e-9)
    power, both = (cv2.GaussianBlur(part, (0, 0), WINDOW) for part in (power, both))
    colours = np.clip((both + prior * colour) / (power + prior)[..., None], 0, 1)
    local: Floats = colours.astype(np.float32)
    return local


def integrated(slopes: Floats) -> Floats:
    """Return the map (h, w) whose gradients (2, h, w) are nearest to some, 0 beyond its rim.

    The Poisson equation by sine transforms, as fast Fourier transforms of odd functions.
    """
    height, width = slopes.shape[1:]
    apart = np.zeros((height, width), np.float32)
    for axis, slope in enumerate(slopes):
        apart -= slope
        apart[tuple(slice(1, None) if i == axis else slice(None) for i in (0, 1))] += slope[
            tuple(slice(None, -1) if i == axis else slice(None) for i in (0, 1))
        ]
    for axis, side in enumerate((height, width)):
        apart = _sines(apart, axis)
        rates = 2 - 2 * np.cos(np.pi * np.arange(1, side + 1) / (side + 1))
        if axis == 0:
            down = rates[:, None]
        else:
            apart = apart / (down + rates[None]).astype(np.float32)
    for axis, side in enumerate((height, width)):
        apart = _sines(apart, axis) * np.float32(2 / (side + 1))
    return apart


def levelled(opacity: Floats, steps: Floats) -> Floats:
    """Return log opacity (h, w) without what has crept in far from any edge of the mark.

    What is not the mark is 0: what it is not by flows into the mark, and is taken off.
    """
    level = body(opacity)
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


def certainty(evidence: Evidence, alpha: Floats, power: Floats) -> Floats:
    """Return how surely a mark is known: 1 where what is behind it follows without error."""
    error = np.sqrt(evidence.noise) / np.maximum(power, 1e-9)  # of log opacity
    towards = np.sqrt(np.maximum(power / np.maximum(evidence.weight, 1e-9), 0))
    seen = (error * towards).max(0)
    enough = np.minimum(evidence.count.min(0) / 4, 1)
    sure = np.where(alpha > 0, enough / (1 + (seen / DOUBT) ** 2), 1)
    return sure.astype(np.float32)
