"""Samples of an image as bytes, 1 to 16 bits each, rows padded to whole bytes."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.document.leaving import LeftAlone

Codes = NDArray[Any]
_LEVEL = 6


def unpacked(data: bytes, size: tuple[int, int], components: int, bits: int) -> Codes:
    """Return the samples (H, W, N), uint8 or, of 16 bits, uint16.

    Raises:
        LeftAlone: there are fewer of them than the image is large.
    """
    height, width = size
    row = row_bytes(width, components, bits)
    if len(data) < height * row:
        raise LeftAlone("its data are cut short")
    rows = np.frombuffer(data, np.uint8, height * row).reshape(height, row)
    if bits == 16:
        deep: Codes = rows.view(">u2").astype(np.uint16)
        return deep.reshape(height, width, components)
    if bits == 8:
        eight: Codes = rows.copy()
        return eight.reshape(height, width, components)
    if bits == 1:
        ones: Codes = np.unpackbits(rows, axis=1)[:, : width * components]
        return ones.reshape(height, width, components)
    parts = [rows >> shift & (1 << bits) - 1 for shift in range(8 - bits, -1, -bits)]
    codes = np.stack(parts, 2).reshape(height, -1)[:, : width * components]
    return np.ascontiguousarray(codes).reshape(height, width, components)


def packed(codes: Codes, bits: int) -> bytes:
    """Return the bytes of samples (H, W, N); what pads a row is zero."""
    height = len(codes)
    rows = codes.reshape(height, -1)
    if bits == 16:
        return rows.astype(">u2").tobytes()
    if bits == 8:
        return rows.astype(np.uint8).tobytes()
    if bits == 1:
        return np.packbits(rows.astype(np.uint8), axis=1).tobytes()
    share = 8 // bits
    padded = np.pad(rows.astype(np.uint8), ((0, 0), (0, -rows.shape[1] % share)))
    groups = padded.reshape(height, -1, share)
    total = np.zeros(groups.shape[:2], np.uint8)
    for place in range(share):
        total |= groups[..., place] << (8 - bits * (place + 1))
    return total.tobytes()


def row_bytes(width: int, components: int, bits: int) -> int:
    """Return how many bytes a row takes."""
    return -(-width * components * bits // 8)


def deflated(data: bytes, row: int, pixel: int, *, predicted: bool) -> bytes:
    """Return bytes deflated.

    Args:
        data: rows of samples.
        row: bytes of a row.
        pixel: bytes of a pixel, 1 at least.
        predicted: filter each row before (PNG specification, 9; `up`, or `sub` for the first).
    """
    if not predicted:
        return zlib.compress(data, _LEVEL)
    rows = np.frombuffer(data, np.uint8).reshape(-1, row)
    out = np.empty((len(rows), row + 1), np.uint8)
    out[:, 0] = 2
    out[1:, 1:] = rows[1:] - rows[:-1]
    out[0, 0] = 1
    out[0, 1:] = rows[0]
    out[0, 1 + pixel :] -= rows[0, :-pixel]
    return zlib.compress(out.tobytes(), _LEVEL)
