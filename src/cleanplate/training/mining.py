"""Hard examples: the pairs that a model does badly on, and a sample of the others.

Needs no torch. New data is scored by the model that is to learn from it; what it already knows
teaches it little, but a sample of that keeps it from forgetting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from cleanplate.errors import UsageError
from cleanplate.training.data.curation import rank
from cleanplate.training.evaluate import FIGURES, Score


def choose(
    scores: Iterable[Score], by: str, under: float, sample: float, seed: int = 0
) -> tuple[list[Score], list[Score]]:
    """Return the hard examples and the sample of the others, each in the order of `scores`.

    Args:
        scores: of all pairs.
        by: name of the figure that is judged by, of which more is better.
        under: what lies under it is hard, and so is a pair to which the figure does not apply.
        sample: share of the others to keep, in [0, 1].
        seed: of the sample.

    Raises:
        UsageError: no such figure, or the share is out of its range.
    """
    if by not in FIGURES:
        raise UsageError(f"There is no figure {by!r}; there are: {', '.join(FIGURES)}.")
    if not 0 <= sample <= 1:
        raise UsageError("The share of the others to keep must lie between 0 and 1.")
    known = list(scores)
    easy = [s for s in known if not math.isnan(s.figures[by]) and s.figures[by] >= under]
    names = {score.name for score in easy}
    kept = sorted(names, key=lambda name: rank(name, seed))[: round(sample * len(names))]
    hard = [score for score in known if score.name not in names]
    return hard, [score for score in easy if score.name in set(kept)]
