"""What pictures show where a mark lies, in the mark's own pixels; many of them on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box
from cleanplate.tasks.maps import Floats, resized
from cleanplate.tasks.marks.mark import Place, pasted
from cleanplate.tasks.marks.solving import Piece

SHARP = 4.0  # power of the scale by which a piece that was enlarged counts less
DEEP = 65535


def piece_of(picture: Floats, place: Place, size: tuple[int, int]) -> Piece:
    """Return a picture (h, w, 3), or a box of one, as it lies under a mark of a size."""
    place = settled(place, size)
    weight = min(1.0, place.tall, place.wide) ** SHARP
    whole = np.ones(picture.shape[:2], np.float32)
    planes = np.dstack([picture, whole])
    if place[2:] == (1, 1):
        out = pasted(planes, -round(place.top), -round(place.left), size)
        return Piece(out[..., :3], out[..., 3] > 0, weight)
    box = place.box(size, picture.shape[:2], 4)
    if box is None:
        return Piece(np.zeros((*size, 3), np.float32), np.zeros(size, bool), weight)
    part = box.cut(planes)
    shrunk = tuple(
        max(round(side / max(by, 1)), 1) for side, by in zip(part.shape, place[2:], strict=False)
    )
    copy = resized(part, shrunk)
    down, right = copy.shape[0] / part.shape[0], copy.shape[1] / part.shape[1]
    tall, wide = place.tall * down, place.wide * right
    top, left = (place.top - box.top) * down, (place.left - box.left) * right
    matrix = np.array([[wide, 0, left + wide / 2 - 0.5], [0, tall, top + tall / 2 - 0.5]])
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    out = np.asarray(cv2.warpAffine(copy, matrix, size[::-1], flags=how), np.float32)
    whole = (out[..., 3] > 0.999).astype(np.float32)
    inside = np.asarray(cv2.erode(whole, np.ones((3, 3)))) > 0
    return Piece(np.clip(out[..., :3], 0, 1).astype(np.float32), inside, weight)


def settled(place: Place, size: tuple[int, int]) -> Place:
    """Return a place on whole pixels where it is so near to these that it will be meant."""
    whole = place._replace(top=round(place.top), left=round(place.left), tall=1.0, wide=1.0)
    corners = [
        np.abs(
            np.array(place[:2]) + np.array(place[2:]) * size * at - whole[:2] - np.array(size) * at
        )
        for at in (0, 1)
    ]
    return whole if max(corner.max() for corner in corners) < 0.2 else place


def covered(place: Place, size: tuple[int, int], picture: tuple[int, int]) -> Box | None:
    """Return the box of a picture that `piece_of` needs to see."""
    return place.box(size, picture, 8)


class Pieces:
    """Pieces of one size in a temporary file, so that memory does not grow with their number."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Take pieces of a size (h, w)."""
        self.size = size
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is let go
        self._weights: list[float] = []

    def __len__(self) -> int:
        return len(self._weights)

    def add(self, piece: Piece) -> None:
        """Put a piece at the end."""
        deep = np.rint(piece.picture * DEEP).astype(np.uint16)
        self._file.write(deep.tobytes())
        self._file.write(piece.valid.tobytes())
        self._weights.append(piece.weight)

    def __iter__(self) -> Iterator[Piece]:
        self._file.seek(0)
        count = self.size[0] * self.size[1]
        for weight in self._weights:
            deep: NDArray[np.uint16] = np.frombuffer(self._file.read(6 * count), np.uint16)
            valid = np.frombuffer(self._file.read(count), bool).reshape(self.size)
            picture = deep.reshape(*self.size, 3).astype(np.float32) / np.float32(DEEP)
            yield Piece(picture, valid, weight)
