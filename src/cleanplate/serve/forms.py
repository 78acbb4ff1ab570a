"""Bodies of several parts: those of requests read, those of answers written, in memory alone."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cleanplate.serve.refusals import RefusedError

MOST_PARTS = 8
MOST_HEADER = 4096  # bytes before a part's content
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'^content-disposition:\s*form-data\s*;.*?\bname="([^"]*)"', re.I | re.M)


class Part(NamedTuple):
    """A part of an answer."""

    name: str
    file: str
    media: str
    content: bytes


def read_form(body: bytes, media: str, known: Iterable[str]) -> Mapping[str, bytes]:
    """Return the parts of a `multipart/form-data` body by name.

    Args:
        body: as it came.
        media: the `Content-Type`, which names what lies between the parts.
        known: the names that parts may have.

    Raises:
        RefusedError: it is damaged, has too many parts, or one of another name.
    """
    between = b"\r\n--" + boundary_of(media)
    pieces = (b"\r\n" + body).split(between, MOST_PARTS + 2)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise RefusedError(400, f"The form is cut off, or has more than {MOST_PARTS} parts.")
    parts: dict[str, bytes] = {}
    for piece in pieces[1:-1]:
        name, content = _part(piece)
        if name in parts or name not in known:
            raise RefusedError(400, f"A form has the parts {', '.join(known)}, each once.")
        parts[name] = content
    return parts


def boundary_of(media: str) -> bytes:
    """Return what lies between the parts of a form, by its `Content-Type`.

    Raises:
        RefusedError: that does not say.
    """
    found = _BOUNDARY.search(media)
    if found is None:
        raise RefusedError(400, "The form names no boundary between its parts.")
    return str(found[1] or found[2]).encode("latin-1", "replace")


def name_of(header: bytes) -> str:
    """Return the name of a part of a form, by its header with ends of lines as LF.

    Raises:
        RefusedError: it has none.
    """
    named = _NAME.search(header)
    if named is None:
        raise RefusedError(400, "A part of the form has no name.")
    return named[1].decode("utf-8", "replace")


def _part(piece: bytes) -> tuple[str, bytes]:
    end = piece.find(b"\r\n\r\n", 0, MOST_HEADER)
    name = name_of(piece[: max(end, 0)].replace(b"\r", b""))
    return name, piece[end + 4 :]


def write_form(parts: Iterable[Part]) -> tuple[bytes, str]:
    """Return a `multipart/form-data` body and its `Content-Type`."""
    mark = f"cleanplate-{secrets.token_hex(16)}"
    body = bytearray()
    for part in parts:
        body += (
            f'--{mark}\r\nContent-Disposition: form-data; name="{part.name}"; '
            f'filename="{part.file}"\r\nContent-Type: {part.media}\r\n\r\n'
        ).encode()
        body += part.content + b"\r\n"
    body += f"--{mark}--\r\n".encode()
    return bytes(body), f"multipart/form-data; boundary={mark}"
