"""What data modules over a folder of pairs have in common: which pairs, and who validates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader, Dataset

from cleanplate.errors import PictureError, UsageError
from cleanplate.training.data.curation import divide
from cleanplate.training.data.layouts import Pair, Survey, available, select, survey
from cleanplate.training.data.loading import (
    ResumableLoader,
    check_sizes,
    loader_of,
    phases_of,
    worker_options,
)


class PairedData(pl.LightningDataModule):
    """Training and validation pairs of a folder.

    A kind of data says how a pair is read (`open`, `read`) and gives its two datasets.
    """

    def __init__(
        self,
        folder: str,
        pairs: str | None = None,
        versions: str | None = None,
        batch_size: int = 10,
        progressive: list[tuple[int, int, int]] | None = None,
        steps: int = 1000,
        epoch_size: int | None = None,
        validation_share: float = 0.05,
        validation_pictures: int | None = None,
        everything: bool = False,
        faulty: Literal["refuse", "skip"] = "refuse",
        workers: int = 4,
        cache_gigabytes: float = 4.0,
        seed: int = 0,
    ) -> None:
        """Say what is trained on.

        Args:
            folder: the folder of pairs; `train.txt` and `validation.txt` in it (written by
                `cleanplate prepare split`) part it, otherwise `validation_share` does.
            pairs: a list file; only the pairs named in it are used.
            versions: the folder of watermarked versions, where its file names do not tell.
            batch_size: samples a step and process.
            progressive: phases of [steps, batch size, crop] in the place of batch size and crop;
                steps are counted in batches.
            steps: what counts as an epoch of progressive training, in batches.
            epoch_size: crops an epoch, where it is not progressive: of few pairs each gives
                several, many go on in the next epoch; None for one crop of each pair.
            validation_share: share of the clean pictures kept for validation.
            validation_pictures: validate on at most so many.
            everything: train on the validation pairs, too.
            faulty: what is done about pairs that cannot be read or used, and files without a
                partner: refuse to go on at the first that is met, or read all pairs before
                training, leave the faulty out and say how many.
            workers: processes that decode and cut.
            cache_gigabytes: memory for decoded pictures.
            seed: of the order, the crops and the split.

        Raises:
            UsageError: a share, a phase, a size or the number of workers is out of its range.
        """
        super().__init__()
        if not 0 < validation_share < 1:
            raise UsageError("validation_share must lie between 0 and 1.")
        if epoch_size is not None and epoch_size < 1:
            raise UsageError(f"epoch_size is 1 or more, not {epoch_size}.")
        check_sizes(batch_size, workers)
        self.phases = phases_of(progressive)
        self.folder, self.pairs, self.versions = Path(folder), pairs, versions
        self.batch_size, self.steps, self.epoch_size = batch_size, steps, epoch_size
        self.validation_share, self.validation_pictures = validation_share, validation_pictures
        self.everything, self.faulty = everything, faulty
        self.workers, self.cache, self.seed = workers, int(cache_gigabytes * 2**30), seed
        self.training: list[Pair] = []
        self.validation: list[Pair] = []

    def find(self) -> Survey:
        """Look through the folder."""
        return survey(self.folder, self.versions)

    def open(self, pairs: list[Pair]) -> None:
        """Prepare to read `pairs`."""
        raise NotImplementedError

    def read(self, pair: Pair) -> Any:
        """Read a pair.

        Raises:
            PictureError: it cannot be read or used.
        """
        raise NotImplementedError

    def crops(self) -> Dataset[Any]:
        """Return the dataset for training, indexed by `loading.Key`."""
        raise NotImplementedError

    def wholes(self) -> Dataset[Any]:
        """Return the dataset for validation."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Find the pairs, part them, leave the faulty out where these are to be skipped."""
        if self.training:
            return
        (training, validation), absent = self._parts(self.find())
        self.open(training + validation)
        if self.faulty == "skip":
            training, validation = self._sound([training, validation], absent)
        if not training or not validation:
            raise UsageError(
                f"{self.folder} gives {len(training)} training and {len(validation)} validation "
                "pairs; both are needed, from two clean pictures at least."
            )
        self.training = training + validation if self.everything else training
        self.validation = spread(validation, self.validation_pictures)

    def _parts(self, found: Survey) -> tuple[Sequence[list[Pair]], list[str]]:
        """Return the pairs to train and to validate on, and what to say of absent ones."""
        said: list[str] = []

        def chosen_by(listing: str | Path | None) -> list[Pair]:
            if self.faulty == "refuse":
                return select(found, listing)
            pairs, absent = available(found, listing)
            said.append(absent)
            return pairs

        lists = [self.folder / f"{part}.txt" for part in ("train", "validation")]
        divided = all(path.is_file() for path in lists)
        chosen = chosen_by(self.pairs) if self.pairs or not divided else found.pairs
        parts: Sequence[list[Pair]] = (
            [chosen_by(path) for path in lists]
            if divided
            else divide(chosen, self.validation_share, self.seed)
        )
        wanted = {pair.name for pair in chosen}
        parts = [[pair for pair in part if pair.name in wanted] for part in parts]
        return parts, [absent for absent in said if absent]

    def _sound(self, parts: Sequence[list[Pair]], absent: list[str]) -> Sequence[list[Pair]]:
        """Return the pairs that can be used; how many are not, and what is absent, is said."""
        pairs = [pair for part in parts for pair in part]
        faults: dict[str, str] = {}
        for pair in pairs:
            try:
                self.read(pair)
            except PictureError as error:
                faults[pair.name] = str(error)
        if faults:
            first = next(iter(faults.values()))
            unfit = f"{len(faults)} of {len(pairs)} pairs cannot be used, the first: {first}"
            absent = [unfit, *absent]
        if absent:
            rank_zero_warn(f"Pairs are left out: {' '.join(absent)}")
        return [[pair for pair in part if pair.name not in faults] for part in parts]

    def train_dataloader(self) -> ResumableLoader:
        """Return what `crops` gives, shuffled."""
        return loader_of(
            self.crops(),
            self.trainer,
            batch_size=self.batch_size,
            seed=self.seed,
            workers=self.workers,
            progressive=self.phases,
            steps=self.steps,
            epoch_size=self.epoch_size,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Return what `wholes` gives, one at a time, for they differ in size."""
        return DataLoader(
            self.wholes(),
            batch_size=1,
            num_workers=min(self.workers, 2),
            generator=torch.Generator(),
            **worker_options(min(self.workers, 2)),
        )


def spread(pairs: list[Pair], count: int | None) -> list[Pair]:
    """Return at most `count` pairs, evenly spread, so that they come from different pictures."""
    if count is None or count >= len(pairs):
        return pairs
    return [pairs[i * len(pairs) // count] for i in range(count)]
