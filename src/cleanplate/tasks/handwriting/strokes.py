"""Strokes: connected marks of one colour on a page, each of which is ink or print as a whole.

What a model says of single pixels wavers along a stroke. So its pixels vote, and with them those of
the marks of the same line that are as dark and as large: print stands among its like, and so does
handwriting. The weights are those of a bilateral filter (Tomasi and Manduchi, ICCV 1998), over
marks in the place of pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box, Picture
from cleanplate.tasks.inpainting_mask import strips
from cleanplate.tasks.maps import Floats, enlarged

SHRUNK = 4  # the tone of the paper is measured on a copy so many times smaller
WIDEST = 15  # pixels of that copy: what is narrower is a mark, not paper
SMOOTH = 6.0  # standard deviation in its pixels by which the tone is smoothed
DARK = 0.12  # share of the paper's light that a mark absorbs
COLOURED = (
    0.14,
    0.35,
)  # how far a coloured mark's channels differ, of the light and of what it absorbs
NEUTRAL = 1  # the kind of marks without colour; the others are one a channel, the brightest
LARGE = 200  # pixels: rules, frames, and whatever touches them, are no one stroke
LINE = 5.0, 0.5  # standard deviation, along a line and across, of how far marks vote, by their size
LEAST_SIZE = 6  # pixels: smaller marks count as that large
FARTHEST = 400  # pixels: no vote comes from farther
SAME_TONE = 0.05  # standard deviation of the transmitted light of marks by one pen
SAME_SIZE = 0.4  # the same of the logarithm of their size
ROUNDS = 2  # of votes: neighbours' neighbours count, too
MOST = 20_000  # marks that vote for others; more are dots of a screen, or a photograph's grain


class Strokes(NamedTuple):
    """The marks of a page. Of N marks there are N + 1 values each; the first stands for paper.

    Attributes:
        labels: (H, W) int32, the mark that each pixel belongs to; 0: none.
        kind: NEUTRAL, or one of the three colours.
        size: longer side in pixels.
        middle: (N + 1, 2), x and y.
        weight: dark pixels.
        light: (N + 1, 3), the share of the light that the mark transmits.
        probability: that its pixels are ink, on the average.
    """

    labels: NDArray[np.int32]
    kind: NDArray[np.uint8]
    size: Floats
    middle: Floats
    weight: Floats
    light: Floats
    probability: Floats


def strokes_of(picture: Picture, probability: NDArray[np.uint8]) -> Strokes:
    """Find the marks of a page, and what a model says of each.

    Args:
        picture: the page.
        probability: (H, W), 0 to 255, that a pixel is ink.
    """
    size = (picture.height, picture.width)
    tone = paper_tone(picture)
    kinds, seen = np.zeros(size, np.uint8), []
    for box in strips(Box(0, 0, *size)):
        light = transmitted(picture, tone, box)
        there = least(light) < 1 - DARK
        seen.append(light[there])
        box.cut(kinds)[there] = kinds_of(seen[-1])
    labels, kind, boxes, middles = _connected(kinds)
    there = kinds > 0
    mark, light = labels[there], np.concatenate(seen)
    dark = (1 - light.min(1)) ** 2  # a stroke's edge is half paper, so what is darker weighs more
    likely = probability[there] / np.float32(255)
    sums = [np.bincount(mark, x * dark, len(kind)) for x in (np.float32(1), likely, *light.T)]
    weight = np.maximum(sums[0], 1e-6)
    return Strokes(
        labels,
        kind,
        boxes.max(1).astype(np.float32),
        middles.astype(np.float32),
        sums[0].astype(np.float32),
        (np.array(sums[2:]) / weight).T.astype(np.float32),
        (sums[1] / weight).astype(np.float32),
    )


def paper_tone(picture: Picture) -> Floats:
    """Return the page without its marks on a small copy, (h, w, 3) in [0, 1]."""
    small = picture.shrunk(max(1, max(picture.height, picture.width) // SHRUNK))
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((WIDEST, WIDEST), np.uint8))
    return np.asarray(cv2.GaussianBlur(closed, (0, 0), SMOOTH), np.float32)


def transmitted(picture: Picture, tone: Floats, box: Box) -> Floats:
    """Return the share of the paper's light that comes through in a box, (h, w, 3) in [0, 1]."""
    paper = enlarged(tone, box, (picture.height, picture.width))
    share: Floats = np.clip(picture.rgb(box) / np.maximum(paper, 0.05), 0, 1)
    return share


