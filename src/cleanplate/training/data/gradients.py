"""How much is on a crop: blank paper teaches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from cleanplate.errors import PictureError
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import read_rgb
from cleanplate.training.data.layouts import Pair
from cleanplate.training.data.parallel import each

LEAST = 10.0  # of the published system; under it a crop is blank paper


def mean_gradient(picture: Pixels) -> float:
    """Return the mean of (|x| + |y|) / 2 of the 3x3 Sobel gradients of a picture's grey values.

    Each of the two is cut off at 255, as 8-bit gradients are: the limits that are in use (10 for
    blank paper) were found on such ones.

    Args:
        picture: (H, W, 3) uint8, RGB.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    across, down = (
        cv2.convertScaleAbs(cv2.Sobel(grey, cv2.CV_16S, x, 1 - x)).astype(np.float32)
        for x in (1, 0)
    )
    return float((0.5 * across + 0.5 * down).mean())


def measure(pair: Pair) -> float | Fault:
    """Return the mean gradient of a pair's clean picture: an occluder has gradients of its own."""
    try:
        return mean_gradient(read_rgb(pair.target))
    except PictureError as error:
        return Fault(str(error))


def measure_all(
    pairs: Sequence[Pair], table: Path, workers: int = 0
) -> Iterator[tuple[Pair, float | Fault]]:
    """Yield the mean gradient of every pair, kept in a table so that none is measured twice.

    Args:
        pairs: in any order.
        table: text file, a line a pair: gradient, tab, name. Lines are added as they come.
        workers: processes; 0 for one a core.
    """
    known = read_table(table)
    fresh = [pair for pair in pairs if pair.name not in known]
    for pair in pairs:
        if pair.name in known:
            yield pair, known[pair.name]
    with table.open("a", encoding="utf-8") as lines:
        for pair, value in zip(fresh, each(measure, fresh, workers), strict=True):
            if not isinstance(value, Fault):
                lines.write(f"{value:.3f}\t{pair.name}\n")
                lines.flush()
            yield pair, value


def read_table(table: Path) -> dict[str, float]:
    """Return gradients by name; a last line that was cut off by a kill is dropped from the file."""
    if not table.is_file():
        return {}
    text = table.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        table.write_text(whole, encoding="utf-8")
    rows = (line.split("\t", 1) for line in whole.splitlines())
    return {name: float(value) for value, name in rows}
