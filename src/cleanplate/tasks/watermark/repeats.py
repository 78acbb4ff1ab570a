"""What the copies of a repeated mark tell of each other.

Each copy of a tiled mark lies on another piece of the picture: a mean over all of them keeps what
they share, the mark, and averages out what they do not. Dekel et al., "On the Effectiveness of
Visible Watermarks" (CVPR 2017), do so over a collection of pictures; here the copies lie in one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.maps import Floats
from cleanplate.tasks.pull_push import pull_push_fill
from cleanplate.tasks.watermark.lattice import Steps, lattice_of
from cleanplate.tasks.watermark.overlay import Overlay, estimate

ENOUGH = 5.0  # mean number of copies of a pixel from which they tell more than a network
SPREAD = 8.0  # standard deviation in pixels of the neighbourhood whose variance is measured
NOISE = 1e-4  # variance that every picture has, of samples in [0, 1]
TRUST = (100.0, 10.0, 10.0, 10.0)  # inverse variance, round by round, of the opacity before it
FLAT = 1e-4  # variance of a background below which it does not show how opaque a mark is
FAINT = 0.015  # opacity under which nothing is there
EDGE = 0.25  # cover from which a pixel counts as much as one that is covered


class Repeated(NamedTuple):
    """A repeated mark on a picture, and what else was found.

    Attributes:
        repeat_mask: (h, w), 1 on and around the copies; elsewhere, 0, is what is not repeated.
        probability: (h, w) in [0, 1], how probably each pixel is marked.
        coverage: (h, w) in [0, 1], how far a mark covers each pixel.
        overlay: what the repeated mark is made of; None where there are too few copies to tell.
    """

    repeat_mask: Floats
    probability: Floats
    coverage: Floats
    overlay: Overlay | None


def repeated(
    picture: Floats, found: Floats, cover_of: Callable[[Floats], Floats]
) -> Repeated | None:
    """Learn from all copies of a mark where it is, and its opacity and colour; None without copies.

    Args:
        picture: (h, w, 3) in [0, 1].
        found: (h, w), how probably each of its pixels is marked.
        cover_of: computes from such probabilities how far a mark covers each pixel.
    """
    lattice = lattice_of(found)
    if lattice is None:
        return None
    shifts = lattice.shifts(found.shape)
    copies = sum_over_copies(np.ones_like(found), shifts)
    pattern = mean_over_copies(found, shifts, copies)
    there = np.asarray(cv2.dilate((pattern > 0.3).astype(np.float32), np.ones((9, 9))), np.float32)
    found = np.where(there > 0, pattern, found)
    cover = cover_of(found)
    pattern_cover, overlay = mean_over_copies(cover, shifts, copies), None
    if copies.mean() >= ENOUGH:
        pattern_cover, overlay = solve(picture, pattern_cover, shifts)
        found = np.where(there > 0, (pattern + np.minimum(pattern_cover / EDGE, 1)) / 2, found)
    return Repeated(there, found, np.where(there > 0, pattern_cover, cover), overlay)


def sum_over_copies(values: Floats, shifts: Steps) -> Floats:
    """Return the sum of a map (h, w) over all shifts (N, 2); it counts as 0 outside."""
    total = np.zeros_like(values)
    height, width = values.shape
    for down, right in np.rint(shifts).astype(int):
        here = total[max(0, -down) : height - down, max(0, -right) : width - right]
        here += values[max(0, down) :, max(0, right) :][: here.shape[0], : here.shape[1]]
    return total


def mean_over_copies(values: Floats, shifts: Steps, copies: Floats) -> Floats:
    """Return the mean of a map (h, w) over all shifts, scaled so that most of a mark is at 1.

    `copies` says how many of them each pixel (h, w) has.
    """
    mean = sum_over_copies(values, shifts) / np.maximum(copies, 1e-6)
    level = np.median(mean[mean >= 0.5 * mean.max()])
    clipped: Floats = np.minimum(mean / max(float(level), 0.3), 1)
    return clipped


def solve(picture: Floats, cover: Floats, shifts: Steps) -> tuple[Floats, Overlay]:
    """Learn what a repeated mark is made of from all of its copies.

    With a background B, into which the colours around a mark flow, `picture - B = alpha * (C - B)`.
    Alpha and C follow in turns by weighted least squares: alpha over the copies, C over the mark.

    Args:
        picture: (h, w, 3) in [0, 1].
        cover: (h, w) in [0, 1], how far it covers each pixel, as far as is known.
        shifts: (N, 2), under which it falls on itself.

    Returns:
        The cover (h, w), and the overlay.
    """
    opacity, colour = estimate(picture, cover)
    before = cover * np.float32(opacity)
    for trust in TRUST:
        marked = cv2.dilate(cover, np.ones((3, 3))) >= 0.25
        behind = pull_push_fill(picture, marked)
        weight = 1 / (variance(picture, ~marked) + np.float32(NOISE))
        towards, away = colour - behind, picture - behind
        likely = sum_over_copies(weight * (away * towards).sum(2), shifts) + trust * before
        alpha = likely / (sum_over_copies(weight * (towards**2).sum(2), shifts) + trust)
        alpha = np.where(alpha < FAINT, 0, alpha)
        scale, colour = fit_colour(away, behind, alpha, weight, colour)
        alpha = np.minimum(scale * alpha, 0.97)
        opacity = body_opacity(alpha)
        cover = np.minimum(alpha / np.float32(opacity), 1)
    return cover, Overlay(opacity, colour)


def variance(picture: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return the local variance (h, w) of what is known of a picture, the mean over its colours."""
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), SPREAD)[..., None] + 1e-4
    values = picture * known[..., None]
    mean = cv2.GaussianBlur(values, (0, 0), SPREAD) / share
    square = cv2.GaussianBlur(values * picture, (0, 0), SPREAD) / share
    local: Floats = np.maximum(square - mean**2, 0).mean(2)
    return local


def fit_colour(
    away: Floats, behind: Floats, alpha: Floats, weight: Floats, colour: Floats
) -> tuple[np.float32, Floats]:
    """Return the factor of alpha, and the colour (3,), that explain a mark best.

    In `away / alpha = scale * (C - B)`, a regression on B gives the scale, and the means give C.
    The scale is raised where C would not be a colour otherwise.

    Args:
        away: (h, w, 3), the picture less the background.
        behind: (h, w, 3), the background.
        alpha: (h, w), opacities, of the right proportions.
        weight: (h, w), inverse variances of the background.
        colour: what to return where there is no mark.
    """
    marked = alpha > 0.5 * body_opacity(alpha)
    if not alpha[marked].any():
        return np.float32(1), colour
    share = (weight[marked] * alpha[marked] ** 2)[:, None]
    share /= share.sum()
    seen, there = away[marked] / alpha[marked][:, None], behind[marked]
    seen_mean, there_mean = (share * seen).sum(0), (share * there).sum(0)
    apart = there - there_mean
    slope = -(share * seen * apart).sum()
    scale = (slope + FLAT) / ((share * apart**2).sum() + FLAT)
    room = np.where(seen_mean > 0, 1 - there_mean, there_mean) + 1e-3
    scale = np.clip(max(scale, (np.abs(seen_mean) / room).max()), 0.5, 2)
    return np.float32(scale), np.clip(there_mean + seen_mean / scale, 0, 1).astype(np.float32)


def body_opacity(alpha: Floats) -> float:
    """Return the opacity of a mark's body; its edges and thin strokes have less."""
    drawn = alpha[alpha > 0.3 * alpha.max()]
    return max(float(np.quantile(drawn, 0.9)), 0.05) if drawn.size else 1.0
