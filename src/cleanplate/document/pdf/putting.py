"""Images coded anew, put into their document."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pikepdf
from pikepdf import Pdf, Stream

from cleanplate.document.finished import Finished, FinishedIn
from cleanplate.document.pdf.images import Coded

_CARRIER = "parts.pdf"
_NO_PAGES = b"<< /Type /Pages /Kids [] /Count 0 >>"


def put(finished: Finished, pdf: Pdf) -> bool:
    """Put all finished images into their document; return whether any is another.

    Raises:
        OSError: they cannot be read.
    """
    if isinstance(finished, FinishedIn):
        return _put_files(finished, pdf)
    keys = finished.changed()
    for key in keys:
        part, stream = finished.part(key), pdf.get_object(key)
        assert part is not None and part.data is not None and isinstance(stream, Stream)
        Coded(part.data, **part.how).put(stream)
    return bool(keys)


def _put_files(finished: FinishedIn, pdf: Pdf) -> bool:
    """Put images whose data stay in a file until the document is written, as there may be very
    many.
    """
    keys, files = finished.changed(), [*finished.files()]
    if not keys:
        return False
    carrier = finished.folder / _CARRIER
    _carry(carrier, (path for path, _ in files))
    with pikepdf.open(carrier) as carried:
        for number, (key, (_, how)) in enumerate(zip(keys, files, strict=True), 1):
            old, new = pdf.get_object(key), pdf.copy_foreign(carried.get_object(number, 0))
            assert isinstance(old, Stream) and isinstance(new, Stream)
            for name, value in old.items():
                if name != "/Length":
                    new[name] = value
            Coded(b"", **how).describe(new)
            pdf._swap_objects(key, new.objgen)  # so the image keeps its number
    return True


def _carry(path: Path, parts: Iterable[Path]) -> None:
    """Write a PDF whose objects from 1 on are streams of the bytes of these files."""
    places = []
    with path.open("wb") as file:
        file.write(b"%PDF-1.5\n")
        for number, part in enumerate(parts, 1):
            places.append(file.tell())
            file.write(b"%d 0 obj\n<< /Length %d >>\nstream\n" % (number, part.stat().st_size))
            with part.open("rb") as content:
                shutil.copyfileobj(content, file)
            file.write(b"\nendstream\nendobj\n")
        count = len(places)
        for words in (b"<< /Type /Catalog /Pages %d 0 R >>" % (count + 2), _NO_PAGES):
            places.append(file.tell())
            file.write(b"%d 0 obj\n%b\nendobj\n" % (len(places), words))
        start = file.tell()
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (count + 3))
        file.writelines(b"%010d 00000 n \n" % place for place in places)
        trailer = b"<< /Size %d /Root %d 0 R >>" % (count + 3, count + 1)
        file.write(b"trailer %b\nstartxref\n%d\n%%%%EOF\n" % (trailer, start))
