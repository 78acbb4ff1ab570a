"""The workers of a server: who waits for one, for how long, and what ends the work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from cleanplate.serve.hand import Hand, Target
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.settings import Settings
from cleanplate.serve.work import Answer, FileWork, Progress, Work
from cleanplate.serve.worker import serve_work

RETRY = 5  # seconds after which a client may ask again
_PAUSE = 1.0  # seconds before a worker that did not come up is begun again

_T = TypeVar("_T")


class Pool:
    """Worker processes, and the bounded queue before them.

    Attributes:
        in_hand: pictures that wait or are worked on, those that are still on their way here too.
        killed: how many workers were killed, or ended by themselves.
    """

    def __init__(self, settings: Settings, target: Target = serve_work) -> None:
        self.in_hand = 0
        self.killed = 0
        self._settings = settings
        self._target = target
        self._folder: Path | None = None
        self._idle: asyncio.Queue[Hand] = asyncio.Queue()
        self._hands: set[Hand] = set()
        self._beginning: set[asyncio.Task[None]] = set()
        # Each worker is waited for by one thread, and is killed by another.
        self._threads = ThreadPoolExecutor(2 * settings.workers + 1, "cleanplate-worker")

    @property
    def ready(self) -> bool:
        """Whether there is a worker that can be asked, or is at work."""
        return bool(self._hands) and len(self._hands) > len(self._beginning)

    async def start(self, folder: Path | None = None) -> None:
        """Begin the workers, which write into `folder`; they become ready later."""
        self._folder = folder
        for _ in range(self._settings.workers):
            self._begin()

    async def close(self) -> None:
        """End all workers."""
        for task in list(self._beginning):
            task.cancel()
        for hand in list(self._hands):
            await self._in_thread(hand.kill)
        self._hands.clear()
        self._threads.shutdown(wait=True)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue, from before a picture is received, as it needs memory.

        Raises:
            RefusedError: all are taken.
        """
        if self.in_hand >= self._settings.workers + self._settings.queue:
            raise RefusedError(429, "Too many pictures are waiting; try again.", retry=RETRY)
        self.in_hand += 1
        try:
            yield
        finally:
            self.in_hand -= 1

    async def run(
        self, work: Work | FileWork, told: Callable[[Progress], None] | None = None
    ) -> Answer:
        """Have work carried out by the next worker that is free; cancelled, it ends.

        Args:
            work: a picture, which waits for a worker as long as it may take; or a file of a job,
                which waits as long as it has to, and of which each page may take that long.
            told: takes how far a document is.

        Raises:
            RefusedError: no worker was free, or the work took too long, or the worker ended.
        """
        seconds = self._settings.deadline
        try:
            patience = None if isinstance(work, FileWork) else seconds
            hand = await asyncio.wait_for(self._idle.get(), patience)
        except asyncio.TimeoutError:
            text = f"No worker was free within {seconds:g} seconds; try again."
            raise RefusedError(503, text, retry=RETRY) from None
        try:
            said = await self._heard(lambda: hand.ask(work))
            while isinstance(said, Progress):
                if told is not None:
                    told(said)
                said = await self._heard(hand.hear)
        except asyncio.TimeoutError:
            self._replace(hand)
            text = f"The picture was not done within {seconds:g} seconds; try a smaller one."
            raise RefusedError(504, text) from None
        except (EOFError, OSError):
            self._replace(hand)
            text = "The worker ended over this picture, which may need too much memory."
            raise RefusedError(503, text, retry=RETRY) from None
        except BaseException:  # the client is gone, and nobody waits for the answer
            # When this is done, nothing more is written into a job's folder, which goes next.
            await asyncio.shield(self._replace(hand))
            raise
        self._idle.put_nowait(hand)
        return said

    async def _heard(self, call: Callable[[], Progress | Answer]) -> Progress | Answer:
        return await asyncio.wait_for(self._in_thread(call), self._settings.deadline)

    def _replace(self, hand: Hand) -> asyncio.Future[None]:
        """Have a worker killed and another begun; return what is done when it is killed."""
        self.killed += 1
        self._hands.discard(hand)
        # Handed over at once: the pool may be closed next, which waits for it.
        killing = asyncio.get_running_loop().run_in_executor(self._threads, hand.kill)
        self._begin(killing)
        return killing

    def _begin(self, after: asyncio.Future[None] | None = None) -> None:
        task = asyncio.ensure_future(self._bring_up(after))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _bring_up(self, after: asyncio.Future[None] | None) -> None:
        """Begin workers until one is ready; no sooner than the former one is killed."""
        if after is not None:
            await after
        while True:
            hand = None
            try:
                hand = Hand(self._target, self._settings, self._folder)
                self._hands.add(hand)
                await self._in_thread(hand.wait)
            except (EOFError, OSError):
                if hand is not None:
                    self._hands.discard(hand)
                    await self._in_thread(hand.kill)
                await asyncio.sleep(_PAUSE)
            else:
                self._idle.put_nowait(hand)
                return

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
