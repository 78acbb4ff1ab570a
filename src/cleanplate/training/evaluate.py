"""Evaluation: figures of a task on pairs of pictures. Needs no torch.

Per picture:

- `psnr_input`, `psnr`: dB over all samples, of the input and of the cleaned picture (at most 100);
  as all that compares pictures, absent where there is a mask but no clean picture
- `ms_ssim`, `ssim`: of the cleaned picture's luma; absent for pictures too small for them
- `psnr_mask`: dB over the samples under the true mask; absent where that is blank
- `mask_iou`: of what was found and the true mask; absent for a model that gives no mask
- `mask_miou`: mean of that and the IoU of what lies outside
- `boundary_f`: F measure of the found mask's contour, within 3 px; absent as `mask_iou`
- `changed`: share of the pixels outside the true mask, grown by 9 px, that differ from the input
- `raw_score`: the RAW contest's, of the planes' PSNR and SSIM; absent for other pictures
- `ocr_error`, `ocr_noise`: with a reader, the share of the true page's characters that are read
  otherwise on the cleaned page, and on a JPEG copy of the true page
- `seconds_mp`, `seconds`: seconds a megapixel and a picture, without reading and writing
- `peak_mb`: the process's largest memory meanwhile, in megabytes, where the system can tell
"""

from __future__ import annotations

import csv
import io
import math
import time
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import metrics, models, tasks
from cleanplate.batch.sheets import save_sheet, sheet
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Task
from cleanplate.tasks.exported import Exported
from cleanplate.training.data.curation import THRESHOLD, mask_of_pair
from cleanplate.training.data.layouts import Pair
from cleanplate.training.data.raw_files import BAYER, read_raw_pair, to_unit
from cleanplate.training.memory import forget_peak, process_peak
from cleanplate.training.ocr import Reader
from cleanplate.training.raw_model import RawDenoiser, RawFilter, RawModel

FIGURES = (
    "psnr_input",
    "psnr",
    "ms_ssim",
    "ssim",
    "psnr_mask",
    "mask_iou",
    "mask_miou",
    "boundary_f",
    "changed",
    "raw_score",
    "ocr_error",
    "ocr_noise",
    "seconds_mp",
    "seconds",
    "peak_mb",
)
OF_PICTURES = (
    "psnr_input",
    "psnr",
    "ms_ssim",
    "ssim",
    "psnr_mask",
    "changed",
    "ocr_error",
    "ocr_noise",
)
GROWN = 9  # px; what a mask's soft border may touch
CELL = 320  # longer side in pixels of a picture on a sheet
EQUAL = 100.0  # dB that equal pictures count as, so that means stay finite

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Score:
    """One picture's figures, nan where one does not apply, and what was compared."""

    name: str
    figures: dict[str, float]
    columns: tuple[Pixels, ...]  # input, cleaned, truth (H, W, C); found, true mask (H, W, 1)


def open_task(name: str, chosen: Sequence[str], **options: Any) -> Task | RawModel:
    """Return a task with its models, or one model alone.

    Args:
        name: of the task; not looked at for a model alone.
        chosen: models of the task, see `models.by_role`; or one MODEL alone, a path or a name.
        options: further ones of the task.

    Raises:
        UsageError: there is no such task, role, option or model.
        ModelError: a model or the device cannot be used.
    """
    if len(chosen) == 1 and "=" not in chosen[0]:
        if "threshold" in options:
            raise UsageError("A threshold is a task's; a model alone is measured without one.")
        return open_model(chosen[0], **options)
    return tasks.create(name, **options, **models.by_role(chosen, tasks.info(name).roles))


def open_model(model: str | Path, **options: Any) -> Exported | RawModel:
    """Open one model by itself.

    Raises:
        ModelError: it cannot be used.
        UsageError: there is no such model or device, or only its own task can run it.
    """
    card, _ = models.read(model)
    if card.inputs != BAYER:
        return Exported(model, **options)
    if options.pop("ensemble", False):
        raise UsageError(f"{card.name} sees RAW planes, whose pattern has one view: no ensemble.")
    return RawModel(model, **options)


