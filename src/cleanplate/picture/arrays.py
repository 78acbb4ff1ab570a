"""NumPy arrays in and out: which shapes and ranges are taken, and floats without rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.picture.raster import DEEP_MAX, Samples

_ACCEPTED = (
    "taken are (H, W) and (H, W, 1 to 4) of uint8, uint16 or floats in [0, 1]: "
    "grey, grey + alpha, RGB, RGBA"
)


def split(array: NDArray[Any], name: str) -> tuple[Samples, Samples | None]:
    """Return copies of pixels (H, W, 1 or 3) and alpha (H, W) or None; floats as uint16.

    Raises:
        PictureError: the shape, dtype or range is none of those above.
    """
    if not isinstance(array, np.ndarray):
        raise PictureError(
            f"{name}: this is a {type(array).__name__}, no NumPy array; {_ACCEPTED}."
        )
    if isinstance(array, np.ma.MaskedArray):
        raise PictureError(f"{name}: it is a masked array; fill what is masked (filled()).")
    array = np.asarray(array)
    flat = array.ndim == 2
    deep = array.ndim == 3 and array.shape[2] in (1, 2, 3, 4)
    if not (flat or deep) or not array.size:
        raise PictureError(f"{name}: its shape is {array.shape}; {_ACCEPTED}.")
    samples = array[..., None] if flat else array
    if array.dtype.kind == "f":
        samples = _quantised(samples, name)
    elif array.dtype.kind != "u" or array.itemsize > 2:
        raise PictureError(f"{name}: its dtype is {array.dtype}; {_ACCEPTED}.")
    samples = samples.astype(samples.dtype.newbyteorder("="))
    colours = 3 if samples.shape[2] > 2 else 1
    alpha = samples[..., colours].copy() if samples.shape[2] > colours else None
    return np.ascontiguousarray(samples[..., :colours]), alpha


def join(pixels: Samples, alpha: Samples | None, given: NDArray[Any] | None) -> NDArray[Any]:
    """Return the inverse of ``split``; ``given`` is the array that came in, or a row-less one like
    it.

    Where a 16-bit sample is still what it was, a float array gets its own value back.
    """
    joined: Samples = pixels if alpha is None else np.dstack([pixels, alpha])
    if given is None:
        return np.array(joined[..., 0] if joined.shape[2] == 1 else joined)
    if given.ndim == 2 and joined.shape[2] == 1:
        joined = joined[..., 0]
    if given.dtype.kind != "f":
        return np.array(joined, given.dtype)
    mixed: NDArray[Any] = (joined / DEEP_MAX).astype(given.dtype)
    own = given if given.ndim == joined.ndim else given[..., None]
    shared = own.shape[2] if own.ndim == 3 else None  # without an alpha that came later
    same = joined[..., :shared] == _quantised(own, "array")
    mixed[..., :shared][same] = own[same]
    return mixed


def _quantised(samples: NDArray[Any], name: str) -> Samples:
    low, high = samples.min(), samples.max()
    if not (low >= 0 and high <= 1):
        raise PictureError(f"{name}: its values reach from {low} to {high}; {_ACCEPTED}.")
    deep: Samples = np.rint(samples * np.float64(DEEP_MAX)).astype(np.uint16)
    return deep
