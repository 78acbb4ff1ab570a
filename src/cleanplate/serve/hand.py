"""A worker as the server holds it: begun, asked, killed; each call but `kill` waits."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

from cleanplate.serve.settings import Settings
from cleanplate.serve.work import Answer, FileWork, Progress, Work

Target = Callable[[Connection, Settings, str], None]


class Hand:
    """A worker's process, the pipe to it, and the folder that it may write to."""

    def __init__(self, target: Target, settings: Settings, folder: Path | None = None) -> None:
        """Begin a process that carries out work by `target`; `wait` says when it is ready.

        Its own folder lies in `folder`; None: among the temporary files.
        """
        # Not forked: the server has threads. A fresh process inherits no pipe of another worker's,
        # so that each sees the server end.
        context = multiprocessing.get_context("spawn")
        self._scratch = tempfile.mkdtemp(prefix="worker-", dir=folder)
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

    def ask(self, work: Work | FileWork) -> Progress | Answer:
        """Have some work carried out; return the first that is said of it.

        Raises:
            EOFError, OSError: the worker has ended, or was killed.
        """
        self._pipe.send(work)
        return self.hear()

    def hear(self) -> Progress | Answer:
        """Return what is said next of the work; an answer is the last.

        Raises:
            EOFError, OSError: the worker has ended, or was killed.
        """
        return cast(Progress | Answer, self._pipe.recv())

    def kill(self) -> None:
        """End the process at once, whatever it does, and remove what it wrote."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
