"""Small pictures and files that the tests of this room share."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cleanplate.picture import Picture

EXIF_CAMERA = "Testcam"
ICC = b"\0\0\0\x80test" + bytes(120)
TURNS = {
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_270],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_90],
}


def samples(
    height: int, width: int, channels: int = 3, dtype: Any = np.uint8, seed: int = 0
) -> NDArray[Any]:
    """Noise over a slope, (H, W) for one channel, else (H, W, C)."""
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    slope = np.linspace(0, 0.7, width)[None, :, None] * np.ones((height, 1, channels))
    noisy = (slope + rng.random((height, width, channels)) * 0.3) * top
    array = noisy.astype(dtype)
    return array[..., 0] if channels == 1 else array


def saved(array: NDArray[Any], format_: str, **options: Any) -> bytes:
    """A file by Pillow."""
    out = io.BytesIO()
    Image.fromarray(array).save(out, format_, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> bytes:
    """An EXIF block with a camera's name, an exposure and an orientation."""
    block = Image.Exif()
    block[271] = EXIF_CAMERA
    block[274] = orientation
    block.get_ifd(34665)[33434] = (1, 250)
    return block.tobytes()


def scribbled(picture: Picture, seed: int = 1) -> NDArray[np.bool_]:
    """Turn a random part of the picture black and white in place; which part, (H, W).

    So much that no JPEG loses it: at least 4 by 4 pixels of a larger picture.
    """
    rng = np.random.default_rng(seed)
    mask = np.zeros((picture.height, picture.width), bool)
    top, left = (rng.integers(max(1, side - 3)) for side in (picture.height, picture.width))
    mask[top : top + rng.integers(4, 20), left : left + rng.integers(4, 20)] = True
    bright = picture.pixels[mask] > picture.max_value // 2
    picture.pixels[mask] = np.where(bright, 0, picture.max_value)
    return mask


def read_by_others(data: bytes) -> Image.Image:
    """A file as Pillow alone sees it."""
    return Image.open(io.BytesIO(data))


def write(folder: Path, name: str, data: bytes) -> Path:
    """A file in a folder."""
    path = folder / name
    path.write_bytes(data)
    return path


def save(path: Path, pixels: np.ndarray) -> None:
    """Write an array as a picture, with the folders that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
PASSES += [(1, 0, 2, 1)]  # first row and column, steps down and across (PNG, 8.2)


def png_rows(values: NDArray[Any], depth: int, *, interlaced: bool = False) -> bytes:
    """The rows of a PNG without filters, (H, W, C) of whole numbers packed into `depth` bits."""
    parts = (
        [values[y::down, x::across] for y, x, down, across in PASSES] if interlaced else [values]
    )
    rows = b""
    for part in parts:
        for row in part if part.size else ():
            bits = np.unpackbits(row.reshape(-1, 1).astype(">u2").view(np.uint8), axis=1)
            rows += b"\0" + np.packbits(bits[:, 16 - depth :].reshape(-1)).tobytes()
    return rows


def png(
    values: NDArray[Any],
    colour: int,
    depth: int,
    *more: tuple[bytes, bytes],
    interlaced: bool = False,
) -> bytes:
    """A PNG of any kind, assembled by hand: `more` are chunks before the samples."""
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    rows = zlib.compress(png_rows(values, depth, interlaced=interlaced))
    chunks = [(b"IHDR", header), *more, (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
