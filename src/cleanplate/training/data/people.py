"""People on their own or another background, and pictures without any: data of the cut-out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from cleanplate.training.data.arrays import Pixels
from cleanplate.training.data.downscaled import resized
from cleanplate.training.data.dressed import GROUPS, IGNORE, Scene, scenes_of
from cleanplate.training.data.loading import SizedKey, generator, phases_of
from cleanplate.training.data.on_the_fly import OnTheFlyData
from cleanplate.training.data.pairs import to_tensor

TRIES = 10
SHADES = 2  # labels are framed at so many times the size of the picture, so that edges are soft


class Store:
    """Decoded scenes in one file that every process maps into its memory."""

    def __init__(self, path: Path, scenes: Sequence[Scene], side: int) -> None:
        """Open the store, or make it where it holds other scenes."""
        index = path.with_suffix(".json")
        wanted = [side, *(f"{scene.picture} {scene.labels}" for scene in scenes)]
        held = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
        if held.get("of") != wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            shapes = []
            with path.open("wb") as file:
                for scene in scenes:
                    pixels = scene.read(side)
                    file.write(pixels.tobytes())
                    shapes.append(pixels.shape)
            held = {"of": wanted, "shapes": shapes}
            index.write_text(json.dumps(held), encoding="utf-8")
        self.shapes = held["shapes"]
        self.starts = np.cumsum([0, *(math.prod(shape) for shape in self.shapes)])
        self.pixels = np.memmap(path, np.uint8, "r")

    def read(self, number: int) -> Pixels:
        """Return scene `number`, (H, W, 4)."""
        start, shape = self.starts[number], self.shapes[number]
        return np.asarray(self.pixels[start : start + math.prod(shape)]).reshape(shape)


@dataclass(frozen=True)
class Window:
    """How a scene is cut, turned and flipped; see `data.cutouts.Framing`.

    A crop may be larger than its picture, which is then reflected.
    """

    area: tuple[float, float] = (0.3, 1.2)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    rotation: float = 15.0

    def cut(self, scene: Pixels, side: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Cut a picture (side, side, 3) and its labels (SHADES * side, SHADES * side)."""
        scene = self._part(scene, rng)
        if rng.random() < 0.5:
            scene = scene[:, ::-1]
        scene = np.ascontiguousarray(scene)
        picture = resized(scene[..., :3], side, side)
        labels = np.asarray(
            cv2.resize(scene[..., 3], [SHADES * side] * 2, interpolation=cv2.INTER_NEAREST_EXACT),
            np.uint8,
        )
        angle = float(rng.uniform(-self.rotation, self.rotation))
        return _turned(picture, angle, cv2.INTER_LINEAR), _turned(labels, angle, cv2.INTER_NEAREST)

    def _part(self, scene: Pixels, rng: np.random.Generator) -> Pixels:
        """Return a part that holds somebody, where the scene does."""
        high, wide = scene.shape[:2]
        anybody = scene[..., 3].any()
        for _ in range(TRIES):
            area = high * wide * rng.uniform(*self.area)
            ratio = math.exp(rng.uniform(*np.log(self.ratio)))
            height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            top, left = (
                int(rng.integers(min(0, room), max(0, room) + 1))
                for room in (high - height, wide - width)
            )
            if max(height - high, width - wide) >= min(high, wide) // 2:
                continue
            part = scene[max(0, top) : top + height, max(0, left) : left + width]
            if not anybody or part[..., 3].any():
                before = max(0, -top), max(0, -left)
                after = height - part.shape[0] - before[0], width - part.shape[1] - before[1]
                pads = list(zip(before, after, strict=True))
                return np.pad(part, [*pads, (0, 0)], "symmetric") if np.any(pads) else part
        return scene


