"""What makes clean pictures more various: other colours, shadows, and lettering in the scene.

A sign, a label or a drawing belongs to the picture: it lies on a surface in perspective, takes that
surface's light and is as soft as its surroundings. A watermark lies flat on the picture instead.
"""

from __future__ import annotations

import cv2
import numpy as np

from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.watermarks import Watermarks, over

COLOURED, SHADOWED, SIGNED = 0.35, 0.12, 0.18  # shares of the pictures


def varied(rng: np.random.Generator, picture: Array, marks: Watermarks) -> Array:
    """Return a clean picture (H, W, 3) uint8 as another clean picture of the same scene.

    Lettering and logos of `marks` may have been put up in it.
    """
    if rng.random() < COLOURED:
        picture = coloured(rng, picture)
    if rng.random() < SIGNED:
        for _ in range(int(rng.integers(1, 4))):
            picture = signed(rng, picture, marks)
    if rng.random() < SHADOWED:
        picture = shadowed(rng, picture)
    return picture


def coloured(rng: np.random.Generator, picture: Array) -> Array:
    """Turn the hues, stretch saturation by 0.5 to 2.2 and bend the tones by a gamma of 0.6 to 1.7.

    Light and dark keep their order, so that a scene stays a scene.
    """
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    turn = int(rng.integers(180)) if rng.random() < 0.5 else int(rng.integers(-8, 9)) % 180
    steps = np.arange(256)
    more = steps * np.exp(rng.uniform(np.log(0.5), np.log(2.2)))
    bent = 255 * (steps / 255) ** np.exp(rng.uniform(np.log(0.6), np.log(1.7)))
    planes = (
        ((hue.astype(np.uint16) + turn) % 180).astype(np.uint8),
        cv2.LUT(saturation, more.clip(0, 255).astype(np.uint8)),
        cv2.LUT(value, bent.clip(0, 255).astype(np.uint8)),
    )
    return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2RGB)


def signed(rng: np.random.Generator, picture: Array, marks: Watermarks) -> Array:
    """Put up a sign: lettering or a logo, on a board or straight on what is there."""
    height, width = picture.shape[:2]
    side = min(height, width) * rng.uniform(0.04, 0.4)
    stamp = marks.device(rng, max(12, int(side)))
    margin = int(rng.uniform(0.1, 0.5) * stamp.shape[0])
    stamp = np.pad(stamp, margin)
    board = np.ones_like(stamp) if rng.random() < 0.6 else np.zeros_like(stamp)
    soft = rng.uniform(0.4, 1.6)
    matrix, part = standing(rng, stamp.shape, (height, width), spare=6)
    size = (part[1].stop - part[1].start, part[0].stop - part[0].start)
    ink, board = (cv2.warpPerspective(cover, matrix, size) for cover in (stamp, board))
    ink, board = (cv2.GaussianBlur(cover, (0, 0), soft) for cover in (ink, board))
    here = picture[part].astype(np.float32) / 255
    light = cv2.GaussianBlur(here.mean(-1), (0, 0), max(1.0, side * rng.uniform(0.05, 0.3)))
    if board.max() > 0:  # a board hides the surface but not the light on it
        light = light / max(float(light[board > 0.5].mean()) if (board > 0.5).any() else 1, 0.05)
        here = over(here, board, lit(rng.random(3), light))
    paint = lit(rng.random(3), light)
    here = over(here, ink * rng.uniform(0.85, 1.0), paint)
    grain = rng.normal(0, rng.uniform(0, 0.03), light.shape).astype(np.float32)
    here += (grain * np.maximum(ink, board))[..., None]
    picture = picture.copy()
    picture[part] = np.rint(here * 255).clip(0, 255).astype(np.uint8)
    return picture


def lit(colour: Array, light: Array) -> Array:
    """Return a colour (3,) in the light (H, W) of a surface: (H, W, 3)."""
    return (colour * light[..., None].clip(0.3, 1.5)).astype(np.float32)


def standing(
    rng: np.random.Generator, patch: tuple[int, ...], canvas: tuple[int, int], spare: int
) -> tuple[Array, tuple[slice, slice]]:
    """Return the part of a canvas in which a patch stands somewhere, seen askew, and how.

    Returns:
        The homography from the patch to the part, and the part, `spare` pixels larger each way.
    """
    height, width = patch[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shear = rng.uniform(-0.5, 0.5, 2)
    seen = corners - corners.mean(0)
    seen = seen @ np.array([[1, shear[0]], [shear[1], 1]])
    seen *= [rng.uniform(0.5, 1.0), rng.uniform(0.7, 1.0)]
    seen += rng.uniform(-0.12, 0.12, (4, 2)) * [width, height]
    seen += [rng.uniform(0, canvas[1]), rng.uniform(0, canvas[0])]
    low = np.clip(np.floor(seen.min(0)).astype(int) - spare, 0, [canvas[1] - 1, canvas[0] - 1])
    high = np.clip(np.ceil(seen.max(0)).astype(int) + spare, low + 1, [canvas[1], canvas[0]])
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    return cv2.getPerspectiveTransform(corners, (seen - low).astype(np.float32)), part


def shadowed(rng: np.random.Generator, picture: Array) -> Array:
    """Let a shadow or a patch of light with a soft rim fall across a picture."""
    height, width = picture.shape[:2]
    points = rng.uniform(-0.2, 1.2, (int(rng.integers(3, 7)), 2)) * [width, height]
    shape: Array = np.zeros((height, width), np.float32)
    cv2.fillPoly(shape, [points.astype(np.int32)], 1.0)
    shape = cv2.GaussianBlur(shape, (0, 0), min(height, width) * rng.uniform(0.006, 0.08))
    more = rng.uniform(-0.65, -0.15) if rng.random() < 0.7 else rng.uniform(0.1, 0.6)
    factor = 1 + shape * more
    return np.rint(picture * factor[..., None]).clip(0, 255).astype(np.uint8)
