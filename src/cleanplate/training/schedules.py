"""Learning-rate schedules that PyTorch lacks, or has with another count.

Each says by `interval` whether it steps once an epoch or once a step of the optimiser. One with
`fit` takes the training's length from its trainer before the first step.
"""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cleanplate.errors import UsageError

FIRST = 0.02  # share of the rate that a warm-up begins at


class StepDecay(LRScheduler):
    """The rate is multiplied by `factor` every `period` steps."""

    interval = "step"

    def __init__(
        self, optimizer: Optimizer, period: int = 100, factor: float = 0.95, last_epoch: int = -1
    ) -> None:
        self.period = period
        self.factor = factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the rates of this step."""
        return [base * self.factor ** (self.last_epoch // self.period) for base in self.base_lrs]


class WarmRestarts(StepDecay):
    """Every `period` epochs the rate is multiplied by `factor` and the optimiser forgets.

    Forgetting means that its state (Adam's moments and step count) is emptied in place, as if it
    had been made anew with the lower rate; the weights go on.
    """

    interval = "epoch"

    def __init__(
        self, optimizer: Optimizer, period: int = 8, factor: float = 0.1, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, period, factor, last_epoch)

    def step(self, epoch: int | None = None) -> None:
        """Count an epoch, and forget where it begins a period."""
        super().step(epoch)
        if self.last_epoch > 0 and self.last_epoch % self.period == 0:
            self.optimizer.state.clear()


class CosinePeriods(LRScheduler):
    """Half a cosine from the rate to `lowest` over each of `periods`, counted in steps.

    Each period begins at the full rate again (Loshchilov and Hutter, "SGDR", ICLR 2017, eq. 5,
    with periods of any length). After the last the rate stays at `lowest`. With `warm_up`, the rate
    first rises in a straight line over so many steps of the first period. `periods` None: one over
    the whole training.
    """

    interval = "step"

    def __init__(
        self,
        optimizer: Optimizer,
        periods: list[int] | None = None,
        lowest: float = 1e-6,
        warm_up: int = 0,
        last_epoch: int = -1,
    ) -> None:
        self.periods = periods
        self.lowest = lowest
        self.warm_up = warm_up
        super().__init__(optimizer, last_epoch)

    def fit(self, trainer: pl.Trainer) -> None:
        """Take the training's length as the one period where none is stated.

        Raises:
            UsageError: the training has no end.
        """
        if self.periods is None:
            steps = trainer.estimated_stepping_batches
            if math.isinf(steps):
                raise UsageError(
                    "The schedule needs the training's length: give --trainer.max_steps=N."
                )
            self.periods = [int(steps)]

    def get_lr(self) -> list[Any]:
        """Return the rates of this step."""
        place = self.last_epoch
        if place < self.warm_up:
            return [base * (FIRST + (1 - FIRST) * place / self.warm_up) for base in self.base_lrs]
        share, past = 1.0, self.warm_up
        periods: list[float] = [*self.periods] if self.periods else [math.inf]
        for period in periods:
            if place < period:
                share = (place - past) / (period - past)
                break
            place -= period
            past = 0
        height = (1 + math.cos(math.pi * share)) / 2
        return [self.lowest + (base - self.lowest) * height for base in self.base_lrs]


class Cyclic(LRScheduler):
    """Cycles of `period` epochs: a rise from `lowest` to the rate, then half a cosine down to it.

    The cosine restarts of Loshchilov and Hutter, "SGDR", ICLR 2017, eq. 5, each with a warm-up in a
    straight line over `warm_up` epochs. The last epoch of a cycle is at `lowest`. Periods are made
    a little longer or shorter, so that the last cycle ends with the training.
    """

    interval = "epoch"

    def __init__(
        self,
        optimizer: Optimizer,
        period: int = 10,
        lowest: float = 1e-4,
        warm_up: int = 1,
        last_epoch: int = -1,
    ) -> None:
        self.period: float = period
        self.lowest = lowest
        self.warm_up = warm_up
        super().__init__(optimizer, last_epoch)

    def fit(self, trainer: pl.Trainer) -> None:
        """Divide the training into whole cycles, where its epochs are known."""
        epochs = trainer.max_epochs
        if epochs is not None and epochs > 0:
            self.period = epochs / max(1, round(epochs / self.period))
            for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
                group["lr"] = rate  # of the first epoch

    def get_lr(self) -> list[Any]:
        """Return the rates of this epoch."""
        cycle = math.floor(self.last_epoch / self.period + 1e-9)
        first, following = (math.ceil(n * self.period - 1e-9) for n in (cycle, cycle + 1))
        place, last = self.last_epoch - first, following - first - 1
        rise = self.warm_up if self.warm_up < last else 0
        if place < rise:
            height = place / rise
        else:
            height = (1 + math.cos(math.pi * (place - rise) / max(1, last - rise))) / 2
        return [self.lowest + (base - self.lowest) * height for base in self.base_lrs]
