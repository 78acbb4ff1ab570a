"""What a training would take: its data, memory and hours, told from a few real steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from cleanplate.errors import CleanplateError
from cleanplate.training.data.loading import Phase, ResumableLoader
from cleanplate.training.data.on_the_fly import PHOTO_SUFFIXES
from cleanplate.training.data.paired import PairedData
from cleanplate.training.memory import Memory
from cleanplate.training.trial import Data, Parts, Trial, tried

SMALL = (2, 4)  # samples of the first steps, from which the memory of a whole batch is foretold
FULL = 4  # steps with as much of a batch as fits, the first of them not counted
SHARE = 0.9  # of the memory that is there, that a training may take
GIGABYTE = 1e9


def dry_run(
    name: str, overrides: Sequence[str] = (), *, data: str | None = None, start: str | None = None
) -> str:
    """Say in lines what a training would take. Nothing is left on disk.

    The arguments are those of `train.train`.

    Raises:
        UsageError, CleanplateError: see `train.train`.
    """
    watch = Steps()
    return tried(
        name,
        overrides,
        watch,
        lambda trial: _told(trial, watch),
        data=data,
        start=start,
        validated=2,
    )


@dataclass
class Part:
    """The steps of a training whose batches are alike.

    Attributes:
        steps: how many, in batches.
        size: samples in a batch.
        crop: side of theirs in pixels, where the data say that.
        memory: bytes at the highest, by the samples of a step.
        seconds: of a step, those with as much of a batch as fits.
        waited: seconds that these waited for data.
        fits: samples that fit into the memory; None: as many as are asked for.
    """

    steps: int
    size: int
    crop: int | None
    memory: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    fits: int | None = None

    @property
    def tried(self) -> int:
        """Samples of the steps that were measured."""
        return self.size if self.fits is None else min(self.size, self.fits)

    @property
    def accumulated(self) -> int:
        """Batches that make up one of the size that was asked for."""
        return math.ceil(self.size / self.tried)

    def a_sample(self) -> float:
        """Return the bytes that a sample adds; 0 where that cannot be told."""
        counts = sorted(self.memory)
        if len(counts) < 2:
            return 0.0
        least, most = counts[0], counts[-1]
        return max(0.0, (self.memory[most] - self.memory[least]) / (most - least))

    def foretell(self, there: float) -> None:
        """Say how many samples fit into `there` bytes, from those that were tried."""
        slope, most = self.a_sample(), max(self.memory)
        if slope and self.memory[most] + slope * (self.size - most) > there:
            self.fits = max(1, int(most + (there - self.memory[most]) / slope))


class Steps(Callback):
    """Measures the memory and time of each step of a trial, part by part, and of validation."""

    def begin(self, parts: Sequence[Part], batches: Parts) -> None:
        """Stop after the steps of all parts."""
        self.batches = batches
        self.plan = [(part, size) for part in parts for size in _sizes(part)]
        self.validated: list[float] = []
        self.there = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See whose memory counts."""
        self.memory = Memory(trainer.strategy.root_device)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Forget the highest memory of what came before."""
        self.memory.forget()
        self.began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Note the step; foretell a whole batch before the first of them."""
        self.memory.settle()
        passed = time.perf_counter() - self.began
        part, size = self.plan.pop(0)
        count = size or part.tried
        part.memory[count] = max(self.memory.peak(), part.memory.get(count, 0))
        if size is None:
            part.seconds.append(passed)
            part.waited.append(self.batches.waited[-1])
        self.there = SHARE * self.memory.there()
        if size == max(_small(part.size), default=None):
            part.foretell(self.there)
        trainer.should_stop = not self.plan

    def on_validation_batch_start(self, *args: Any) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_validation_batch_end(self, *args: Any) -> None:
        """Stop it."""
        self.memory.settle()
        self.validated.append(time.perf_counter() - self.began)


def _small(size: int) -> list[int]:
    return [n for n in SMALL if n < size]


def _sizes(part: Part) -> list[int | None]:
    """Return the samples of each step that a part is tried with; None for all that fit."""
    return [*_small(part.size), *[None] * FULL]


def cut(parts: Sequence[Part]) -> Iterator[int]:
    """Yield the samples of each step; what fits is asked for only when its turn comes."""
    for part in parts:
        for size in _sizes(part):
            yield size or part.tried


def _told(trial: Trial, watch: Steps) -> str:
    """Try a training, and say what it would take."""
    loader = trial.data.train_dataloader()
    parts = parts_of(trial, loader)
    if trial.data.phases:
        trial.data.phases = [Phase(len(_sizes(p)), p.size, p.crop or 0) for p in parts]
        loader = trial.data.train_dataloader()
    batches = Parts(loader, cut(parts))
    watch.begin(parts, batches)
    try:
        trial.fit(batches)
    except torch.OutOfMemoryError as error:
        raise CleanplateError(
            "Not even two samples fit into the memory: make the crops smaller, or the network."
        ) from error
    return "\n".join(lines(trial, parts, watch))


