"""A learning rate found by a sweep: the rate rises from step to step, and the loss tells.

The range test of Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from cleanplate.batch.sheets import save_sheet
from cleanplate.errors import CleanplateError
from cleanplate.training.curves import curves
from cleanplate.training.trial import Parts, Trial, tried

LOWEST, HIGHEST = 1e-6, 1.0
STEPS = 100
WINDOW = 11  # steps that a smoothed loss is a mean of
DIVERGED = 4.0  # times the least smoothed loss, at which a sweep ends
SPAN = 5  # steps over which the fall of the loss is measured
LEAST = 20  # steps before a sweep may end, and without which nothing can be told


def find_rate(
    name: str,
    overrides: Sequence[str] = (),
    *,
    data: str | None = None,
    start: str | None = None,
    curve: Path | None = None,
) -> str:
    """Sweep the learning rate of a recipe, and say which one its loss suggests.

    Nothing is left on disk but the curve. The other arguments are those of `train.train`.

    Args:
        name: of a recipe, or a path to one.
        overrides: further arguments for Lightning's command line.
        data: the folder of the data module.
        start: what the weights start from.
        curve: PNG file for the loss and the rate over the steps.

    Raises:
        UsageError: see `train.train`.
        CleanplateError: see `train.train`; or no rate can be told.
    """
    watch = Sweep()

    def sweep(trial: Trial) -> str:
        trial.fit(Parts(trial.data.train_dataloader(), [None] * STEPS))
        return told(watch)

    said = tried(name, overrides, watch, sweep, data=data, start=start)
    if curve is not None:
        smooth = smoothed(watch.losses)
        drawn = {"loss": watch.losses, "loss, smoothed": smooth.tolist()}
        drawn["log10 of the rate"] = np.log10(watch.rates).tolist()
        save_sheet(curve, curves(range(len(watch.losses)), drawn))
        said += f"\n{curve} has the curve."
    return said


class Sweep(Callback):
    """Raises the rate of a training exponentially, and notes the loss of each step.

    The rates of groups of parameters, and of a discriminator, keep their proportions. A schedule
    does not count: the rate is set anew before each step.

    Attributes:
        rates: of the first group of parameters, by step.
        losses: by step.
        own: the rate of the recipe.
    """

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.own = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the rates of the recipe, before a schedule changed them."""
        groups = [group for one in trainer.optimizers for group in one.param_groups]
        self.groups = [(group, group.get("initial_lr", group["lr"])) for group in groups]
        self.own = self.groups[0][1]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Set the rates of the step."""
        rate = LOWEST * (HIGHEST / LOWEST) ** (len(self.rates) / (STEPS - 1))
        for group, own in self.groups:
            group["lr"] = rate * own / self.own
        self.rates.append(rate)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *args: Any
    ) -> None:
        """Note the loss, and end where it diverges."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if not torch.isfinite(loss).all():
            self.rates.pop()
            trainer.should_stop = True
            return
        self.losses.append(float(loss))
        smooth = smoothed(self.losses)
        diverged = len(smooth) >= LEAST and smooth[-1] > DIVERGED * smooth.min()
        trainer.should_stop = bool(diverged) or len(self.rates) == STEPS


def smoothed(losses: Sequence[float]) -> np.ndarray:
    """Return the means (N,) of each loss and those around it, weighted by a triangle.

    A mean of what came before alone would lag, and name too high a rate.
    """
    weights = np.bartlett(WINDOW + 2)[1:-1]
    sums = np.convolve(losses, weights)[WINDOW // 2 :][: len(losses)]
    return sums / np.convolve(np.ones(len(losses)), weights)[WINDOW // 2 :][: len(losses)]


@dataclass(frozen=True)
class Found:
    """What a sweep tells: steps, counted from 0."""

    steepest: int
    least: int
    smooth: np.ndarray


def read(losses: Sequence[float]) -> Found:
    """Read the losses of a sweep: where they fall fastest, and where they are least.

    Raises:
        CleanplateError: there are too few, or they do not fall.
    """
    if len(losses) < LEAST:
        raise CleanplateError(
            f"The loss was no number after {len(losses)} steps: no rate can be told."
        )
    smooth = smoothed(losses)
    fall = smooth[:-SPAN] - smooth[SPAN:]  # over SPAN steps, of rates in equal proportion
    first = SPAN  # the first means are of fewer losses
    steepest = int(fall[first:].argmax()) + first
    if fall[steepest] <= 0:
        raise CleanplateError("The loss fell at no rate: none can be told from this sweep.")
    return Found(steepest + SPAN // 2, int(smooth.argmin()), smooth)


def told(sweep: Sweep) -> str:
    """Say which rate a sweep suggests, and how that was read."""
    found = read(sweep.losses)
    rates, smooth = sweep.rates, found.smooth
    steps = len(smooth)
    ended = f"all {steps} steps" if steps == STEPS else f"{steps} steps, where the loss diverged,"
    return (
        f"Suggested rate: {rates[found.steepest]:.1e}; the recipe has {sweep.own:.1e}.\n"
        f"Read from {ended} from {rates[0]:.0e} to {rates[-1]:.0e}: there the smoothed loss fell "
        f"fastest ({smooth[0]:.4g} at first, {smooth[found.steepest]:.4g} there, least "
        f"{smooth[found.least]:.4g} at {rates[found.least]:.1e}).\n"
        "One short sweep tells the order of size, not the digits. To train with it: "
        f"--model.init_args.optimizer.init_args.lr={rates[found.steepest]:.1e}"
    )
