"""A ZIP of files, written while it is sent: it needs neither memory nor disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from io import RawIOBase
from pathlib import Path
from typing import Any

MEDIA = "application/zip"
_PIECE = 1 << 18  # bytes
_TIME = (1980, 1, 1, 0, 0, 0)  # the same files give the same ZIP


class _Pieces(RawIOBase):
    """A file that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._held += piece
        return len(piece)

    def take(self) -> bytes:
        taken, self._held = bytes(self._held), bytearray()
        return taken


def zip_of(files: Mapping[str, Path]) -> Iterator[bytes]:
    """Give a ZIP piece by piece; pictures and PDFs are compressed, so that they are stored.

    Args:
        files: what is in it, by name.
    """
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as made:
        for name, path in files.items():
            about = zipfile.ZipInfo(name, _TIME)
            about.external_attr = 0o600 << 16
            about.file_size = path.stat().st_size
            with path.open("rb") as source, made.open(about, "w") as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield pieces.take()
    yield pieces.take()
