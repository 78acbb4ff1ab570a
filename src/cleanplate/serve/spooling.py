"""A form of many files, written into a folder piece by piece as it comes."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import BinaryIO

from cleanplate.serve.forms import MOST_HEADER, boundary_of, name_of
from cleanplate.serve.refusals import RefusedError

_FILE = re.compile(rb'^content-disposition:.*?\bfilename="((?:[^"\\]|\\.)*)"', re.I | re.M)

Opener = Callable[[str, str], BinaryIO]
"""Gives where a part goes, by its name and the name of its file; it may refuse it."""


class _At(enum.Enum):
    BOUNDARY, HEADER, CONTENT, END = range(4)


class FormReader:
    """A `multipart/form-data` body that is read while it comes.

    A part of the form is held in no other place than where `opener` has it written.
    """

    def __init__(self, media: str, opener: Opener) -> None:
        """Begin to read.

        Args:
            media: the `Content-Type`, which names what lies between the parts.
            opener: gives where the parts go.

        Raises:
            RefusedError: it names no boundary.
        """
        self._between = b"\r\n--" + boundary_of(media)
        self._opener = opener
        self._held = bytearray(b"\r\n")
        self._at = _At.CONTENT  # of what comes before the first part, and goes nowhere
        self._sink: BinaryIO | None = None

    def feed(self, piece: bytes) -> None:
        """Take a piece of the body.

        Raises:
            RefusedError: it is no form, or `opener` refuses a part.
        """
        self._held += piece
        steps = {
            _At.CONTENT: self._content,
            _At.BOUNDARY: self._boundary,
            _At.HEADER: self._header,
        }
        while self._at in steps and steps[self._at]():
            pass
        if self._at is _At.END:
            self._held.clear()  # what follows the form is nobody's

    def close(self) -> None:
        """Close what is still open, as it is where a body breaks off."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def check_end(self) -> None:
        """Check that the form has come to its end.

        Raises:
            RefusedError: it is cut off.
        """
        if self._at is not _At.END:
            raise RefusedError(400, "The form is cut off.")

    def _content(self) -> bool:
        """Hand on what surely is content; say whether the part has ended."""
        end = self._held.find(self._between)
        # What may be the beginning of a boundary waits for the rest of it.
        sure = end if end >= 0 else max(0, len(self._held) - len(self._between) + 1)
        if self._sink is not None:
            self._sink.write(self._held[:sure])
        if end < 0:
            del self._held[:sure]
            return False
        del self._held[: end + len(self._between)]
        self.close()
        self._at = _At.BOUNDARY
        return True

    def _boundary(self) -> bool:
        if len(self._held) < 2:
            return False
        end = bytes(self._held[:2])
        if end not in (b"--", b"\r\n"):
            raise RefusedError(400, "The form has more than a line's end after a boundary.")
        self._at = _At.END if end == b"--" else _At.HEADER  # the line's end is the header's first
        return True

    def _header(self) -> bool:
        end = self._held.find(b"\r\n\r\n", 0, MOST_HEADER)
        if end < 0 and len(self._held) < MOST_HEADER:
            return False
        header = bytes(self._held[: max(end, 0)]).replace(b"\r", b"")
        name, file = name_of(header), _FILE.search(header)
        self._sink = self._opener(name, _unquoted(file[1]) if file else "")
        del self._held[: end + 4]
        self._at = _At.CONTENT
        return True


def _unquoted(text: bytes) -> str:
    r"""Return a file's name: browsers write `%22` for a quote, curl `\"`."""
    plain = re.sub(rb'\\(["\\])', rb"\1", text).replace(b"%22", b'"')
    return plain.decode("utf-8", "replace")
