"""A stop that waits for what is being written, and lets nothing else begin."""

from __future__ import annotations

import threading

from cleanplate.errors import CleanplateError


class StoppedError(CleanplateError):
    """The run was stopped before this."""


class Gate:
    """Lets threads in until it is closed.

    Raises:
        StoppedError: on entering, when it was closed.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    def __enter__(self) -> None:
        with self._changed:
            if self._closed:
                raise StoppedError("the run was stopped")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody in any more, and wait until all have left."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._inside)
