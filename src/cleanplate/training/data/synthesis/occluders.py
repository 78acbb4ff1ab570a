"""Hands, fingers, heads and whole persons that reach into a photographed page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.looks import restyled

HEADS, PEOPLE = "busts", "people"  # folders of heads, of whole persons; any other: of hands
VISIBLE, SHADED = 0.02, 0.012  # opacity and shade from which a pixel counts as occluded
EDGES = ("bottom", "left", "right", "top")
TURN = {"bottom": 0, "left": -90, "right": 90, "top": 180}  # degrees that point a patch inwards


class Occlusion(NamedTuple):
    """A page with something in front of it.

    Attributes:
        picture: (H, W, 3) uint8.
        mask: (H, W) bool, where the page is hidden or shaded.
        seen: (H, W) float32 in [0, 1], how much of the page, shaded or not, is to be seen.
    """

    picture: Array
    mask: Array
    seen: Array


class Layer(NamedTuple):
    """What lies on a page: premultiplied `paint` (H, W, 3) and `alpha` (H, W), floats in [0, 1]."""

    paint: Array
    alpha: Array


class Occluders:
    """A source of occlusions from folders of cut-outs (RGBA, upright; see `cutouts`)."""

    def __init__(self, folders: Sequence[str | Path]) -> None:
        """Load every cut-out under `folders`; those in `busts` are heads, in `people` persons.

        Raises:
            UsageError: there is none.
        """
        self.hands: list[Array] = []
        self.heads: list[Array] = []
        self.people: list[Array] = []
        kinds = {HEADS: self.heads, PEOPLE: self.people}
        for path in sorted(p for folder in folders for p in Path(folder).rglob("*.png")):
            patch = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if patch is not None and patch.ndim == 3 and patch.shape[2] == 4:
                kind = kinds.get(path.parent.name, self.hands)
                kind.append(cv2.cvtColor(patch, cv2.COLOR_BGRA2RGBA))
        if not self.hands:
            named = ", ".join(map(str, folders))
            raise UsageError(f"There are no cut-out hands (RGBA) under {named}.")

    def draw(self, rng: np.random.Generator, page: Array) -> Occlusion:
        """Put one occluder, now and then two, before a page (H, W, 3) uint8, RGB."""
        picture = page.astype(np.float32) / 255
        mask, seen = np.zeros(page.shape[:2], bool), np.ones(page.shape[:2], np.float32)
        light = float(np.percentile(picture[::8, ::8], 80))
        for _ in range(1 if rng.random() < 0.85 else 2):
            layer = self._layer(rng, page.shape[:2], light)
            if rng.random() < 0.5:
                shade = cast_shadow(rng, layer.alpha)
                picture *= 1 - shade[..., None]
                mask |= shade > SHADED
            picture = picture * (1 - layer.alpha[..., None]) + layer.paint
            mask |= layer.alpha > VISIBLE
            seen *= 1 - layer.alpha
        return Occlusion(np.rint(picture * 255).clip(0, 255).astype(np.uint8), mask, seen)

    def _layer(self, rng: np.random.Generator, size: tuple[int, int], light: float) -> Layer:
        """Draw an occluder and the place where it enters a page."""
        side = min(size)
        kind = rng.random()
        if self.people and kind < 0.42:  # from the head alone to nearly all of them
            patch = restyled(rng, self.people[rng.integers(len(self.people))])
            edge = str(rng.choice(EDGES, p=(0.8, 0.08, 0.08, 0.04)))
            width = side * rng.uniform(0.12, 0.6)
            length, shown = width * len(patch) / patch.shape[1], rng.uniform(0.12, 0.95)
        elif self.heads and kind < 0.6:
            patch = restyled(rng, self.heads[rng.integers(len(self.heads))])
            edge = str(rng.choice(EDGES, p=(0.7, 0.1, 0.1, 0.1)))
            length, shown = side * rng.uniform(0.25, 0.75), rng.uniform(0.3, 0.95)
        else:
            patch = self._hand(rng)
            if rng.random() < 0.2:
                patch = restyled(rng, patch)
            edge = str(rng.choice(EDGES, p=(0.3, 0.3, 0.3, 0.1)))
            length, shown = side * rng.uniform(0.25, 0.75), rng.uniform(0.4, 0.95)
            if rng.random() < 0.25:  # no more than fingers
                length, shown = side * rng.uniform(0.4, 1.1), rng.uniform(0.12, 0.4)
        if rng.random() < 0.5:
            patch = patch[:, ::-1]
        pasted = rng.random() < 0.4  # with a light of its own
        lit = in_light(rng, patch, 0.8 if pasted else light)
        turned = turn(lit, length / max(lit.shape[:2]), TURN[edge] + rng.uniform(-30, 30))
        return enter(rng, turned, size, edge, shown)

    def _hand(self, rng: np.random.Generator) -> Array:
        """Return a hand in some skin's colour, now and then gloved or sleeved."""
        patch = self.hands[rng.integers(len(self.hands))].astype(np.float32)
        kind = rng.random()
        if kind < 0.08:
            grey = patch[..., :3].mean(-1, keepdims=True)
            patch[..., :3] = grey / max(grey.max(), 1) * rng.uniform(20, 255, 3)
        elif kind < 0.6:
            tone = 255 * (patch[..., :3] / 255) ** rng.uniform(0.6, 2.2)
            patch[..., :3] = tone * rng.uniform(0.9, 1.1, 3)
        if rng.random() < 0.25:
            patch = sleeved(rng, patch)
        return np.rint(patch.clip(0, 255)).astype(np.uint8)


