"""The jobs of a server: how many there may be, their work in turn, and when they are forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cleanplate.serve.jobs import Job, JobFile
from cleanplate.serve.pool import RETRY, Pool
from cleanplate.serve.refusals import RefusedError
from cleanplate.serve.settings import Settings
from cleanplate.serve.work import FileWork, Progress


class Jobs:
    """All jobs of a server.

    Attributes:
        ended: how many files ended in which state.
        pages: how many pages were done.
    """

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self.ended: Counter[str] = Counter(done=0, failed=0)
        self.pages = 0
        self._settings = settings
        self._pool = pool
        self._jobs: dict[str, Job] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        # Where there are several workers, one is left for those who wait for a picture.
        self._lanes = max(1, settings.workers - 1)
        self._turns = asyncio.Semaphore(self._lanes)
        self._folder: Path | None = None

    def start(self, folder: Path) -> None:
        """Keep the files of jobs in a folder."""
        self._folder = folder
        folder.mkdir()

    async def close(self) -> None:
        """Cancel all jobs, and remove their files."""
        for name in list(self._jobs):
            await self.remove(name)

    def gauges(self) -> Mapping[str, float]:
        """Return what is measured now, by name."""
        return {
            "jobs": len(self._jobs),
            "jobs_in_hand": sum(job.ended is None for job in self._jobs.values()),
            "job_bytes": self._held(),
        }

    def counts(self) -> Mapping[str, float]:
        """Return what was counted since the beginning, by name."""
        return {
            'job_files_total{state="done"}': self.ended["done"],
            'job_files_total{state="failed"}': self.ended["failed"],
            "job_pages_total": self.pages,
        }

    def begin(self, work: FileWork, declared: int) -> Job:
        """Make a place for a job, before anything of it comes; it is removed if that does not.

        Args:
            work: what is done to each of its files.
            declared: how many bytes will come, as far as that is known.

        Raises:
            RefusedError: there are too many jobs, or too many bytes are held for them.
        """
        if len(self._jobs) >= self._settings.jobs:
            raise RefusedError(429, "Too many jobs are kept; try again.", retry=self._retry())
        self._check_room(declared, None)
        assert self._folder is not None
        name = secrets.token_urlsafe(16)
        folder = self._folder / name
        folder.mkdir()
        self._jobs[name] = Job(name, folder, work)
        return self._jobs[name]

    def grow(self, job: Job, size: int) -> None:
        """Count bytes that a job is about to take on the disk.

        Raises:
            RefusedError: there is no room for them.
        """
        self._check_room(size, job)
        job.size += size

    def set_off(self, job: Job) -> None:
        """Begin the work of a job whose files are here."""
        self._lives[job.id] = asyncio.create_task(self._live(job))

    def get(self, name: str) -> Job:
        """Return a job whose work has begun.

        Raises:
            RefusedError: there is none of this name.
        """
        if name not in self._lives:
            raise RefusedError(404, "There is no such job; it may have been kept long enough.")
        return self._jobs[name]

    async def remove(self, name: str) -> None:
        """Cancel a job where it is not done, and remove its files."""
        life = self._lives.pop(name, None)
        if life is not None and life is not asyncio.current_task():
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await life
        job = self._jobs.pop(name, None)
        if job is not None:
            await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)

    async def _live(self, job: Job) -> None:
        """Have the files of a job cleaned, keep the results for a while, and forget it."""
        waiting = iter(job.files)  # each lane takes the next

        async def lane() -> None:
            for file in waiting:
                async with self._turns:
                    await self._clean(job, file)

        lanes = [asyncio.ensure_future(lane()) for _ in range(self._lanes)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for one in lanes:
                one.cancel()
        job.ended = time.monotonic()
        await asyncio.sleep(self._settings.keep)
        await self.remove(job.id)

    async def _clean(self, job: Job, file: JobFile) -> None:
        file.state = "working"
        size = file.source.stat().st_size
        others = sum(one.pages or 1 for one in job.files if one is not file)
        work = replace(
            job.work,
            source=file.source,
            out=job.out(file),
            most_pages=max(1, self._settings.most_pages - others),
        )

        def told(progress: Progress) -> None:
            self.pages += progress.done > file.pages_done
            file.advance(progress)

        try:
            file.end(await self._pool.run(work, told))
            job.size -= size
            if file.result is not None:
                self.grow(job, file.result.stat().st_size)
        except RefusedError as error:
            file.fail(str(error))
        except OSError as error:
            file.fail(f"The server's disk does not take it: {error.strerror}.")
        self.ended[file.state] += 1

    def _held(self) -> int:
        return sum(job.size for job in self._jobs.values())

    def _check_room(self, size: int, job: Job | None) -> None:
        most, own = self._settings.most_job_bytes, 0 if job is None else job.size
        if own + size > most:
            raise RefusedError(413, f"A job has at most {most / 1e6:g} MB.")
        if self._held() + size > most:
            text = f"All jobs together have at most {most / 1e6:g} MB; try again."
            raise RefusedError(429, text, retry=self._retry())

    def _retry(self) -> int:
        """Say in how many seconds there may be room: when a job is done, or is forgotten."""
        ends = [job.ended for job in self._jobs.values()]
        if None in ends:
            return RETRY
        first = min((end for end in ends if end is not None), default=0.0)
        return max(1, math.ceil(first + self._settings.keep - time.monotonic()))
