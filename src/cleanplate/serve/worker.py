"""A process that cleans: it is asked over a pipe, and may be killed at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from multiprocessing.connection import Connection

from cleanplate.serve.jobs import Job
from cleanplate.serve.settings import Settings

READY = "ready"


def serve_jobs(connection: Connection, settings: Settings, scratch: str) -> None:
    """Carry out jobs until the pipe is closed, as it is when the server ends, however it ends.

    Args:
        connection: jobs come and answers go.
        settings: of the server.
        scratch: a folder of this process alone, for what it has to write; it is removed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which drains
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tempfile.tempdir = scratch
    os.chdir(scratch)  # an empty place: no text that a client sends names a file here
    try:
        _serve(connection, settings)
    except (EOFError, OSError):
        pass  # the server is gone, and nobody waits for the answer
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _serve(connection: Connection, settings: Settings) -> None:
    from cleanplate.picture import limit_pixels
    from cleanplate.serve.cleaning import answer

    limit_pixels(settings.most_pixels)
    connection.send(READY)
    while True:
        job: Job = connection.recv()
        connection.send(answer(job, device=settings.device, threads=settings.threads))
