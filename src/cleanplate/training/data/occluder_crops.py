"""Square crops around what occludes a page."""

from __future__ import annotations

import cv2

from cleanplate.picture import Box
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.augmentation import cut_out

SIDE, LEVEL = 1024, 40  # of the published system: side in pixels, mask level of 255


def occluder_box(mask: Pixels) -> Box | None:
    """Return the box around everything that a mask (H, W, 1) marks; None where that is nothing."""
    left, top, width, height = cv2.boundingRect(mask)
    return Box(top, left, top + height, left + width) if width else None


def crop_around_occluder(arrays: list[Pixels], side: int = SIDE) -> list[Pixels] | None:
    """Cut squares out of a pair, around the middle of all that its mask marks.

    A square is moved inside the page; where the page is smaller, it is padded by reflection. Where
    occluders lie so far apart that the middle of their box shows none of them, the square lies
    around the largest one.

    Args:
        arrays: input (H, W, 3), target (H, W, 3), mask (H, W, 1), uint8.
        side: of the squares in pixels.

    Returns:
        The arrays, `side` high and wide; None where the mask is blank.
    """
    mask = arrays[2]
    box = occluder_box(mask)
    if box is None:
        return None
    top, left = _corner(box, mask, side)
    if not mask[top : top + side, left : left + side].any():
        top, left = _corner(_largest(mask), mask, side)
    return [cut_out(array, top, left, side) for array in arrays]


def _corner(box: Box, mask: Pixels, side: int) -> tuple[int, int]:
    """Return the upper left corner of a square around a box, inside the page as far as it goes."""
    top = (box.top + box.bottom) // 2 - side // 2
    left = (box.left + box.right) // 2 - side // 2
    height, width = mask.shape[:2]
    return max(0, min(top, height - side)), max(0, min(left, width - side))


def _largest(mask: Pixels) -> Box:
    _, _, figures, _ = cv2.connectedComponentsWithStats(mask)
    left, top, width, height, _ = figures[1 + figures[1:, cv2.CC_STAT_AREA].argmax()]
    return Box(int(top), int(left), int(top + height), int(left + width))