def evaluate(
    pairs: Iterable[Pair],
    task: Task | RawModel | RawFilter,
    *,
    masked: bool = False,
    reader: Reader | None = None,
) -> Iterator[Score]:
    """Clean the input of each pair and compare.

    Args:
        pairs: what to clean, and what should come out.
        task: what cleans.
        masked: the task is given the true mask.
        reader: reads the print on cleaned pages; not for RAW pairs.

    Raises:
        PictureError: a pair does not fit together, or cannot be read.
    """
    for pair in pairs:
        if isinstance(task, RawModel | RawFilter):
            yield score_raw(pair, task)
        else:
            yield score(pair, task, masked=masked, reader=reader)


def score(pair: Pair, task: Task, *, masked: bool = False, reader: Reader | None = None) -> Score:
    """Clean the input of one pair and compare; `masked` and `reader` as in `evaluate`."""
    picture, target = Picture.read(pair.input), Picture.read(pair.target)
    before = _like(picture.pixels.copy(), target, pair)
    truth = _like(target.pixels, picture, pair)
    mask = _true_mask(pair, before, truth)
    alone = task if isinstance(task, Exported) else None
    masked = alone.given_mask if alone else masked
    given = mask.astype(np.float32) if masked else None
    with Watch() as watch:
        cleaned = task.clean(picture, mask=given)
    after = _like(picture.pixels, target, pair)
    kernel = np.ones((2 * GROWN + 1, 2 * GROWN + 1), np.uint8)
    outside = cv2.dilate(mask.astype(np.uint8), kernel) == 0
    found = cleaned.mask > 127
    finds = alone.finds if alone else True
    figures = {
        "psnr_input": min(EQUAL, metrics.psnr(before, truth)),
        "psnr": min(EQUAL, metrics.psnr(after, truth)),
        **_similarity(_luma(after), _luma(truth)),
        "psnr_mask": min(EQUAL, metrics.psnr(after, truth, mask)) if mask.any() else math.nan,
        "mask_iou": metrics.iou(found, mask) if finds else math.nan,
        "mask_miou": metrics.mean_iou(found, mask) if finds else math.nan,
        "boundary_f": metrics.boundary_f(found, mask) if finds else math.nan,
        "changed": metrics.changed(before, after, outside),
        "raw_score": math.nan,
        **_reading(reader, after, truth),
        "seconds_mp": watch.seconds / (mask.size / 1e6),
        "seconds": watch.seconds,
        "peak_mb": watch.megabytes,
    }
    if pair.own_target:
        figures |= dict.fromkeys(OF_PICTURES, math.nan)
    masks = (cleaned.mask[..., None], np.where(mask, 255, 0).astype(np.uint8)[..., None])
    return Score(pair.name, figures, (before, after, truth, *masks))


def score_raw(pair: Pair, task: RawDenoiser) -> Score:
    """Denoise the planes of one pair and compare, clipped to black and white."""
    both = read_raw_pair(pair, task.levels)
    noisy, clean = (to_unit(planes, task.levels) for planes in both)
    with Watch() as watch:
        after = task.denoise(noisy)
    before, after, truth = (np.clip(planes, 0, 1) for planes in (noisy, after, clean))
    decibels, likeness = metrics.psnr(after, truth), _similarity(after, truth)
    figures = dict.fromkeys(FIGURES, math.nan) | {
        "psnr_input": min(EQUAL, metrics.psnr(before, truth)),
        "psnr": min(EQUAL, decibels),
        **likeness,
        "raw_score": metrics.raw_score(min(EQUAL, decibels), likeness["ssim"]),
        "seconds_mp": watch.seconds / (truth.size / 1e6),
        "seconds": watch.seconds,
        "peak_mb": watch.megabytes,
    }
    shown = [np.rint(planes[..., [0, 1, 3]] * 255) for planes in (before, after, truth)]
    return Score(pair.name, figures, tuple(planes.astype(np.uint8) for planes in shown))


class Watch:
    """Seconds that passed, and the largest memory meanwhile where Linux can tell."""

    def __enter__(self) -> Watch:
        forget_peak()
        self.began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self.began
        kilobytes = process_peak() // 1024
        self.megabytes = kilobytes / 1000 if kilobytes else math.nan


def rank(score: Score) -> tuple[float, float]:
    """Return what pictures are ordered by, the worst first: the gain in dB, then the mask's IoU."""
    iou = score.figures["mask_iou"]
    gain = score.figures["psnr"] - score.figures["psnr_input"]
    return gain, 0.0 if math.isnan(iou) else iou


