"""Windows bitmaps, written as 8-bit grey, 24-bit RGB or, with alpha, 32 bits."""

from __future__ import annotations

import struct

import numpy as np

from cleanplate.picture import pillow
from cleanplate.picture.raster import Mask, Raster, eight_bits

_FIFTH, _EMBEDDED = 124, b"DEBM"  # a header's length, and what it says of a profile in the file


def decode(data: bytes, name: str) -> Raster:
    """Return samples and resolution of a bitmap."""
    from PIL.BmpImagePlugin import BmpImageFile

    with pillow.decoding(name, "BMP file"):
        image = pillow.load(BmpImageFile, data, name)
        return Raster(*pillow.split(image, name), pillow.metadata(image.info))


def encode(raster: Raster, name: str) -> bytes:
    """Return a new bitmap; it has no room for EXIF and ICC."""
    eight_bits(raster, "BMP", name)
    dpi = raster.metadata.dpi or (96.0, 96.0)
    if raster.alpha is None:
        return pillow.save(pillow.join(raster.pixels, None, name), "BMP", dpi=dpi)
    return _with_alpha(raster, dpi)


def rewrite(source: bytes, raster: Raster, edited: Mask | None, strip: bool, name: str) -> bytes:
    """Return the same as ``encode``: a bitmap has nothing else to keep or to strip."""
    return encode(raster, name)


def losses(source: bytes, *, same: bool) -> dict[str, str]:
    """Return what does not come along; see `Codec`."""
    if source[14] == _FIFTH and source[70:74] == _EMBEDDED:
        return {"profile-left-out": "the colour profile of the BMP is left out"}
    return {}


def _with_alpha(raster: Raster, dpi: tuple[float, float]) -> bytes:
    """Return the header that names an alpha mask (BITMAPV3INFOHEADER), which Pillow does not
    write.
    """
    height, width = raster.pixels.shape[:2]
    assert raster.alpha is not None
    colours = np.broadcast_to(raster.pixels, (height, width, 3))[::-1, :, ::-1]
    body = np.dstack([colours, raster.alpha[::-1]]).tobytes()
    across, down = (round(value / 0.0254) for value in dpi)
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack(
        "<IiiHHIIiiII4I", 56, width, height, 1, 32, 3, len(body), across, down, 0, 0, *masks
    )
    return struct.pack("<2sIII", b"BM", 14 + len(info) + len(body), 0, 70) + info + body
