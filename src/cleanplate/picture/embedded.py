"""Images inside documents: coded like files, but how they lie and look is said elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.picture import jpeg, pillow
from cleanplate.picture.core import Picture, _Origin
from cleanplate.picture.raster import Metadata, Raster, Samples, check_size

_FAX_ROWS, _FAX_OFFSETS, _FAX_COUNTS = 278, 273, 279
_REVERSIBLE = 1  # the transformation of the wavelets (ISO/IEC 15444-1, A.6.1)


def from_jpeg(data: bytes, turn: int, name: str) -> Picture:
    """Return the picture of a JPEG stream, which is encoded as a JPEG file is.

    Args:
        data: the stream.
        turn: how it is to be looked at, as EXIF numbers it; its own EXIF is of no account.
        name: for messages.

    Raises:
        PictureError: as for a file.
    """
    raster = jpeg.decode(data, name)
    raster.metadata = replace(raster.metadata, orientation=turn)
    return Picture(raster, name, _Origin("jpeg", raster.metadata, source=data))


def from_samples(samples: Samples, turn: int, name: str) -> Picture:
    """Return a picture of samples (H, W, 1 or 3), uint8 or uint16, as they are stored.

    They are copied; `Picture.lying` gives them back.
    """
    metadata = Metadata(orientation=turn)
    raster = Raster(samples.copy(), None, metadata)
    return Picture(raster, name, _Origin("png", metadata, array=samples[:0]))


def decode_jpeg2000(data: bytes, name: str) -> tuple[Samples, bool]:
    """Return the samples (H, W, 1 or 3) of a JPEG 2000 stream, and whether it was coded without
    loss.

    Raises:
        PictureError: it is damaged, or not grey or RGB of 8 bits without alpha.
    """
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

    with pillow.decoding(name, "JPEG 2000 image"):
        image = pillow.load(Jpeg2KImageFile, data, name)
        if image.mode not in ("L", "RGB"):
            raise pillow.unsupported_mode(name, image.mode)
        pixels, _ = pillow.split(image, name)
    at = data.find(b"\xff\x52\x00")
    lossless = 0 <= at < len(data) - 13 and data[at + 13] == _REVERSIBLE
    return pixels, lossless


def encode_jpeg(pixels: Samples, name: str) -> bytes:
    """Return samples (H, W, 1 or 3) uint8 as a JPEG of quality 95 without chroma subsampling."""
    return jpeg.encode(Raster(pixels, None, Metadata()), name)


def encode_fax(black: NDArray[np.bool_]) -> bytes:
    """Return a bilevel image (H, W) coded after ITU T.6 (Group 4), as one piece."""
    from PIL import Image
    from PIL.TiffImagePlugin import TiffImageFile

    height, width = black.shape
    check_size(width, height, "image")
    image = Image.fromarray(np.where(black, 0, 255).astype(np.uint8)).convert("1")
    # As white is zero, the rows go as one strip, whose bytes are the code itself.
    options = {"compression": "group4", "tiffinfo": {_FAX_ROWS: height, 262: 0}}
    data = pillow.save(image, "TIFF", strip_size=1 << 31, **options)
    tags = TiffImageFile(io.BytesIO(data)).tag_v2
    offsets, counts = tags[_FAX_OFFSETS], tags[_FAX_COUNTS]
    if len(offsets) != 1:
        raise PictureError("image: it is too large for one piece of fax code.")
    return data[offsets[0] : offsets[0] + counts[0]]
