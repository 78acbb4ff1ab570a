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
from cleanplate.training.data.layouts import Pair, Survey, select, survey
from cleanplate.training.data.loading import Phase, ResumableLoader, worker_options


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
        validation_share: float = 0.05,
        validation_pictures: int | None = None,
        everything: bool = False,
        faulty: Literal["refuse", "skip"] = "refuse",
        workers: int = 4,
        cache_gigabytes: float = 4.0,
        seed: int = 0,
    ) -> None:
        """What is trained on.

        Args:
            folder: the folder of pairs; `train.txt` and `validation.txt` in it (written by
                `cleanplate prepare split`) part it, otherwise `validation_share` does.
            pairs: a list file; only the pairs named in it are used.
            versions: the folder of watermarked versions, where its file names do not tell.
            batch_size: samples a step and process.
            progressive: phases of [steps, batch size, crop] in the place of batch size and crop;
                steps are counted in batches.
            steps: what counts as an epoch of progressive training, in batches.
            validation_share: share of the clean pictures kept for validation.
            validation_pictures: validate on at most so many.
            everything: train on the validation pairs, too.
            faulty: what is done about pairs that cannot be read or used: refuse to go on at the
                first that is met, or read all of them before training, leave the faulty out and
                say how many.
            workers: processes that decode and cut.
            cache_gigabytes: memory for decoded pictures.
            seed: of the order, the crops and the split.

        Raises:
            UsageError: a share, or a phase, is out of its range.
        """
        super().__init__()
        if not 0 < validation_share < 1:
            raise UsageError("validation_share must lie between 0 and 1.")
        self.phases = [Phase(*phase) for phase in progressive or []]
        if any(min(phase) < 1 for phase in self.phases):
            raise UsageError("progressive: steps, batch size and crop of a phase are 1 or more.")
        self.folder, self.pairs, self.versions = Path(folder), pairs, versions
        self.batch_size, self.steps = batch_size, steps
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
        """Read a pair. Raises PictureError for one that cannot be read or used."""
        raise NotImplementedError

    def crops(self) -> Dataset[Any]:
        """The dataset for training, indexed by `loading.Key`."""
        raise NotImplementedError

    def wholes(self) -> Dataset[Any]:
        """The dataset for validation."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Find the pairs, part them, leave the faulty out where these are to be skipped."""
        if self.training:
            return
        training, validation = self._parts(self.find())
        self.open(training + validation)
        if self.faulty == "skip":
            training, validation = self._sound(training), self._sound(validation)
        if not training or not validation:
            raise UsageError(
                f"{self.folder} gives {len(training)} training and {len(validation)} validation "
                "pairs; both are needed, from two clean pictures at least."
            )
        self.training = training + validation if self.everything else training
        self.validation = spread(validation, self.validation_pictures)

    def _parts(self, found: Survey) -> Sequence[list[Pair]]:
        if self.faulty == "skip":
            found = Survey(found.folder, found.pairs, [])
        lists = [self.folder / f"{part}.txt" for part in ("train", "validation")]
        chosen = select(found, self.pairs) if self.pairs else None
        if all(path.is_file() for path in lists):
            parts: Sequence[list[Pair]] = [select(found, path) for path in lists]
        else:
            chosen = chosen or select(found, None)
            parts = divide(chosen, self.validation_share, self.seed)
        if chosen is not None:
            wanted = {pair.name for pair in chosen}
            parts = [[pair for pair in part if pair.name in wanted] for part in parts]
        return parts

    def _sound(self, pairs: list[Pair]) -> list[Pair]:
        kept, first = [], ""
        for pair in pairs:
            try:
                self.read(pair)
            except PictureError as error:
                first = first or str(error)
            else:
                kept.append(pair)
        if first:
            rank_zero_warn(
                f"{len(pairs) - len(kept)} of {len(pairs)} pairs are left out, the first: {first}"
            )
        return kept

    def train_dataloader(self) -> ResumableLoader:
        """What `crops` gives, shuffled."""
        trainer = self.trainer
        return ResumableLoader(
            self.crops(),
            batch_size=self.batch_size,
            seed=self.seed,
            workers=self.workers,
            rank=trainer.global_rank if trainer else 0,
            world=trainer.world_size if trainer else 1,
            progressive=self.phases,
            steps=self.steps,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """What `wholes` gives, one at a time, for they differ in size."""
        return DataLoader(
            self.wholes(),
            batch_size=1,
            num_workers=min(self.workers, 2),
            generator=torch.Generator(),
            **worker_options(min(self.workers, 2)),
        )


def spread(pairs: list[Pair], count: int | None) -> list[Pair]:
    """At most `count` of `pairs`, evenly spread, so that they come from different pictures."""
    if count is None or count >= len(pairs):
        return pairs
    return [pairs[i * len(pairs) // count] for i in range(count)]
