"""Reading the files of a pair into arrays."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import Picture
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.cache import PictureCache
from cleanplate.training.data.layouts import NPY, Pair

Reader = Callable[[Path], NDArray[Any]]
MASKED = 127  # of 255; a mask's sample above it counts as masked


def places_below(
    folder: Path, suffixes: Container[str], out: Path, suffix: str
) -> dict[Path, Path]:
    """Map every file below a folder to its output path below `out`.

    What lies below `out` is passed over: an earlier run made it.

    Args:
        folder: searched at any depth.
        suffixes: of the files, in small letters.
        out: gets the folders that `folder` has.
        suffix: of what is made.

    Raises:
        UsageError: what is made would lie among the files, or two have one place.
    """
    own = out.resolve()
    jobs: dict[Path, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in suffixes or own in path.resolve().parents:
            continue
        place = out / path.relative_to(folder).with_suffix(suffix)
        if place in jobs:
            raise UsageError(f"{jobs[place]} and {path} have one name; rename one of them.")
        jobs[place] = path
    if own == folder.resolve() or set(jobs) & set(jobs.values()):
        raise UsageError(f"{out} holds what is to be read; give another folder for what is made.")
    return {path: place for place, path in jobs.items()}


def read_rgb(path: Path) -> Pixels:
    """Return a picture file as (H, W, 3) in 0..255.

    Raises:
        PictureError: it cannot be read.
    """
    return _eight_bits(Picture.read(path), 3)


def read_mask(path: Path, above: int = MASKED) -> Pixels:
    """Return a mask file as (H, W, 1), 0 or 255.

    Raises:
        PictureError: it cannot be read.
    """
    return np.where(read_grey(path) > above, np.uint8(255), np.uint8(0))


def read_grey(path: Path) -> Pixels:
    """Return a file of labels or shades as (H, W, 1), 0..255.

    Raises:
        PictureError: it cannot be read.
    """
    return _eight_bits(Picture.read(path), 1)


def read_deep(path: Path) -> NDArray[Any]:
    """Return a picture file of 16-bit grey, as mosaics are, as it is (H, W); another as `read_rgb`
    does.

    Raises:
        PictureError: it cannot be read.
    """
    picture = Picture.read(path)
    if picture.max_value > 255 and picture.pixels.shape[2] == 1:
        return picture.pixels[..., 0]
    return _eight_bits(picture, 3)


def refuse_blank(mask: Pixels, path: Path) -> None:
    """Refuse a mask that marks nothing; `path` is the file that it is of.

    Raises:
        PictureError: it is blank.
    """
    if not mask.any():
        raise PictureError(
            f"{path}: the mask is blank; `cleanplate prepare check` names all such pairs."
        )


def read_planes(path: Path) -> NDArray[Any]:
    """Return an array file (.npy) as it is, mapped into memory: a crop reads no more than it needs.

    Raises:
        PictureError: it cannot be read, or is not of the shape (H, W) or (H, W, C).
    """
    try:
        planes: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PictureError(f"{path}: this array is damaged or cannot be read ({error}).") from error
    if planes.ndim not in (2, 3) or not planes.size:
        raise PictureError(f"{path}: an array of shape {planes.shape} is no picture and no planes.")
    return planes


def _eight_bits(picture: Picture, channels: int) -> Pixels:
    pixels = picture.pixels
    if picture.max_value > 255:
        pixels = ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if channels == 1:
        return pixels.max(axis=2, keepdims=True).astype(np.uint8)
    return np.broadcast_to(pixels, (*pixels.shape[:2], channels)).astype(np.uint8)


def read_pair(pair: Pair, above: int = MASKED, deep: bool = False) -> list[NDArray[Any]]:
    """Return input, target and, where there is a file for it, mask, without a cache.

    `above`: a mask's sample above it, of 255, counts as masked. `deep`: mosaics are read as they
    are, see `read_deep`.
    """
    return _matching([(path, read(path)) for path, read in _readers(pair, above, deep)])


def _readers(pair: Pair, above: int = MASKED, deep: bool = False) -> list[tuple[Path, Reader]]:
    flat = read_deep if deep else read_rgb
    readers: list[tuple[Path, Reader]] = [
        (path, read_planes if path.suffix.lower() == NPY else flat)
        for path in (pair.input, pair.target)
    ]
    if pair.mask is not None:
        readers.append((pair.mask, partial(read_mask, above=above)))
    return readers


def _matching(read: list[tuple[Path, NDArray[Any]]]) -> list[NDArray[Any]]:
    """Return the arrays alone.

    Raises:
        PictureError: one differs in size from the first.
    """
    (first, wanted), *others = read
    for path, array in others:
        if array.shape[:2] != wanted.shape[:2]:
            raise PictureError(
                f"{path} is {array.shape[1]}x{array.shape[0]}, but its partner {first} "
                f"is {wanted.shape[1]}x{wanted.shape[0]}; `cleanplate prepare check` "
                "names all such pairs."
            )
    return [array for _, array in read]


class PairFiles:
    """Reads the arrays of a pair: input (H, W, 3), target (H, W, 3), mask (H, W, 1), uint8.

    Input and target that are planes (.npy) are read-only maps of their files, (H, W, C) of the
    files' own type.
    """

    def __init__(self, pairs: list[Pair], cache: int = 0) -> None:
        """Keep decoded pictures in `cache` bytes of memory."""
        paths = {p for pair in pairs for p in (pair.input, pair.target, pair.mask) if p}
        self.numbers = {path: number for number, path in enumerate(sorted(paths))}
        self.cache = PictureCache(len(paths), cache)

    def read(self, pair: Pair) -> list[NDArray[Any]]:
        """Return input, target and, where there is a file for it, mask.

        Raises:
            PictureError: a file cannot be read, differs in size, or is a blank mask.
        """
        arrays = _matching([(path, self._get(path, read)) for path, read in _readers(pair)])
        if pair.mask is not None:
            refuse_blank(arrays[2], pair.mask)
        return arrays

    def _get(self, path: Path, read: Reader) -> NDArray[Any]:
        if read is read_planes:
            return read(path)
        return self.cache.get(self.numbers[path], partial(read, path))
