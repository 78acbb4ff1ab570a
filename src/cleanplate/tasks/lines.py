"""Lines that run into a hole and out of it again: ruled lines, and edges such as a page's own.

A filler gives the mean of what could be there: of a thin line a smear, of the edge of a page a grey
between page and table. But a line is seen on both sides of the hole, and where two ends lie on one
line, it can simply be continued.
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
WIDEST = 8  # greatest width of a rule
DARK = 0.06  # how much darker a rule is than both its sides, at least
STEP = 0.08  # difference between the two sides of an edge, at least
BESIDE = 6  # width of the strips that are compared: next to the edge, and as much farther away
AROUND = 250  # distance from the hole up to which lines are searched for
MOST_EDGES = 4  # the longest ones
CROSSING = 5  # gap in a rule that another one leaves where it crosses
SHORTEST = 20  # length of a line at least
LONG = 60  # length of one of the two ends at least: longer than any stroke of print
TILTS = (-6, -3, 0, 3, 6)  # rise of a line over SHORTEST, give or take 3
STRAIGHT = 1.2  # standard deviation from a straight line, at most
FULL = 0.7  # quantile of a rule's contrast that counts as wholly covered
REACH = 12  # greatest distance between the end of a line and the hole
HIDDEN_OR_SEEN = 0.9  # share of the gap between two ends that is hidden, or shows the line

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

    def horizontal(view: Floats, hidden: NDArray[np.bool_]) -> list[Rule]:
        return [
            Rule(
                *_ends(first, second, hidden.shape),
                min(first.width, second.width) / longer,
                np.mean([first.colour, second.colour], axis=0, dtype=np.float32),
            )
            for first, second in _pairs(view, hidden, _darker(view.mean(-1), hidden))
        ]

    return _in_both_directions(horizontal, view, hole)


def edges(view: Floats, hole: NDArray[np.bool_]) -> list[Edge]:
    """Find the edges that cross a hole, of light against dark.

    Args:
        view: (h, w, 3) in [0, 1], longer side about SIDE.
        hole: (h, w).

    Returns:
        The MOST_EDGES longest.
    """

    def horizontal(view: Floats, hidden: NDArray[np.bool_]) -> list[Edge]:
        steps = _steps(view.mean(-1), hidden)
        return [Edge(*_ends(*pair, hidden.shape)) for pair in _pairs(view, hidden, steps)]

    def length(edge: Edge) -> float:
        return float(np.hypot(*np.subtract(edge.end, edge.start)))

    return sorted(_in_both_directions(horizontal, view, hole), key=length)[-MOST_EDGES:]


def sides(lines: Sequence[Edge], size: tuple[int, ...]) -> NDArray[np.int32]:
    """Number the parts (h, w) that edges, extended over the whole picture, cut it into."""
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


def _in_both_directions(
    find: Callable[[Floats, NDArray[np.bool_]], list[Line]], view: Floats, hole: NDArray[np.bool_]
) -> list[Line]:
    """Find lines that are nearer to horizontal, and, transposed, those nearer to vertical."""
    wide = cv2.dilate(hole.astype(np.uint8), np.ones((7, 7), np.uint8))  # its rim is shaded
    left, top, width, height = cv2.boundingRect(wide)
    window = np.s_[
        max(0, top - AROUND) : top + height + AROUND, max(0, left - AROUND) : left + width + AROUND
    ]
    seen, hidden = view[window], wide[window] > 0
    corner, size = (window[0].start, window[1].start), hidden.shape

    def whole(point: Point) -> Point:
        y, x = ((c + p * s) / w for c, p, s, w in zip(corner, point, size, hole.shape, strict=True))
        return y, x

    found = find(seen, hidden)
    found += [
        line._replace(start=line.start[::-1], end=line.end[::-1])
        for line in find(seen.swapaxes(0, 1), hidden.T)
    ]
    return [line._replace(start=whole(line.start), end=whole(line.end)) for line in found]


def _darker(grey: Floats, hidden: NDArray[np.bool_]) -> Floats:
    """Return how much darker a map (h, w) is than above and below; 0 where less than DARK."""
    known = np.where(hidden, np.float32(0), grey)
    paper = cv2.morphologyEx(known, cv2.MORPH_CLOSE, np.ones((WIDEST + 1, 1), np.uint8))
    return np.where(~hidden & (paper - known > DARK), paper - known, np.float32(0))


def _steps(grey: Floats, hidden: NDArray[np.bool_]) -> Floats:
    """Return the steps of a map (h, w) from above to below where they are greatest; else 0."""
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
    # A rule is a step as well, but only next to it.
    lasts = (near * far > 0) & (np.abs(far) > STEP)
    step = np.where(lasts, np.abs(near), np.float32(0))
    most = step >= cv2.dilate(step, np.ones((2 * BESIDE - 1, 1), np.uint8))
    return np.asarray(np.where(most & (step > STEP) & ~hidden, step, 0), np.float32)


def _pairs(
    view: Floats, hidden: NDArray[np.bool_], contrast: Floats
) -> Iterator[tuple[_Stroke, _Stroke]]:
    """Yield the ends of lines, left and right of a hole; contrast (h, w) is 0 where none is."""
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
    """Return the nearly horizontal lines in a contrast (h, w), in no order."""
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
    """Say whether two strokes are the ends of one line with a hole between."""
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
