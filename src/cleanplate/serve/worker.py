"""A process that cleans: it is asked over a pipe, and may be killed at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from cleanplate.serve.home import remove_abandoned
from cleanplate.serve.settings import Settings
from cleanplate.serve.work import Answer, FileWork, Progress, Work

READY = "ready"


def serve_work(connection: Connection, settings: Settings, scratch: str) -> None:
    """Carry out work until the pipe is closed, as it is when the server ends, however it ends.

    Args:
        connection: work comes and answers go.
        settings: of the server.
        scratch: a folder of this process alone, for what it has to write; it is removed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which drains
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    above = Path(tempfile.gettempdir())
    tempfile.tempdir = scratch
    os.chdir(scratch)  # an empty place: no text that a client sends names a file here
    try:
        _serve(connection, settings)
    except (EOFError, OSError):
        pass  # the server is gone, and nobody waits for the answer
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        remove_abandoned(above)  # such as what the server had no time to remove


def _serve(connection: Connection, settings: Settings) -> None:
    from cleanplate.picture import limit_pixels

    limit_pixels(settings.most_pixels)
    connection.send(READY)
    while True:
        work: Work | FileWork = connection.recv()
        for said in carry_out(work, settings):
            connection.send(said)


def carry_out(work: Work | FileWork, settings: Settings) -> Iterator[Progress | Answer]:
    """Give what is said of some work while it is done; its answer is the last."""
    from cleanplate.serve.cleaning import answer
    from cleanplate.serve.filing import clean_file

    device, threads = settings.device, settings.threads
    if isinstance(work, FileWork):
        yield from clean_file(work, device=device, threads=threads)
    else:
        yield answer(work, device=device, threads=threads)