def parts_of(trial: Trial, loader: ResumableLoader) -> list[Part]:
    """Return the parts of the whole training, in batches."""
    trainer, accumulated = trial.trainer, accumulation(trial)
    limits = []
    if trainer.max_steps >= 0:
        limits.append(trainer.max_steps * accumulated)
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        limits.append(trainer.max_epochs * len(loader))
    total = min(limits) if limits else len(loader)
    if not trial.data.phases:
        size = getattr(trial.data, "batch_size", None) or trial.data.hparams["batch_size"]
        return [Part(total, size, None)]
    parts, left = [], total
    for number, phase in enumerate(trial.data.phases, 1):
        last = number == len(trial.data.phases)  # goes on to the end
        steps = left if last else min(left, phase.steps)
        parts.append(Part(steps, phase.batch_size, phase.crop))
        left -= steps
    return [part for part in parts if part.steps]


def accumulation(trial: Trial) -> int:
    """Return the batches to an update."""
    if trial.model.automatic_optimization:
        return trial.trainer.accumulate_grad_batches
    return int(getattr(trial.model, "accumulate", 1))


def lines(trial: Trial, parts: Sequence[Part], watch: Steps) -> list[str]:
    """Return what is said of a training."""
    model, trainer = trial.model, trial.trainer
    million = sum(weight.numel() for weight in model.network.parameters()) / 1e6
    total = sum(part.steps for part in parts)
    said = [
        f"network     {model.built_from['network']}, {million:.2f} million parameters, on "
        f"{trainer.strategy.root_device}, {trainer.precision}"
    ]
    said += [f"data        {line}" for line in data_found(trial.data)]
    said.append(f"training    {total:,} batches, {total // accumulation(trial):,} updates")
    for part in parts:
        of = f" of {part.crop} pixels" if part.crop else ""
        what = f"{part.steps:,} x {part.size}{of}: " if len(parts) > 1 else ""
        said += [f"{label:12s}{what}{text}" for label, text in _of_part(trial, part, watch.there)]
    training = sum(
        part.steps * part.accumulated * (median(part.seconds[1:]) + median(part.waited[1:]))
        for part in parts
    )
    validation = 0.0
    if watch.validated:
        each = median(watch.validated)
        count = len(trial.data.val_dataloader())
        times = validations(trial, total)
        validation = each * count * times
        said.append(f"validation  {each:.2f} s a batch, {count} batches, {times:,} times")
    told = f"{duration(training + validation)} in all"
    if validation:
        told += f", {duration(validation)} of it validation"
    return [*said, f"time        {told}", "Nothing was written."]


def _of_part(trial: Trial, part: Part, there: float) -> list[tuple[str, str]]:
    """Return what is said of the steps of a part, with what it is about."""
    seconds, waited = part.seconds[1:], median(part.waited[1:])
    spread = f"{min(seconds):.2f} to {max(seconds):.2f} in {len(seconds)} steps"
    step = f"{median(seconds):.2f} s ({spread}), {waited:.2f} s waiting for data besides"
    if part.tried < part.size:
        step += f"; of {part.tried} samples"
    highest = max(part.memory.values())
    memory = f"{highest / GIGABYTE:.2f} GB with {max(part.memory)} samples"
    if part.a_sample():
        memory += f", {part.a_sample() / GIGABYTE:.3f} GB a sample"
    memory += f"; {there / GIGABYTE:.1f} GB may be used" if there else ""
    fits = f"a batch of {part.size} fits"
    if part.fits is not None:
        size = math.ceil(part.size / part.accumulated)
        fits = f"a batch of {part.size} does not fit, one of {part.fits} does. "
        fits += _smaller(trial, size, part.accumulated * accumulation(trial))
    if not highest:
        return [("step", step)]  # where the system does not tell
    return [("step", step), ("memory", memory), ("batch", fits)]


def _smaller(trial: Trial, size: int, accumulated: int) -> str:
    """Say what to write for smaller batches that learn as the large ones do."""
    option = "--trainer.accumulate_grad_batches"
    if not trial.model.automatic_optimization:
        option = "--model.init_args.accumulate"
    if trial.data.phases:
        return f"Give this phase {size} in --data.init_args.progressive, and {option}={accumulated}"
    return f"As much is learnt from by --data.init_args.batch_size={size} {option}={accumulated}"


def validations(trial: Trial, total: int) -> int:
    """Return how often a training of `total` batches validates."""
    given = trial.settings["trainer"]
    epochs = max(1, total // max(1, len(trial.data.train_dataloader())))
    every, interval = given.get("check_val_every_n_epoch"), given.get("val_check_interval")
    if isinstance(interval, int):  # batches
        return total // interval
    return int(epochs // (every or 1) / (interval or 1))


def data_found(data: Data) -> list[str]:
    """Say how many pairs or pictures were found, by source."""
    if isinstance(data, PairedData):
        both = f"{len(data.training)} pairs to train on, {len(data.validation)} to validate on"
        return [f"{data.folder}: {both}"]
    found = []
    for name, value in data.hparams.items():
        places = [value] if isinstance(value, str) else value
        if name in ("folder", "store") or not isinstance(places, list | tuple | dict):
            continue
        for place in places:
            folder = Path(data.hparams["folder"]) / str(place)
            if folder.is_dir():
                found.append(f"{name}: {folder}, {_count(folder)}")
    return found


def _count(folder: Path) -> str:
    """Say how many pictures are under a folder, or files where none are."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    pictures = sum(path.suffix.lower() in PHOTO_SUFFIXES for path in files)
    return f"{pictures} pictures" if pictures else f"{len(files)} files"


def duration(seconds: float) -> str:
    """Say a time in the unit that fits it.

    >>> duration(45), duration(1500), duration(9000)
    ('45 s', '25 minutes', '2.5 hours')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
