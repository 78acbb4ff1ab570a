"""Finding people and what they wear: how the shipped cut-out learns it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

from cleanplate.training.data.people import GROUPS
from cleanplate.training.losses import dice
from cleanplate.training.modules.learner import (
    Batch,
    Learner,
    Planes,
    adam,
    as_float,
    mask_iou,
    with_schedule,
)
from cleanplate.training.modules.marks import as_one, channels_last, in_float32

WEIGHTS = {"mask": 1.0, "garment": 0.5, "hair": 0.2, "skin": 0.25, "accessory": 0.1}


class PeopleModule(Learner):
    """The locator with a map for the person and one for each of GROUPS, each by itself.

    BCE + 3 Dice of every map, the person's Dice of each picture, those of the groups over the
    batch, weighted by WEIGHTS. Where nobody says what a person wears, the groups count for nothing.
    """

    monitor = ("val/mask_iou", "max")

    def __init__(
        self,
        network: str = "locator",
        network_options: dict[str, Any] | None = None,
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        encoder_share: float = 0.3,
        init_from: str | None = None,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network that has an `encoder` and takes `heads`.
            network_options: see `Learner`; `heads` are GROUPS.
            optimizer: see `Learner`.
            schedule: see `Learner`.
            encoder_share: of the learning rate, for the encoder.
            init_from: see `Learner`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        options = {"heads": list(GROUPS), **(network_options or {})}
        super().__init__(network, options, "bce_dice", optimizer, schedule, init_from)
        self.encoder_share = encoder_share
        self.built_from["logits"] = list(GROUPS)

    def on_fit_start(self) -> None:
        """Spare CPUs the bfloat16 depthwise convolution: its gradient is slower than float32's."""
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                module.forward = partial(in_float32, module.forward)  # type: ignore[method-assign]

    def configure_optimizers(self) -> Any:
        """The encoder learns more slowly."""
        encoder = [p for p in self.network.encoder.parameters() if p.requires_grad]
        known = {id(p) for p in self.network.encoder.parameters()}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        optimizer = self.make_optimizer([{"params": encoder}, {"params": rest}])
        optimizer.param_groups[0]["lr"] *= self.encoder_share
        return with_schedule(optimizer, self.make_schedule)

    def unpack(self, batch: Batch) -> tuple[Tensor, Planes]:
        """The picture, and the truth of each map in [0, 1]."""
        maps = as_float(batch["maps"]).split(1, 1)
        truth = dict(zip(WEIGHTS, maps, strict=True)) | {"told": as_float(batch["told"])}
        return channels_last(as_float(batch["input"])), truth

    def total(self, outputs: Planes, truth: Planes) -> tuple[Tensor, Planes]:
        """The weighted sum and, as its terms, the loss of each map."""
        parts = {}
        with torch.autocast(self.device.type, enabled=False):
            for name in WEIGHTS:
                logits, there = outputs[name], truth[name]
                if name == "mask":
                    parts[name] = F.binary_cross_entropy_with_logits(logits, there) + 3 * dice(
                        logits, there
                    )
                    continue
                told = truth["told"]
                cross = F.binary_cross_entropy_with_logits(logits, there, told)
                hidden = logits.masked_fill(told < 0.5, -30.0)
                parts[name] = cross + 3 * dice(as_one(hidden), as_one(there * (told >= 0.5)))
        total = torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
        return total, {name: part.detach() for name, part in parts.items()}

    def measure(self, outputs: Planes, batch: Batch) -> tuple[Planes, Planes]:
        """IoU of the person and of each group at 0.5."""
        picture, truth = self.unpack(batch)
        found = {name: outputs[name].sigmoid() for name in WEIGHTS}
        figures = {f"{name}_iou": mask_iou(found[name], truth[name]) for name in WEIGHTS}
        return figures, {"input": picture, "mask": found["mask"], "true mask": truth["mask"]}
