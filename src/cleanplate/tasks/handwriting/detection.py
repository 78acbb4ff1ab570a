"""Which strokes of a page are ink."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Picture
from cleanplate.tasks.base import doubt_of
from cleanplate.tasks.handwriting.strokes import LARGE, NEUTRAL, Strokes, strokes_of, votes
from cleanplate.tasks.maps import at_the_frame, dilated

HIGH = 0.6  # probability that a find on a large mark must reach somewhere, or a higher threshold
COLOURED = 0.5  # share of the threshold that a coloured stroke must reach: print mostly has none
CERTAIN = 0.7, 0.6  # a page is written on if one stroke, or one with a colour, is so probably ink
ENOUGH = 20  # dark pixels of such a stroke
LEAST = 6  # pixels of a find
BESIDE = 8  # pixels from a scan's edge or the desk, within which a piece of it lies
HALO = 2  # pixels beside a stroke that its blur reaches: no paper is taken there


class Ink(NamedTuple):
    """What was found on a page, maps (H, W) bool.

    Attributes:
        where: ink.
        coloured: of it, strokes that are not black or grey, under which print is seen.
        marks: all marks, ink or print.
        doubt: about it, see `Cleaned.doubt`.
    """

    where: NDArray[np.bool_]
    coloured: NDArray[np.bool_]
    marks: NDArray[np.bool_]
    doubt: float


def detected(picture: Picture, probability: NDArray[np.uint8], threshold: float) -> Ink:
    """Find the ink on a page.

    A stroke is ink as a whole, or none of it; so is what the model found where no mark stands out
    from the paper. Of large marks, which are rules or frames and what touches them, those
    pixels are ink that the model says are.

    Args:
        picture: the page.
        probability: (H, W), 0 to 255, that a pixel is ink.
        threshold: 0 to 1; strokes that are more probably ink are, if there is ink on the page for
            certain: what only looks like ink is on many pages.
    """
    marks = strokes_of(picture, probability)
    said = votes(marks)
    large = marks.size >= LARGE
    needed = np.where(marks.kind > NEUTRAL, COLOURED, 1.0) * threshold
    ink = said > np.where(large, max(HIGH, threshold), needed)
    around = surroundings(marks)
    ink[0], ink[around] = False, False
    certain = np.where(marks.kind > NEUTRAL, CERTAIN[1], CERTAIN[0])
    if not (ink & (said > certain) & (marks.weight >= ENOUGH)).any():
        nothing = np.zeros(probability.shape, bool)
        return Ink(nothing, nothing, nothing, 0.0)
    by_pixel = hysteresis(probability, threshold)
    undecided = large & ~ink & ~around
    undecided[0] = False
    coloured = (ink & (marks.kind > NEUTRAL))[marks.labels]
    # What coloured ink crosses is dark by the print under it.
    on_large = apart_from(coloured, undecided[marks.labels] & by_pixel)
    found = ink[marks.labels] | on_large | apart_from(marks.labels > 0, by_pixel)
    mean = float(np.average(said[ink], weights=marks.weight[ink]))
    return Ink(found, coloured, marks.labels > 0, doubt_of([max(mean, 0.5)]))


def surroundings(marks: Strokes) -> NDArray[np.bool_]:
    """Return which marks, (N + 1,), are a scan's edge or the desk: large ones at the edge of the
    map, and the pieces that lie in or beside these.
    """
    count = len(marks.size)
    around = (marks.size >= LARGE) & at_the_frame(marks.labels, count)
    around[0] = False
    if around.any():
        beside = dilated(around[marks.labels], BESIDE)
        pieces = np.bincount(marks.labels[beside], minlength=count)
        around |= pieces > 0.5 * np.bincount(marks.labels.ravel(), minlength=count)
    return around


def hysteresis(probability: NDArray[np.uint8], threshold: float) -> NDArray[np.bool_]:
    """Return which connected pixels above a threshold, 0 to 1, have one that reaches HIGH."""
    likely = probability > 255 * threshold
    count, labels, figures, _ = cv2.connectedComponentsWithStats(likely.astype(np.uint8))
    kept = np.zeros(count, bool)
    kept[labels[probability > 255 * max(threshold, HIGH)]] = True
    kept &= figures[:, cv2.CC_STAT_AREA] >= LEAST
    kept[0] = False
    return np.asarray(kept[labels])


def apart_from(others: NDArray[np.bool_], finds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected finds that no other pixels are within HALO of."""
    count, labels = cv2.connectedComponents(finds.astype(np.uint8))
    kept = np.ones(count, bool)
    kept[labels[dilated(others, HALO)]] = False
    kept[0] = False
    return np.asarray(kept[labels])
