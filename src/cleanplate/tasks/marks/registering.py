"""Registration: where exactly a mark lies in a picture and how strong it is, by gradients.

Under `picture = (1 - alpha) * clean + paint`, gradients are
`(1 - alpha) * grad(clean) + grad(paint) - clean * grad(alpha)`. Those of the clean picture are
mostly small and know nothing of the mark, so that a robust fit of the two last terms tells the
place (Gauss-Newton, as Lucas and Kanade 1981) and the strength.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.picture import Box
from cleanplate.tasks.maps import Floats
from cleanplate.tasks.marks.mark import Layer, Mark, Place, rendered

NOISE = 0.02  # gradient that every picture has, of samples in [0, 1]
NEAR = 2.0  # standard deviation in pixels of the neighbourhood that a weight depends on
RIM = 3  # pixels around a mark that are compared with it
ROUNDS = 8  # most steps of a fit


class Fit(NamedTuple):
    """How a mark lies in a picture.

    Attributes:
        place: where.
        strength: what its opacity is to be multiplied by.
        correlation: of its gradients with the picture's, -1 to 1, busy places weighing less.
        error: standard error of the strength.
        residual: what the fit leaves, as a share of the gradients.
    """

    place: Place
    strength: float
    correlation: float
    error: float
    residual: float


def gradients(values: Floats) -> Floats:
    """Return differences to the next pixel down and to the right, (2, h, w, ...); 0 at the end."""
    out = np.zeros((2, *values.shape), np.float32)
    out[0, :-1] = values[1:] - values[:-1]
    out[1, :, :-1] = values[:, 1:] - values[:, :-1]
    return out


def midpoints(values: Floats) -> Floats:
    """Return means with the next pixel down and to the right, (2, h, w, ...)."""
    out = np.stack([values, values])
    out[0, :-1] = (values[1:] + values[:-1]) / 2
    out[1, :, :-1] = (values[:, 1:] + values[:, :-1]) / 2
    return out


def sum_channels(values: Floats) -> Floats:
    """Sum over colours (..., 3); NumPy's own sum is slow over so short an axis."""
    total: Floats = values[..., 0] + values[..., 1] + values[..., 2]
    return total


def weights(residual: Floats) -> Floats:
    """Weigh gradients by their residuals (2, h, w): less where these are large, there or nearby."""
    nearby = np.stack([np.asarray(cv2.GaussianBlur(part, (0, 0), NEAR)) for part in residual])
    told: Floats = (1 / ((residual + NOISE) * (nearby + NOISE))).astype(np.float32)
    return told


def expected(picture: Floats, layer: Layer) -> Floats:
    """Return the gradients (2, h, w, 3) that a layer brings into a picture (h, w, 3)."""
    clean = np.clip(layer.behind(picture), 0, 1)
    brought: Floats = gradients(layer.paint) - midpoints(clean) * gradients(layer.alpha)[..., None]
    return brought


def measure(picture: Floats, mark: Mark, place: Place, strength: float = 1.0) -> Fit | None:
    """Compare a mark at a place with a picture (h, w, 3); None where nothing of it lies there."""
    box = place.box(mark.size, picture.shape[:2], RIM)
    if box is None:
        return None
    layer = rendered(mark, place, box).with_strength(strength)
    seen = gradients(box.cut(picture))
    brought = expected(box.cut(picture), layer)
    there = sum_channels(brought**2) > (0.25 * NOISE) ** 2
    if there.sum() < 40:
        return None
    away = seen - brought
    weight = weights(np.sqrt(sum_channels(away**2)))[there]
    own, other, left = brought[there], seen[there], away[there]
    power, both = (weight * sum_channels(own**2)).sum(), (weight * sum_channels(own * other)).sum()
    whole = (weight * sum_channels(other**2)).sum()
    noise = (weight**2 * sum_channels(own * left) ** 2).sum()
    return Fit(
        place,
        float(strength * both / power),
        float(both / np.sqrt(power * whole + 1e-12)),
        float(strength * np.sqrt(noise) / power),
        float((weight * sum_channels(left**2)).sum() / (whole + 1e-12)),
    )


def refine(picture: Floats, mark: Mark, place: Place) -> Fit | None:
    """Fit place and strength; None where the mark leaves the picture.

    Args:
        picture: (h, w, 3) in [0, 1].
        mark: what is looked for.
        place: right to within a few pixels, less than the width of a stroke of the mark.
    """
    strength = 1.0
    size = np.array(mark.size, np.float64)
    for _ in range(ROUNDS):
        box = place.box(mark.size, picture.shape[:2], RIM)
        if box is None:
            return None
        step = _step(box.cut(picture), mark, place, box, strength)
        if step is None:
            return None
        strength = float(np.clip(strength * (1 + step[4]), 0.2, 2))
        # Its corners move by `near` and by `near + far`, less than the width of a thin stroke.
        near, far = np.clip(step[:2], -1.5, 1.5), np.clip(step[2:4], -1.5, 1.5)
        scale = np.array(place[2:]) * (1 + far / (size * place[2:]))
        corner = np.array(place[:2]) + near
        place = Place(*(float(value) for value in (*corner, *scale)))
        if max(np.abs(near).max(), np.abs(far).max()) < 0.01:
            break
    return measure(picture, mark, place, strength)


def _step(
    picture: Floats, mark: Mark, place: Place, box: Box, strength: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """Return a step of the corner (2) and of the size (2), in pixels, and of the strength."""
    layer = rendered(mark, place, box).with_strength(strength)
    brought = expected(picture, layer)
    away = gradients(picture) - brought
    weight = weights(np.sqrt(sum_channels(away**2)))
    rows = (np.arange(box.top, box.bottom) + 0.5 - place.top) / (place.scale_y * mark.size[0])
    columns = (np.arange(box.left, box.right) + 0.5 - place.left) / (place.scale_x * mark.size[1])
    by_down, by_right = (
        -(np.roll(brought, -1, axis) - np.roll(brought, 1, axis)) / 2 for axis in (1, 2)
    )
    for part in (by_down[:, :1], by_down[:, -1:], by_right[:, :, :1], by_right[:, :, -1:]):
        part[:] = 0
    ways = (
        by_down,
        by_right,
        by_down * rows[:, None, None].astype(np.float32),
        by_right * columns[:, None].astype(np.float32),
        brought,
    )
    there = sum_channels(np.abs(by_down) + np.abs(by_right)) > 0.2 * NOISE
    share = np.sqrt(weight[there])[:, None]
    slopes: Floats = np.stack([(way[there] * share).ravel() for way in ways])
    residual: Floats = (away[there] * share).ravel()
    matrix = (slopes @ slopes.T).astype(np.float64)
    towards = (slopes @ residual).astype(np.float64)
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-12))
    matrix = matrix / scale / scale[:, None] + 1e-4 * np.eye(5)
    if not np.isfinite(matrix).all():
        return None
    step: np.ndarray[tuple[int], np.dtype[np.float64]] = np.linalg.solve(matrix, towards / scale)
    return step / scale
