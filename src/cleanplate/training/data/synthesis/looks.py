"""Looks of people before a page: other colours, other cameras, other ways of cutting them out."""

from __future__ import annotations

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.noise import recompressed

LOOKS = ("as they are", "grey", "bleached", "dark", "tinted", "in white", "in one colour", "drawn")
CHANCES = (0.26, 0.14, 0.12, 0.12, 0.08, 0.14, 0.08, 0.06)


def restyled(rng: np.random.Generator, patch: Array) -> Array:
    """Return a cut-out (h, w, 4) uint8 RGBA in another look, coded and cut out in another way."""
    look = str(rng.choice(LOOKS, p=CHANCES))
    values = patch[..., :3].astype(np.float32) / 255
    values = _in_look(rng, values, look)
    colours: Array = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.3:
        colours = coarse(rng, colours)
    alpha = patch[..., 3]
    if rng.random() < 0.25:  # cut out widely: a rim of what was behind them
        reach = 2 * int(rng.integers(1, 4)) + 1
        alpha = cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    if rng.random() < 0.35:
        alpha = stepped(rng, alpha)
    return np.dstack([colours, alpha])


def _in_look(rng: np.random.Generator, values: Array, look: str) -> Array:
    """Return colours (h, w, 3) in [0, 1], or a little beyond, in one of LOOKS."""
    grey = values.mean(-1, keepdims=True)
    if look in ("grey", "bleached", "dark", "drawn") and rng.random() < 0.75:
        values = np.repeat(grey, 3, -1)
    if look == "bleached":
        return np.asarray((values - rng.uniform(0, 0.25)) * rng.uniform(1.3, 2.6) + 0.25)
    if look == "dark":
        return values * np.float32(rng.uniform(0.2, 0.7))
    if look == "tinted":
        return np.asarray(grey * rng.uniform(0.4, 1.2, 3))
    if look in ("in white", "in one colour"):
        return _dressed(rng, values, look)
    if look == "drawn":  # a few tones only, as in a print or a drawing
        tones = int(rng.integers(2, 6))
        return np.asarray(np.round(values * tones) / tones)
    return values


def _dressed(rng: np.random.Generator, values: Array, look: str) -> Array:
    """Dress a person, from the neck down, in white or in one colour; folds stay."""
    height = len(values)
    neck = height * rng.uniform(0.05, 0.25)
    below = ((np.arange(height) - neck) / (0.03 * height) + 0.5).clip(0, 1)[:, None, None]
    grey = values.mean(-1, keepdims=True)
    if look == "in white":
        cloth = 1 - (1 - grey) * rng.uniform(0.08, 0.45) - rng.uniform(0, 0.15, 3) * 0.4
    else:
        cloth = (0.35 + 0.65 * grey) * rng.uniform(0, 1, 3)
    return np.asarray(values + below * (cloth - values), np.float32)


def coarse(rng: np.random.Generator, colours: Array) -> Array:
    """Return a cut-out as a poor camera gives it: of few pixels, through JPEG."""
    height, width = colours.shape[:2]
    small = smaller(colours, rng.uniform(0.2, 0.8))
    colours = recompressed(small, int(rng.integers(25, 90)))
    how = cv2.INTER_NEAREST if rng.random() < 0.3 else cv2.INTER_LINEAR
    return cv2.resize(colours, (width, height), interpolation=how)


def smaller(array: Array, share: float) -> Array:
    """Return a picture or an opacity at a share of its size, of 8 pixels at least."""
    height, width = (max(8, round(side * share)) for side in array.shape[:2])
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)


def stepped(rng: np.random.Generator, alpha: Array) -> Array:
    """Return an opacity (h, w) uint8 with the stairs of a small mask that was enlarged."""
    height, width = alpha.shape
    small = smaller(alpha, 1 / rng.uniform(2, 7))
    hard: Array = np.where(small > 127, 255, 0).astype(np.uint8)
    return cv2.resize(hard, (width, height), interpolation=cv2.INTER_NEAREST)
