"""Where in a picture a mark lies, at any place and of a quarter to one and a half times its size.

The gradients that a mark brings are compared with those of the picture at every place, on a copy
that is as small as the mark allows; the likeliest places are then fitted (`registering.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.picture import Box, Picture
from cleanplate.tasks.maps import Floats, resized
from cleanplate.tasks.marks.mark import Mark, Place
from cleanplate.tasks.marks.registering import (
    Fit,
    gradients,
    measure,
    midpoints,
    refine,
    sum_channels,
)

SCALES = (0.27, 1.6)
STEP = 1.035  # from one scale to the next
SIDE = 110  # pixels, the root of the area of a mark in the copy in which it is searched
LEAST_SIDE = 20
MOST_PIXELS = 400_000  # of that copy
CANDIDATES = 6  # places that are kept
FITTED = 3  # of these
BATCH = 7  # scales that are tried between two looks at what was found
CERTAIN = 0.6  # correlation from which no further place is searched for
LEAST_CORRELATION = 0.6  # of a fitted mark that is there
STRENGTHS = (0.3, 1.9)
FINE = 300_000  # pixels of a mark at most for its last fit
GROUNDS = (0.2, 0.5, 0.8)  # tones of paper on which a mark is looked at
NEAREST = 0.8  # pixels from a fit to the place on whole pixels that may be meant
BEYOND = 0.4  # share of a mark that may lie outside the picture


class Candidate(NamedTuple):
    """A place that a mark may lie at, and its correlation with the picture there, -1 to 1."""

    place: Place
    correlation: float


def slopes(picture: Floats, colour: Floats) -> Floats:
    """Return how fast a picture nears the colour of a mark, (h, w, 2), as log opacity would."""
    towards = colour - midpoints(picture)
    strength: Floats = sum_channels(gradients(picture) * towards) / (
        sum_channels(towards**2) + 0.05
    )
    return np.ascontiguousarray(strength.transpose(1, 2, 0))


def template(mark: Mark) -> tuple[Floats, Floats]:
    """Return the slopes (h, w, 2) of a mark on plain grounds, in the mean, and its colour (3,)."""
    share = mark.alpha[..., None]
    colour = (mark.colour * share).sum((0, 1)) / max(float(share.sum()), 1e-6)
    looks = [
        slopes((1 - share) * np.float32(tone) + share * mark.colour, colour) for tone in GROUNDS
    ]
    return np.mean(looks, axis=0, dtype=np.float32), colour


def candidates(
    picture: Floats, mark: Mark, scales: list[float], known: list[Candidate]
) -> list[Candidate]:
    """Search a picture (h, w, 3) for a mark; return it and what is known, the likeliest first."""
    found = list(known)
    for scale in scales:
        found += _at_scale(picture, mark, scale)
    found.sort(key=lambda one: -one.correlation)
    kept: list[Candidate] = []
    for one in found:
        if all(are_apart(one.place, other.place, mark) for other in kept):
            kept.append(one)
        if len(kept) == CANDIDATES:
            break
    return kept


def are_apart(one: Place, other: Place, mark: Mark) -> bool:
    """Say whether two places of a mark are so far apart that fitting tells them apart."""
    reach = 0.06 * float(np.sqrt(mark.size[0] * mark.size[1])) * one.scale_x
    return distance(one, other, mark) > reach


def distance(one: Place, other: Place, mark: Mark) -> float:
    """Return how far apart, in pixels, the corners of a mark are at two places."""
    first, last = (np.array(one[at : at + 2]) - other[at : at + 2] for at in (0, 2))
    return float(max(np.abs(first).max(), np.abs(first + last * mark.size).max()))


def scales_of(between: tuple[float, float]) -> list[float]:
    """Return the scales that are tried, that of the mark itself first."""
    least, most = (round(float(np.log(end) / np.log(STEP))) for end in between)
    return sorted(
        (STEP**power for power in range(least, most + 1)), key=lambda one: abs(np.log(one))
    )


def find(picture: Floats, mark: Mark, between: tuple[float, float] = SCALES) -> Fit | None:
    """Find a mark in a picture (h, w, 3); None where it is not there."""
    scales = scales_of(between)
    found: list[Candidate] = []
    for first in (0, *range(1, len(scales), BATCH)):
        last = first + BATCH if first else 1
        found = candidates(picture, mark, scales[first:last], found)
        if found and found[0].correlation > CERTAIN:
            break
    fits = []
    for one in found[:FITTED]:
        fit = refine(picture, mark, one.place)
        if fit is not None and is_there(fit):
            fits.append(fit)
        if one.correlation > CERTAIN and fits:
            break
    return max(fits, key=lambda fit: fit.correlation, default=None)


def is_there(fit: Fit) -> bool:
    """Say whether a mark certainly lies where it was fitted."""
    return fit.correlation > LEAST_CORRELATION and STRENGTHS[0] < fit.strength < STRENGTHS[1]


def refine_at_full_size(picture: Picture, mark: Mark, place: Place) -> Fit | None:
    """Fit a mark to a picture at its full size, from a place within a pixel or two."""
    size = (picture.height, picture.width)
    factor = min(1.0, float(np.sqrt(FINE / (mark.alpha.size * place.scale_y * place.scale_x))))
    box = place.box(mark.size, size, 16)
    if box is None:
        return None
    part = picture.rgb(box)
    there = place._replace(top=place.top - box.top, left=place.left - box.left)
    if factor < 1:
        small = tuple(max(round(side * factor), 8) for side in part.shape[:2])
        down, right = small[0] / part.shape[0], small[1] / part.shape[1]
        part = resized(part, small)
        there = Place(
            there.top * down, there.left * right, there.scale_y * down, there.scale_x * right
        )
    else:
        down = right = 1.0
    fit = refine(part, mark, there)
    if fit is None or not is_there(fit):
        return None
    at = fit.place
    whole = Place(
        at.top / down + box.top, at.left / right + box.left, at.scale_y / down, at.scale_x / right
    )
    return fit._replace(place=whole)


def measured_at(
    part: Floats, mark: Mark, place: Place, box: Box, strength: float = 1.0
) -> Fit | None:
    """Measure a mark's fit in a box of a picture, (h, w, 3); None where it does not lie there."""
    there = place._replace(top=place.top - box.top, left=place.left - box.left)
    factor = min(1.0, float(np.sqrt(FINE / (mark.alpha.size * place.scale_y * place.scale_x))))
    if factor < 1:
        small = tuple(max(round(side * factor), 8) for side in part.shape[:2])
        down, right = small[0] / part.shape[0], small[1] / part.shape[1]
        part = resized(part, small)
        there = Place(
            there.top * down, there.left * right, there.scale_y * down, there.scale_x * right
        )
    return measure(part, mark, there, strength)


