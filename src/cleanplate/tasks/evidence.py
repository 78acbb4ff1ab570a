"""What tells a watermark from what only looks like one: the evidence for a find of a locator.

A locator is sure of a mark inside it and sure of the picture outside; about what only looks like
one it is in two minds over a wide rim. And an overlay lets the picture through: the two sides of
its outline are alike, their spreads differ by a factor that opacities have, and their colours
differ by less than the picture itself does. An object has none of this.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Card
from cleanplate.tasks.maps import Floats
from cleanplate.tasks.overlay import compare

TYPICAL = 0.6  # ratio of spreads under a mark of the commonest opacity
FEATURES = ("mean", "rim", "alike", "ratio", "jump")


def features(
    picture: Floats, found: Floats, marked: NDArray[np.bool_], cover: Floats
) -> dict[str, float]:
    """Measure a find.

    Args:
        picture: (h, w, 3) in [0, 1], about the find.
        found: (h, w), the locator's probabilities.
        marked: (h, w) bool, not empty: where these are above the threshold.
        cover: (h, w) in [0, 1], how far the filler says that a mark covers each pixel.

    Returns:
        By name of FEATURES: the mean probability; the logarithms of the half-found rim's share, of
        how far the ratio of spreads is from a typical one (absolute), and of how far the colours
        jump at the outline; the correlation of its two sides.
    """
    sure = found[marked]
    rim = float(((found > 0.1) & ~marked).sum() / sure.size)
    sides = compare(picture, cover)
    ratio, alike, jump = 0.0, 0.0, 0.0
    if sides is not None:
        ratio, alike = sides.ratio, sides.alike
        jump = float(np.abs(sides.inside - sides.outside).max() / (sides.spread + 0.01))
    return {
        "mean": float(sure.mean()),
        "rim": math.log(min(max(rim, 0.03), 5)),
        "alike": alike,
        "ratio": abs(math.log(min(max(ratio, 0.05), 5) / TYPICAL)),
        "jump": math.log(0.05 + min(jump, 10)),
    }


def certainty(card: Card, measured: dict[str, float]) -> float:
    """Return how probably a find is a mark, by the logistic regression in a locator's card.

    Raises:
        ModelError: the card lacks one of `evidence_bias` and `evidence_NAME` for each feature.
    """
    score = card.parameter("evidence_bias")
    score += sum(card.parameter(f"evidence_{name}") * measured[name] for name in FEATURES)
    return 1 / (1 + math.exp(-max(min(score, 50), -50)))
