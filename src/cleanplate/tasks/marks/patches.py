"""Patches: what pictures show where a mark lies, resampled to the mark's pixels; kept on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Box
from cleanplate.tasks.maps import Floats, resized
from cleanplate.tasks.marks.mark import Place, pasted
from cleanplate.tasks.marks.solving import Patch

SHARP = 4.0  # a patch that was enlarged weighs less, by this power of its scale
DEEP = 65535


def patch_of(picture: Floats, place: Place, size: tuple[int, int]) -> Patch:
    """Resample a picture (h, w, 3), or a box of one, to the pixels of a mark of a size."""
    place = snapped_if_near(place, size)
    weight = min(1.0, place.scale_y, place.scale_x) ** SHARP
    whole = np.ones(picture.shape[:2], np.float32)
    planes = np.dstack([picture, whole])
    if place[2:] == (1, 1):
        out = pasted(planes, -round(place.top), -round(place.left), size)
        return Patch(out[..., :3], out[..., 3] > 0, weight)
    box = place.box(size, picture.shape[:2], 4)
    if box is None:
        return Patch(np.zeros((*size, 3), np.float32), np.zeros(size, bool), weight)
    part = box.cut(planes)
    shrunk = tuple(
        max(round(side / max(by, 1)), 1) for side, by in zip(part.shape, place[2:], strict=False)
    )
    copy = resized(part, shrunk)
    down, right = copy.shape[0] / part.shape[0], copy.shape[1] / part.shape[1]
    scale_y, scale_x = place.scale_y * down, place.scale_x * right
    top, left = (place.top - box.top) * down, (place.left - box.left) * right
    matrix = np.array(
        [[scale_x, 0, left + scale_x / 2 - 0.5], [0, scale_y, top + scale_y / 2 - 0.5]]
    )
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    out = np.asarray(cv2.warpAffine(copy, matrix, size[::-1], flags=how), np.float32)
    whole = (out[..., 3] > 0.999).astype(np.float32)
    inside = np.asarray(cv2.erode(whole, np.ones((3, 3)))) > 0
    return Patch(np.clip(out[..., :3], 0, 1).astype(np.float32), inside, weight)


def snapped_if_near(place: Place, size: tuple[int, int]) -> Place:
    """Round a place to whole pixels where it is so near to them that they are probably meant."""
    whole = place._replace(top=round(place.top), left=round(place.left), scale_y=1.0, scale_x=1.0)
    corners = [
        np.abs(
            np.array(place[:2]) + np.array(place[2:]) * size * at - whole[:2] - np.array(size) * at
        )
        for at in (0, 1)
    ]
    return whole if max(corner.max() for corner in corners) < 0.2 else place


def covered(place: Place, size: tuple[int, int], picture: tuple[int, int]) -> Box | None:
    """Return the box of a picture that `patch_of` needs to see."""
    return place.box(size, picture, 8)


class PatchStore:
    """Patches of one size in a temporary file, so that memory does not grow with their number."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Take patches of a size (h, w)."""
        self.size = size
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is let go
        self._weights: list[float] = []

    def __len__(self) -> int:
        return len(self._weights)

    def add(self, patch: Patch) -> None:
        """Put a patch at the end."""
        deep = np.rint(patch.picture * DEEP).astype(np.uint16)
        self._file.write(deep.tobytes())
        self._file.write(patch.valid.tobytes())
        self._weights.append(patch.weight)

    def __iter__(self) -> Iterator[Patch]:
        self._file.seek(0)
        count = self.size[0] * self.size[1]
        for weight in self._weights:
            deep: NDArray[np.uint16] = np.frombuffer(self._file.read(6 * count), np.uint16)
            valid = np.frombuffer(self._file.read(count), bool).reshape(self.size)
            picture = deep.reshape(*self.size, 3).astype(np.float32) / np.float32(DEEP)
            yield Patch(picture, valid, weight)
