"""Taking noise of any level off a picture: how the denoiser and its estimator learn it."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional as F

from cleanplate.training.modules.learner import (
    Batch,
    Learner,
    Tensors,
    adam,
    as_float,
    psnr,
)

INPUTS = ("red", "green", "blue", "strength")


class Denoising(Learner):
    """Learns `input` -> `target`, and `level`.

    The denoiser is given the true level in half of the crops and the estimated one in the others.
    So it follows the level that it is given, and tolerates errors of estimates. The estimator
    learns from the true level alone.

    Batches are those of `NoisyData`. Validation logs `val/psnr` with the estimated level,
    `val/psnr_told` with the true one, `val/psnr_input`, and `val/level`, the mean error of the
    estimate in levels of 255.
    """

    def __init__(
        self,
        network: str = "denoiser",
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "l1",
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
        square_after: int | None = None,
        level_weight: float = 0.2,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network with the outputs of `denoiser`.
            network_options: see `Learner`.
            loss: see `Learner`.
            optimizer: see `Learner`.
            schedule: see `Learner`.
            init_from: see `Learner`.
            square_after: step from which the squared error replaces `loss` and everything is
                computed in float32; None for never.
            level_weight: of the absolute error of the estimated level.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, network_options, loss, optimizer, schedule, init_from)
        self.built_from["planes"] = list(INPUTS)
        self.square_after, self.level_weight = square_after, level_weight

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the picture beside a strength of 1, and the truth; floats in [0, 1]."""
        noisy = as_float(batch["input"])
        planes = torch.cat([noisy, torch.ones_like(noisy[:, :1])], 1)
        return planes, {"picture": as_float(batch["target"]), "level": batch["level"]}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the picture and of the level; both are logged."""
        planes, truth = self.unpack(batch)
        last = self.square_after is not None and self.global_step >= self.square_after
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._halves and not last):
            level = self.network.estimate(planes[:, :3]).float()
            told = torch.arange(len(planes), device=self.device).view(-1, 1, 1, 1) % 2 == 0
            given = torch.where(told, truth["level"], level.detach())
            clean = self.network.denoise(planes[:, :3], given).float()
        if last:
            miss = F.mse_loss(clean, truth["picture"])
        else:
            miss, _ = self.total({"picture": clean}, truth)
        wrong = F.l1_loss(level, truth["level"])
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        values = {"picture": miss.detach(), "level": 255 * wrong.detach(), "learning_rate": rate}
        self.log_dict({f"train/{name}": value for name, value in values.items()})
        return miss + self.level_weight * wrong

    @property
    def _halves(self) -> bool:
        """Whether the trainer asks for bfloat16."""
        return "bf16" in str(self.trainer.precision)

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure PSNR, and the error of the level."""
        planes, truth = self.unpack(batch)
        clean, noisy = truth["picture"], planes[:, :3]
        told = self.network.denoise(noisy, truth["level"]).float()
        figures = {
            "psnr": psnr(outputs["picture"].clamp(0, 1), clean),
            "psnr_told": psnr(told.clamp(0, 1), clean),
            "psnr_input": psnr(noisy, clean),
            "level": 255 * (outputs["level"] - truth["level"]).abs().flatten(1).mean(1),
        }
        return figures, {"input": noisy, "cleaned": outputs["picture"].clamp(0, 1), "truth": clean}
