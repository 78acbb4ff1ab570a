"""Data that are made on the fly from clean pictures: what all such data sets have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from cleanplate.errors import UsageError
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.loading import Phase, ResumableLoader, check_sizes, loader_of

LONGEST = 1600  # longer side in pixels that pictures are kept at
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png"}
Sample = dict[str, torch.Tensor]


def load_clean(folders: Sequence[str | Path], side: int) -> list[Array]:
    """Decode every picture under `folders`, shrunk so that its longer side is at most `side`.

    Returns:
        RGB arrays (H, W, 3).

    Raises:
        UsageError: there is none.
    """
    pictures = []
    for path in sorted(p for folder in folders for p in Path(folder).rglob("*")):
        picture = cv2.imread(str(path)) if path.suffix.lower() in PHOTO_SUFFIXES else None
        if picture is not None and min(picture.shape[:2]) >= 64:
            scale = min(1.0, side / max(picture.shape[:2]))
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    if not pictures:
        raise UsageError(f"There are no pictures under {', '.join(map(str, folders))}.")
    return pictures


class OnTheFlyData(LightningDataModule):
    """Crops made anew for every step, and the same ones for every validation.

    A subclass saves its hyperparameters, among them `folder`, `batch_size`, `steps`, `seed` and
    `workers`, and sets `training` and `validation` up, and `phases` where it trains progressively.
    """

    training: Dataset[Sample]
    validation: Dataset[Sample]
    phases: Sequence[Phase] = ()

    def check(self) -> None:
        """Refuse sizes that no loader can have; called once the hyperparameters are saved.

        Raises:
            UsageError: see `loading.check_sizes`.
        """
        check_sizes(self.hparams["batch_size"], self.hparams["workers"])

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Return folders of these names, which are relative to `folder`."""
        return [Path(self.hparams["folder"]) / name for name in names]

    def train_dataloader(self) -> ResumableLoader:
        """Return crops without end, a round of `training` or `steps` of a phase an epoch."""
        own = self.hparams
        return loader_of(
            self.training,
            self.trainer,
            batch_size=own["batch_size"],
            seed=own["seed"],
            workers=own["workers"],
            progressive=self.phases,
            steps=own["steps"],
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the same crops each time."""
        keys = [(0, index) for index in range(len(self.validation))]  # type: ignore[arg-type]
        return DataLoader(self.validation, self.hparams["batch_size"], sampler=keys)
