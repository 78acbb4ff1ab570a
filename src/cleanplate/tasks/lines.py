"""Lines that run into a hole and out of it again: ruled lines, and edges such as a page's own.

A filler gives the mean of what could be there, which for a thin line is a smear, and for the edge
of a page a grey between page and table. But a line is seen on both sides of the hole, and where two
ends lie on one line nothing is left to guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box
from cleanplate.tasks.maps import Floats

SIDE = 1600  # longer side in pixels of the copy that lines are looked for on; lengths are its own
WIDEST = 8  # what is wider is no rule
DARK = 0.06  # that a rule is darker than what is on both sides
STEP = 0.08  # between the two sides of an edge,
BESIDE = 6  # over so many pixels next to it and, leaving out as many, farther from it
AROUND = 250  # from the hole
MOST_EDGES = 4  # the longest
CROSSING = 5
SHORTEST = 20
LONG = 60  # of one end at least: longer than any stroke of print
TILTS = (-6, -3, 0, 3, 6)  # that a line may be off the axis over SHORTEST, give or take 3
STRAIGHT = 1.2  # standard deviation from a straight line
FULL = 0.7  # quantile of its contrast that a rule has where it fills a pixel
REACH = 12  # from the end of a line to the hole
HIDDEN_OR_SEEN = 0.9  # share of the way between two ends

Point = tuple[float, float]
"""(y, x) in shares of a picture's height and width."""


class Edge(NamedTuple):
    """A hidden piece of a straight edge."""

    start: Point
    end: Point


class Rule(NamedTuple):
    """A hidden piece of a ruled line, `width` in shares of the picture's longer side.

    Its `colour` is (3,) in [0, 1].
    """

    start: Point
    end: Point
    width: float
    colour: Floats


Line = TypeVar("Line", Edge, Rule)


class _Stroke(NamedTuple):
    """A line that is seen: x from `left` to `right`, y = `slope` * x + `offset`."""

    left: float
    right: float
    slope: float
    offset: float
    width: float
    colour: Floats

    def at(self, x: float) -> float:
        return self.slope * x + self.offset


def rules(view: Floats, hole: NDArray[np.bool_]) -> list[Rule]:
    """Find the ruled lines that cross a hole.

    Args:
        view: (h, w, 3) in [0, 1], longer side about SIDE.
        hole: (h, w).
    """

    longer = max(hole.shape)

    def lying(view: Floats, hidden: NDArray[np.bool_]) -> list[Rule]:
        return [
            Rule(
                *_ends(first, second, hidden.shape),
                min(first.width, second.width) / longer,
                np.mean([first.colour, second.colour], axis=0, dtype=np.float32),
            )
            for first, second in _pairs(view, hidden, _darker(view.mean(-1), hidden))
        ]

    return _lying_or_standing(lying, view, hole)


def edges(view: Floats, hole: NDArray[np.bool_]) -> list[Edge]:
    """Find the edges that cross a hole, of light against dark.

    Args:
        view: (h, w, 3) in [0, 1], longer side about SIDE.
        hole: (h, w).

    Returns:
        The MOST_EDGES longest.
    """

    def lying(view: Floats, hidden: NDArray[np.bool_]) -> list[Edge]:
        steps = _steps(view.mean(-1), hidden)
        return [Edge(*_ends(*pair, hidden.shape)) for pair in _pairs(view, hidden, steps)]

    def length(edge: Edge) -> float:
        return float(np.hypot(*np.subtract(edge.end, edge.start)))

    return sorted(_lying_or_standing(lying, view, hole), key=length)[-MOST_EDGES:]


