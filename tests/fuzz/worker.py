"""What is done with each file, in a process that may die of it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from random import Random
from typing import Any

SECONDS = 10  # of processor time
BYTES = 2**30  # of memory
LARGE = 4_000_000  # samples that are too many to be compared
LIMIT = 6 * 2**30  # of addresses: no file may take the machine down


def work(line: Connection, quiet: bool = True) -> None:
    """Take files until there are no more; say of each what is wrong with it, or None.

    Args:
        line: gives pairs of a number and a file; takes what is wrong with it or None, whether it is
            a picture, and the bytes of memory used so far.
        quiet: keep what libraries print off the screen.
    """
    if quiet:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    while True:
        try:
            number, data = line.recv()
        except EOFError:
            return
        # The signal ends the process, whatever it is doing.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        found, read = fault(data, Random(number))
        signal.setitimer(signal.ITIMER_PROF, 0)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if found is None and used > BYTES:
            found = f"memory: {used // 2**20} MiB"
        line.send((found, read, used))


def fault(data: bytes, random: Random) -> tuple[str | None, bool]:
    """Read, clean and encode a file; what is wrong with that or None, and whether it could be."""
    from cleanplate.errors import PictureError

    try:
        _try(data, random)
    except PictureError as error:
        text = str(error)
        good = text.startswith("file: ") and "\n" not in text
        return None if good else f"message: {text!r}", False
    except AssertionError as error:
        return f"wrong: {error}", True
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = [one for one in frames if "/cleanplate/" in one.filename or one is frames[0]][-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        return f"{type(error).__name__} at {where}: {error}", False
    return None, True


def _try(data: bytes, random: Random) -> None:
    from cleanplate.errors import PictureError
    from cleanplate.picture import Picture

    picture = Picture.read(data, name="file")
    before = picture.to_array()
    edited = _blotted(picture)
    nowhere = edited & False
    assert picture.encode(nowhere) == data, "unedited, it is not what it was"
    for options in _asked(random):
        picture.losses(edited, **options)
        try:
            result = picture.encode(edited, **options)
        except PictureError:
            if "format" not in options:
                raise
            continue  # it has no room for 16 bits or alpha
        again = _opened(result, options)
        size = again.pixels.shape[:2]
        assert size == picture.pixels.shape[:2], f"another size after {options}"
        if before.size < LARGE and _exact(picture.format, result, options):
            now, then = _joined(again.to_array()), _joined(before)
            same = (now == then).all(axis=2) if now.shape == then.shape else _grey_in_rgb(now, then)
            assert (same | edited).all(), f"a sample has changed after {options}"


def _asked(random: Random) -> list[dict[str, Any]]:
    """As it is, and one other way: most files are damaged, and this is for the few that are not."""
    others: list[dict[str, Any]] = [{"strip_metadata": True}]
    others += [{"format": form} for form in ("png", "tiff", "webp", "jpeg", "bmp")]
    return [{}, random.choice(others)]


def _blotted(picture: Any) -> Any:
    """The trivial task: a part turns grey."""
    import numpy as np

    edited = np.zeros(picture.pixels.shape[:2], bool)
    edited[: picture.height // 2 + 1, : picture.width // 3 + 1] = True
    picture.pixels[edited] = picture.max_value // 2
    return edited


def _opened(result: bytes, options: dict[str, Any]) -> Any:
    from cleanplate.errors import PictureError
    from cleanplate.picture import Picture

    try:
        return Picture.read(result, name="result")
    except PictureError as error:
        raise AssertionError(f"the result after {options} does not open: {error}") from error


def _joined(array: Any) -> Any:
    return array if array.ndim == 3 else array[..., None]


def _grey_in_rgb(now: Any, then: Any) -> Any:
    """Where a picture is the same that was grey before, or had no alpha."""
    import numpy as np

    same = (now[..., : 3 if now.shape[2] > 2 else 1] == then[..., :1]).all(axis=2)
    if then.shape[2] > 2:
        same = (now[..., :3] == then[..., :3]).all(axis=2)
    opaque = np.iinfo(now.dtype).max
    had = then[..., -1] if then.shape[2] % 2 == 0 else opaque
    has = now[..., -1] if now.shape[2] % 2 == 0 else opaque
    return same & (had == has)


def _exact(format_: str, result: bytes, options: dict[str, Any]) -> bool:
    written = options.get("format", format_)
    lossless = written in ("png", "tiff", "bmp") or (written == "webp" and b"VP8L" in result)
    return lossless and ("format" not in options or written != "bmp")
