"""PDF files opened, and what is refused by name before anything is done."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream

from cleanplate.errors import PictureError, UnsupportedError

MAX_BYTES = 1 << 29
"""A stream that unpacks to more is not unpacked: a small file may hold any size."""

_MAX_FIELDS = 100_000
_PIECE = 1 << 20
_PACKERS = {"/FlateDecode", "/LZWDecode", "/RunLengthDecode"}


def opened(
    source: Path | bytes, name: str, *, password: str = "", break_signature: bool = False
) -> Pdf:
    """Return a PDF file, opened and checked; `name` is for messages.

    Raises:
        PictureError: there is no such file, it is damaged, encrypted, or of a kind that cannot be
            given back faithfully: signed, an XFA form, a portfolio.
    """
    place = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        pdf = pikepdf.open(place, password=password)
    except pikepdf.PasswordError as error:
        why = "this is not its password" if password else "give its password"
        raise PictureError(f"{name}: the PDF is encrypted; {why}.") from error
    except OSError as error:
        raise PictureError(f"{name}: it cannot be read ({error.strerror or error}).") from error
    except (pikepdf.PdfError, RuntimeError, ValueError) as error:
        raise _damaged(name, error) from error
    try:
        _check(pdf, name, break_signature)
    except (pikepdf.PdfError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        pdf.close()
        raise _damaged(name, error) from error
    except PictureError:
        pdf.close()
        raise
    return pdf


def signed(pdf: Pdf) -> bool:
    """Return whether the document bears a signature, which any change breaks."""
    if Name.Perms in pdf.Root:
        return True
    form = pdf.Root.get(Name.AcroForm)
    pending = list(form.get(Name.Fields, [])) if isinstance(form, Dictionary) else []
    seen: set[tuple[int, int]] = set()
    while pending and len(seen) < _MAX_FIELDS:
        field = pending.pop()
        if not isinstance(field, Dictionary) or field.objgen in seen:
            continue
        if field.is_indirect:
            seen.add(field.objgen)
        value = field.get(Name.V)
        if isinstance(value, Dictionary) and Name.ByteRange in value:
            return True
        pending.extend(field.get(Name.Kids, []))
    return False


def unpacks_to_more(stream: Stream, limit: int) -> bool:
    """Return whether a stream may unpack to more than so many bytes: a bomb.

    It is unpacked piece by piece here, as qpdf unpacks all of a stream before it can say so; of
    several filters that unpack, nobody can say.
    """
    filters = filters_of(stream)
    if len(_PACKERS.intersection(filters)) > 1 or filters.count("/FlateDecode") > 1:
        return True
    if not filters or filters[0] != "/FlateDecode":
        return False
    packer, raw, total = zlib.decompressobj(), stream.read_raw_bytes(), 0
    try:
        while raw and total <= limit and not packer.eof:
            total += len(packer.decompress(raw, _PIECE))
            raw = packer.unconsumed_tail
    except zlib.error:
        return False  # whoever reads it will say so
    return total > limit


def filters_of(stream: Stream) -> list[str]:
    """Return the names of the filters that decode a stream, in order."""
    given = stream.get(Name.Filter)
    if given is None:
        return []
    return [str(one) for one in given] if isinstance(given, Array) else [str(given)]


def _check(pdf: Pdf, name: str, break_signature: bool) -> None:
    """Refuse what cannot be given back as it was."""
    if not len(pdf.pages):
        raise PictureError(f"{name}: the PDF has no pages.")
    form: Object | None = pdf.Root.get(Name.AcroForm)
    if isinstance(form, Dictionary) and Name.XFA in form:
        raise UnsupportedError(
            f"{name}: an XFA form holds its pages twice; print it to a PDF first."
        )
    if Name.Collection in pdf.Root:
        raise UnsupportedError(f"{name}: a PDF portfolio; save the files in it and clean those.")
    if signed(pdf) and not break_signature:
        raise PictureError(
            f"{name}: the PDF is signed, and any change breaks that; --break-signature allows it."
        )


def _damaged(name: str, error: Exception) -> PictureError:
    why = " ".join(str(error).split()) or type(error).__name__
    return PictureError(f"{name}: this PDF is damaged ({why.removeprefix(f'{name}: ')}).")
