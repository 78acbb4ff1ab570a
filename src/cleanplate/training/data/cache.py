"""Decoded pictures in memory, shared by the processes that load data."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

import numpy as np

from cleanplate.training.data.arrays import Pixels


class PictureCache:
    """Keeps the first pictures asked for until the limit is reached; the others are read again.

    The memory is one anonymous shared mapping, so that workers made by fork fill and read the
    same store; it is taken from the system only as it fills. A worker made by spawn has a store
    of its own.
    """

    def __init__(self, pictures: int, limit: int) -> None:
        """Make room for so many different `pictures` in at most `limit` bytes."""
        self.pictures = pictures
        self.limit = limit
        self._open()

    def _open(self) -> None:
        self._lock = get_context().Lock()
        rows = self.pictures * 4 * 8
        self._store = mmap.mmap(-1, max(1, self.limit))
        self._table = mmap.mmap(-1, rows + 8)
        self._rows = np.frombuffer(self._table, np.int64, self.pictures * 4).reshape(-1, 4)
        self._used = np.frombuffer(self._table, np.int64, 1, rows)

    def __getstate__(self) -> dict[str, Any]:
        return {"pictures": self.pictures, "limit": self.limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def used(self) -> int:
        """Bytes taken."""
        return int(self._used[0])

    def get(self, number: int, read: Callable[[], Pixels]) -> Pixels:
        """Return picture `number` (H, W, C), read-only, made by `read` unless it is in memory."""
        height, width, channels, place = self._rows[number].tolist()
        if channels:
            return np.frombuffer(self._store, np.uint8, height * width * channels, place).reshape(
                height, width, channels
            )
        pixels = read()
        with self._lock:
            place = self.used
            if not self._rows[number, 2] and place + pixels.nbytes <= self.limit:
                self._used[0] = place + pixels.nbytes
                kept = np.frombuffer(self._store, np.uint8, pixels.nbytes, place)
                kept[:] = pixels.reshape(-1)
                height, width, channels = pixels.shape
                self._rows[number, [0, 1, 3]] = height, width, place
                self._rows[number, 2] = channels  # last: it is what declares the row valid
        return pixels
