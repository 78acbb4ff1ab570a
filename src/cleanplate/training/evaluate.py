"""The ruler: figures of a task on pairs of pictures. Needs no torch.

Per picture:

- `psnr_input`, `psnr`: dB over all samples, of the input and of the cleaned picture (at most 100)
- `ms_ssim`: of the cleaned picture's luma; absent for pictures too small for five scales
- `psnr_mask`: dB over the samples under the true mask; absent where that is blank
- `mask_iou`: of what the task found and the true mask
- `changed`: share of the pixels outside the true mask, grown by 9 px, that differ from the input
- `seconds_mp`: seconds a megapixel, without reading and writing
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import metrics
from cleanplate.errors import PictureError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Task
from cleanplate.training.data.curation import THRESHOLD, mask_of_pair
from cleanplate.training.data.layouts import Pair
from cleanplate.training.sheets import save_sheet, sheet

FIGURES = (
    "psnr_input",
    "psnr",
    "ms_ssim",
    "psnr_mask",
    "mask_iou",
    "changed",
    "seconds_mp",
)
GROWN = 9  # px; what a mask's soft border may touch
EQUAL = 100.0  # dB that equal pictures count as, so that means stay finite

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Score:
    """One picture's figures, nan where one does not apply, and what was compared."""

    name: str
    figures: dict[str, float]
    columns: tuple[Pixels, ...]  # input, cleaned, truth (H, W, C); found, true mask (H, W, 1)


def evaluate(pairs: Iterable[Pair], task: Task) -> Iterator[Score]:
    """Clean the input of each pair and compare. Raises PictureError for pairs that do not fit."""
    for pair in pairs:
        yield score(pair, task)


def score(pair: Pair, task: Task) -> Score:
    """Clean the input of one pair and compare."""
    picture, target = Picture.read(pair.input), Picture.read(pair.target)
    before = _like(picture.pixels.copy(), target, pair)
    truth = _like(target.pixels, picture, pair)
    mask = _true_mask(pair, before, truth)
    began = time.perf_counter()
    cleaned = task.clean(picture)
    seconds = time.perf_counter() - began
    after = _like(cleaned.picture.pixels, target, pair)
    kernel = np.ones((2 * GROWN + 1, 2 * GROWN + 1), np.uint8)
    outside = cv2.dilate(mask.astype(np.uint8), kernel) == 0
    small = min(truth.shape[:2]) < metrics.MS_SSIM_SIDE
    figures = {
        "psnr_input": min(EQUAL, metrics.psnr(before, truth)),
        "psnr": min(EQUAL, metrics.psnr(after, truth)),
        "ms_ssim": math.nan if small else metrics.ms_ssim(_luma(after), _luma(truth)),
        "psnr_mask": min(EQUAL, metrics.psnr(after, truth, mask)) if mask.any() else math.nan,
        "mask_iou": metrics.iou(cleaned.mask > 127, mask),
        "changed": metrics.changed(before, after, outside),
        "seconds_mp": seconds / (mask.size / 1e6),
    }
    masks = (cleaned.mask[..., None], np.where(mask, 255, 0).astype(np.uint8)[..., None])
    return Score(pair.name, figures, (before, after, truth, *masks))


def without_pictures(score: Score) -> Score:
    """The figures alone: what a long evaluation keeps in memory."""
    return replace(score, columns=())


def draw(path: Path, scores: Sequence[Score], side: int = 320) -> None:
    """Write a sheet with a row of `columns` for each score."""
    rows = [
        [
            column.transpose(2, 0, 1).astype(np.float32) / np.iinfo(column.dtype).max
            for column in s.columns
        ]
        for s in scores
    ]
    save_sheet(path, sheet(rows, side))


def means(scores: Sequence[Score]) -> dict[str, float]:
    """The mean of each figure over the pictures that have it; nan where none has."""
    found = {}
    for name in FIGURES:
        values = [s.figures[name] for s in scores if not math.isnan(s.figures[name])]
        found[name] = sum(values) / len(values) if values else math.nan
    return found


def to_csv(scores: Sequence[Score]) -> bytes:
    """A row a picture and a last one of the means; empty where a figure does not apply."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["picture", *FIGURES])
    for name, figures in [*((s.name, s.figures) for s in scores), ("mean", means(scores))]:
        values = (figures[key] for key in FIGURES)
        rows.writerow([name, *("" if math.isnan(v) else f"{v:.6g}" for v in values)])
    return text.getvalue().encode()


def _like(pixels: Pixels, other: Picture, pair: Pair) -> Pixels:
    """`pixels` with as many channels as the other picture; both must agree in size and depth."""
    there = other.pixels
    if pixels.shape[:2] != there.shape[:2] or pixels.dtype != there.dtype:
        raise PictureError(
            f"{pair.target} and {pair.input} do not fit: {pixels.shape[1]}x{pixels.shape[0]} "
            f"{pixels.dtype} and {there.shape[1]}x{there.shape[0]} {there.dtype}."
        )
    channels = max(pixels.shape[2], there.shape[2])
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], channels)))


def _true_mask(pair: Pair, before: Pixels, truth: Pixels) -> NDArray[np.bool_]:
    """Bool (H, W): the pair's mask file, or where the pair differs."""
    if pair.mask is None:
        if before.dtype != np.uint8:
            before, truth = ((p >> 8).astype(np.uint8) for p in (before, truth))
        return mask_of_pair(before, truth, THRESHOLD)[..., 0] > 0
    drawn = Picture.read(pair.mask)
    if drawn.pixels.shape[:2] != before.shape[:2]:
        raise PictureError(f"{pair.mask} and {pair.input} differ in size.")
    return np.asarray(drawn.pixels.max(axis=2) > drawn.max_value / 2)


def _luma(pixels: Pixels) -> Pixels:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[..., 0]
