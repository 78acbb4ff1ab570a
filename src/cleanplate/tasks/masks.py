"""Masks that the user gives: one for all pictures, or one for each."""

from __future__ import annotations

from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.picture import SUFFIXES, Picture


class Masks:
    """Where a user's masks come from.

    A mask is as large as its picture, seen upright; what is brighter than half is to be filled in.
    """

    def __init__(self, given: str | Path | NDArray[Any]) -> None:
        """Take one mask for all pictures, or a folder with one for each, of the same stem.

        Args:
            given: a file, a folder, or an array as `Picture.from_array` takes it, or (H, W) bool.

        Raises:
            PictureError: the mask cannot be read.
        """
        self._folder: Path | None = None
        if isinstance(given, np.ndarray):
            array = given.astype(np.uint8) * 255 if given.dtype == bool else given
            self._common = Picture.from_array(array, name="mask")
        elif Path(given).is_dir():
            self._folder = Path(given)
        else:
            self._common = Picture.read(given)

    def of(self, picture: Picture) -> NDArray[np.float32]:
        """Return the mask (H, W) of a picture, in [0, 1].

        Raises:
            PictureError: there is none, it cannot be read, or it has another size.
        """
        mask = self._common if self._folder is None else Picture.read(self._beside(picture.name))
        if (mask.height, mask.width) != (picture.height, picture.width):
            raise PictureError(
                f"{picture.name}: its mask {mask.name} has {mask.width}x{mask.height} pixels, the "
                f"picture {picture.width}x{picture.height}; give a mask of the picture's size."
            )
        grey: NDArray[np.float32] = mask.rgb().mean(2)
        return grey

    def _beside(self, name: str) -> Path:
        assert self._folder is not None
        stem = Path(name).stem
        for path in sorted(self._folder.glob(f"{escape(stem)}.*")):
            if path.suffix.lower() in SUFFIXES:
                return path
        raise PictureError(f"{name}: there is no mask {stem}.* in {self._folder}.")
