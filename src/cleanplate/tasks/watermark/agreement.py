"""Agreement: which finds are of one paint.

A mark has one colour and one opacity. What was found beside it and is none of it would be turned
into blotches by solving for that paint: so each find is asked by itself whether the paint explains
what is seen on both sides of its outline, and whether what it hides would have a possible colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Card
from cleanplate.picture import Box
from cleanplate.tasks.maps import Floats, dilated
from cleanplate.tasks.watermark.detection import Detection
from cleanplate.tasks.watermark.overlay import Overlay, Sides, compare, estimate
from cleanplate.tasks.watermark.verification import confidence, features

Mask = NDArray[np.bool_]

JOINED = 4  # pixels that finds are grown by: those that then touch are one
BESIDE = 24  # pixels: what is too small to be asked goes with a find that is as near
SEEDS = 5  # finds whose paint is tried
ABOUT = 16  # pixels about a find that its outline is compared on
LEAST = 8  # pixels of a find that is judged by itself
UNLIKE = 0.35  # of what paint should change: a find that is farther off is not of it
UNLIKE_COPY = 0.75  # the same of a copy of a repeated mark
FAINT = 0.035  # of the range: what changes less cannot be told from nothing, and is left
CHANGE = 0.05  # of the range: what paint changes less counts as that much
CHANGE_COPY = 0.15  # the same of a copy
SEEN = 0.06  # of the range: a find beside a mark that changes less is none by itself
STRONG = 0.15  # opacity that such a find must have
BEYOND = 0.06  # of the range: what noise and JPEG change at most
IMPOSSIBLE = 0.35  # share of a find, or of a letter, that may be darker or lighter than can be


@dataclass(eq=False)
class Find:
    """A find by itself.

    Attributes:
        label: its number in the map of finds.
        box: about it.
        picture: (h, w, 3) in the box.
        coverage: (h, w) in the box, 0 on other finds.
        sides: of its outline; None where there is too little to tell.
        size: pixels.
    """

    label: int
    box: Box
    picture: Floats
    coverage: Floats
    sides: Sides | None
    size: int

    @cached_property
    def paint(self) -> Overlay:
        """Estimate its own paint."""
        return estimate(self.picture, self.coverage)

    def miss(self, paint: Overlay, least: float) -> float:
        """Return how far a paint is from what the outline shows, by what it should change.

        Args:
            paint: its opacity and colour.
            least: what it changes less counts as that much.
        """
        assert self.sides is not None
        outside = self.sides.outside
        expected = (1 - paint.opacity) * outside + paint.opacity * paint.colour
        return float(np.abs(self.sides.inside - expected).max()) / max(self.expected(paint), least)

    def expected(self, paint: Overlay) -> float:
        """Return how far a paint should change the colours at its outline."""
        assert self.sides is not None
        return float(np.abs(paint.opacity * (paint.colour - self.sides.outside)).max())

    def impossible(self, paint: Overlay) -> float:
        """Return the share of the find that no clean picture under a paint could look like."""
        core = self.coverage > 0.5
        if not core.any():
            return 0.0
        return float(impossible(self.picture, self.coverage, paint)[core].mean())

    def is_of(self, paint: Overlay, *, copy: bool = False) -> bool:
        """Say whether a find can be of a paint; `copy`: it is a known copy of a repeated mark."""
        unlike, least = (UNLIKE_COPY, CHANGE_COPY) if copy else (UNLIKE, CHANGE)
        return self.miss(paint, least) <= unlike and self.impossible(paint) <= IMPOSSIBLE

    def seen(self, paint: Overlay) -> bool:
        """Say whether a paint changes a find at all."""
        return max(self.change, self.expected(paint)) >= FAINT

    @property
    def change(self) -> float:
        """Return how far the colours on the two sides of its outline are apart."""
        assert self.sides is not None
        return float(np.abs(self.sides.inside - self.sides.outside).max())

    @property
    def weight(self) -> float:
        """Return how much it says of a paint: by its size and what can be seen of it."""
        return self.size * max(0.0, self.change - FAINT)


class Group(NamedTuple):
    """Finds of one paint: where they are, (h, w) bool, and the paint."""

    where: Mask
    paint: Overlay


def groups(card: Card, detection: Detection) -> list[Group]:
    """Put finds of one paint together; what is neither of a mark's paint nor one itself is left.

    Args:
        card: of the locator.
        detection: what it found and what was verified; at least one find.

    Returns:
        The groups, the one that is the surest first; no pixel is in two.
    """
    labels, finds = _apart(detection)
    rest = [find for find in finds if find.sides is not None]
    if not rest:
        paint = detection.overlay or estimate(detection.small, detection.coverage)
        return [Group(dilated(labels > 0, JOINED), paint)]
    if detection.overlay is not None:
        copied = _on_copies(detection, labels)
        paint = detection.overlay
        chosen = [
            find
            for find in rest
            if find.is_of(paint, copy=find.label in copied)
            and (find.label in copied or find.seen(paint))
        ]
    else:
        chosen, paint = _agreed(detection, labels, rest)
    found = [(chosen, paint)]
    rest = [find for find in rest if find not in chosen]
    for find in sorted(rest, key=lambda find: -find.weight):
        if find in rest and _is_mark(card, detection, labels, find):
            paint = find.paint
            chosen = [f for f in rest if f is find or f.is_of(paint)]
            found.append((chosen, paint))
            rest = [f for f in rest if f not in chosen]
    return _places(detection, labels, finds, found)


def impossible(picture: Floats, coverage: Floats, paint: Overlay) -> Mask:
    """Return where no clean picture under a paint could look like a picture.

    Args:
        picture: (h, w, 3) in [0, 1].
        coverage: (h, w), how far the paint covers each pixel.
        paint: its opacity and colour.

    Returns:
        (h, w) bool: where it is darker than the paint on black, or lighter than that on white.
    """
    alpha = (paint.opacity * coverage)[..., None]
    least = alpha * paint.colour
    most = least + 1 - alpha
    return np.asarray(((picture < least - BEYOND) | (picture > most + BEYOND)).any(-1))


def _apart(detection: Detection) -> tuple[NDArray[np.int32], list[Find]]:
    """Number the finds, (h, w), 0 where there is none; and look at each."""
    joined = dilated(detection.mask | (detection.coverage > 0.3), JOINED).astype(np.uint8)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(joined, ltype=cv2.CV_32S)
    finds = []
    for label, (left, top, width, height, _) in enumerate(figures[1:].tolist(), 1):
        box = Box(top, left, top + height, left + width).grown(ABOUT, labels.shape)
        own = box.cut(labels) == label
        picture, coverage = box.cut(detection.small), box.cut(detection.coverage) * own
        size = int((box.cut(detection.mask) & own).sum())
        sides = compare(picture, coverage) if size >= LEAST else None
        finds.append(Find(label, box, picture, coverage, sides, size))
    return np.asarray(labels), finds


def _agreed(
    detection: Detection, labels: NDArray[np.int32], finds: list[Find]
) -> tuple[list[Find], Overlay]:
    """Return the finds that most of what was found agrees with, and their paint."""
    first = sorted(finds, key=lambda find: -find.weight)[:SEEDS]
    sets = [[f for f in finds if f is one or f.is_of(one.paint)] for one in first]
    chosen = max(sets, key=lambda members: sum(find.weight for find in members))
    there = _among(labels, [find.label for find in chosen])
    paint = estimate(detection.small, detection.coverage * there)
    agreeing = [f for f in finds if f.is_of(paint) and f.seen(paint)]
    return agreeing or chosen, paint


def _is_mark(card: Card, detection: Detection, labels: NDArray[np.int32], find: Find) -> bool:
    """Say whether a find is a mark by itself, beside others of another paint."""
    paint = find.paint
    if paint.opacity < STRONG or find.change < SEEN or find.impossible(paint) > IMPOSSIBLE:
        return False
    own = find.box.cut(labels) == find.label
    probability, marked = (find.box.cut(x) * own for x in (detection.probability, detection.mask))
    measured = features(find.picture, probability, marked, find.coverage)
    return confidence(card, measured) >= card.parameter("certainty")


def _places(
    detection: Detection,
    labels: NDArray[np.int32],
    finds: list[Find],
    found: list[tuple[list[Find], Overlay]],
) -> list[Group]:
    """Return where groups are: their finds, and what is beside them and too small to be asked."""
    small = _among(labels, [find.label for find in finds if find.sides is None])
    left = (labels > 0) & ~small
    result: list[Group] = []
    for chosen, paint in found:
        own = _among(labels, [find.label for find in chosen])
        beside = labels[dilated(own, BESIDE) & small]
        if detection.overlay is not None and not result:
            beside = np.append(beside, labels[small & (detection.repeat_mask > 0)])
        own |= _among(labels, np.unique(beside))
        where = dilated(own, JOINED) & ~(left & ~own)
        where &= ~_impossible_letters(detection, paint)
        for group in result:
            where &= ~group.where
        if where.any():
            result.append(Group(where, paint))
    return result


def _impossible_letters(detection: Detection, paint: Overlay) -> Mask:
    """Return where connected pixels cannot be of a paint, though their find may be, (h, w)."""
    core = detection.coverage > 0.5
    count, letters = cv2.connectedComponents(core.astype(np.uint8), ltype=cv2.CV_32S)
    sizes = np.bincount(letters[core], minlength=count)
    wrong = core & impossible(detection.small, detection.coverage, paint)
    share = np.bincount(letters[wrong], minlength=count) / np.maximum(sizes, 1)
    bad = (share > IMPOSSIBLE) & (sizes >= LEAST)
    if not bad.any():
        return np.zeros(core.shape, bool)
    return dilated(bad[letters], JOINED) & ~dilated(core & ~bad[letters], 1)


def _on_copies(detection: Detection, labels: NDArray[np.int32]) -> set[int]:
    """Return the numbers of the finds that are copies of a repeated mark."""
    return set(np.unique(labels[detection.repeat_mask > 0]).tolist())


def _among(labels: NDArray[np.int32], chosen: Sequence[int] | NDArray[np.int32]) -> Mask:
    """Return where labels (h, w) are among some."""
    table = np.zeros(int(labels.max()) + 1, bool)
    table[np.asarray(chosen, np.intp)] = True
    return np.asarray(table[labels])
