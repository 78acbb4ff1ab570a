r"""Fit what a watermark locator's card says of certainty: print its `evidence_*` and `certainty`.

    python scripts/fit_verification.py PAIRS... --clean PICTURES... \
        [--locator MODEL] [--filler MODEL] [--alarms 0.02]

PAIRS hold input/ and mask/ of the same stems; the clean folders hold pictures without marks.
None of them may have been trained on. A find of the locator is a mark where three tenths of it lie
under the true mask. A logistic regression, both kinds weighed alike, tells the two apart; the
certainty asked for is the least that changes more than 0.5 % of a picture in at most the share
`--alarms` of the clean ones.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import SUFFIXES, Picture
from cleanplate.tasks.maps import resized
from cleanplate.tasks.watermark.task import Watermark
from cleanplate.tasks.watermark.verification import FEATURES
from cleanplate.tasks.watermark.verification import measure as evidence

HIT = 0.3  # share of a find under the true mask from which it is a mark
ALARM = 0.005  # share of a picture that must not change
RIDGE, STEPS, RATE = 0.002, 4000, 2.0


class Find(NamedTuple):
    """A find: its measures, whether it is a mark, its share of which picture."""

    measured: list[float]
    mark: bool
    share: float
    picture: str


def main() -> None:
    """Read the arguments, measure every find, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="+", type=Path)
    parser.add_argument("--clean", nargs="+", type=Path, required=True)
    parser.add_argument("--locator", default="watermark-locator")
    parser.add_argument("--filler", default="watermark-filler")
    parser.add_argument("--alarms", type=float, default=0.02)
    given = parser.parse_args()
    task = Watermark(locator=given.locator, filler=given.filler)
    marked, clean = [], []
    for folder in given.pairs:
        for path in pictures(folder / "input"):
            marked += measure(task, path, folder / "mask" / path.name)
    unmarked = [path for folder in given.clean for path in pictures(folder)]
    for path in unmarked:
        clean += measure(task, path, None)
    weights, bias = fit(marked + clean)
    asked = least_certainty(clean, weights, bias, given.alarms * len(unmarked))
    kept = np.mean([score(find, weights, bias) >= asked for find in marked if find.mark])
    card = {"certainty": round(float(asked), 4), "evidence_bias": round(float(bias), 4)}
    card |= {f"evidence_{n}": round(float(w), 4) for n, w in zip(FEATURES, weights, strict=True)}
    print(json.dumps(card))
    print(f"{len(unmarked)} clean pictures; {kept:.0%} of {sum(f.mark for f in marked)} marks kept")


def pictures(folder: Path) -> list[Path]:
    """Return the pictures directly in a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def measure(task: Watermark, path: Path, mask: Path | None) -> list[Find]:
    """Measure the locator's finds in a picture."""
    seen = task.detector.detect(Picture.read(path))
    seen = seen.only(seen.repeat_mask == 0)  # copies are not verified
    truth = np.zeros(seen.mask.shape, np.float32)
    if mask is not None:
        truth = resized(Picture.read(mask).rgb()[..., 0].copy(), seen.mask.shape)
    found = []
    for box in seen.boxes():
        measured, part = evidence(seen, box), box.cut(seen.mask)
        hit = float((box.cut(truth)[part] > 0.5).mean())
        row = [measured[name] for name in FEATURES]
        found.append(Find(row, hit > HIT, float(part.sum() / seen.mask.size), str(path)))
    return found


def fit(found: list[Find]) -> tuple[NDArray[np.float64], float]:
    """Return the weights and the bias of a logistic regression, by gradient descent."""
    rows = np.array([find.measured for find in found])
    marks = np.array([find.mark for find in found], float)
    middle, spread = rows.mean(0), rows.std(0) + 1e-9
    scaled = (rows - middle) / spread
    balance = np.where(marks == 1, 0.5 / marks.sum(), 0.5 / (1 - marks).sum())
    weights, bias = np.zeros(rows.shape[1]), 0.0
    for _ in range(STEPS):
        miss = (1 / (1 + np.exp(-(scaled @ weights + bias))) - marks) * balance
        weights -= RATE * (scaled.T @ miss + RIDGE * weights)
        bias -= RATE * miss.sum()
    return weights / spread, float(bias - (weights / spread) @ middle)


def score(find: Find, weights: NDArray[np.float64], bias: float) -> float:
    """Return how probably a find is a mark."""
    return float(1 / (1 + np.exp(-(np.array(find.measured) @ weights + bias))))


def least_certainty(
    clean: list[Find], weights: NDArray[np.float64], bias: float, alarms: float
) -> float:
    """Return the least certainty at which so many clean pictures raise an alarm at the most."""
    for asked in np.linspace(0.05, 0.99, 189):
        changed: dict[str, float] = {}
        for find in clean:
            if score(find, weights, bias) >= asked:
                changed[find.picture] = changed.get(find.picture, 0) + find.share
        if sum(share > ALARM for share in changed.values()) <= alarms:
            return float(asked)
    return 1.0


if __name__ == "__main__":
    main()
