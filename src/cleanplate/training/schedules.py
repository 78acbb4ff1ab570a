"""Learning-rate schedules that PyTorch lacks. They step once an epoch."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmRestarts(LRScheduler):
    """Every `period` epochs the rate is multiplied by `factor` and the optimiser forgets.

    Forgetting means that its state (Adam's moments and step count) is emptied in place, as if it
    had been made anew with the lower rate; the weights go on.
    """

    def __init__(
        self, optimizer: Optimizer, period: int = 8, factor: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.period = period
        self.factor = factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates of this epoch."""
        return [base * self.factor ** (self.last_epoch // self.period) for base in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        """Count an epoch, and forget where it begins a period."""
        super().step(epoch)
        if self.last_epoch > 0 and self.last_epoch % self.period == 0:
            self.optimizer.state.clear()
