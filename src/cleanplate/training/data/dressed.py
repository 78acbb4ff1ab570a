"""Photographs with labels of what people wear, or with masks of the people alone.

Labels are those of Clothing Co-Parsing (Yang, Luo and Lin, CVPR 2014), merged into four groups; a
mask without labels tells the person alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cleanplate.errors import PictureError, UsageError
from cleanplate.picture import encode_png
from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.downscaled import LongestMaxSize
from cleanplate.training.data.files import read_grey, read_rgb
from cleanplate.writing import write_all

GROUPS = ("garment", "hair", "skin", "accessory")  # the labels 1 to 4; 0 is the background
IGNORE = 255  # the label of a person of whom nobody said what is garment and what is skin
WORN = frozenset(("belt", "bracelet", "earrings", "glasses", "necklace", "ring", "sunglasses"))
ACCESSORIES = WORN | {"accessories", "bag", "purse", "wallet", "watch"}
WHOLE = 1 << 30  # a side that no picture has


def group_of(label: str) -> int:
    """Return the group of a label of Clothing Co-Parsing: an index into GROUPS plus 1, 0 for
    "null".

    What is worn of cloth or leather, shoes and hats among it, is a garment.
    """
    if label == "null":
        return 0
    if label in ("hair", "skin"):
        return 1 + GROUPS.index(label)
    return 1 + GROUPS.index("accessory" if label in ACCESSORIES else "garment")


def read_groups(folder: Path) -> Pixels:
    """Return the group of every label (256,), from the list `labels.txt` in or above a folder.

    Raises:
        UsageError: there is no such list.
    """
    for place in (folder, folder.parent):
        if (place / "labels.txt").is_file():
            rows = (place / "labels.txt").read_text(encoding="utf-8").split("\n")
            table = np.zeros(256, np.uint8)
            for number, name in (row.split("\t") for row in rows if row.strip()):
                table[int(number)] = group_of(name.strip())
            return table
    raise UsageError(f"{folder} has no labels.txt, which names the labels.")


@dataclass(frozen=True)
class Scene:
    """A picture on disk and where the group of each of its pixels lies; None where nobody is."""

    picture: Path
    labels: Path | None
    table: Pixels | None  # of the groups of the labels; None where the labels are a plain mask

    def read(self, side: int) -> Pixels:
        """Return picture and labels (H, W, 4), the longer side at most `side` pixels.

        Raises:
            PictureError: a file cannot be read, or the two differ in size.
        """
        picture = LongestMaxSize(side)(read_rgb(self.picture))
        size = picture.shape[1], picture.shape[0]
        labels = np.zeros(size[::-1], np.uint8)
        if self.labels is not None:
            given = read_grey(self.labels)[..., 0]
            if self.table is not None:
                given = self.table[given]
            else:
                given = np.where(given > 127, np.uint8(IGNORE), np.uint8(0))
                given = _closed(given)
            if abs(given.shape[0] / given.shape[1] * size[0] / size[1] - 1) > 0.02:
                raise PictureError(f"{self.labels} and {self.picture} differ in shape.")
            labels = np.asarray(cv2.resize(given, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        return np.dstack([picture, labels])


def _closed(mask: Pixels) -> Pixels:
    """Return a mask (H, W) without specks of background in it."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)), np.uint8)


def scenes_of(folder: Path, labelled: bool) -> list[Scene]:
    """Return the photographs of a folder with their labels or masks, by name.

    Raises:
        UsageError: there is none.
    """
    table = read_groups(folder) if labelled else None
    masks = {p.stem: p for p in (folder / ("labels" if labelled else "masks")).glob("*")}
    photos = sorted((folder / "photos").glob("*"))
    scenes = [Scene(path, masks[path.stem], table) for path in photos if path.stem in masks]
    if not scenes:
        raise UsageError(f"{folder} holds no photographs with labels or masks of their names.")
    return scenes


def as_pairs(folder: Path, out: Path, classes: Sequence[str]) -> int:
    """Write the photographs of a labelled folder with masks of some classes, as `evaluate` reads.

    Args:
        folder: as in `People.labelled`.
        out: gets `input/` and `mask/`.
        classes: person, or some of GROUPS.

    Returns:
        How many pictures there are.

    Raises:
        UsageError: there is nothing labelled.
        PictureError: a file cannot be read.
    """
    scenes = scenes_of(folder, True)
    numbers = [1 + GROUPS.index(name) for name in classes if name != "person"]
    if "person" in classes:
        numbers = list(range(1, 1 + len(GROUPS)))
    for scene in scenes:
        labels = scene.read(WHOLE)[..., 3]
        mask = np.where(np.isin(labels, numbers), np.uint8(255), np.uint8(0))
        write_all(
            {
                out / "input" / scene.picture.name: scene.picture.read_bytes(),
                out / "mask" / f"{scene.picture.stem}.png": encode_png(mask),
            }
        )
    return len(scenes)
