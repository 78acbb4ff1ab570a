"""Small pictures and files that the tests of this room share."""

from __future__ import annotations

import io
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
