"""A picture cleaned: the same steps as of the command line, from bytes to bytes."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np

from cleanplate import tasks
from cleanplate.batch import Maker, format_by
from cleanplate.batch.outcome import reason
from cleanplate.document import Document, kind_of
from cleanplate.errors import (
    CleanplateError,
    ModelError,
    TooLargeError,
    UnsupportedError,
    UsageError,
)
from cleanplate.picture import Picture, encode_mask, encode_png, read_any, suffix_of
from cleanplate.serve.work import Answer, Work
from cleanplate.tasks.base import Task
from cleanplate.tasks.limits import limits_of
from cleanplate.tasks.masks import Masks

NAME = "picture"  # of what came without a name, in messages
_PREVIEW_DPI = 100  # of the page of a PDF
PREVIEW_SIDE = 2048  # longer side in pixels of a copy for the screen
SHOWN = frozenset({"jpeg", "png", "webp", "bmp", "avif"})  # by browsers
_STATUS = {TooLargeError: 413, UnsupportedError: 415, UsageError: 400, ModelError: 503}


def answer(work: Work, *, device: str = "auto", threads: int = 0) -> Answer:
    """Clean a picture, or copy it for the screen; a failure is an answer, too."""
    try:
        return _preview(work) if not work.task else _cleaned(work, device, threads)
    except Exception as error:
        return failure(error)


def failure(error: Exception) -> Answer:
    """Say why there is no result."""
    if isinstance(error, CleanplateError):
        kinds = (status for kind, status in _STATUS.items() if isinstance(error, kind))
        return Answer(next(kinds, 422), str(error))
    if isinstance(error, MemoryError):
        return Answer(503, "There is not enough memory for this picture now; try a smaller one.")
    return Answer(500, reason(error))


def _preview(work: Work) -> Answer:
    picture, pages = _first_page(work.picture)
    size = {"width": picture.width, "height": picture.height, "pages": pages}
    return Answer(picture=_for_screen(picture), media="image/png", report=size)


def _first_page(content: bytes) -> tuple[Any, int | None]:
    """Return a picture, or the first page of a document and how many it has."""
    if kind_of(content) is None:
        return read_any(content, name=NAME), None
    with Document(content) as document:
        return document.page(1, dpi=_PREVIEW_DPI), len(document)


def _cleaned(work: Work, device: str, threads: int) -> Answer:
    info = tasks.info(work.task)
    began = time.monotonic()
    chosen = info.checked(work.options)
    masks = None if work.mask is None else Masks(Picture.read(work.mask, name="the mask"))
    guard = None if work.protect is None else Picture.read(work.protect, name="the mask to protect")
    task = task_of(work.task, tuple(sorted(work.options.items())), device, threads)
    maker = Maker(task, masks, limits_of(work.region, guard), work.strip_metadata)
    picture = _read(work.picture, raw=info.raw)
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
def task_of(name: str, options: tuple[tuple[str, Any], ...], device: str, threads: int) -> Task:
    """Return a task that is set up; `options` are those that differ from the defaults, sorted."""
    return tasks.create(name, device=device, threads=threads, **dict(options))


def _read(content: bytes, *, raw: bool) -> Any:
    if kind := kind_of(content):
        raise UnsupportedError(f"A {kind.name} is cleaned as a job: POST /v1/jobs.")
    return read_any(content, name=NAME) if raw else Picture.read(content, name=NAME)


def _for_screen(picture: Any) -> bytes:
    small = picture.shrunk(PREVIEW_SIDE)
    return encode_png(np.rint(small * 255).astype(np.uint8))


def _suffix(form: str) -> str:
    return ".dng" if form == "dng" else suffix_of(form)


def _media(form: str) -> str:
    return "image/x-adobe-dng" if form == "dng" else f"image/{form}"
