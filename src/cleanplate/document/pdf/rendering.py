"""Pages and bilevel images drawn by PDFium, one at a time, as it is not safe in threads."""

from __future__ import annotations

import io
import threading
from contextlib import closing
from typing import Any

import numpy as np
import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray
from pikepdf import Array, Dictionary, Name, Pdf, Stream

from cleanplate.errors import PictureError
from cleanplate.picture import Box

_LOCK = threading.Lock()
_MAX_SIDE = 20_000  # pixels
_DEEPEST = 32  # forms in forms


def drawn(pdf: Pdf, number: int, dpi: float, name: str) -> NDArray[np.uint8]:
    """Return a page as it is seen, (H, W, 3) uint8 RGB on white.

    Args:
        pdf: the document.
        number: of the page, from 1.
        dpi: pixels an inch.
        name: for messages.

    Raises:
        PictureError: it cannot be drawn, or would have a side of more than 20,000 pixels.
    """
    with Pdf.new() as alone:
        alone.pages.append(pdf.pages[number - 1])
        content = _saved(alone)

    def draw(page: Any) -> NDArray[np.uint8]:
        if max(page.get_size()) * dpi / 72 > _MAX_SIDE:
            raise PictureError(f"{name}: at {dpi:g} dpi it is larger than {_MAX_SIDE} pixels.")
        with closing(page.render(scale=dpi / 72, rev_byteorder=True)) as bitmap:
            return np.array(bitmap.to_numpy()[..., :3], np.uint8)

    return _of_page(content, name, draw)


def images_drawn(pdf: Pdf, size: tuple[int, int], box: Box, name: str) -> NDArray[np.uint8]:
    """Return what the images of a document's only page show in a box, (h, w, 3) uint8 RGB on white.

    Text, drawings and annotations are left out.

    Args:
        pdf: the document.
        size: height and width of the whole page in pixels.
        box: of these pixels.
        name: of the page, for messages.

    Raises:
        PictureError: it cannot be drawn.
    """
    height, width = size
    drawn = (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM)
    made = (box.width, box.height, pdfium.FPDFBitmap_BGR)

    def draw(page: Any) -> NDArray[np.uint8]:
        for one in page.get_objects(max_depth=_DEEPEST):
            if one.type not in drawn:
                pdfium.FPDFPageObj_SetIsActive(one, False)
        with closing(pypdfium2.PdfBitmap.new_native(*made, rev_byteorder=True)) as bitmap:
            bitmap.fill_rect((255, 255, 255, 255), 0, 0, box.width, box.height)
            place = (-box.left, -box.top, width, height, 0, pdfium.FPDF_REVERSE_BYTE_ORDER)
            pdfium.FPDF_RenderPageBitmap(bitmap, page, *place)
            return np.array(bitmap.to_numpy(), np.uint8)

    return _of_page(_saved(pdf), name, draw)


def bits_of(stream: Stream, name: str) -> NDArray[np.uint8]:
    """Return the samples, (H, W) of 0 and 1, of an image coded as JBIG2 or CCITT fax.

    Raises:
        PictureError: it cannot be decoded.
    """
    width, height = int(stream.Width), int(stream.Height)
    with Pdf.new() as alone:
        alone.add_blank_page(page_size=(100, 100))
        kept = {
            "Type": Name.XObject,
            "Subtype": Name.Image,
            "Width": width,
            "Height": height,
            "BitsPerComponent": 1,
            "ColorSpace": Name.DeviceGray,
        }
        parms = stream.get(Name.DecodeParms)
        copy = Stream(alone, stream.read_raw_bytes())
        for key, value in kept.items():
            copy[f"/{key}"] = value
        copy.Filter = copied(alone, stream.Filter)
        if parms is not None:
            copy.DecodeParms = copied(alone, parms)
        page = alone.pages[0]
        page.Resources = Dictionary(XObject=Dictionary(Im=copy))
        page.Contents = alone.make_stream(b"100 0 0 100 0 0 cm /Im Do")
        content = _saved(alone)

    def draw(page: Any) -> NDArray[np.uint8]:
        image = next(page.get_objects())
        values = image.get_bitmap().to_numpy()
        values = values if values.ndim == 2 else values[..., 0]
        return np.array(values[:, :width] > 127, np.uint8)

    bits = _of_page(content, name, draw)
    if bits.shape != (height, width):
        raise PictureError(f"{name}: it decodes to another size.")
    return bits


def copied(pdf: Pdf, thing: Any) -> Any:
    """Return filters or their parameters in another document, with the streams that they name."""
    if isinstance(thing, Array):
        return Array([copied(pdf, one) for one in thing])
    if isinstance(thing, Stream):
        return pdf.copy_foreign(thing) if thing.is_indirect else thing
    if isinstance(thing, Dictionary):
        return Dictionary({key: copied(pdf, value) for key, value in thing.items()})
    return thing


def _of_page(content: bytes, name: str, draw: Any) -> NDArray[np.uint8]:
    with _LOCK:
        try:
            with closing(pypdfium2.PdfDocument(content)) as document, closing(document[0]) as page:
                result: NDArray[np.uint8] = draw(page)
                return result
        except (pypdfium2.PdfiumError, StopIteration, ValueError) as error:
            raise PictureError(f"{name}: it cannot be drawn ({error}).") from error


def _saved(pdf: Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    return out.getvalue()
