"""The background that a cut-out is laid on."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import UsageError
from cleanplate.picture import Picture

NAMED = {"white": "#ffffff", "black": "#000000"}


class Background:
    """A colour, or a picture that is made as large as the one it is to lie behind."""

    def __init__(self, given: str) -> None:
        """Take a colour, or read a picture.

        Args:
            given: white, black, #rrggbb, or the path of a picture.

        Raises:
            UsageError: it is none of these.
            PictureError: the picture cannot be read.
        """
        text = NAMED.get(given.lower(), given)
        if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            colour = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
            self._colours = np.array([[colour]], np.float32)
            return
        if not Path(given).is_file():
            raise UsageError(f"{given} is no background: give white, black, #rrggbb or a picture.")
        self._colours = (Picture.read(given).rgb() * 255).astype(np.uint8)

    def of(self, picture: Picture) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return what to lay a picture on: (H, W, 3) uint8, or one colour (1, 1, 3) in [0, 1].

        A picture is scaled until it covers the other; its middle is taken.
        """
        if self._colours.shape[:2] == (1, 1) and self._colours.dtype != np.uint8:
            return self._colours
        high, wide = self._colours.shape[:2]
        scale = max(picture.height / high, picture.width / wide)
        size = max(picture.width, round(wide * scale)), max(picture.height, round(high * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        large = np.asarray(cv2.resize(self._colours, size, interpolation=way), np.uint8)
        top, left = (size[1] - picture.height) // 2, (size[0] - picture.width) // 2
        return large[top : top + picture.height, left : left + picture.width]
