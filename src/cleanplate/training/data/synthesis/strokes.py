"""Characters drawn with a pen, recorded point by point, as in the Omniglot data (Lake et al. 2015).

A recording is a text file: `START`, then a point `x,y,milliseconds` a line, y upwards and below 0,
`BREAK` where the pen was lifted. They lie in folders, an alphabet a folder of folders, or in zip
archives of these.
"""

from __future__ import annotations

import functools
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.paths import Drawing

CANVAS = 105.0  # side of the square that characters are drawn in
SPEED = 0.6  # how much wider a line is where the pen rests


class Strokes:
    """Recorded characters, by alphabet."""

    def __init__(self, folders: Sequence[str | Path]) -> None:
        """Read every recording under `folders`.

        Raises:
            UsageError: there is none.
        """
        alphabets: dict[str, list[bytes]] = defaultdict(list)
        for name, text in _recordings(folders):
            if text.startswith(b"START") and b"," in text:
                alphabets[PurePosixPath(name).parts[-3]].append(text)
        self.alphabets = [alphabets[name] for name in sorted(alphabets)]
        if not self.alphabets:
            named = ", ".join(map(str, folders))
            raise UsageError(f"There are no pen strokes (.txt, .zip) under {named}.")

    def word(
        self, rng: np.random.Generator, count: int, em: float, width: float
    ) -> tuple[Drawing, list[Array]]:
        """Draw some characters of one alphabet side by side.

        Args:
            rng: chooses them.
            count: of characters.
            em: about their height in pixels.
            width: of the pen in pixels.

        Returns:
            Paths, and the widths along them.
        """
        alphabet = self.alphabets[rng.integers(len(self.alphabets))]
        scale, slant = em / CANVAS * rng.uniform(1.1, 1.5), rng.normal(0.05, 0.12)
        drawing: Drawing = []
        widths: list[Array] = []
        x = 0.0
        for _ in range(count):
            character = recorded(alphabet[rng.integers(len(alphabet))])
            size = scale * rng.uniform(0.9, 1.1)
            shape = size * np.array([[1, 0], [-slant, 1]])
            low = min(float((path @ shape)[:, 0].min()) for path, _ in character)
            paths = [path @ shape + (x - low, 0) for path, _ in character]
            x = max(float(path[:, 0].max()) for path in paths) + em * rng.uniform(0.08, 0.3)
            drawing += paths
            widths += [width * (1 - SPEED / 2 + SPEED * rest) for _, rest in character]
        return drawing, widths


def _recordings(folders: Sequence[str | Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the text of every text file under some folders, those in archives too."""
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*")):
        if path.suffix.lower() == ".txt":
            yield path.as_posix(), path.read_bytes()
        elif path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".txt"):
                        yield f"{path.as_posix()}/{name}", archive.read(name)


@functools.lru_cache(maxsize=4096)
def recorded(text: bytes) -> list[tuple[Array, Array]]:
    """Return the strokes of one recording.

    Returns:
        For each a path (N, 2), y downwards, and how much the pen rests at each point, (N,) in
        [0, 1]. Points that repeat one another are dropped; a stroke of one point is a dot.
    """
    strokes = []
    for part in text.decode("ascii").removeprefix("START").split("BREAK"):
        points = np.array([row.split(",") for row in part.split()], np.float64).reshape(-1, 3)
        if not len(points):
            continue
        path, clock = points[:, :2] * (1, -1), points[:, 2]
        moved = np.r_[True, np.hypot(*np.diff(path, axis=0).T) > 0]
        path, clock = path[moved], clock[moved]
        if len(path) == 1:
            strokes.append((np.concatenate([path, path + 0.5]), np.ones(2)))
        else:
            path = _even(path)
            strokes.append((path, _rest(path, clock)))
    return strokes


def _even(path: Array) -> Array:
    """Return a path without the steps of the pixels that it was recorded in."""
    padded = np.pad(path, ((2, 2), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, axis], np.ones(5) / 5, "valid") for axis in (0, 1)], 1)


def _rest(path: Array, clock: Array) -> Array:
    """Return how slowly the pen moves along a path: 0 from twice its mean speed on, 1 at rest."""
    length = np.hypot(*np.gradient(path, axis=0).T)
    speed = length / np.maximum(np.gradient(clock), 1.0)
    even = np.convolve(np.pad(speed, 4, mode="edge"), np.ones(9) / 9, "valid")
    return 1 - np.clip(even / max(2 * float(even.mean()), 1e-6), 0, 1)
