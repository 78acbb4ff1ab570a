"""What is wrong with a set of pairs, found before a night is lost on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.training.data.aligning import shift_of
from cleanplate.training.data.curation import THRESHOLD, mask_of_pair
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import read_pair
from cleanplate.training.data.layouts import Pair, Survey
from cleanplate.training.data.parallel import each

GREY, COLOURED = 1.0, 4.0  # levels between the channels of a grey picture, and of one in colour
MUCH = 0.5  # share of a picture that a pair differs on; what is taken off one covers less


class Examined(NamedTuple):
    """A pair's fault, if it has one by itself, and digests of the samples of input and truth."""

    fault: Fault | None
    input: bytes = b""
    truth: bytes = b""


def check(
    found: Survey, threshold: int = THRESHOLD, workers: int = 0
) -> Iterator[tuple[Pair | None, Fault | None]]:
    """Yield each orphan as (None, fault), then each pair with its fault or None.

    Faults: unreadable or truncated, of another size or number of planes, samples that are not
    finite, a blank mask (file or made), no difference at all, input and truth shifted against each
    other, the same input as an earlier pair. A note has a pair of which only one is in colour, or
    which differs almost everywhere.

    Args:
        found: what the folder holds.
        threshold: of 255; where no sample of a pair differs by more, its mask would be blank.
        workers: processes; 0 for one a core.
    """
    for path in found.orphans:
        yield None, Fault(f"{path} {'has no partner' if path.is_file() else 'is missing'}.")
    first: dict[bytes, tuple[Pair, bytes]] = {}
    examined = each(partial(examine, threshold=threshold), found.pairs, workers)
    for pair, seen in zip(found.pairs, examined, strict=True):
        fault = seen.fault
        if fault is None or fault.note:
            earlier, truth = first.setdefault(seen.input, (pair, seen.truth))
            if earlier is not pair:
                other = "" if truth == seen.truth else ", but its truth is another"
                fault = Fault(f"{pair.input} is the same picture as {earlier.input}{other}.")
        yield pair, fault


def examine(pair: Pair, threshold: int) -> Examined:
    """Look at one pair by itself."""
    try:
        arrays = _arrays(pair)
    except PictureError as error:
        return Examined(Fault(str(error)))
    fault = (
        _unfit(pair, *arrays[:2])
        or _blank(pair, arrays, threshold)
        or _unlike(pair, arrays, threshold)
    )
    return Examined(fault, _digest(arrays[0]), _digest(arrays[2 if pair.own_target else 1]))


def _arrays(pair: Pair) -> list[NDArray[Any]]:
    """Return input, target and mask; mosaics at full depth, where noise is a few steps."""
    arrays = read_pair(pair, deep=True)
    return arrays if arrays[0].ndim == arrays[1].ndim else read_pair(pair)


def _unfit(pair: Pair, dirty: NDArray[Any], clean: NDArray[Any]) -> Fault | None:
    """Return what is wrong with planes: they are of unlike shapes, or not all numbers."""
    for path, array in ((pair.input, dirty), (pair.target, clean)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return Fault(f"{path} holds samples that are not finite numbers.")
    if dirty.shape != clean.shape:
        return Fault(
            f"{pair.target} is of shape {clean.shape}, but its partner {pair.input} of "
            f"{dirty.shape}."
        )
    return None


def _blank(pair: Pair, arrays: list[NDArray[Any]], threshold: int) -> Fault | None:
    dirty, clean = arrays[:2]
    if dirty.ndim == 3 and dirty.dtype == clean.dtype == np.uint8:
        changed = bool(mask_of_pair(dirty, clean, threshold).any())
    else:  # RAW, of which every sample is noisy
        changed = not np.array_equal(dirty, clean)
    if pair.mask is not None and not arrays[2].any():
        return Fault(f"{pair.mask} is a blank mask{', but the pair differs' if changed else ''}.")
    if not changed and not pair.own_target:
        return Fault(f"{pair.input} does not differ from {pair.target}: its mask would be blank.")
    return None


def _unlike(pair: Pair, arrays: list[NDArray[Any]], threshold: int) -> Fault | None:
    """Return what input and truth have that cannot be learnt from, or may not be."""
    dirty, clean = arrays[:2]
    if pair.own_target or dirty.ndim != 3 or not dirty.dtype == clean.dtype == np.uint8:
        return None
    x, y = shift_of(dirty, clean)
    if x or y:
        return Fault(
            f"{pair.input} lies {x} px to the right and {y} px down of {pair.target}; "
            "`prepare align` cuts both to what they share."
        )
    coloured = [_colour(picture) for picture in (dirty, clean)]
    if min(coloured) < GREY and max(coloured) > COLOURED:
        grey = (pair.input, pair.target)[int(np.argmin(coloured))]
        return Fault(f"{grey} is grey, its partner has colours.", note=True)
    share = float(mask_of_pair(dirty, clean, threshold).mean()) / 255
    if pair.mask is None and share > MUCH:
        apart = np.abs(dirty.astype(np.int16) - clean)
        return Fault(
            f"{pair.input} differs from {pair.target} on {share:.0%} of the picture, mostly by "
            f"{np.median(apart[apart > threshold]):.0f} levels: a mask made of that marks noise, "
            "such as JPEG leaves; --threshold raises what counts.",
            note=True,
        )
    return None


def _colour(picture: NDArray[np.uint8]) -> float:
    """Return how far the channels of a picture (H, W, C) are apart, on the average, in levels."""
    return float(np.ptp(picture[::4, ::4].astype(np.int16), axis=-1).mean())


def _digest(array: NDArray[Any]) -> bytes:
    digest = hashlib.sha256(f"{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
