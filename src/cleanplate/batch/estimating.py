"""About how long a run would take: a picture, or page, of each kind is cleaned in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from cleanplate.batch.sources import Job
from cleanplate.errors import UsageError

TRIES = 3  # pictures or pages of a kind, where one cannot be cleaned

_Sized = TypeVar("_Sized")


class PageSize(NamedTuple):
    """A page of a job's document, and how many pixels there are on it to look at."""

    job: Job
    page: int
    pixels: int


def seconds_for(jobs: Iterable[Job], make: Callable[[Job], object], workers: int) -> float | None:
    """Give about how many seconds jobs take; None where nothing could be tried.

    Of the files with one suffix, the one of middle size is made, as many times at once as there are
    workers, which share the cores as in a run; the others count by their sizes.

    Args:
        jobs: what is to be done; files that are not there count nothing.
        make: makes a result in memory; its errors are taken for the picture's own.
        workers: pictures at a time.

    Raises:
        UsageError: something is wrong with every picture.
    """
    kinds: dict[str, list[tuple[int, Job]]] = {}
    for job in jobs:
        try:
            size = job.source.stat().st_size
        except OSError:
            continue
        kinds.setdefault(job.source.suffix.lower(), []).append((size, job))
    measured = []
    with ThreadPoolExecutor(workers) as pool:
        for kind in kinds.values():
            kind.sort(key=lambda one: one[0])
            rate = _rate(kind, make, pool, min(workers, len(kind)))
            if rate is not None:
                measured.append(rate * sum(size for size, _ in kind))
    return sum(measured) if measured else None


def seconds_for_pages(
    pages: Iterable[PageSize], seconds_of: Callable[[PageSize], float], workers: int
) -> float | None:
    """Give about how many seconds pages of documents take; None where nothing could be tried.

    Of the documents with one suffix, a page of middle size is cleaned; the others count by their
    pixels.

    Args:
        pages: what is to be done.
        seconds_of: cleans a page, and returns how long that took; its errors are the page's own.
        workers: documents at a time.

    Raises:
        UsageError: something is wrong with every page.
    """
    kinds: dict[str, list[PageSize]] = {}
    for page in pages:
        if page.pixels:
            kinds.setdefault(page.job.source.suffix.lower(), []).append(page)
    measured = []
    for kind in kinds.values():
        kind.sort(key=lambda one: one.pixels)
        at_once = min(workers, len({one.job for one in kind}))
        for page in _middle_first(kind):
            try:
                rate = seconds_of(page) / page.pixels
            except UsageError:
                raise
            except Exception:  # a run will say why; the next one may do
                continue
            measured.append(rate * sum(one.pixels for one in kind) / at_once)
            break
    return sum(measured) if measured else None


def _middle_first(kind: Sequence[_Sized]) -> Iterator[_Sized]:
    """Give those that are to be tried, of a sequence by size: first the one of middle size."""
    order = sorted(range(len(kind)), key=lambda place: abs(place - len(kind) // 2))
    return (kind[place] for place in order[:TRIES])


def _rate(
    kind: list[tuple[int, Job]],
    make: Callable[[Job], object],
    pool: ThreadPoolExecutor,
    at_once: int,
) -> float | None:
    """Give the seconds that a byte of one kind of file takes."""
    for size, job in _middle_first(kind):
        begin = time.monotonic()
        try:
            for _ in pool.map(make, [job] * at_once):
                pass
        except UsageError:
            raise
        except Exception:  # a run will say why; the next one may do
            continue
        return (time.monotonic() - begin) / at_once / max(size, 1)
    return None
