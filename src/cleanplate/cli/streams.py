"""Standard output and standard error: what is said reaches them, whatever they are, and nothing
else does.
"""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import TextIO

_UNSHOWN = {"Cc", "Cs", "Zl", "Zp"}  # control characters, surrogates, ends of line and paragraph
_TURNS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # of what follows


class OutputLostError(Exception):
    """Standard output takes no more; its text says why."""


def put(text: str) -> None:
    """Put a line on standard output; nobody gets it where that is closed from the start.

    Raises:
        OutputLostError: it takes no more.
    """
    with _taken():
        if sys.stdout is not None:
            print(_shown(text, sys.stdout), flush=True)


def put_bytes(content: bytes) -> None:
    """Put a file on standard output.

    Raises:
        OutputLostError: it takes no more, or is closed.
    """
    with _taken():
        if sys.stdout is None:
            raise OutputLostError("it is closed")
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Say a line on standard error; where that takes none, nobody can be told."""
    try:
        if sys.stderr is not None:
            print(_shown(text, sys.stderr), file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def is_terminal() -> bool:
    """Say whether somebody watches standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


def hold_places() -> None:
    """Open what is closed of the standard streams, so that no file is opened in their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def shut_out_libraries() -> None:
    """Keep what native libraries print by themselves, as libtiff does, out of the streams.

    They print to the numbers 1 and 2, Python from now on to others. For the rest of the process.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream: TextIO | None = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if stream is not None and stream.fileno() == number:
                stream.flush()
                ours = open(  # noqa: SIM115 - open as long as the process
                    os.dup(number),
                    "w",
                    encoding=stream.encoding,
                    errors=stream.errors,
                    buffering=1,
                )
                setattr(sys, name, ours)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)


def drop_output() -> None:
    """Give up a standard output that takes no more, so that leaving does not fail, too."""
    _drop(sys.stdout)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Watch what others put on standard output meanwhile.

    Raises:
        OutputLostError: it takes no more.
        BrokenPipeError: nobody reads it any more, having seen enough.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        raise OutputLostError(error.strerror or str(error)) from error


@contextlib.contextmanager
def _taken() -> Iterator[None]:
    """Watch what is put on standard output, all of which somebody has to read."""
    try:
        with watched():
            yield
    except BrokenPipeError as error:
        drop_output()
        raise OutputLostError("nobody reads it any more") from error


def _drop(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _shown(text: str, stream: TextIO) -> str:
    """Give a text that the stream can take, in one line: a file may be named by anything."""
    safe = "".join(
        one.encode("unicode_escape").decode()
        if one in _TURNS or unicodedata.category(one) in _UNSHOWN
        else one
        for one in text
    )
    encoding = stream.encoding or "ascii"
    return safe.encode(encoding, "backslashreplace").decode(encoding)
