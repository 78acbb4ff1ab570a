"""A worker as the server holds it: begun, asked, killed; each call but `kill` waits."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import cast

from cleanplate.serve.jobs import Answer, Job
from cleanplate.serve.settings import Settings

Target = Callable[[Connection, Settings, str], None]


class Hand:
    """A worker's process, the pipe to it, and the folder that it may write to."""

    def __init__(self, target: Target, settings: Settings) -> None:
        """Begin a process that carries out jobs by `target`; `wait` says when it is ready."""
        # Not forked: the server has threads. A fresh process inherits no pipe of another worker's,
        # so that each sees the server end.
        context = multiprocessing.get_context("spawn")
        self._scratch = tempfile.mkdtemp(prefix="cleanplate-serve-")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=target, args=(theirs, settings, self._scratch), daemon=True
        )
        self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Wait until the worker is ready.

        Raises:
            EOFError: it has ended.
        """
        self._pipe.recv()

    def ask(self, job: Job) -> Answer:
        """Have a job carried out.

        Raises:
            EOFError, OSError: the worker has ended, or was killed.
        """
        self._pipe.send(job)
        return cast(Answer, self._pipe.recv())

    def kill(self) -> None:
        """End the process at once, whatever it does, and remove what it wrote."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
