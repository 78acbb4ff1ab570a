"""Noisy and clean RAW pictures as their files hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.training.data.files import read_planes
from cleanplate.training.data.layouts import NPY, Pair
from cleanplate.training.data.raw import LEVELS, Levels, read_packed, unified

BAYER = ("red", "green beside red", "green beside blue", "blue")  # the planes of a mosaic


def read_raw(path: Path, levels: Levels = LEVELS, pattern: str = "RGGB") -> NDArray[Any]:
    """Return planes (H, W, 4) of a file: floats, black 0 and white 1, or the sensor's integers.

    Args:
        path: planes by place (.npy), a mosaic or a RAW file.
        levels: of a mosaic; a RAW file has its own.
        pattern: of planes or a mosaic, likewise; planes that `cleanplate prepare raw` made are
            RGGB, whatever they are of.

    Raises:
        PictureError: it cannot be read, or is neither planes nor a mosaic.
    """
    if path.suffix.lower() == NPY:
        planes = read_planes(path)
        if planes.ndim == 3 and planes.shape[2] == len(BAYER):
            return unified(planes, pattern)
    return read_packed(path, levels, pattern)


def to_unit(planes: NDArray[Any], levels: Levels = LEVELS) -> NDArray[np.float32]:
    """Return planes as float32 with black 0 and white 1."""
    if planes.dtype.kind == "f":
        return planes.astype(np.float32)
    return (planes.astype(np.float32) - np.float32(levels.black)) / np.float32(
        levels.white - levels.black
    )


def read_raw_pair(
    pair: Pair, levels: Levels = LEVELS, pattern: str = "RGGB"
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return noisy and clean planes (H, W, 4), as `read_raw` gives them.

    Raises:
        PictureError: a file cannot be read, or the two differ in size.
    """
    noisy, clean = (read_raw(path, levels, pattern) for path in (pair.input, pair.target))
    if noisy.shape != clean.shape:
        raise PictureError(
            f"{pair.target} holds planes {clean.shape}, but its partner {pair.input} {noisy.shape}."
        )
    return noisy, clean
