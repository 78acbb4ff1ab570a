"""What is wrong with a set of pairs, found before a night is lost on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError
from cleanplate.training.data.curation import THRESHOLD, mask_of_pair
from cleanplate.training.data.faults import Fault
from cleanplate.training.data.files import read_pair
from cleanplate.training.data.layouts import Pair, Survey
from cleanplate.training.data.parallel import each


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
    finite, a blank mask (file or made), no difference at all, the same input as an earlier pair.

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
        if fault is None:
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
    fault = _unfit(pair, *arrays[:2]) or _blank(pair, arrays, threshold)
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


def _digest(array: NDArray[Any]) -> bytes:
    digest = hashlib.sha256(f"{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
