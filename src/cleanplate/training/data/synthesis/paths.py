"""Pen paths: what a hand draws that is not a letter, and how a pen's line looks.

A path is (N, 2), x and y in pixels, y downwards. A drawing is a list of paths, one a stroke.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array

FINE = 4  # a line is drawn this many times as large, then shrunk
SUBPIXEL = 4  # bits of the fraction of a coordinate
Drawing = list[Array]


def inked(drawing: Sequence[Array], widths: Sequence[Array]) -> tuple[Array, int, int]:
    """Draw paths with a round pen.

    Args:
        drawing: paths.
        widths: for each path the pen's width in pixels at each of its points, (N,).

    Returns:
        The cover (h, w) in [0, 1], and y and x of its upper left corner.
    """
    everything = np.concatenate(drawing)
    margin = 1 + int(np.ceil(max(float(width.max()) for width in widths) / 2))
    left, top = np.floor(everything.min(0)).astype(int) - margin
    right, bottom = np.ceil(everything.max(0)).astype(int) + margin + 1
    canvas = np.zeros(((bottom - top) * FINE, (right - left) * FINE), np.uint8)
    for path, width in zip(drawing, widths, strict=True):
        fixed = np.rint((path - (left, top)) * (FINE << SUBPIXEL)).astype(int).tolist()
        # OpenCV draws a line of an even thickness one pixel wider, of an odd one two.
        thick = np.maximum(1, 2 * np.rint((width * FINE - 1) / 2)).astype(int).tolist()
        for start, end, size in zip(fixed, fixed[1:], thick, strict=False):
            cv2.line(canvas, start, end, 255, size, cv2.LINE_8, SUBPIXEL)
    size = (right - left, bottom - top)
    cover = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return cover, int(top), int(left)


def smooth(points: Array, rounds: int = 3) -> Array:
    """Round a path's corners by cutting them (Chaikin, 1974)."""
    for _ in range(rounds):
        near, far = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
        middle = np.stack([near, far], 1).reshape(-1, 2)
        points = np.concatenate([points[:1], middle, points[-1:]])
    return points


def pressed(rng: np.random.Generator, path: Array, width: float) -> Array:
    """Return a pen's width along a path: about `width` pixels, thinner where it lifts off."""
    along = np.linspace(0, 1, len(path))
    knots = rng.uniform(0.8, 1.15, 6)
    lift = np.minimum(1, 0.55 + 0.45 * np.minimum(along * 12, (1 - along) * 8))
    return width * lift * np.interp(along, np.linspace(0, 1, 6), knots)