class Extremes:
    """The worst and the best pictures of an evaluation, small, from the worst to the best."""

    def __init__(self, count: int) -> None:
        """Keep at most `count`, half of them the worst."""
        self.count = count
        self.scores: list[Score] = []

    def add(self, score: Score) -> None:
        """Keep it while it is among them."""
        small = tuple(shrunk(column, CELL) for column in score.columns)
        insort(self.scores, replace(score, columns=small), key=rank)
        if len(self.scores) > self.count:
            del self.scores[self.count // 2]


def without_pictures(score: Score) -> Score:
    """Return the figures alone: what a long evaluation keeps in memory."""
    return replace(score, columns=())


def shrunk(column: Pixels, side: int) -> Pixels:
    """Return (H, W, C) with a longer side of at most `side`."""
    scale = side / max(column.shape[:2])
    if scale >= 1:
        return column
    size = [max(1, round(length * scale)) for length in column.shape[1::-1]]
    small = cv2.resize(column, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small).reshape(size[1], size[0], -1)


def draw(path: Path, scores: Sequence[Score]) -> None:
    """Write a sheet with a row of `columns` for each score."""
    rows = [
        [
            column.transpose(2, 0, 1).astype(np.float32) / np.iinfo(column.dtype).max
            for column in s.columns
        ]
        for s in scores
    ]
    save_sheet(path, sheet(rows, CELL))


def means(scores: Sequence[Score]) -> dict[str, float]:
    """Return the mean of each figure over the pictures that have it; nan where none has."""
    found = {}
    for name in FIGURES:
        values = [s.figures[name] for s in scores if not math.isnan(s.figures[name])]
        found[name] = sum(values) / len(values) if values else math.nan
    return found


def to_csv(scores: Sequence[Score]) -> bytes:
    """Return a row a picture and a last one of the means; empty where a figure does not apply."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["picture", *FIGURES])
    for name, figures in [*((s.name, s.figures) for s in scores), ("mean", means(scores))]:
        values = (figures[key] for key in FIGURES)
        rows.writerow([name, *("" if math.isnan(v) else f"{v:.6g}" for v in values)])
    return text.getvalue().encode()


def _like(pixels: Pixels, other: Picture, pair: Pair) -> Pixels:
    """Return pixels with the other picture's channels; both must agree in size and depth."""
    there = other.pixels
    if pixels.shape[:2] != there.shape[:2] or pixels.dtype != there.dtype:
        raise PictureError(
            f"{pair.target} and {pair.input} do not fit: {pixels.shape[1]}x{pixels.shape[0]} "
            f"{pixels.dtype} and {there.shape[1]}x{there.shape[0]} {there.dtype}."
        )
    channels = max(pixels.shape[2], there.shape[2])
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], channels)))


def _true_mask(pair: Pair, before: Pixels, truth: Pixels) -> NDArray[np.bool_]:
    """Return the pair's mask file, or where the pair differs; bool (H, W)."""
    if pair.mask is None:
        if before.dtype != np.uint8:
            before, truth = ((p >> 8).astype(np.uint8) for p in (before, truth))
        return mask_of_pair(before, truth, THRESHOLD)[..., 0] > 0
    drawn = Picture.read(pair.mask)
    if drawn.pixels.shape[:2] != before.shape[:2]:
        raise PictureError(f"{pair.mask} and {pair.input} differ in size.")
    return np.asarray(drawn.pixels.max(axis=2) > drawn.max_value / 2)


def _similarity(after: Pixels, truth: Pixels) -> dict[str, float]:
    """Return SSIM and MS-SSIM, nan for sides too short for their windows."""
    least = min(truth.shape[:2])
    return {
        "ssim": metrics.ssim(after, truth) if least > 2 * metrics.RADIUS else math.nan,
        "ms_ssim": metrics.ms_ssim(after, truth) if least >= metrics.MS_SSIM_SIDE else math.nan,
    }


def _reading(reader: Reader | None, after: Pixels, truth: Pixels) -> dict[str, float]:
    """Return the reading errors of the cleaned page and of a JPEG copy of the true one, or nan."""
    error, noise = math.nan, math.nan
    if reader:
        after, truth = (
            p if p.dtype == np.uint8 else (p >> 8).astype(np.uint8) for p in (after, truth)
        )
        error, noise = reader.errors(after, truth)
    return {"ocr_error": error, "ocr_noise": noise}


def _luma(pixels: Pixels) -> Pixels:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[..., 0]