def _turned(array: Pixels, angle: float, way: int) -> Pixels:
    size = array.shape[1::-1]
    matrix = cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), angle, 1.0)
    return np.asarray(
        cv2.warpAffine(array, matrix, size, flags=way, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def planes_of(labels: Pixels) -> Pixels:
    """Turn labels (SHADES * H, SHADES * W) into planes (H, W, 6), 0..255: person, GROUPS, known."""
    planes = [labels > 0, *(labels == 1 + n for n in range(len(GROUPS))), labels != IGNORE]
    size = labels.shape[1] // SHADES, labels.shape[0] // SHADES
    return np.dstack(
        [
            cv2.resize(p.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
            for p in planes
        ]
    )


class PeopleCrops(Dataset[dict[str, Any]]):
    """Crops of people on their own background or on another, and of pictures without people.

    An item of a key is always the same; it holds `input` (3, S, S), `maps` (5, S, S), the person
    and GROUPS, and `known` (1, S, S), where the groups are known: uint8, 0..255.
    """

    def __init__(
        self,
        store: Store,
        parts: Sequence[tuple[range, float]],
        empty: range,
        moved: float,
        seed: int,
        size: int,
    ) -> None:
        """Draw from `store`.

        Args:
            store: the scenes.
            parts: numbers of scenes with people, and each part's share.
            empty: numbers of scenes without; they take what the shares leave of 1.
            moved: share of the crops of people that are laid on an empty scene.
            seed: of all that is drawn.
            size: items a round.
        """
        self.store, self.parts, self.empty, self.moved = store, parts, empty, moved
        self.seed, self.size = seed, size
        self.window, self.anywhere = Window(), Window((0.1, 1.0), rotation=5.0)

    def __len__(self) -> int:
        """Return the number of items a round."""
        return self.size

    def __getitem__(self, key: SizedKey) -> dict[str, Any]:
        """Return the item of a round, an index and a side."""
        rng, side = generator(self.seed, key[:2]), key[2]
        share = rng.random()
        for numbers, part_share in self.parts:
            if share < part_share:
                picture, labels = self._people(numbers, side, rng)
                break
            share -= part_share
        else:
            picture, labels = self._background(side, rng)
        if rng.random() < 0.2:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.1, 2.0)))
        if rng.random() < 0.05:
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            picture = np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)
        planes = to_tensor(planes_of(labels))
        return {"input": to_tensor(picture), "maps": planes[:-1], "known": planes[-1:]}

    def _background(self, side: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        scene = self.store.read(self.empty[int(rng.integers(len(self.empty)))])
        return self.anywhere.cut(scene, side, rng)

    def _person(self, numbers: range, side: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        scene = self.store.read(numbers[int(rng.integers(len(numbers)))])
        return self.window.cut(scene, side, rng)

    def _people(self, numbers: range, side: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Return somebody where he was, or one to three people on another background."""
        picture, labels = self._person(numbers, side, rng)
        if rng.random() >= self.moved:
            return picture, labels
        background, known = self._background(side, rng)
        if rng.random() < 0.5:  # out of focus
            background = np.asarray(cv2.GaussianBlur(background, (0, 0), rng.uniform(0.5, 5)))
        count = 1 + int(rng.choice(3, p=(0.75, 0.17, 0.08)))
        for number in range(count):
            if number:
                picture, labels = self._person(numbers, side, rng)
            background = pasted(background, picture, labels, rng)
            known = np.where(labels > 0, labels, known)
        return background, known


def pasted(background: Pixels, picture: Pixels, labels: Pixels, rng: np.random.Generator) -> Pixels:
    """Lay who is labelled on a picture over another background, in a light a little changed."""
    alpha = cv2.resize(
        (labels > 0).astype(np.float32), background.shape[1::-1], interpolation=cv2.INTER_AREA
    )
    alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.4, 1.2))[..., None]
    light = np.float32(rng.uniform(0.75, 1.2) if rng.random() < 0.5 else 1.0)
    mixed = picture * light * alpha + background * (1 - alpha)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


class WholeScenes(Dataset[dict[str, Any]]):
    """WholeScenes scenes, for validation, with a longer side of `side` pixels."""

    def __init__(self, scenes: Sequence[Scene], side: int) -> None:
        self.scenes, self.side = scenes, side

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.scenes)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Return the scene of an index, as `PeopleCrops` gives it."""
        scene = self.scenes[key if isinstance(key, int) else key[1]].read(SHADES * self.side)
        size = [max(1, length // SHADES) for length in scene.shape[:2]]
        labels = np.ascontiguousarray(scene[: SHADES * size[0], : SHADES * size[1], 3])
        picture = resized(np.ascontiguousarray(scene[..., :3]), *size)
        planes = to_tensor(planes_of(labels))
        return {"input": to_tensor(picture), "maps": planes[:-1], "known": planes[-1:]}


class People(OnTheFlyData):
    """Labelled people, people with masks alone, and pictures without people."""

    def __init__(
        self,
        labelled: dict[str, float],
        masked: dict[str, float],
        empty: str,
        validation: str,
        folder: str = ".",
        store: str = "store/people.pixels",
        longest: int = 850,
        progressive: list[tuple[int, int, int]] | None = None,
        moved: float = 0.5,
        steps: int = 250,
        validation_side: int = 384,
        validation_pictures: int = 104,
        seed: int = 1,
        workers: int = 1,
    ) -> None:
        """Name what is learnt from; paths are relative to `folder`.

        Args:
            labelled: folders with `photos/` and `labels/` of the same stems, a `labels.txt` in or
                above each, and their shares of the crops.
            masked: folders with `photos/` and `masks/`, and their shares.
            empty: a list of pictures on which nobody is, a path a line; they take what is left.
            validation: a folder as in `labelled`.
            folder: what paths are relative to.
            store: the file of the decoded pictures.
            longest: longer side in pixels that pictures are kept at.
            progressive: phases of [steps, batch size, crop].
            moved: share of the crops of people that are laid on an empty picture.
            steps: batches an epoch.
            validation_side: longer side in pixels that is validated at.
            validation_pictures: validate on at most so many.
            seed: of all that is drawn.
            workers: processes that cut.

        Raises:
            UsageError: a phase or the number of workers is out of its range.
        """
        super().__init__()
        self.save_hyperparameters()
        self.phases = phases_of(progressive or [(1, 8, 256)])
        self.hparams["batch_size"] = self.phases[0].batch_size
        self.check()

    def setup(self, stage: str) -> None:
        """List the scenes, and decode them once into the store."""
        own = self.hparams
        parts = [scenes_of(place, True) for place in self.paths(own["labelled"])]
        parts += [scenes_of(place, False) for place in self.paths(own["masked"])]
        listing = self.paths([own["empty"]])[0]
        lines = listing.read_text(encoding="utf-8").splitlines()
        parts.append([Scene(listing.parent / line, None, None) for line in lines if line])
        ends = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        ranges = [range(*ends[n : n + 2]) for n in range(len(parts))]
        shares = [*own["labelled"].values(), *own["masked"].values()]
        store = Store(
            self.paths([own["store"]])[0], [s for part in parts for s in part], own["longest"]
        )
        self.training = PeopleCrops(
            store,
            list(zip(ranges[:-1], shares, strict=True)),
            ranges[-1],
            own["moved"],
            own["seed"],
            own["steps"] * own["batch_size"],
        )
        unseen = scenes_of(self.paths([own["validation"]])[0], True)
        self.validation = WholeScenes(unseen[: own["validation_pictures"]], own["validation_side"])

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return one picture after the other: they differ in size."""
        return DataLoader(self.validation, 1)
