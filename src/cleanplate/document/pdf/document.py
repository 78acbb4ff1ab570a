"""A PDF document: its pages as pictures, and the file written again as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pikepdf
from pikepdf import Name

from cleanplate.document.base import Document, Ways
from cleanplate.document.finished import Finished
from cleanplate.document.kinds import PDF
from cleanplate.document.pdf import rendering
from cleanplate.document.pdf.opening import opened, signed
from cleanplate.errors import PictureError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Task

if TYPE_CHECKING:
    from cleanplate.document.pdf.cleaning import PdfCleaning


class PdfDocument(Document):
    """A PDF that is open until it is closed.

    Attributes:
        pdf: the open file, as pikepdf gives it.
        was_signed: whether it bears a signature, which a change breaks.
        was_damaged: whether it had to be repaired.
    """

    kind = PDF

    def __init__(
        self,
        source: str | Path | bytes,
        *,
        password: str = "",
        break_signature: bool = False,
        name: str | None = None,
    ) -> None:
        """Open a PDF; see `Document`."""
        super().__init__(source, name=name)
        self.pdf = opened(
            self._source, self.name, password=password, break_signature=break_signature
        )
        self.was_signed = signed(self.pdf)
        self.was_damaged = bool(self.pdf.get_warnings())

    def __len__(self) -> int:
        return len(self.pdf.pages)

    def close(self) -> None:
        """Close the file."""
        self.pdf.close()

    def cleaning(
        self, task: Task, ways: Ways | None = None, finished: Finished | None = None
    ) -> PdfCleaning:
        """Return what cleans the document with a task; see `Document`."""
        from cleanplate.document.pdf.cleaning import PdfCleaning

        return PdfCleaning(self, task, ways, finished)

    def _page(self, number: int, dpi: float) -> Picture:
        name = self.page_name(number)
        return Picture.from_array(rendering.drawn(self.pdf, number, dpi, name), name=name)

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
