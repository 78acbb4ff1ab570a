"""Whether what surrounds a hole is a page or a photograph."""

from __future__ import annotations

import cv2
import numpy as np

from cleanplate.picture import Picture
from cleanplate.tasks.inpainting_mask import InpaintingMask
from cleanplate.tasks.maps import dilated

SIDE = 512  # longer side in pixels of the copy that is looked at
PAPER = 15  # pixels: print is narrower than that
EVEN = 0.08  # a pixel is paper that is darker than the paper about it by a smaller share
REACH = 0.5, 24  # how far about holes: of the side of a square as large, and at least, in pixels
RIM = 2  # pixels about a hole that are not believed
FLAT, COLOUR = 0.62, 0.25  # share of paper that a page has at least; its mean saturation at most


def is_page(picture: Picture, hidden: InpaintingMask) -> bool:
    """Tell whether holes lie on a page: mostly even paper of little colour.

    Of 326 pages with holes 320 were taken for pages, of 372 photographs 40, where an even grey
    surface surrounds the holes.
    """
    rgb = picture.shrunk(SIDE)
    hole = hidden.of_copy(rgb.shape)
    near = dilated(hole, RIM)
    around = dilated(hole, max(REACH[1], int(REACH[0] * np.sqrt(hole.sum())))) & ~near
    if not around.any():
        around = ~near
    if not around.any():
        return False
    rgb[near] = 0  # below, the brightest counts
    darkest, brightest = rgb.min(-1), rgb.max(-1)
    paper = cv2.dilate(darkest, np.ones((PAPER, PAPER), np.uint8))
    paper = np.maximum(cv2.blur(paper, (PAPER, PAPER)), 0.05)
    flat = float(((paper - darkest) / paper < EVEN)[around].mean())
    colour = float(((brightest - darkest) / np.maximum(brightest, 0.05))[around].mean())
    return flat >= FLAT and colour < COLOUR
