"""Training of networks that give a clean picture and a mask in one pass (EraseNet and its kin)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from cleanplate.errors import UsageError
from cleanplate.training import networks
from cleanplate.training.losses import COMPOSITES, Composed

Batch = dict[str, Any]
PEAK = 100.0  # dB; what equal pictures count as


def adam(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """Adam with the rate of the write-up."""
    return torch.optim.Adam(parameters, lr=2e-3)


class Restoration(pl.LightningModule):
    """Learns `input` -> `picture` and `mask`.

    A batch is a dict with `input`, `target` (N, 3, H, W) and `mask` (N, 1, H, W), uint8 in 0..255
    or float in [0, 1]. Validation logs, as means over the pictures: `val/psnr` of the composite
    that a user would get, `val/psnr_raw` of the network's picture alone, `val/mask_iou` (threshold
    0.5) and the loss; `val/psnr` is what the best checkpoint is chosen by.
    """

    monitor = ("val/psnr", "max")

    def __init__(
        self,
        network: str,
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "watermark",
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network with the outputs `picture` and `mask`.
            network_options: for its constructor.
            loss: name of a composite in `losses.COMPOSITES`, or weights by name of the term.
            optimizer: makes the optimiser from the parameters.
            schedule: makes the learning-rate schedule, stepped once an epoch.

        Raises:
            UsageError: unknown network or loss, or one that this module does not train.
        """
        super().__init__()
        card = networks.card(network)
        if not {"picture", "mask"} <= set(card.outputs):
            raise UsageError(f"{network} does not give a picture and a mask.")
        if "hinge" in (COMPOSITES.get(loss, {}) if isinstance(loss, str) else loss):
            raise UsageError(
                "The term 'hinge' needs a discriminator, which this module does not train; give "
                "the other terms of the loss with their weights."
            )
        options = network_options or {}
        self.built_from = {"network": network, "options": options}
        self.network = networks.create(network, **options)
        self.logits = "mask" in card.logits
        self.loss = Composed(loss)
        self.make_optimizer, self.make_schedule = optimizer, schedule

    def configure_optimizers(self) -> Any:
        """Over the network's parameters."""
        optimizer = self.make_optimizer(self.network.parameters())
        if self.make_schedule is None:
            return optimizer
        return [optimizer], [self.make_schedule(optimizer)]

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """The network's outputs by name."""
        outputs: dict[str, Tensor] = self.network(picture)
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The weighted sum of the terms; each is logged."""
        picture, truth = unpack(batch)
        total, parts = self.loss(self(picture), truth)
        self.log("train/loss", total, prog_bar=True)
        self.log_dict({f"train/{name}": value for name, value in parts.items()})
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log("train/learning_rate", rate)
        return total

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Returns the columns of the validation sheet."""
        picture, truth = unpack(batch)
        outputs = self(picture)
        mask = outputs["mask"].sigmoid() if self.logits else outputs["mask"]
        restored = outputs["picture"].clamp(0, 1)
        cleaned = restored * mask + picture * (1 - mask)
        figures = {
            "val/psnr": psnr(cleaned, truth["picture"]),
            "val/psnr_raw": psnr(restored, truth["picture"]),
            "val/psnr_input": psnr(picture, truth["picture"]),
            "val/mask_iou": mask_iou(mask, truth["mask"]),
        }
        means = {name: values.mean() for name, values in figures.items()}
        self.log(
            "val/psnr",
            means.pop("val/psnr"),
            batch_size=len(picture),
            sync_dist=True,
            prog_bar=True,
        )
        self.log_dict(means, batch_size=len(picture), sync_dist=True)
        return {
            "input": picture,
            "cleaned": cleaned,
            "truth": truth["picture"],
            "mask": mask,
            "true mask": truth["mask"],
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Says beside the weights what they are of, so that the export needs no recipe."""
        checkpoint["cleanplate"] = self.built_from


def unpack(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The network's input, and the truth as the losses want it; floats in [0, 1]."""
    planes = {name: as_float(batch[name]) for name in ("input", "target", "mask")}
    return planes["input"], {"picture": planes["target"], "mask": planes["mask"]}


def as_float(planes: Tensor) -> Tensor:
    """uint8 0..255 as float [0, 1]; floats as they are."""
    return planes.float() / 255 if planes.dtype == torch.uint8 else planes


def psnr(picture: Tensor, truth: Tensor) -> Tensor:
    """PSNR in dB of each picture (N, C, H, W) in [0, 1], at most 100."""
    error = (picture - truth).square().flatten(1).mean(1)
    return -10 * error.clamp_min(10 ** (-PEAK / 10)).log10()


def mask_iou(mask: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of each mask at 0.5; 1 when both are empty."""
    found, there = mask.flatten(1) > 0.5, truth.flatten(1) > 0.5
    union = (found | there).sum(1)
    return torch.where(union > 0, (found & there).sum(1) / union.clamp_min(1), 1.0)
