"""Holes as people mask them: strokes of a brush, words, blobs."""

from __future__ import annotations

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.paths import smooth

MOST = 0.35  # share of a picture that its holes cover at most
TRIES = 6
FACES = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789"


def holes(rng: np.random.Generator, height: int, width: int) -> Array:
    """Draw one to four holes of one kind, (height, width) bool; something of it is always known."""
    make = (strokes, words, blobs)[int(rng.choice(3, p=(0.4, 0.3, 0.3)))]
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        before = mask.copy()
        make(rng, mask)
        if (mask > 0).mean() > MOST:
            mask = before
    if not mask.any():
        cv2.circle(mask, (width // 2, height // 2), max(2, min(height, width) // 8), 255, -1)
    return mask > 0


def strokes(rng: np.random.Generator, mask: Array) -> None:
    """Draw a brush stroke over a mask (H, W) uint8, in place."""
    height, width = mask.shape
    start = rng.uniform((0, 0), (width, height))
    steps = rng.normal(0, max(height, width) / 5, (int(rng.integers(1, 5)), 2))
    path = smooth(np.vstack([start, start + np.cumsum(steps, 0)]), 2)
    size = int(np.exp(rng.uniform(np.log(3), np.log(max(4, min(height, width) / 8)))))
    cv2.polylines(mask, [np.rint(path).astype(np.int32)], False, 255, size, cv2.LINE_8)


def words(rng: np.random.Generator, mask: Array) -> None:
    """Write a word over a mask (H, W) uint8, in place, turned by any angle now and then."""
    height, width = mask.shape
    text = "".join(rng.choice(list(LETTERS), int(rng.integers(2, 9))))
    face, scale = int(rng.choice(FACES)), float(np.exp(rng.uniform(np.log(0.6), np.log(4))))
    thick = max(1, round(scale * rng.uniform(1, 4)))
    (wide, high), _ = cv2.getTextSize(text, face, scale, thick)
    at = rng.uniform((-wide / 4, high / 2), (max(1, width - wide / 2), height))
    layer = np.zeros_like(mask)
    cv2.putText(layer, text, tuple(int(x) for x in at), face, scale, 255, thick, cv2.LINE_8)
    if rng.random() < 0.3:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-90, 90), 1)
        layer = cv2.warpAffine(layer, turn, (width, height), flags=cv2.INTER_NEAREST)
    np.maximum(mask, layer, out=mask)


def blobs(rng: np.random.Generator, mask: Array) -> None:
    """Draw a rounded blob over a mask (H, W) uint8, in place."""
    height, width = mask.shape
    centre = rng.uniform((0, 0), (width, height))
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 10))))
    reach = np.exp(rng.uniform(np.log(4), np.log(max(5, min(height, width) / 3))))
    radii = reach * rng.uniform(0.4, 1, len(angles))
    corners = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    outline = smooth(np.vstack([corners, corners[:1]]), 3)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