def best_place(picture: Picture, mark: Mark, fit: Fit) -> Place:
    """Return a place on whole pixels, where most marks lie, if it fits as well."""
    place = fit.place.snapped(mark.size)
    box = place.box(mark.size, (picture.height, picture.width), 4)
    if box is None or distance(place, fit.place, mark) > NEAREST:
        return fit.place
    part = picture.rgb(box)
    there, here = (measured_at(part, mark, at, box, fit.strength) for at in (place, fit.place))
    better = there is not None and (here is None or there.residual <= 1.02 * here.residual)
    return place if better else fit.place


def _at_scale(picture: Floats, mark: Mark, scale: float) -> list[Candidate]:
    own = np.sqrt(mark.size[0] * mark.size[1])
    factor = min(1.0 if scale < 1 else 1 / scale, SIDE / own / scale)
    factor = min(factor, np.sqrt(MOST_PIXELS / (picture.shape[0] * picture.shape[1])))
    if own * scale * factor < LEAST_SIDE:
        return []
    size = tuple(max(round(side * factor), 8) for side in picture.shape[:2])
    copy = resized(picture, size)
    small = tuple(max(round(side * scale * factor), 4) for side in mark.size)
    pattern, colour = template(mark.scaled((small[0], small[1])))
    power = np.hypot(pattern[..., 0], pattern[..., 1])
    if not power.any():
        return []  # a mark of nothing
    level = 0.5 * float(np.quantile(power[power > 0.1 * power.max()], 0.5)) + 1e-6
    pattern /= (power + np.float32(level))[..., None]
    seen = slopes(copy, colour)
    seen /= (np.hypot(seen[..., 0], seen[..., 1]) + level)[..., None]
    rim = [int(side * BEYOND) + 1 for side in small]
    seen = np.pad(seen, [(side, side) for side in rim] + [(0, 0)])
    if seen.shape[0] < small[0] or seen.shape[1] < small[1]:
        return []
    both = cv2.matchTemplate(seen, pattern, cv2.TM_CCORR)
    there = pattern[..., 0] ** 2 + pattern[..., 1] ** 2
    energy = cv2.matchTemplate(seen[..., 0] ** 2 + seen[..., 1] ** 2, np.sqrt(there), cv2.TM_CCORR)
    whole = float(np.sqrt(there).sum())
    alike = both / np.sqrt(np.maximum(energy, 0.15 * whole) * whole + 1e-9)
    tops = (alike >= cv2.dilate(alike, np.ones((7, 7)))) & (alike > 0.05)
    at = np.argwhere(tops)
    at = at[np.argsort(-alike[tuple(at.T)])[:CANDIDATES]]
    down, right = size[0] / picture.shape[0], size[1] / picture.shape[1]
    return [
        Candidate(
            Place(
                (y - rim[0]) / down,
                (x - rim[1]) / right,
                small[0] / mark.size[0] / down,
                small[1] / mark.size[1] / right,
            ),
            float(alike[y, x]),
        )
        for y, x in at
    ]
