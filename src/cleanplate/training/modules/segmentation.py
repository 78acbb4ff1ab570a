"""Training of networks that find a mask."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from cleanplate.errors import UsageError
from cleanplate.training.modules.learner import Batch, Learner, Tensors, adam, as_float, mask_iou
from cleanplate.training.networks.backbones import Normalised

THRESHOLDS = tuple(step / 20 for step in range(1, 20))


class Foreground(nn.Module):
    """Logits of background and foreground as one, whose sigmoid is the foreground's softmax."""

    def forward(self, outputs: Tensors) -> Tensors:
        """Replace the output `mask`."""
        background, foreground = outputs["mask"].split(1, 1)
        return {**outputs, "mask": foreground - background}


class Segmentation(Learner):
    """Learns `input` -> `mask`.

    A batch holds `input` (N, 3, H, W) and `mask` (N, 1, H, W). Validation logs, as means over the
    pictures at threshold 0.5: `val/miou`, the mean of the IoU of foreground and background, and
    `val/mask_iou`, of the foreground alone; and `val/threshold`, that of `THRESHOLDS` at which the
    former is greatest, which the export writes into the card.
    """

    monitor = ("val/miou", "max")

    def __init__(
        self,
        network: str,
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "bce_dice",
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
        auxiliary: float = 0.5,
        normalise: bool = False,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network with the output `mask`, as logits.
            network_options: see `Learner`.
            loss: see `Learner`; terms called `deep_...` count side outputs, too. `cross_entropy`,
                the softmax's, is for networks with two logits, of background and foreground
                (`network_options.classes=2`).
            optimizer: see `Learner`.
            schedule: see `Learner`.
            init_from: see `Learner`.
            auxiliary: weight of the loss of an auxiliary head (`aux`), where the network has one;
                one half, as in torchvision's reference training.
            normalise: give the network pictures normalised by ImageNet's mean and deviation. The
                exported model does so itself. Networks on pretrained backbones do it anyway.

        Raises:
            UsageError: unknown network or loss, one that gives no mask, or a loss that does not go
                with others.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, network_options, loss, optimizer, schedule, init_from)
        if "mask" not in self.card.logits:
            raise UsageError(f"{network} does not give a mask as logits.")
        self.auxiliary = auxiliary
        self.normalised = Normalised() if normalise else None
        softmax = "cross_entropy" in self.loss.weights
        if softmax and len(self.loss.weights) > 1:
            raise UsageError(
                "cross_entropy is of two logits, the other terms of one: name it alone."
            )
        self.foreground = Foreground() if softmax else None
        self.built_from |= {"normalise": normalise, "softmax": softmax}

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the picture and its mask, as floats in [0, 1] and as labels."""
        mask = as_float(batch["mask"])
        return as_float(batch["input"]), {"mask": mask, "labels": (mask[:, 0] > 0.5).long()}

    def forward(self, planes: Tensor) -> Tensors:
        """Return the network's outputs by name."""
        outputs: Tensors = self.network(self.normalised(planes) if self.normalised else planes)
        return outputs

    def total(self, outputs: Tensors, truth: Tensors) -> tuple[Tensor, Tensors]:
        """Return the loss and its terms, and the auxiliary head's."""
        total, parts = super().total(outputs, truth)
        if "aux" in outputs and self.auxiliary:
            beside, _ = super().total({"mask": outputs["aux"]}, truth)
            total = total + self.auxiliary * beside
            parts = {**parts, "aux": beside.detach()}
        return total, parts

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Return the two IoUs."""
        picture, truth = self.unpack(batch)
        mask = (self.foreground(outputs) if self.foreground else outputs)["mask"].sigmoid()
        inside = mask_iou(mask, truth["mask"])
        outside = mask_iou(1 - mask, 1 - truth["mask"])
        figures = {"miou": (inside + outside) / 2, "mask_iou": inside}
        return figures, {"input": picture, "mask": mask, "true mask": truth["mask"]}

    def on_validation_epoch_start(self) -> None:
        """Begin a new sweep over the thresholds."""
        self.sweep: list[Tensor] = []

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensors:
        """Do as `Learner`, and measure at every threshold, too."""
        columns = super().validation_step(batch, batch_idx)
        mask, truth = columns["mask"], columns["true mask"]
        self.sweep.append(torch.stack([mean_iou(mask > t, truth).mean() for t in THRESHOLDS]))
        return columns

    def on_validation_epoch_end(self) -> None:
        """Log the best threshold; of equals, the one nearest to one half."""
        means = torch.stack(self.sweep).mean(0).tolist()
        by_worth = sorted(
            zip(means, THRESHOLDS, strict=True), key=lambda m: (m[0], -abs(m[1] - 0.5))
        )
        self.log("val/threshold", by_worth[-1][1], sync_dist=True)


def mean_iou(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean of the IoU of foreground and background of each binary mask (N,)."""
    found = found.to(truth.dtype)
    return (mask_iou(found, truth) + mask_iou(1 - found, 1 - truth)) / 2
