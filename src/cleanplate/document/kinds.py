"""Which files are documents, and of which kind."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cleanplate.document.tiff.container import holds_pages


class Kind(NamedTuple):
    """A kind of document: what messages call it, and how the names of its files end."""

    name: str
    suffixes: frozenset[str]


PDF = Kind("PDF", frozenset({".pdf"}))
TIFF = Kind("TIFF of several pages", frozenset({".tif", ".tiff"}))


def kind_of(source: Path | bytes) -> Kind | None:
    """Return which kind of document a file is, or its bytes are; None where it is none.

    A PDF is told by its name, a TIFF by what is in it: one of a single page is a picture, but for a
    BigTIFF. What cannot be read is no document.
    """
    if isinstance(source, bytes):
        is_pdf, may_be_tiff = source.startswith(b"%PDF-"), True
    else:
        suffix = source.suffix.lower()
        is_pdf, may_be_tiff = suffix in PDF.suffixes, suffix in TIFF.suffixes
    if is_pdf:
        return PDF
    return TIFF if may_be_tiff and holds_pages(source) else None
