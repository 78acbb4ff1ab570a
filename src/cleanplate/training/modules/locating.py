"""Training of the shipped locators, on crops with something to find and on clean ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from cleanplate.training.modules.learner import Batch, Tensors, channels_last, mask_iou
from cleanplate.training.modules.segmentation import Segmentation

ALARM = 0.005  # share of a clean crop that, found, is a false alarm


class Locating(Segmentation):
    """A segmentation whose pretrained encoder learns more slowly than the rest of it.

    Batches are those of `Segmentation`. Validation logs `val/iou` over the crops that bear
    something, which the best checkpoint is chosen by, and `val/alarm`, the share of clean crops on
    which more than ALARM of the area is found.
    """

    monitor = ("val/iou", "max")

    def __init__(
        self, network: str = "locator", encoder_rate: float | None = None, **kwargs: Any
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network with an `encoder` and the output `mask`.
            encoder_rate: learning rate of the encoder; None for that of all.
            kwargs: see `Segmentation`.

        Raises:
            UsageError: unknown network or loss, or one that gives no mask.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, **kwargs)
        self.encoder_rate = encoder_rate

    def parameter_groups(self) -> Iterable[Any]:
        """Return the encoder's parameters that learn, and all others, apart."""
        if self.encoder_rate is None:
            return super().parameter_groups()
        known = {id(p) for p in self.network.encoder.parameters()}
        encoder = [p for p in self.network.encoder.parameters() if p.requires_grad]
        rest = [p for p in self.network.parameters() if id(p) not in known]
        return [{"params": encoder, "lr": self.encoder_rate}, {"params": rest}]

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Do as `Segmentation`, in the memory format that CPUs prefer."""
        planes, truth = super().unpack(batch)
        return channels_last(planes), truth

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Return the IoU of crops that bear something, the alarm of those that do not."""
        _, columns = super().measure(outputs, batch)
        mask, truth = columns["mask"], columns["true mask"]
        bears = truth.flatten(1).any(1)
        alarm = ((mask > 0.5).float().flatten(1).mean(1) > ALARM).float()
        figures = {
            "iou": torch.where(bears, mask_iou(mask, truth), torch.nan),
            "alarm": torch.where(bears, torch.nan, alarm),
        }
        return figures, columns
