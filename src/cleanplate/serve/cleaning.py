"""A job carried out: the same steps as of the command line, from bytes to bytes."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np

from cleanplate import tasks
from cleanplate.batch import Maker, format_by
from cleanplate.batch.outcome import reason
from cleanplate.document import kind_of
from cleanplate.errors import (
    CleanplateError,
    ModelError,
    TooLargeError,
    UnsupportedError,
    UsageError,
)
from cleanplate.picture import Picture, encode_mask, encode_png, read_any, suffix_of
from cleanplate.serve.jobs import Answer, Job
from cleanplate.tasks.base import Task
from cleanplate.tasks.limits import limits_of
from cleanplate.tasks.masks import Masks

NAME = "picture"  # of what came without a name, in messages
PREVIEW_SIDE = 2048  # longer side in pixels of a copy for the screen
SHOWN = frozenset({"jpeg", "png", "webp", "bmp", "avif"})  # by browsers
_STATUS = {TooLargeError: 413, UnsupportedError: 415, UsageError: 400, ModelError: 503}


def answer(job: Job, *, device: str = "auto", threads: int = 0) -> Answer:
    """Carry a job out; a failure is an answer, too."""
    try:
        return _preview(job) if not job.task else _cleaned(job, device, threads)
    except CleanplateError as error:
        kinds = (status for kind, status in _STATUS.items() if isinstance(error, kind))
        return Answer(next(kinds, 422), str(error))
    except MemoryError:
        return Answer(503, "There is not enough memory for this picture now; try a smaller one.")
    except Exception as error:
        return Answer(500, reason(error))


def _preview(job: Job) -> Answer:
    picture = _read(job.picture, raw=True)
    size = {"width": picture.width, "height": picture.height}
    return Answer(picture=_for_screen(picture), media="image/png", report=size)


def _cleaned(job: Job, device: str, threads: int) -> Answer:
    info = tasks.info(job.task)
    began = time.monotonic()
    chosen = info.checked(job.options)
    masks = None if job.mask is None else Masks(Picture.read(job.mask, name="the mask"))
    guard = None if job.protect is None else Picture.read(job.protect, name="the mask to protect")
    task = _task(job.task, tuple(sorted(job.options.items())), device, threads)
    maker = Maker(task, masks, limits_of(job.region, guard), job.strip_metadata)
    picture = _read(job.picture, raw=info.raw)
    form = format_by(lambda suffix: info.output(suffix, chosen), picture.format)
    made = maker.make(picture, form)
    report = made.told()
    report |= {
        "remarks": [remark._asdict() for remark in report["remarks"]],
        "width": made.cleaned.picture.width,
        "height": made.cleaned.picture.height,
        "format": form,
        "suffix": _suffix(form),
        "same_format": form == picture.format,
        "seconds": round(time.monotonic() - began, 3),
    }
    return Answer(
        picture=made.content,
        media=_media(form),
        mask=b"" if info.whole else encode_mask(made.cleaned.mask),
        preview=b"" if form in SHOWN else _for_screen(made.cleaned.picture),
        report=report,
    )


@functools.lru_cache(maxsize=8)
def _task(name: str, options: tuple[tuple[str, Any], ...], device: str, threads: int) -> Task:
    return tasks.create(name, device=device, threads=threads, **dict(options))


def _read(content: bytes, *, raw: bool) -> Any:
    if kind := kind_of(content):
        raise UnsupportedError(f"A {kind.name} is not served; clean it by the command line.")
    return read_any(content, name=NAME) if raw else Picture.read(content, name=NAME)


def _for_screen(picture: Any) -> bytes:
    small = picture.shrunk(PREVIEW_SIDE)
    return encode_png(np.rint(small * 255).astype(np.uint8))


def _suffix(form: str) -> str:
    return ".dng" if form == "dng" else suffix_of(form)


def _media(form: str) -> str:
    return "image/x-adobe-dng" if form == "dng" else f"image/{form}"
