"""A mark as a file: a picture with alpha, as PNG with the certainty of each pixel beside it."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.picture import png
from cleanplate.picture.core import Picture, read_bytes
from cleanplate.picture.raster import DEEP_MAX, Metadata, Raster, damaged

CERTAINTY = b"cpCf"
"""The ancillary chunk of certainty: a byte a pixel, row by row, zlib; 255 is certain."""


class MarkFile(NamedTuple):
    """What a mark's file holds.

    Attributes:
        colour: (h, w, 3) in [0, 1], RGB.
        alpha: (h, w) in [0, 1].
        certainty: (h, w) in [0, 1]; 1 throughout where the file says nothing of it.
    """

    colour: NDArray[np.float32]
    alpha: NDArray[np.float32]
    certainty: NDArray[np.float32]


def read_mark(path: str | Path) -> MarkFile:
    """Read a mark: a logo with alpha in any format, or what `encode_mark_file` has written.

    Raises:
        PictureError: it cannot be read, or has no alpha, or nothing of it can be seen.
    """
    name = str(path)
    data = read_bytes(Path(path), name)
    picture = Picture.read(data, name=name)
    if picture.alpha is None:
        raise PictureError(
            f"{name}: a mark needs transparency to say where it is; give a PNG with an alpha "
            "channel, or one that `cleanplate learn-mark` has written."
        )
    alpha = (picture.alpha / np.float32(picture.max_value)).astype(np.float32)
    if not (alpha > 0.01).any():
        raise PictureError(f"{name}: nothing of this mark can be seen; give one with some opacity.")
    certainty = np.ones(alpha.shape, np.float32)
    if data.startswith(png.SIGNATURE):
        packed = png.chunk(data, CERTAINTY, name)
        if packed is not None:
            certainty = _unpacked(packed, alpha.shape, name)
    return MarkFile(picture.rgb(), alpha, certainty)


def encode_mark_file(mark: MarkFile) -> bytes:
    """Write a mark as a PNG of 16 bits with alpha, its certainty in a chunk of its own."""
    deep = [np.rint(np.clip(part, 0, 1) * DEEP_MAX).astype(np.uint16) for part in mark[:2]]
    certainty = np.rint(np.clip(mark.certainty, 0, 1) * 255).astype(np.uint8)
    chunk = png.Chunk(CERTAINTY, zlib.compress(certainty.tobytes()))
    return png.encode_with(Raster(deep[0], deep[1], Metadata()), [chunk])


def _unpacked(packed: bytes, size: tuple[int, ...], name: str) -> NDArray[np.float32]:
    count = size[0] * size[1]
    try:
        raw = zlib.decompressobj().decompress(packed, count + 1)
    except zlib.error as error:
        raise damaged(name, "PNG file", f"{CERTAINTY.decode()}: {error}") from error
    if len(raw) != count:
        raise damaged(name, "PNG file", f"{CERTAINTY.decode()} is not of its size")
    shares: NDArray[np.float32] = np.frombuffer(raw, np.uint8).reshape(size) / np.float32(255)
    return shares
