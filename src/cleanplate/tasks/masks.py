"""Masks that the user gives: one for all pictures, or one for each."""

from __future__ import annotations

from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import SUFFIXES, Picture
from cleanplate.tasks.base import Remark

_USUAL = (*sorted(SUFFIXES), *sorted(map(str.upper, SUFFIXES)))  # as they are mostly written
NEARLY_ALL = 0.95  # share of a picture from which a mask is remarked upon


class Masks:
    """Where a user's masks come from.

    A mask is as large as its picture, seen upright; what is brighter than half is to be filled in.
    One of the size in which the picture lies in its file is turned with it.
    """

    def __init__(
        self, given: str | Path | NDArray[Any] | Picture, *, role: str = "its mask"
    ) -> None:
        """Take one mask for all pictures, or a folder with one for each, see `mask_of`.

        Args:
            given: a file, a folder, a picture, or an array as `Picture.from_array` takes it, or
                (H, W) bool, or of any integers in 0..255.
            role: what messages call it.

        Raises:
            PictureError: the mask cannot be read.
        """
        self._folder: Path | None = None
        self._role = role
        if isinstance(given, Picture):
            self._name, self._common = "", _grey(given)
        elif isinstance(given, np.ndarray):
            array = _as_bytes(given)
            self._name, self._common = "", _grey(Picture.from_array(array, name="the mask"))
        elif Path(given).is_dir():
            self._folder = Path(given)
        else:
            self._name, self._common = str(given), _read(given)

    def of(self, picture: Picture) -> NDArray[np.float32]:
        """Return the mask of a picture, (H, W) in [0, 1].

        Raises:
            PictureError: there is none, it cannot be read, or it has another size.
        """
        name, given = self._of(picture.name)
        size = (picture.height, picture.width)
        mask = given if given.shape == size else picture.upright(given)
        if mask.shape != size:
            named = f" {name}" if name else ""
            raise PictureError(
                f"{picture.name}: {self._role}{named} has {given.shape[1]}x{given.shape[0]} "
                f"pixels, the picture {picture.width}x{picture.height}; give a mask of its size."
            )
        shares: NDArray[np.float32] = np.multiply(mask, np.float32(1 / 255), dtype=np.float32)
        return shares

    def has(self, name: str) -> bool:
        """Return whether there is a mask for a picture of this name."""
        return self._folder is None or mask_of(self._folder, name) is not None

    def named(self, name: str) -> NDArray[np.uint8] | None:
        """Return the mask (H, W) for a picture of this name, as it is given; None for none.

        Raises:
            PictureError: it cannot be read.
        """
        return self._of(name)[1] if self.has(name) else None

    def _of(self, name: str) -> tuple[str, NDArray[np.uint8]]:
        if self._folder is None:
            return self._name, self._common
        path = mask_of(self._folder, name)
        if path is None:
            raise PictureError(f"{name}: there is no mask {Path(name).stem}.* in {self._folder}.")
        return str(path), _read(path)


def _as_bytes(given: NDArray[Any]) -> NDArray[Any]:
    """Return a mask of truth values, or of wide integers as label arrays have, as bytes."""
    if given.dtype == bool:
        return given.astype(np.uint8) * 255
    wide = given.dtype.kind in "iu" and given.dtype != np.uint16
    if wide and given.size and given.min() >= 0 and given.max() <= 255:
        return given.astype(np.uint8)
    return given


def remarks_of(mask: NDArray[np.float32]) -> list[Remark]:
    """Return what there is to say of a mask (H, W) that names nothing, or nearly everything."""
    share = sum(int(np.count_nonzero(row > 0.5)) for row in mask) / mask.size
    if not share:
        return [Remark("mask-empty", "the mask names nothing")]
    if share > NEARLY_ALL:
        text = f"the mask names {share:.1%} of the picture; is it the other way round?"
        return [Remark("mask-nearly-all", text)]
    return []


def mask_of(given: Path, name: str) -> Path | None:
    """Return the file of a picture's mask; None where a folder has none.

    Args:
        given: the mask of all pictures, or a folder. That mirrors the pictures' tree, as masks that
            were written by `--mask-out` do, or holds a mask of the same stem for each. For a.jpg,
            a.jpg.png goes before a.png, which may be another picture's.
        name: of the picture, its path below the folder that was named.
    """
    if not given.is_dir():
        return given
    picture = Path(name)
    places = [given]
    if not picture.is_absolute() and ".." not in picture.parts:
        places.insert(0, given / picture.parent)
    for place in places:
        for path in _candidates(place, picture):
            is_mask = path.suffix.lower() in SUFFIXES and path.is_file()
            if is_mask and path != picture:  # never the picture itself
                return path
    return None


def _candidates(place: Path, picture: Path) -> Iterator[Path]:
    """Give what may be a picture's mask in a folder, best first."""
    stems = (picture.name, picture.stem)
    for stem in stems:  # asked for by name, as to look through a folder of very many takes long
        yield from (place / f"{stem}{suffix}" for suffix in _USUAL)
    files = sorted(place.glob(f"{escape(picture.stem)}.*"))
    for stem in stems:
        yield from (path for path in files if path.stem == stem)


def shrunk(mask: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a mask (H, W) at another size (h, w), averaged over areas, in steps of 1/255."""
    whole = np.empty(mask.shape, np.uint8)  # by the row: a mask is as large as its picture
    for row, values in zip(whole, mask, strict=True):
        row[:] = np.rint(values * 255)
    small = np.asarray(cv2.resize(whole, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    shares: NDArray[np.float32] = np.multiply(small, np.float32(1 / 255), dtype=np.float32)
    return shares


def _read(path: str | Path) -> NDArray[np.uint8]:
    """Read a mask; one of a kind that is not taken is a failure of its picture."""
    try:
        return _grey(Picture.read(path))
    except UnsupportedError as error:
        raise PictureError(str(error)) from error


def _grey(mask: Picture) -> NDArray[np.uint8]:
    """Return a mask (H, W): a byte a pixel, as large masks are kept.

    That is its alpha where it has one, as it was painted on a clear layer, and else the mean of its
    colours; values of 0 and 1 stand for none and all.
    """
    grey = mask.pixels
    if mask.alpha is not None and mask.alpha.min() < mask.max_value:
        grey = mask.alpha
    elif grey.shape[2] > 1:
        grey = cv2.transform(grey, np.full((1, 3), 1 / 3, np.float32))
    grey = grey.reshape(mask.height, mask.width)
    if grey.max() == 1:
        return np.multiply(grey, 255).astype(np.uint8)
    return grey if grey.dtype == np.uint8 else (grey >> 8).astype(np.uint8)
