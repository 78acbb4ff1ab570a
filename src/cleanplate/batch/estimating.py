"""About how long a run would take: a picture of each kind is cleaned in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from cleanplate.batch.sources import Job
from cleanplate.errors import UsageError

TRIES = 3  # pictures of a kind, where one cannot be cleaned


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


def _rate(
    kind: list[tuple[int, Job]],
    make: Callable[[Job], object],
    pool: ThreadPoolExecutor,
    at_once: int,
) -> float | None:
    """Give the seconds that a byte of one kind of file takes."""
    order = sorted(range(len(kind)), key=lambda place: abs(place - len(kind) // 2))
    for place in order[:TRIES]:
        size, job = kind[place]
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
