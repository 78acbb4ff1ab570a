"""The folder of a server for all that it writes, and what servers that were killed left."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

_PREFIX, _BEGINNING = "cleanplate-serve-", "cleanplate-begins-"
_LOCK = "lock"


class Home:
    """A folder among the temporary files of this machine, which is this server's until it ends.

    Attributes:
        folder: where it lies; only this user may look into it.
    """

    def __init__(self) -> None:
        """Remove what servers before left, and make the folder.

        Raises:
            OSError: it cannot be made.
        """
        above = Path(tempfile.gettempdir())
        remove_abandoned(above)
        beginning = Path(tempfile.mkdtemp(prefix=_BEGINNING))
        self._lock = os.open(beginning / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        _is_free(self._lock)  # and from now on it is not
        # It gets its name when it is locked, so that no other server takes it for abandoned.
        self.folder = above / beginning.name.replace(_BEGINNING, _PREFIX)
        beginning.rename(self.folder)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        os.close(self._lock)
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_abandoned(above: Path) -> None:
    """Remove the folders of servers that have ended without doing so.

    Nothing is removed on Windows, which does not say whose folder it is.
    """
    if sys.platform == "win32":
        return
    for folder in above.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _is_free(lock):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _is_free(lock: int) -> bool:
    """Lock an open file; say whether nobody else had."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another has it, or there are no locks here
        return False
    return True
