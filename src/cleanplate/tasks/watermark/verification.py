"""Verification: whether what a locator finds is a watermark or only looks like one.

At a mark, probabilities jump from high to low at its outline; around what only looks like a mark, a
wide rim has middling ones. And an overlay lets the picture through: the two sides of its outline
correlate, their spreads differ by a plausible opacity, and their colours by less than the picture's
own spread. For an object, none of this holds.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Card
from cleanplate.picture import Box
from cleanplate.tasks.base import doubt_of
from cleanplate.tasks.maps import Floats
from cleanplate.tasks.watermark.detection import Detection
from cleanplate.tasks.watermark.overlay import compare

TYPICAL = 0.6  # ratio of spreads under a mark of the commonest opacity
FEATURES = ("mean", "rim", "alike", "ratio", "jump")


def check_locator(card: Card) -> None:
    """Check that a model can locate for this task, by its card.

    Raises:
        UsageError: it cannot.
    """
    evidence = [f"evidence_{name}" for name in ("bias", *FEATURES)]
    numbers = ("threshold", "side", "zoom", "certainty", *evidence)
    card.check("watermark", planes=3, outputs=("mask",), numbers=numbers)


def features(
    picture: Floats, probability: Floats, mask: NDArray[np.bool_], coverage: Floats
) -> dict[str, float]:
    """Measure a find.

    Args:
        picture: (h, w, 3) in [0, 1], around the find.
        probability: (h, w), by the locator.
        mask: (h, w) bool, not empty: where these are above the threshold.
        coverage: (h, w) in [0, 1], how far a mark covers each pixel, by the filler.

    Returns:
        By name of FEATURES: the mean probability; the logarithms of the half-found rim's share, of
        how far the ratio of spreads is from a typical one (absolute), and of how far the colours
        jump at the outline; the correlation of its two sides.
    """
    sure = probability[mask]
    rim = float(((probability > 0.1) & ~mask).sum() / sure.size)
    sides = compare(picture, coverage)
    ratio, alike, jump = 0.0, 0.0, 0.0
    if sides is not None:
        ratio, alike = sides.ratio, sides.correlation
        jump = float(np.abs(sides.inside - sides.outside).max() / (sides.spread + 0.01))
    return {
        "mean": float(sure.mean()),
        "rim": math.log(min(max(rim, 0.03), 5)),
        "alike": alike,
        "ratio": abs(math.log(min(max(ratio, 0.05), 5) / TYPICAL)),
        "jump": math.log(0.05 + min(jump, 10)),
    }


def confidence(card: Card, measured: dict[str, float]) -> float:
    """Return how probably a find is a mark, by the logistic regression in a locator's card.

    Raises:
        ModelError: the card lacks one of `evidence_bias` and `evidence_NAME` for each feature.
    """
    score = card.parameter("evidence_bias")
    score += sum(card.parameter(f"evidence_{name}") * measured[name] for name in FEATURES)
    return 1 / (1 + math.exp(-max(min(score, 50), -50)))


def measure(detection: Detection, box: Box) -> dict[str, float]:
    """Measure the find in a box of a detection (see `features`)."""
    small, probability = box.cut(detection.small), box.cut(detection.probability)
    return features(small, probability, box.cut(detection.mask), box.cut(detection.coverage))


def verified(card: Card, detection: Detection) -> tuple[NDArray[np.bool_], float]:
    """Return where (h, w) finds are marks and not only look like one, and the doubt of it.

    Where one is a mark with confidence, the others need only be more probably marks than not.
    Copies of a repeated mark are marks; what is found between them is verified like the rest.

    Args:
        card: of the locator.
        detection: what it found.
    """
    beside = detection.only(detection.repeat_mask == 0)
    boxes = beside.boxes()
    confidences = [confidence(card, measure(beside, box)) for box in boxes]
    asked = card.parameter("certainty")
    if max(confidences, default=0) >= asked:
        asked = min(asked, 0.5)
    sure = [box for box, one in zip(boxes, confidences, strict=True) if one >= asked]
    inside = within(sure, detection.mask.shape)
    return (detection.repeat_mask > 0) | inside, doubt_of(confidences)


def within(boxes: list[Box], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a map (h, w) that is True in some boxes."""
    inside = np.zeros(size, bool)
    for box in boxes:
        box.cut(inside)[:] = True
    return inside
