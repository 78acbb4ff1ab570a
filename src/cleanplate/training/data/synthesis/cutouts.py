"""Hands and heads cut out of photographs, as occluders for pages.

A cut-out is RGBA, uint8, upright: it enters a page from its own lower edge.
"""

from __future__ import annotations

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array

LONGEST = 640  # pixels of a cut-out's longer side
LEAST = 120  # pixels of height under which a cut-out shows nothing
ITERATIONS = 3  # of GrabCut


def cut_hand(photo: Array) -> Array | None:
    """Cut out a hand on a near-white ground whose arm comes from the upper edge.

    Colour tells what is surely hand (chroma, or the dark of a sleeve) and surely ground; GrabCut
    (Rother et al., SIGGRAPH 2004) decides between; shadows between the fingers, which it takes for
    hand, are told by a chroma far below the hand's.

    Args:
        photo: (H, W, 3) uint8, RGB.

    Returns:
        The cut-out with the fingers up, or None where there is no hand to be found.
    """
    photo = shrunk(photo)
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    chroma, dark = np.hypot(lab[..., 1], lab[..., 2]), 100 - lab[..., 0]
    guess: Array = np.full(dark.shape, cv2.GC_PR_BGD, np.uint8)
    guess[(dark < 6) & (chroma < 6)] = cv2.GC_BGD
    guess[(chroma > 14) | (dark > 45)] = cv2.GC_PR_FGD
    guess[(chroma > 22) | (dark > 62)] = cv2.GC_FGD
    if not (guess == cv2.GC_FGD).any() or not (guess == cv2.GC_BGD).any():
        return None
    ground: Array = np.zeros((1, 65))  # GrabCut's colour models, which nobody looks at
    hand: Array = np.zeros((1, 65))
    whole = (0, 0, 0, 0)  # not used with a mask
    cv2.grabCut(photo, guess, whole, ground, hand, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    typical = float(np.median(chroma[guess == cv2.GC_FGD]))
    shadow = (chroma < 0.4 * typical) & (dark < 50)
    mask = ((guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)) & ~shadow
    return cut(photo[::-1], mask[::-1])


def cut_person(photo: Array, mask: Array) -> Array | None:
    """Cut out a person, as far as the photograph shows them.

    Args:
        photo: (H, W, 3) uint8, RGB.
        mask: (H, W) uint8, 255 on the person.

    Returns:
        The cut-out, or None where it is too small to be of use.
    """
    small = shrunk(photo)
    whole = largest(cv2.resize(mask, small.shape[1::-1], interpolation=cv2.INTER_AREA) > 127)
    return cut(small, whole)


def cut(photo: Array, mask: Array) -> Array | None:
    """Cut along the largest part of a mask, a pixel inside it, and soften the edge."""
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    solid = largest(mask > 0)
    holes = ~solid & ~largest(~solid)  # glints and the like, but not what an arm encloses
    solid |= cv2.morphologyEx(holes.astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9))) < holes
    left, top, width, height = cv2.boundingRect(solid.astype(np.uint8))
    if height < LEAST or width < LEAST / 2:
        return None
    inner = cv2.erode(solid.astype(np.uint8), np.ones((3, 3)), borderValue=1)
    alpha = cv2.GaussianBlur(inner.astype(np.float32) * 255, (0, 0), 0.8)
    both = np.dstack([photo, np.rint(alpha).astype(np.uint8)])
    return np.ascontiguousarray(both[top : top + height, left : left + width])


def largest(mask: Array) -> Array:
    """Return the largest connected part of a mask (H, W) bool."""
    count, labels, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    return np.asarray(labels == 1 + figures[1:, cv2.CC_STAT_AREA].argmax())


def shrunk(photo: Array) -> Array:
    """Return a photograph whose longer side is at most LONGEST."""
    scale = min(1.0, LONGEST / max(photo.shape[:2]))
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
