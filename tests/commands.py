"""Commands in processes of their own, which tests stop and kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Start = Callable[..., subprocess.Popen[str]]


@contextmanager
def commands() -> Iterator[Start]:
    """Give what starts a script with arguments and variables of its environment; what still runs
    in the end is killed.
    """
    started = []

    def start(
        script: Path, *arguments: str | Path, cwd: Path | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, **variables},
            # A shell lets what it runs in the background ignore Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


def run_to_end(
    script: Path, *arguments: str | Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as `commands` does, and wait until it ends or kills itself."""
    with commands() as start:
        process = start(script, *arguments, OMP_NUM_THREADS="1", **variables)
        said, wrong = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, said, wrong)