def sides(lines: Sequence[Edge], size: tuple[int, ...]) -> NDArray[np.int32]:
    """Number the parts (h, w) that edges, drawn on over all of a picture, cut it into."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) + 0.5
    parts = np.zeros(size[:2], np.int32)
    for number, line in enumerate(lines):
        start, end = (np.multiply(point, size[:2]) for point in line)
        down, right = end - start
        parts += ((x - start[1]) * down > (y - start[0]) * right).astype(np.int32) << number
    return parts


def draw(lines: Sequence[Rule], page: Floats, box: Box, size: tuple[int, int]) -> None:
    """Draw rules on the part of a page (h, w, 3) that lies in a box of a picture, in place."""
    y, x = np.mgrid[box.top : box.bottom, box.left : box.right].astype(np.float32) + 0.5
    for line in lines:
        start, end = (np.multiply(point, size) for point in (line.start, line.end))
        along = (end - start) / np.hypot(*(end - start))
        down, right = y - start[0], x - start[1]
        place = down * along[0] + right * along[1]
        beside = np.abs(right * along[0] - down * along[1])
        cover = np.clip(line.width * max(size) / 2 + 0.5 - beside, 0, 1)
        cover[(place < -1) | (place > np.hypot(*(end - start)) + 1)] = 0
        page += cover[..., None] * (line.colour - page)


def _lying_or_standing(
    find: Callable[[Floats, NDArray[np.bool_]], list[Line]], view: Floats, hole: NDArray[np.bool_]
) -> list[Line]:
    """Find lines that are nearer to lying, and, in the mirror, those nearer to standing."""
    wide = cv2.dilate(hole.astype(np.uint8), np.ones((7, 7), np.uint8))  # its rim is shaded
    left, top, width, height = cv2.boundingRect(wide)
    about = np.s_[
        max(0, top - AROUND) : top + height + AROUND, max(0, left - AROUND) : left + width + AROUND
    ]
    seen, hidden = view[about], wide[about] > 0
    corner, size = (about[0].start, about[1].start), hidden.shape

    def whole(point: Point) -> Point:
        y, x = ((c + p * s) / w for c, p, s, w in zip(corner, point, size, hole.shape, strict=True))
        return y, x

    lying = find(seen, hidden)
    lying += [
        line._replace(start=line.start[::-1], end=line.end[::-1])
        for line in find(seen.swapaxes(0, 1), hidden.T)
    ]
    return [line._replace(start=whole(line.start), end=whole(line.end)) for line in lying]


def _darker(grey: Floats, hidden: NDArray[np.bool_]) -> Floats:
    """Return how much darker a map (h, w) is than what is above and below, from DARK; else 0."""
    known = np.where(hidden, np.float32(0), grey)
    paper = cv2.morphologyEx(known, cv2.MORPH_CLOSE, np.ones((WIDEST + 1, 1), np.uint8))
    return np.where(~hidden & (paper - known > DARK), paper - known, np.float32(0))


def _steps(grey: Floats, hidden: NDArray[np.bool_]) -> Floats:
    """Return how far a map (h, w) steps from above to below, where it does so most; else 0."""
    known = (~hidden).astype(np.float32)
    total, count = (
        cv2.boxFilter(values, -1, (1, BESIDE), normalize=False) for values in (grey * known, known)
    )
    means = np.where(count > BESIDE - 0.5, total / np.maximum(count, 1), np.float32(np.nan))
    rows = np.arange(len(grey))
    near, far = (
        means[np.maximum(rows - away - 1, 0)] - means[np.minimum(rows + away, rows[-1])]
        for away in (BESIDE // 2, BESIDE // 2 + 2 * BESIDE)
    )
    # A rule is a step too, but not farther from it.
    lasts = (near * far > 0) & (np.abs(far) > STEP)
    step = np.where(lasts, np.abs(near), np.float32(0))
    most = step >= cv2.dilate(step, np.ones((2 * BESIDE - 1, 1), np.uint8))
    return np.asarray(np.where(most & (step > STEP) & ~hidden, step, 0), np.float32)


def _pairs(
    view: Floats, hidden: NDArray[np.bool_], contrast: Floats
) -> Iterator[tuple[_Stroke, _Stroke]]:
    """Give the ends of lines, left and right of a hole; contrast (h, w), 0 where is none."""
    strokes, seen = _strokes(view, contrast), contrast > 0
    for first, second in product(strokes, strokes):
        if _meet(first, second, hidden, seen):
            yield first, second


def _ends(first: _Stroke, second: _Stroke, size: tuple[int, ...]) -> tuple[Point, Point]:
    height, width = size
    return (
        (first.at(first.right) / height, first.right / width),
        (second.at(second.left) / height, second.left / width),
    )


def _strokes(view: Floats, contrast: Floats) -> list[_Stroke]:
    """Return the lying lines of a contrast (h, w), in no order."""
    # Where a rule crosses another, what is above and below it is dark too.
    crossed = np.ones((1, CROSSING), np.uint8)
    ink = cv2.morphologyEx((contrast > 0).astype(np.uint8), cv2.MORPH_CLOSE, crossed)
    thick, long = cv2.dilate(ink, np.ones((3, 1), np.uint8)), np.zeros_like(ink)
    for tilt in TILTS:
        line = np.zeros((abs(tilt) + 1, SHORTEST), np.uint8)
        cv2.line(line, (0, max(-tilt, 0)), (SHORTEST - 1, max(tilt, 0)), 1)
        cv2.bitwise_or(long, cv2.morphologyEx(thick, cv2.MORPH_OPEN, line), dst=long)
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(cv2.bitwise_and(long, ink))
    strokes = []
    for part in range(1, count):
        left, top, width, height = boxes[part, :4]
        if width < SHORTEST or height > width / 3:
            continue
        ys, xs = np.nonzero(parts[top : top + height, left : left + width] == part)
        slope, offset = np.polyfit(xs, ys, 1)
        if np.std(ys - slope * xs - offset) > STRAIGHT + 0.3 * len(xs) / width:
            continue
        depth = contrast[ys + top, xs + left]
        full = max(float(np.quantile(depth, FULL)), 1e-6)
        inside = depth >= full
        strokes.append(
            _Stroke(
                float(left),
                float(left + width),
                float(slope),
                float(offset + top + 0.5 - slope * left),
                float(depth.sum() / full / width),
                np.asarray(view[ys + top, xs + left][inside].mean(0), np.float32),
            )
        )
    return strokes


def _meet(
    first: _Stroke, second: _Stroke, hidden: NDArray[np.bool_], seen: NDArray[np.bool_]
) -> bool:
    """Tell whether two strokes are the ends of one line with a hole between."""
    gap = second.left - first.right
    if gap < 2 or max(end.right - end.left for end in (first, second)) < LONG:
        return False
    off = 2 + 0.01 * gap
    near = abs(first.at(second.left) - second.at(second.left)) < off
    near &= abs(first.at(first.right) - second.at(first.right)) < off
    if not near:
        return False
    xs = np.arange(int(first.right), int(second.left))
    share = (xs - first.right) / gap
    middle = (1 - share) * first.at(first.right) + share * second.at(second.left)
    ys = np.clip(middle.astype(int), 1, len(hidden) - 2)
    there, drawn = hidden[ys, xs], seen[ys - 1, xs] | seen[ys, xs] | seen[ys + 1, xs]
    enters = bool(there[:REACH].any() and there[-REACH:].any())
    return enters and bool((there | drawn).mean() > HIDDEN_OR_SEEN)
