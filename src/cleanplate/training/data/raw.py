"""Bayer mosaics and their four planes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.format import write_array
from numpy.typing import NDArray

from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import RAW_SUFFIXES, Mosaic, Picture, RawPicture
from cleanplate.picture.mosaic import by_place, cropped, from_places
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import places_below, read_planes
from cleanplate.writing import write_all

SUFFIXES = {".npy", ".png", ".tif", ".tiff", *RAW_SUFFIXES}
Planes = NDArray[np.float32]


class Levels(NamedTuple):
    """The values that stand for no light and for as much as a sensor can take."""

    black: float
    white: float


LEVELS = Levels(1024.0, 16383.0)  # of the published system's 14-bit sensor


def pack(mosaic: NDArray[Any], levels: Levels = LEVELS, pattern: str = "RGGB") -> Planes:
    """Take a mosaic apart by colour, whatever its pattern.

    Where it does not begin with red, its first row or column is left out, and the last as well
    (Liu et al., "Learning Raw Image Denoising with Bayer Pattern Unification", CVPRW 2019).

    Args:
        mosaic: (H, W), both even, in sensor values.
        levels: mapped to 0 and 1.
        pattern: one of `PATTERNS`.

    Returns:
        (h, w, 4), a half of what is left of H and W: red, green beside red, green beside blue,
        blue. Noise below the black level stays below 0: cut off, the dark would turn grey.

    Raises:
        ValueError: an odd side.
    """
    height, width = mosaic.shape
    if height % 2 or width % 2:
        raise ValueError(f"a mosaic of {width}x{height} samples has no whole squares of four")
    return Mosaic(mosaic, (levels.black,) * 4, levels.white, pattern).inner_planes()


def unpack(planes: Planes, levels: Levels = LEVELS) -> Planes:
    """Put planes (H, W, 4) together to an RGGB mosaic (2H, 2W) in sensor values."""
    mosaic: Planes = from_places(planes.astype(np.float32))
    return mosaic * np.float32(levels.white - levels.black) + np.float32(levels.black)


def unified(planes: NDArray[Any], pattern: str) -> NDArray[Any]:
    """Return planes (H, W, 4) by place, of a mosaic of any pattern, as those of an RGGB one.

    Args:
        planes: upper left, upper right, lower left and lower right of each square of four.
        pattern: one of `PATTERNS`.

    Returns:
        (h, w, 4): red, green beside red, green beside blue, blue; a side whose first sample is not
        of red's row or column is one shorter. RGGB planes come back as they are.
    """
    if pattern == "RGGB":
        return planes
    return by_place(cropped(from_places(planes), pattern))


def mirrored(planes: NDArray[Any], axis: int) -> NDArray[Any]:
    """Mirror a mosaic, given as RGGB planes (H, W, 4), along an axis; it is one shorter along it.

    Planes that are mirrored one by one would be shifted against each other.
    """
    turned = np.flip(from_places(planes), axis)
    return by_place(cropped(turned, "GBRG" if axis == 0 else "GRBG"))


def transposed(planes: NDArray[Any]) -> NDArray[Any]:
    """Transpose a mosaic, given as RGGB planes (H, W, 4): red stays red, blue blue."""
    return planes.transpose(1, 0, 2)[..., [0, 2, 1, 3]]


def read_mosaic(path: Path) -> NDArray[Any]:
    """Return a mosaic (H, W) from a grey PNG or TIFF, or an .npy file.

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


def read_packed(path: Path, levels: Levels = LEVELS, pattern: str = "RGGB") -> Planes:
    """Return the RGGB planes (h, w, 4) of a mosaic's file.

    Args:
        path: a RAW file, or what `read_mosaic` takes.
        levels: black and white; RAW files have their own.
        pattern: of the mosaic, likewise.

    Raises:
        PictureError: it cannot be read, or is no mosaic.
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        return RawPicture.read(path).mosaic.inner_planes()
    return pack(read_mosaic(path), levels, pattern)


def write_planes(path: Path, planes: Planes) -> None:
    """Write an .npy file, complete or not at all."""
    write_all({path: as_npy(planes)})


def as_npy(planes: Planes) -> bytes:
    """Return the bytes of an .npy file."""
    file = BytesIO()
    write_array(file, np.ascontiguousarray(planes), allow_pickle=False)
    return file.getvalue()


def find_mosaics(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """Return every mosaic below a folder, and the place of its planes below `out`.

    Raises:
        UsageError: there is none, or two would have the same planes.
    """
    jobs = places_below(folder, SUFFIXES, out, ".npy")
    if not jobs:
        raise UsageError(f"{folder} holds no mosaics (.npy, .png, .tif).")
    return list(jobs.items())


def pack_file(job: tuple[Path, Path], levels: Levels, pattern: str = "RGGB") -> str | Fault:
    """Pack one mosaic, unless its planes are there.

    Args:
        job: the mosaic's file and the place of its planes.
        levels: black and white; RAW files have their own.
        pattern: of the mosaic, likewise.

    Returns:
        "made", "there", or why it cannot be read.
    """
    source, target = job
    if target.is_file():
        return "there"
    try:
        write_planes(target, read_packed(source, levels, pattern))
    except PictureError as error:
        return Fault(str(error))
    return "made"