def sleeved(rng: np.random.Generator, patch: Array) -> Array:
    """Draw a sleeve over the lower part of an arm."""
    height, width = patch.shape[:2]
    top = int(height * rng.uniform(0.6, 0.9))
    arm = patch[top:, :, 3].max(0) > 127
    if not arm.any():
        return patch
    left, right = np.flatnonzero(arm)[[0, -1]]
    wider = int((right - left) * rng.uniform(0, 0.15))
    left, right = max(0, left - wider), min(width, right + wider)
    cloth = rng.uniform(0, 255, 3) * np.ones((height - top, right - left, 1))
    stripes = np.sin(np.arange(right - left) * rng.uniform(0.05, 0.8)) * rng.choice([0, 0, 40])
    folds = cv2.resize(rng.normal(0, 18, (5, 4)), (right - left, height - top))
    patch = patch.copy()
    patch[top:, left:right, :3] = cloth + (stripes + folds)[..., None]
    patch[top:, left:right, 3] = 255
    return patch


def in_light(rng: np.random.Generator, patch: Array, light: float) -> Array:
    """Return a patch as premultiplied floats in [0, 1] in a light that a page is seen in."""
    values = patch.astype(np.float32) / 255
    gain = light * rng.uniform(0.7, 1.25) * (1 + rng.uniform(-0.08, 0.08, 3))
    values[..., :3] *= (gain * values[..., 3:]).astype(np.float32)
    return values.clip(0, 1)


def turn(patch: Array, scale: float, angle: float) -> Array:
    """Scale and rotate a patch by degrees on a canvas that holds all of it."""
    height, width = (max(4, round(side * scale)) for side in patch.shape[:2])
    patch = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    right, down = int(height * sine + width * cosine) + 1, int(height * cosine + width * sine) + 1
    matrix[:, 2] += right / 2 - width / 2, down / 2 - height / 2
    return cv2.warpAffine(patch, matrix, (right, down))


def enter(
    rng: np.random.Generator, patch: Array, size: tuple[int, int], edge: str, shown: float
) -> Layer:
    """Let a share of a patch (h, w, 4) reach over an edge of a page of `size`."""
    height, width = size
    down, right = patch.shape[:2]
    y = int(rng.integers(-down // 3, max(height - down // 2, 1)))
    x = int(rng.integers(-right // 3, max(width - right // 2, 1)))
    if edge in ("bottom", "top"):
        y = height - int(down * shown) if edge == "bottom" else int(down * shown) - down
    else:
        x = width - int(right * shown) if edge == "right" else int(right * shown) - right
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    canvas = cv2.warpAffine(patch, shift, (width, height), flags=cv2.INTER_NEAREST)
    if rng.random() < 0.5:  # held nearer than the page, it is out of focus
        canvas = cv2.GaussianBlur(canvas, (0, 0), max(0.3, min(size) * rng.uniform(0.0003, 0.0025)))
    return Layer(canvas[..., :3], canvas[..., 3])


def cast_shadow(rng: np.random.Generator, alpha: Array) -> Array:
    """Return how much of the light an occluder takes from the page beside it, (H, W) in [0, 1]."""
    side = min(alpha.shape)
    soft = cv2.GaussianBlur(alpha, (0, 0), side * rng.uniform(0.003, 0.02))
    away = (side * rng.uniform(-0.015, 0.015, 2)).astype(np.float32)
    shift = np.array([[1, 0, away[0]], [0, 1, away[1]]], np.float32)
    moved = cv2.warpAffine(soft, shift, soft.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return moved * np.float32(rng.uniform(0.1, 0.45))
