"""The pattern in which a mark is repeated over a picture."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.tasks.maps import Floats

Steps = NDArray[np.float64]

LEAST_OVERLAP = 0.2  # share of the map that must lie over itself for the two to be compared
LEAST_STEP = 10.0  # pixels; what is nearer belongs to the same stroke
LEAST_PEAK = 0.3  # correlation from which a shift may be one of the pattern's
LEAST_STRENGTH = 0.25
NEAR = 2.5  # greatest distance in pixels between a peak and its node
MOST = 100  # shifts that are used, the shortest


class Lattice(NamedTuple):
    """All whole multiples of two steps: shifts by which the pattern falls on itself.

    Attributes:
        steps: (2, 2), pixels down and to the right, a row a step.
        strength: in [0, 1], the map's mean correlation with itself under these shifts, times the
            root of their share among all shifts of as high a correlation.
    """

    steps: Steps
    strength: float

    def shifts(self, size: tuple[int, ...]) -> Steps:
        """Return the shifts (N, 2), the shortest first, under which a map (h, w) overlaps itself.

        The shift by nothing is among them.
        """
        return nodes(self.steps, size)


def lattice_of(found: Floats) -> Lattice | None:
    """Return the pattern in which what is found is repeated; None where it is not.

    Args:
        found: (h, w) in [0, 1], how probably each pixel is marked.
    """
    correlations = correlation(found)
    steps, strengths = peaks(correlations)
    if len(steps) < 2:
        return None
    nearest = np.argsort(np.hypot(*steps.T))
    likely = {
        int(index)
        for share in (0.75, 0.9)  # of the best: copies differ in strength, and letters repeat, too
        for index in nearest[strengths[nearest] > share * strengths.max()][:12]
    }
    pairs = [steps[list(pair)] for pair in combinations(sorted(likely), 2)]
    steps, strengths = np.concatenate([steps, -steps]), np.concatenate([strengths, strengths])
    nearby = np.asarray(cv2.dilate(correlations, np.ones((3, 3))), np.float32)
    best, least = None, LEAST_STRENGTH
    for pair in pairs:
        fitted = fit(pair, steps)
        if fitted is None:
            continue
        alike = mean_correlation(nearby, fitted, found.shape)
        as_strong = np.where(strengths > 0.9 * alike, strengths, 0)
        explained = as_strong[node_distances(fitted, steps) < NEAR].sum() / (as_strong.sum() + 1e-6)
        strength = alike * float(np.sqrt(explained))
        if strength > least:
            best, least = Lattice(fitted, strength), strength
    return best


def correlation(values: Floats) -> Floats:
    """Return how a map (h, w) correlates with itself under every shift.

    Normalised cross-correlation of what overlaps, by Fourier transforms (Padfield, "Masked Object
    Registration in the Fourier Domain", IEEE TIP 2012).

    Returns:
        In [-1, 1]; the shift by nothing is in the middle, (h', w') // 2; 0 where too little
        overlaps.
    """
    size = tuple(cv2.getOptimalDFTSize(2 * side) for side in values.shape)
    one, plain, square = (
        np.fft.rfft2(part, size) for part in (np.ones_like(values), values, values * values)
    )

    def over(first: NDArray[np.complexfloating], second: NDArray[np.complexfloating]) -> Floats:
        summed: Floats = np.fft.irfft2(first.conj() * second, size).astype(np.float32)
        return summed

    count, here = np.maximum(over(one, one), 1), over(plain, one)
    spread = np.maximum(over(square, one) - here**2 / count, 0)
    alike = over(plain, plain)
    del one, plain, square  # as large as the map four times
    alike -= here * opposite(here) / count
    floor = 1e-3 * float(values.var()) * values.size + 1e-9
    alike /= np.maximum(np.sqrt(spread * opposite(spread)), floor)
    alike[count < LEAST_OVERLAP * values.size] = 0
    rolled: Floats = np.roll(alike, (size[0] // 2, size[1] // 2), (0, 1))
    return rolled


def opposite(values: Floats) -> Floats:
    """Mirror a map of shifts (h, w), with no shift in its corner, to the opposite shifts."""
    return np.roll(values[::-1, ::-1], (1, 1), (0, 1))


def peaks(correlations: Floats) -> tuple[Steps, NDArray[np.float32]]:
    """Return the shifts (N, 2) of one half plane where the correlation peaks, and its values."""
    tops = (correlations >= cv2.dilate(correlations, np.ones((9, 9)))) & (correlations > LEAST_PEAK)
    at = np.argwhere(tops)
    steps = (at - np.array(correlations.shape) // 2).astype(np.float64)
    ahead = (steps[:, 0] > 0) | ((steps[:, 0] == 0) & (steps[:, 1] > 0))
    kept = ahead & (np.hypot(*steps.T) >= LEAST_STEP)
    return steps[kept], correlations[tuple(at[kept].T)]


def fit(pair: Steps, steps: Steps) -> Steps | None:
    """Refine two steps by all those near their whole multiples; None where they span no lattice."""
    for _ in range(2):
        lengths = np.hypot(*pair.T)
        if abs(np.linalg.det(pair)) < max(0.25 * lengths.prod(), LEAST_STEP**2):
            return None
        multiples = np.rint(steps @ np.linalg.inv(pair))
        near = node_distances(pair, steps) < NEAR
        if near.sum() < 4 or np.linalg.matrix_rank(multiples[near]) < 2:
            return None
        pair = np.asarray(np.linalg.lstsq(multiples[near], steps[near])[0], np.float64)
    return pair


def node_distances(pair: Steps, steps: Steps) -> Steps:
    """Return how far, in pixels, each of `steps` (N, 2) is from the nearest node of a lattice."""
    away: Steps = steps - np.rint(steps @ np.linalg.inv(pair)) @ pair
    distances: Steps = np.hypot(away[:, 0], away[:, 1])
    return distances


def nodes(pair: Steps, size: tuple[int, ...]) -> Steps:
    """Return the nodes (N, 2) of a lattice within the overlap of a map of a size with itself."""
    reach = int((np.abs(np.linalg.inv(pair)).T @ np.array(size)).max()) + 1
    multiples = np.arange(-reach, reach + 1)
    pairs = np.stack(np.meshgrid(multiples, multiples, indexing="ij"), -1).reshape(-1, 2)
    found: Steps = pairs @ pair
    found = found[(np.abs(found) < (1 - LEAST_OVERLAP) * np.array(size)).all(1)]
    return found[np.argsort(np.hypot(*found.T), kind="stable")][: MOST + 1]


def mean_correlation(correlations: Floats, pair: Steps, size: tuple[int, ...]) -> float:
    """Return a map's mean correlation with itself under a lattice's shifts."""
    shifts = nodes(pair, size)
    inside = (np.abs(shifts) < 0.6 * np.array(size)).all(1) & shifts.any(1)
    if inside.sum() < 4:
        return 0.0
    rows, columns = (np.rint(shifts[inside]) + np.array(correlations.shape) // 2).astype(int).T
    return float(correlations[rows, columns].mean())