def least(light: Floats) -> Floats:
    """Return the least of the three channels (h, w, 3) of each pixel, (h, w)."""
    red, green, blue = cv2.split(light)  # several times faster than the minimum of an axis
    return np.asarray(cv2.min(cv2.min(red, green), blue), np.float32)


def kinds_of(light: Floats) -> NDArray[np.uint8]:
    """Return the kind of mark that pixels are of, (n,), by the light (n, 3) that they transmit."""
    darkest = light.min(1)
    colour = light.max(1) - darkest
    coloured = (colour > COLOURED[0]) & (colour > COLOURED[1] * (1 - darkest))
    return np.where(coloured, NEUTRAL + 1 + light.argmax(1), NEUTRAL).astype(np.uint8)


def _connected(
    kinds: NDArray[np.uint8],
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32], NDArray[np.float64]]:
    """Label connected pixels of one kind: labels, and the kind, width and height, and middle."""
    labels = np.zeros(kinds.shape, np.int32)
    kind, boxes, middles = [np.zeros(1, np.uint8)], [np.zeros((1, 2), np.int32)], [np.zeros((1, 2))]
    before = 0
    for own in range(NEUTRAL, NEUTRAL + 4):
        there = kinds == own
        if not there.any():
            continue
        count, found, figures, centres = cv2.connectedComponentsWithStats(there.astype(np.uint8))
        labels[there] = found[there] + before
        before += count - 1
        kind.append(np.full(count - 1, own, np.uint8))
        boxes.append(figures[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]])
        middles.append(centres[1:])
    return labels, np.concatenate(kind), np.concatenate(boxes), np.concatenate(middles)


def votes(strokes: Strokes) -> Floats:
    """Return how probably each mark is ink, (N + 1,), with what its neighbours say."""
    said: Floats = strokes.probability.copy()
    voters = np.flatnonzero((strokes.size > 0) & (strokes.size < LARGE))
    if not 0 < len(voters) <= MOST:
        return said
    rows = (strokes.middle[voters, 1] / LARGE).astype(int)  # none votes farther across a line
    for _ in range(ROUNDS):
        new: Floats = said.copy()
        for row in np.unique(rows):
            own, near = voters[rows == row], voters[np.abs(rows - row) <= 1]
            weights = _weights(strokes, own, near)
            new[own] = weights @ said[near] / np.maximum(weights.sum(1), 1e-6)
        said = new
    return said


def _weights(strokes: Strokes, own: NDArray[np.intp], near: NDArray[np.intp]) -> Floats:
    """Return how much marks count for others, (len(own), len(near))."""

    def square(values: Floats) -> Floats:
        apart = values[own][:, None] - values[near][None]
        return np.asarray((apart**2).sum(-1), np.float32)

    sigma = np.maximum(strokes.size[own], LEAST_SIZE)[:, None]
    across, down = (square(strokes.middle[:, [axis]]) for axis in range(2))
    space = across / (LINE[0] * sigma) ** 2 + down / (LINE[1] * sigma) ** 2
    tone = square(strokes.light) / SAME_TONE**2
    size = square(np.log(strokes.size + 3)[:, None]) / SAME_SIZE**2
    near_enough = (space <= 4) & (across + down <= FARTHEST**2)
    alike = near_enough & (strokes.kind[own][:, None] == strokes.kind[near][None])
    weights = np.exp(-(space + tone + size) / 2) * alike * strokes.weight[near]
    return np.asarray(weights, np.float32)