def trembled(rng: np.random.Generator, path: Array, reach: float) -> Array:
    """Return a path with the slow errors of a hand, about `reach` pixels."""
    knots = max(3, len(path) // 12)
    errors = rng.normal(0, reach, (knots, 2))
    along, places = np.linspace(0, 1, len(path)), np.linspace(0, 1, knots)
    return path + np.stack([np.interp(along, places, errors[:, axis]) for axis in (0, 1)], 1)


def line(rng: np.random.Generator, start: Sequence[float], end: Sequence[float]) -> Array:
    """Return a line drawn by hand: a little bent."""
    ends = np.array([start, end], np.float64)
    length = float(np.hypot(*(ends[1] - ends[0])))
    count = max(4, int(length / 12))
    along = np.linspace(0, 1, count)[:, None]
    bow = np.sin(np.pi * along) * rng.normal(0, 0.02 * length)
    across = (ends[1] - ends[0])[::-1] / max(length, 1.0) * (-1, 1)
    path = ends[0] + along * (ends[1] - ends[0]) + bow * across
    return trembled(rng, smooth(path, 1), min(1.5, 0.004 * length + 0.2))


def underline(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Draw one line, two or a wave under a box of `width` x `height`."""
    y, drop = height * rng.uniform(0.95, 1.2), height * rng.normal(0, 0.1)
    start, end = rng.normal((0, width), 0.2 * height)
    if rng.random() < 0.2:
        count = max(3, int(width / max(height, 4) * rng.uniform(2, 4)))
        x = np.linspace(start, end, 2 * count)
        wave = height * rng.uniform(0.06, 0.14) * np.where(np.arange(2 * count) % 2, 1, -1)
        return [smooth(np.stack([x, y + wave], 1), 2)]
    lines = [line(rng, (start, y), (end, y + drop))]
    if rng.random() < 0.2:
        below = y + height * rng.uniform(0.12, 0.25)
        lines.append(line(rng, (start, below), (end, below + drop)))
    return lines


def strike(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Return a crossing-out of a box: a line or more through it, a zigzag, or a large X."""
    kind = rng.random()
    if kind < 0.5:
        middle = height * rng.uniform(0.4, 0.65, int(rng.integers(1, 4)))
        drops = height * rng.normal(0, 0.12, len(middle))
        over = rng.uniform(-0.1, 0.4) * height
        ends = zip(middle, drops, strict=True)
        return [line(rng, (-over, y), (width + over, y + drop)) for y, drop in ends]
    if kind < 0.85:
        count = max(4, int(width / max(height, 4) * rng.uniform(2.5, 6)))
        x = np.linspace(0, width, count) + rng.normal(0, 0.06 * height, count)
        y = np.where(np.arange(count) % 2, 0.1, 0.9) * height + rng.normal(0, 0.1 * height, count)
        return [smooth(np.stack([x, y], 1), 3)]
    return [
        line(rng, (0, 0), (width, height)),
        line(rng, (0, height), (width, 0)),
    ]


def loop(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Return a ring around a box, not quite closed or a little more than closed."""
    turn = np.linspace(0, 2 * np.pi * rng.uniform(0.96, 1.2), 40) + rng.uniform(0, 2 * np.pi)
    grown = 1 + np.linspace(0, rng.uniform(-0.08, 0.12), 40)
    for waves in (2, 3):  # no hand draws an ellipse
        grown += rng.normal(0, 0.04) * np.cos(waves * turn + rng.uniform(0, 2 * np.pi))
    reach = np.array([width, height]) * (0.5, 0.62) + height * rng.uniform(0.1, 0.45)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * grown[:, None] * reach
    middle = np.array([width / 2, height / 2])
    return [trembled(rng, middle + ring, 0.03 * height)]


def tick(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Return a tick; now and then a half one, with a bar through its long arm."""
    size = np.array([width, height])
    points = np.array([[0, 0.55], [0.12, 0.72], [0.28, 1], [0.42, 0.7], [0.7, 0.3], [1.1, -0.1]])
    drawn = [smooth((points + rng.normal(0, 0.04, points.shape)) * size)]
    if rng.random() < 0.15:
        drawn.append(line(rng, (0.55, 0.25) * size, (0.85, 0.6) * size))
    return drawn


def cross(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Draw two strokes across each other."""
    size = np.array([width, height])
    ends = np.array([[0, 0], [1, 1], [1, 0], [0, 1]]) + rng.normal(0, 0.08, (4, 2))
    return [line(rng, *(ends[:2] * size)), line(rng, *(ends[2:] * size))]


def bracket(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Return a bracket, a brace or a line beside some lines of print."""
    deep = min(width, height * 0.4) * rng.uniform(0.3, 1)
    kind = rng.random()
    if kind < 0.35:
        return [line(rng, (0, 0), (0, height))]
    if kind < 0.7:
        return [
            smooth(np.array([[deep, 0], [0, 0.02 * height], [0, 0.98 * height], [deep, height]]))
        ]
    points = np.array(
        [[1, 0], [0.5, 0.05], [0.55, 0.45], [0, 0.5], [0.55, 0.55], [0.5, 0.95], [1, 1]]
    )
    return [smooth(points * (deep, height))]


def arrow(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Return an arrow from one corner of a box to the other."""
    ends = np.array([[0, rng.random()], [1, rng.random()]]) * (width, height)
    if rng.random() < 0.5:
        ends = ends[::-1]
    shaft = line(rng, *ends)
    way = (ends[0] - ends[1]) / max(float(np.hypot(*(ends[0] - ends[1]))), 1.0)
    size = min(width, height, 0.3 * (width + height)) * rng.uniform(0.15, 0.4) + 3
    barbs = [
        ends[1] + size * np.array([way[0] * c - way[1] * s, way[0] * s + way[1] * c])
        for c, s in ((np.cos(a), np.sin(a)) for a in (0.5, -0.5))
    ]
    return [shaft, smooth(np.array([barbs[0], ends[1], barbs[1]]), 1)]


def signature(rng: np.random.Generator, width: float, height: float) -> Drawing:
    """Return a name written so often that its letters are loops: one stroke, now and then a
    flourish.
    """
    loops = int(rng.integers(3, 9))
    turn = np.linspace(0, 2 * np.pi * loops, 14 * loops)
    along = turn / turn[-1]
    knots = np.linspace(0, 1, loops + 2)
    tall = np.interp(along, knots, rng.uniform(0.08, 0.5, loops + 2))
    wide = np.interp(along, knots, rng.uniform(0.3, 1.6, loops + 2)) * width / (6 * loops)
    x = along * width + wide * np.sin(turn + rng.uniform(0, 2))
    y = height * (0.5 - tall * np.cos(turn)) + rng.normal(0, 0.1) * height * along
    drawn = [smooth(np.stack([x, y], 1), 1)]
    if rng.random() < 0.4:
        drawn.append(line(rng, (0.05 * width, 0.9 * height), (0.95 * width, 0.85 * height)))
    return drawn


SHAPES: dict[str, Callable[[np.random.Generator, float, float], Drawing]] = {
    "underline": underline,
    "strike": strike,
    "loop": loop,
    "tick": tick,
    "cross": cross,
    "bracket": bracket,
    "arrow": arrow,
    "signature": signature,
}
