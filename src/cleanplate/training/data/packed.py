"""Pictures of folders decoded into one file, of which crops are read without reading the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cleanplate.errors import UsageError
from cleanplate.picture import SUFFIXES
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.files import read_rgb
from cleanplate.writing import write_all


def pack(folder: Path, store: Path) -> None:
    """Decode every picture below a folder into `store`.pixels, unless they are there.

    Pictures without colour take a third of the room. `store`.json says what lies where.

    Raises:
        UsageError: there is no picture.
        PictureError: one cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UsageError(f"There are no pictures under {folder}.")
    named = [[path.relative_to(folder).as_posix(), path.stat().st_size] for path in paths]
    index = store.with_name(f"{store.name}.json")
    if index.is_file() and json.loads(index.read_text())["files"] == named:
        return
    store.parent.mkdir(parents=True, exist_ok=True)
    index.unlink(missing_ok=True)
    shapes = []
    with open(store.with_name(f"{store.name}.pixels"), "wb") as file:
        for path in paths:
            picture = read_rgb(path)
            if (picture == picture[..., :1]).all():
                picture = picture[..., :1]
            shapes.append(picture.shape)
            file.write(np.ascontiguousarray(picture).data)
    write_all({index: json.dumps({"files": named, "shapes": shapes}).encode()})


class Packed(Sequence[Array]):
    """The pictures of a folder that was packed: (H, W, 3) or (H, W, 1) uint8, read-only."""

    def __init__(self, store: Path) -> None:
        """Open `store`.pixels."""
        self.shapes = json.loads(store.with_name(f"{store.name}.json").read_text())["shapes"]
        self.starts = np.cumsum([0, *(h * w * c for h, w, c in self.shapes)])
        self.pixels = np.memmap(store.with_name(f"{store.name}.pixels"), np.uint8, "r")

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, number: int) -> Array:  # type: ignore[override]
        if not 0 <= number < len(self):
            raise IndexError(number)
        start, end = self.starts[number : number + 2]
        return self.pixels[start:end].reshape(self.shapes[number])
