"""A PDF document: its pages as pictures, and the file written again as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import pikepdf
from pikepdf import Name

from cleanplate.document import rendering
from cleanplate.document.opening import opened, signed
from cleanplate.errors import PictureError
from cleanplate.picture import Picture


class Document:
    """A PDF document that is open until it is closed; a context manager.

    Attributes:
        name: for messages.
        pdf: the open file, as pikepdf gives it.
        was_signed: whether it bears a signature, which a change breaks.
    """

    def __init__(
        self,
        source: str | Path | bytes,
        *,
        password: str = "",
        break_signature: bool = False,
        name: str | None = None,
    ) -> None:
        """Open a document.

        Args:
            source: the path of a file, or the bytes of one.
            password: of an encrypted document.
            break_signature: open a signed document, too.
            name: for messages; the path, where there is none.

        Raises:
            PictureError: it cannot be read, is damaged, encrypted, signed, an XFA form or a
                portfolio.
        """
        self.name = name or ("document" if isinstance(source, bytes) else str(source))
        self._source = source if isinstance(source, bytes) else Path(source)
        self.pdf = opened(
            self._source, self.name, password=password, break_signature=break_signature
        )
        self.was_signed = signed(self.pdf)
        self.was_damaged = bool(self.pdf.get_warnings())

    def __len__(self) -> int:
        return len(self.pdf.pages)

    def __enter__(self) -> Document:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.pdf.close()

    def page(self, number: int, *, dpi: float = 150) -> Picture:
        """Return a page as it is seen.

        Args:
            number: of the page, from 1.
            dpi: pixels an inch.

        Raises:
            PictureError: there is no such page, or it cannot be drawn.
        """
        if not 1 <= number <= len(self):
            raise PictureError(f"{self.name}: there is no page {number}; it has {len(self)}.")
        name = self.page_name(number)
        return Picture.from_array(rendering.drawn(self.pdf, number, dpi, name), name=name)

    def page_name(self, number: int) -> str:
        """Return what a page is called in messages."""
        return f"{self.name}, page {number}"

    def unchanged(self) -> bytes:
        """Return the bytes that the document was read from.

        Raises:
            OSError: its file cannot be read any more.
        """
        return self._source if isinstance(self._source, bytes) else self._source.read_bytes()

    def strip_metadata(self) -> bool:
        """Leave title, author, XMP and the like out; return whether there was any."""
        had = Name.Info in self.pdf.trailer or Name.Metadata in self.pdf.Root
        for holder, name in ((self.pdf.trailer, Name.Info), (self.pdf.Root, Name.Metadata)):
            if name in holder:
                del holder[name]
        return had

    def save(self, place: Path | BinaryIO) -> None:
        """Write the document with all that was changed in it, and all else as it was.

        Streams that were not changed keep their bytes, a linearised file stays linearised, an
        encrypted one encrypted.

        Raises:
            PictureError: it cannot be written.
        """
        if self.pdf.is_encrypted:
            how: dict[str, Any] = {"encryption": True}
        else:
            none = pikepdf.StreamDecodeLevel.none
            how = {
                "compress_streams": False,
                "stream_decode_level": none,
                "deterministic_id": True,
            }
        try:
            self.pdf.save(
                place, linearize=self.pdf.is_linearized, fix_metadata_version=False, **how
            )
        except (pikepdf.PdfError, RuntimeError, ValueError, OSError) as error:
            why = " ".join(str(error).split())
            raise PictureError(f"{self.name}: the PDF cannot be written ({why}).") from error
