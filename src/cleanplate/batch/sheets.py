"""Sheets of pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import encode_png
from cleanplate.writing import write_all

GAP = 4  # white pixels between cells
CAPTION = 20  # pixels in height


def sheet(
    rows: Sequence[Sequence[NDArray[np.float32]]], side: int, names: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """Draw a table of pictures.

    Args:
        rows: cells (C, H, W) in [0, 1], C = 1 or 3.
        side: longer side of a cell in pixels; larger pictures are shrunk to it, smaller ones stay.
        names: captions of every row's cells, in ASCII.

    Returns:
        (H, W, 3) RGB on white.
    """
    strips = []
    for row in rows:
        cells = [_cell(cell, side) for cell in row]
        if names:
            cells = [_captioned(cell, name) for cell, name in zip(cells, names, strict=True)]
        strips.append(_across(cells))
    width = max(strip.shape[1] for strip in strips)
    return np.concatenate([_filled(strip, strip.shape[0], width) for strip in strips])


def save_sheet(path: Path, drawn: NDArray[np.uint8]) -> None:
    """Write a sheet as PNG, complete or not at all."""
    write_all({path: encode_png(drawn)})


def _cell(cell: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    pixels = np.rint(cell.transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8)
    scale = side / max(pixels.shape[:2])
    if scale < 1:
        size = [max(1, round(length * scale)) for length in pixels.shape[1::-1]]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3)).astype(
        np.uint8
    )


def _captioned(cell: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Set the name above a cell, cut where it is wider."""
    band = np.full((CAPTION, cell.shape[1], 3), 255, np.uint8)
    cv2.putText(band, name, (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([band, cell])


def _across(cells: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    height = max(cell.shape[0] for cell in cells)
    parts = [_filled(cell, height + GAP, cell.shape[1] + GAP) for cell in cells]
    return np.concatenate(parts, axis=1)


def _filled(cell: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Pad a cell with white on the right and below, up to a size."""
    missing = (height - cell.shape[0], width - cell.shape[1])
    return np.pad(cell, ((0, missing[0]), (0, missing[1]), (0, 0)), constant_values=255)
