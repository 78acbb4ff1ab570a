"""Bayer mosaics and their four planes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.format import write_array
from numpy.typing import NDArray

from cleanplate.batch import write_all
from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Picture
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import places_below, read_planes

SUFFIXES = {".npy", ".png", ".tif", ".tiff"}
Planes = NDArray[np.float32]


class Levels(NamedTuple):
    """The values that stand for no light and for as much as a sensor can take."""

    black: float
    white: float


LEVELS = Levels(1024.0, 16383.0)  # of the published system's 14-bit sensor


def pack(mosaic: NDArray[Any], levels: Levels = LEVELS) -> Planes:
    """Take a mosaic apart by the place of its samples in each square of four.

    Args:
        mosaic: (H, W), both even, in sensor values.
        levels: mapped to 0 and 1.

    Returns:
        (H/2, W/2, 4): upper left, upper right, lower left, lower right; for RGGB red, green, green
        and blue. Noise below the black level stays below 0: cut off, the dark would turn grey.

    Raises:
        ValueError: an odd side.
    """
    height, width = mosaic.shape
    if height % 2 or width % 2:
        raise ValueError(f"a mosaic of {width}x{height} samples has no whole squares of four")
    parts = [mosaic[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    planes = np.stack(parts, axis=-1).astype(np.float32)
    return (planes - np.float32(levels.black)) / np.float32(levels.white - levels.black)


def unpack(planes: Planes, levels: Levels = LEVELS) -> Planes:
    """Put planes (H, W, 4) together to a mosaic (2H, 2W) in sensor values; undoes `pack`."""
    height, width = planes.shape[:2]
    mosaic = np.empty((2 * height, 2 * width), np.float32)
    for number, (y, x) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        mosaic[y::2, x::2] = planes[..., number]
    return mosaic * np.float32(levels.white - levels.black) + np.float32(levels.black)


def read_mosaic(path: Path) -> NDArray[Any]:
    """A mosaic (H, W) from a grey PNG or TIFF, or an .npy file.

    Raises:
        PictureError: it cannot be read, has colours, or has an odd side.
    """
    if path.suffix.lower() == ".npy":
        mosaic = read_planes(path)
    else:
        mosaic = Picture.read(path).pixels
        mosaic = mosaic[..., 0] if mosaic.shape[2] == 1 else mosaic
    if mosaic.ndim != 2:
        raise PictureError(f"{path}: a mosaic has one sample a pixel, not {mosaic.shape[2]}.")
    if mosaic.shape[0] % 2 or mosaic.shape[1] % 2:
        raise PictureError(
            f"{path}: {mosaic.shape[1]}x{mosaic.shape[0]} samples are no whole squares of four; "
            "cut the mosaic to even sides."
        )
    return mosaic


def write_planes(path: Path, planes: Planes) -> None:
    """Write an .npy file, complete or not at all."""
    write_all({path: as_npy(planes)})


def as_npy(planes: Planes) -> bytes:
    """The bytes of an .npy file."""
    file = BytesIO()
    write_array(file, np.ascontiguousarray(planes), allow_pickle=False)
    return file.getvalue()


def find_mosaics(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """Every mosaic below a folder, and the place of its planes below `out`.

    Raises:
        UsageError: there is none, or two would have the same planes.
    """
    jobs = places_below(folder, SUFFIXES, out, ".npy")
    if not jobs:
        raise UsageError(f"{folder} holds no mosaics (.npy, .png, .tif).")
    return list(jobs.items())


def pack_file(job: tuple[Path, Path], levels: Levels) -> str | Fault:
    """Pack one mosaic, unless its planes are there.

    Args:
        job: the mosaic's file and the place of its planes.
        levels: black and white.

    Returns:
        "made", "there", or why it cannot be read.
    """
    source, target = job
    if target.is_file():
        return "there"
    try:
        write_planes(target, pack(read_mosaic(source), levels))
    except PictureError as error:
        return Fault(str(error))
    return "made"
