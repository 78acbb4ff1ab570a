"""Make the pictures that `speed.py` measures on, in a process of its own.

python benchmarks/marked_pictures.py FOLDER [PHOTOGRAPH]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from cleanplate.training.data.arrays import Pixels


def main(folder: Path, photograph: Path | None = None) -> None:
    """Write the pictures into a folder, from a photograph or a synthetic texture, and a page."""
    scene = texture(3000, 4000) if photograph is None else cv2.imread(str(photograph))
    if scene is None:
        raise SystemExit(f"{photograph} cannot be read")
    plain = cv2.resize(scene, (4000, 3000), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    large = cv2.resize(scene, (10000, 10000), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    marked = {
        "12MP-logo.jpg": logo(plain, 3100, 2850, 4),
        "12MP-tiled.jpg": tiled(plain),
        "100MP-logo.png": logo(large, 8300, 9700, 7),
        "10MP-finger.jpg": finger(page(3740, 2650)),
    }
    for name, pixels in marked.items():
        options = [cv2.IMWRITE_JPEG_QUALITY, 92] if name.endswith(".jpg") else []
        cv2.imwrite(str(folder / name), pixels, options)


def texture(height: int, width: int) -> Pixels:
    """Give a picture with detail at every scale: noise of many sizes on top of each other."""
    generator = np.random.default_rng(0)
    scene = np.full((height, width, 3), 128, np.float32)
    for cells in (4, 16, 64, 256, 1024):
        noise = generator.normal(0, 90 / cells**0.4, (cells, cells, 3)).astype(np.float32)
        scene += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(scene, 0, 255).astype(np.uint8)


def logo(pixels: Pixels, left: int, bottom: int, scale: float) -> Pixels:
    """Write a half-transparent mark at a place: its left end and its base line."""
    over = pixels.copy()
    thickness = round(scale * 2.5)
    white = (255, 255, 255)
    cv2.putText(over, "SAMPLE", (left, bottom), 0, scale, white, thickness, cv2.LINE_AA)
    return cv2.addWeighted(over, 0.55, pixels, 0.45, 0).astype(np.uint8)


def tiled(pixels: Pixels) -> Pixels:
    """Write the mark all over, in rows that are shifted against each other."""
    for row, bottom in enumerate(range(200, pixels.shape[0], 420)):
        for left in range(-400 + row % 2 * 350, pixels.shape[1], 700):
            pixels = logo(pixels, left, bottom, 3)
    return pixels


def page(height: int, width: int) -> Pixels:
    """Print lines of words on paper in uneven light."""
    generator = np.random.default_rng(1)
    sheet = np.full((height, width, 3), 255, np.uint8)
    for bottom in range(300, height - 200, 80):
        words = "".join(chr(c) for c in generator.choice([*range(97, 123), 32, 32, 32, 32], 70))
        cv2.putText(sheet, words, (200, bottom), 4, 1.6, (40, 40, 40), 4, cv2.LINE_AA)
    light = cv2.resize(generator.uniform(0.75, 0.95, (3, 3)), (width, height))[..., None]
    return np.rint(sheet * light * [0.95, 0.98, 1.0]).astype(np.uint8)


def finger(pixels: Pixels) -> Pixels:
    """Hold a thumb, as rough as shapes make it, over the lower left of a page."""
    size = pixels.shape[:2]
    shape, nail = np.zeros(size, np.float32), np.zeros(size, np.float32)
    cv2.line(shape, (-200, 3200), (420, 2900), 1.0, 300, cv2.LINE_AA)
    cv2.ellipse(nail, (455, 2880), (95, 70), -26, 0, 360, 1.0, -1, cv2.LINE_AA)
    across = cv2.GaussianBlur(shape, (0, 0), 60)[..., None]
    skin = np.array([115, 150, 205]) * (0.55 + 0.45 * across)
    skin += nail[..., None] * np.array([25, 20, 15])
    alpha = cv2.GaussianBlur(shape, (0, 0), 3)[..., None]
    shade = 1 - 0.25 * cv2.GaussianBlur(np.roll(shape, 25, 0), (0, 0), 30)[..., None]
    return np.rint(pixels * shade * (1 - alpha) + skin * alpha).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
