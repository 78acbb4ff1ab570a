"""PDF files for tests, written with pikepdf: pages of images of every kind."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
from fakes import Blot
from pikepdf import Array, Dictionary, Name, Pdf, Stream
from PIL import Image

from cleanplate.document import CleanedPage, Document, Ways

SIZE = (48, 64)
BLOT = np.zeros(SIZE, bool)
BLOT[16:32, 16:32] = True
RED = (255, 0, 0)
GREEN = (20, 160, 60)
_OPEN: list[Pdf] = []  # a stream lives as long as its document


def blotted(size: tuple[int, int] = SIZE, *, blot: bool = True) -> np.ndarray:
    """A green picture (H, W, 3) with a red rectangle of 16x16 pixels, which `fakes.Blot` finds."""
    pixels = np.full((*size, 3), GREEN, np.uint8)
    pixels[:, : size[1] // 2, 2] += np.arange(size[1] // 2, dtype=np.uint8)
    if blot:
        pixels[16:32, 16:32] = RED
    return pixels


def jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **({"quality": 90} | options))
    return out.getvalue()


def image(
    pdf: Pdf,
    data: bytes,
    size: tuple[int, int] = SIZE,
    *,
    space: Any = Name.DeviceRGB,
    bits: int = 8,
    filter: str | None = "/FlateDecode",
    **entries: Any,
) -> Stream:
    """An image object; without a filter that is a codec of its own, `data` are samples."""
    if filter == "/FlateDecode":
        data = zlib.compress(data)
    stream = Stream(pdf, data)
    stream.Type, stream.Subtype = Name.XObject, Name.Image
    stream.Height, stream.Width = size
    if space is not None:
        stream.ColorSpace = space
    stream.BitsPerComponent = bits
    if filter is not None:
        stream.Filter = Name(filter)
    for key, value in entries.items():
        stream[f"/{key}"] = value
    return stream


def add_page(
    pdf: Pdf,
    images: Sequence[Stream],
    *,
    matrices: Sequence[Sequence[float]] = ((64, 0, 0, 48, 0, 0),),
    box: Sequence[float] = (0, 0, 64, 48),
    extra: bytes = b"",
    **entries: Any,
) -> pikepdf.Page:
    """A page that shows images, each through a matrix of its own."""
    pdf.add_blank_page(page_size=(10, 10))
    page = pdf.pages[-1]
    page.obj.MediaBox = Array([float(one) for one in box])
    names = {f"/Im{i}": one for i, one in enumerate(images)}
    page.obj.Resources = Dictionary(XObject=Dictionary(names))
    content = b""
    for i, matrix in zip(range(len(images)), list(matrices) * len(images), strict=False):
        numbers = " ".join(f"{one:g}" for one in matrix)
        content += f"q {numbers} cm /Im{i} Do Q\n".encode()
    page.obj.Contents = pdf.make_stream(content + extra)
    for key, value in entries.items():
        page.obj[f"/{key}"] = value
    return page


def scan(path: Path, *, pages: int = 1, blots: Sequence[int] = (1,), **save: Any) -> Path:
    """A PDF of scanned pages as JPEG; those whose numbers are in `blots` have a red rectangle."""
    with Pdf.new() as pdf:
        for number in range(1, pages + 1):
            pixels = blotted(blot=number in blots)
            pixels[0, 0] = number % 256
            stream = image(pdf, jpeg(pixels, subsampling=0), filter="/DCTDecode")
            add_page(pdf, [stream])
        path.parent.mkdir(parents=True, exist_ok=True)
        pdf.save(path, **save)
    return path


def saved(pdf: Pdf, **options: Any) -> bytes:
    out = io.BytesIO()
    pdf.save(out, **options)
    return out.getvalue()


def samples(stream: Stream, components: int = 3) -> np.ndarray:
    """The samples of an image of 8 bits that is coded without loss."""
    data = np.frombuffer(stream.read_bytes(), np.uint8)
    return data.reshape(int(stream.Height), int(stream.Width), components)


def problems(content: bytes) -> list[str]:
    """What qpdf finds wrong with a file."""
    with pikepdf.open(io.BytesIO(content)) as pdf:
        return [str(one) for one in pdf.check_pdf_syntax()]


def cleaned(content: bytes, task: Any = None, **options: Any) -> tuple[bytes, list[CleanedPage]]:
    """The document after a task, which paints what is red grey."""
    with Document(content) as document:
        cleaning = document.cleaning(task or Blot(), Ways(**options))
        pages = [cleaning.clean_page(number) for number in cleaning.pages]
        out = io.BytesIO()
        return (out.getvalue() if cleaning.save(out) else content), pages


def image_of(content: bytes, number: int = 0) -> Stream:
    """The image of a page that `add_page` made, the first page being 0."""
    pdf = pikepdf.open(io.BytesIO(content))
    _OPEN.append(pdf)
    return pdf.pages[number].obj.Resources.XObject["/Im0"]
