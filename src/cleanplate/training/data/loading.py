"""A data loader whose every batch is a function of the seed and its number alone.

So a run that is cut anywhere goes on with the batch it would have seen next: the loader's whole
state is how many batches it has served.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from cleanplate.errors import UsageError

Key = tuple[int, int]  # round through the data, index of the sample
SizedKey = tuple[int, int, int]  # the same, and the side of its crop in pixels


class Phase(NamedTuple):
    """A part of a progressive training."""

    steps: int
    batch_size: int
    crop: int  # side in pixels


def phases_of(progressive: Sequence[tuple[int, int, int]] | None) -> list[Phase]:
    """Return the phases of a progressive training: [steps, batch size, crop] each; none without
    any.

    Raises:
        UsageError: a number is below 1.
    """
    phases = [Phase(*phase) for phase in progressive or []]
    if any(min(phase) < 1 for phase in phases):
        raise UsageError("progressive: steps, batch size and crop of a phase are 1 or more.")
    return phases


def check_sizes(batch_size: int, workers: int) -> None:
    """Refuse what no loader can have.

    Raises:
        UsageError: a batch of nothing, or fewer than no workers.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size is 1 or more, not {batch_size}.")
    if workers < 0:
        raise UsageError(f"workers is 0 or more, not {workers}.")


class Stream(Sampler[list[Key]]):
    """Batches of keys without end in shuffled rounds; `len()` of them make an epoch.

    An epoch is a round, of which what does not fill a batch is left out unless it is all there is;
    or `epoch_size` samples, so that few are repeated and many go on in the next epoch. With several
    processes each takes every `world`-th sample, beginning with its `rank`.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        epoch_size: int | None = None,
    ) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world, self.epoch_size = rank, world, epoch_size
        self.start = 0  # number of the first batch of the next iteration

    def __len__(self) -> int:
        return max(1, (self.epoch_size or self.count) // (self.batch_size * self.world))

    def batch(self, number: int) -> list[Key]:
        """Return the keys of batch `number`, counted from the beginning of the run."""
        if self.epoch_size is not None:
            first = number * self.batch_size * self.world + self.rank
            return [
                self._sample(n)
                for n in range(first, first + self.batch_size * self.world, self.world)
            ]
        cycle, place = divmod(number, len(self))
        mine = self._order(cycle)[self.rank :: self.world]
        part = mine[place * self.batch_size : (place + 1) * self.batch_size]
        return [(cycle, int(index)) for index in part]

    def _sample(self, number: int) -> Key:
        cycle, place = divmod(number, self.count)
        return cycle, int(self._order(cycle)[place])

    def _order(self, cycle: int) -> np.ndarray:
        return np.random.default_rng((self.seed, cycle)).permutation(self.count)

    def __iter__(self) -> Iterator[list[Key]]:
        for number in range(self.start, self.start + len(self)):
            yield self.batch(number)


class Progressive(Sampler[list[SizedKey]]):
    """Batches whose size and crops change from phase to phase, through shuffled rounds.

    A round may end within a batch. With several processes each takes its part of a batch that is
    `world` times as large. After the last phase that one goes on.
    """

    def __init__(
        self,
        count: int,
        phases: Sequence[Phase],
        steps: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Have Lightning call `steps` batches an epoch."""
        self.count, self.phases, self.steps, self.seed = count, list(phases), steps, seed
        self.rank, self.world = rank, world
        self.start = 0

    def __len__(self) -> int:
        return self.steps

    def phase(self, number: int) -> tuple[Phase, int]:
        """Return the phase of batch `number`, and how many samples were served before it."""
        served = 0
        for phase in self.phases[:-1]:
            if number < phase.steps:
                return phase, served + number * phase.batch_size * self.world
            number -= phase.steps
            served += phase.steps * phase.batch_size * self.world
        last = self.phases[-1]
        return last, served + number * last.batch_size * self.world

    def batch(self, number: int) -> list[SizedKey]:
        """Return the keys of batch `number`, counted from the beginning of the run."""
        phase, served = self.phase(number)
        first = served + self.rank * phase.batch_size
        return [(*self._sample(n), phase.crop) for n in range(first, first + phase.batch_size)]

    def _sample(self, number: int) -> Key:
        cycle, place = divmod(number, self.count)
        return cycle, int(self._order(cycle)[place])

    def _order(self, cycle: int) -> np.ndarray:
        return np.random.default_rng((self.seed, cycle)).permutation(self.count)

    def __iter__(self) -> Iterator[list[SizedKey]]:
        for number in range(self.start, self.start + len(self)):
            yield self.batch(number)


def generator(seed: int, key: tuple[int, ...]) -> np.random.Generator:
    """Return the random numbers of one sample: its own, whichever process makes it."""
    return np.random.default_rng((seed, *key))


class ResumableLoader(DataLoader[Any]):
    """A DataLoader over a dataset indexed by `Key`; its place is saved in checkpoints.

    An iteration starts at its first batch, not before: until then its place may be set.
    `waited`: seconds in all that training stood still for data.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        batch_size: int,
        seed: int = 0,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
        progressive: Sequence[Phase] = (),
        steps: int = 1000,
        epoch_size: int | None = None,
    ) -> None:
        """Load `steps` batches an epoch with `progressive`, which takes the place of `batch_size`.

        Else it has `epoch_size` samples; None: each sample once.
        """
        count = len(dataset)  # type: ignore[arg-type]
        self.stream: Stream | Progressive = (
            Progressive(count, progressive, steps, seed, rank, world)
            if progressive
            else Stream(count, batch_size, seed, rank, world, epoch_size)
        )
        self.served = 0
        self.waited = 0.0
        super().__init__(
            dataset,
            batch_sampler=self.stream,
            num_workers=workers,
            generator=torch.Generator(),  # the run's own random numbers are left alone
            **worker_options(workers),
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.stream.start = self.served
        began = time.perf_counter()
        for batch in super().__iter__():
            self.waited += time.perf_counter() - began
            self.served += 1
            yield batch
            began = time.perf_counter()

    def state_dict(self) -> dict[str, int]:
        """Return how many batches were served."""
        return {"served": self.served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after so many batches."""
        self.served = state["served"]


def loader_of(dataset: Dataset[Any], trainer: Any, **options: Any) -> ResumableLoader:
    """Return the loader of this process's part of every batch; `trainer`: None outside of a run."""
    rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
    return ResumableLoader(dataset, rank=rank, world=world, **options)


def worker_options(workers: int) -> dict[str, Any]:
    """Return DataLoader options: pinned memory beside a GPU; workers forked, to share a cache."""
    options: dict[str, Any] = {"pin_memory": torch.cuda.is_available()}
    if workers:
        options["persistent_workers"] = True
        if sys.platform == "linux":
            options["multiprocessing_context"] = "fork"
    return options
