"""One function over many things, in several processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

import cv2

from cleanplate.errors import CleanplateError
from cleanplate.models import usable_cores

T = TypeVar("T")
R = TypeVar("R")
WORTH = 8  # things a process; for fewer it takes longer to start than to do them
CHUNK = 4  # things handed over at a time


def each(function: Callable[[T], R], things: Sequence[T], workers: int = 0) -> Iterator[R]:
    """Yield the results of `function`, in the order of `things`.

    Args:
        function: known by its module's name, as it is passed on to other processes.
        things: small, for the same reason.
        workers: processes; 0 for one a core. Few things are done in this process.

    Raises:
        CleanplateError: a process was killed, most likely for want of memory.
    """
    workers = min(workers or usable_cores(), -(-len(things) // WORTH))
    if workers < 2:
        yield from map(function, things)
        return
    # A forked process would inherit the locks of threads that it does not have.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_settle)
    with pool:
        try:
            yield from pool.map(function, things, chunksize=CHUNK)
        except BrokenProcessPool as error:
            raise CleanplateError(
                "A process was killed, most likely for want of memory; run the same command again "
                "with fewer --workers, it goes on where it was."
            ) from error


def _settle() -> None:
    """Leave interrupts to the parent and the cores to the other processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
