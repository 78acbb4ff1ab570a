"""Pages of PDF files as lossless pictures."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from cleanplate.errors import UsageError
from cleanplate.picture import encode_png
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.faults import Fault
from cleanplate.writing import write_all

POINTS = 72  # units of a PDF an inch
SCAN = 0.5  # share of a page's area from which a picture on it makes it a scan
DARK = 0.004, 0.35  # shares of dark pixels that a page of print has
GREY = 128  # of 255; darker is dark
LONGEST = 4000  # pixels; a poster is rendered no larger


@dataclass(frozen=True)
class Rendering:
    """How pages are rendered.

    Attributes:
        out: folder of the pictures.
        dpi: lowest and highest resolution; each page's own is drawn between them.
        most: pages of one file.
        seed: of what is drawn.
    """

    out: Path
    dpi: tuple[float, float]
    most: int
    seed: int


def find_pdfs(folder: Path) -> list[Path]:
    """Return the PDF files below a folder, in order.

    Raises:
        UsageError: there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".pdf")
    if not found:
        raise UsageError(f"{folder} holds no PDF files.")
    return found


def render_file(path: Path, given: Rendering) -> list[str | Fault]:
    """Render some pages of a PDF file as `STEM-NUMBER.png`.

    Scans are left out, and pages that are nearly blank or mostly dark.

    Returns:
        For each page that was chosen "made", "there" or "blank"; or the fault alone.
    """
    rng = np.random.default_rng((given.seed, zlib.crc32(path.stem.encode())))
    try:
        with pdfium.PdfDocument(path) as file:
            chosen = rng.permutation(len(file))[: given.most]
            return [_render(file, int(page), path.stem, given, rng) for page in sorted(chosen)]
    except (pdfium.PdfiumError, OSError) as error:
        return [Fault(f"{path} cannot be read as PDF: {error}.")]


def _render(
    file: pdfium.PdfDocument, number: int, stem: str, given: Rendering, rng: np.random.Generator
) -> str:
    target, dpi = given.out / f"{stem}-{number + 1}.png", rng.uniform(*given.dpi)
    if target.is_file():
        return "there"
    page = file[number]
    if is_scan(page):
        return "blank"
    scale = min(dpi / POINTS, LONGEST / max(page.get_size()))
    picture = page.render(scale=scale, rev_byteorder=True).to_numpy()[..., :3]
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if not DARK[0] < (grey < GREY).mean() < DARK[1]:
        return "blank"
    write_all({target: encode_png(np.ascontiguousarray(without_colour(picture)))})
    return "made"


def is_scan(page: pdfium.PdfPage) -> bool:
    """Return whether one picture covers most of a page: what is written on it is not known then."""
    width, height = page.get_size()
    pictures = page.get_objects(filter=[pdfium_raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    for picture in pictures:
        left, bottom, right, top = picture.get_bounds()
        if (right - left) * (top - bottom) > SCAN * width * height:
            return True
    return False


def without_colour(picture: Array) -> Array:
    """Return a picture (H, W, 3) as (H, W) where it has no colour."""
    plain = picture[..., 0]
    return plain if (picture == plain[..., None]).all() else picture
