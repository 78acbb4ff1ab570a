"""Finding people and what they wear: how the shipped cut-out learns it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cleanplate.training.data.dressed import GROUPS
from cleanplate.training.losses import Term, batch_dice, bce_dice
from cleanplate.training.modules.learner import Batch, Planes, as_float, channels_last, mask_iou
from cleanplate.training.modules.locating import Locating

MAPS = ("mask", *GROUPS)
NOWHERE = -30.0  # logits of what is not looked at


def person(outputs: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Tensor:
    """BCE + 3 Dice of the person's map."""
    return bce_dice(outputs["mask"], truth["mask"])


def group(outputs: Mapping[str, Tensor], truth: Mapping[str, Tensor], name: str) -> Tensor:
    """BCE + 3 Dice over the batch of a group's map, where the groups are told."""
    logits, told = outputs[name], truth["told"]
    cross = F.binary_cross_entropy_with_logits(logits, truth[name], told)
    there = told >= 0.5
    dice = batch_dice(logits.masked_fill(~there, NOWHERE), truth[name] * there)
    return cross + 3 * dice


class PeopleLocating(Locating):
    """The locator with a map for the person and one for each of GROUPS, each by itself.

    Terms of the loss are `person` and the names of the groups. A batch holds `input`, `maps`
    (N, 5, H, W), the truth of MAPS, and `told` (N, 1, H, W), where the groups are known. Validation
    logs the IoU of each map at 0.5.
    """

    monitor = ("val/mask_iou", "max")
    terms: ClassVar[Mapping[str, Term]] = {
        "person": person,
        **{name: partial(group, name=name) for name in GROUPS},
    }

    def __init__(
        self,
        network: str = "locator",
        network_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: see `Locating`; it takes `heads`.
            network_options: see `Learner`; `heads` are GROUPS.
            kwargs: see `Locating`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        options = {"heads": list(GROUPS), **(network_options or {})}
        super().__init__(network, network_options=options, **kwargs)
        self.built_from["logits"] = list(GROUPS)

    def unpack(self, batch: Batch) -> tuple[Tensor, Planes]:
        """Return the picture, and the truth of each map in [0, 1]."""
        maps = as_float(batch["maps"]).split(1, 1)
        truth = dict(zip(MAPS, maps, strict=True)) | {"told": as_float(batch["told"])}
        return channels_last(as_float(batch["input"])), truth

    def measure(self, outputs: Planes, batch: Batch) -> tuple[Planes, Planes]:
        """IoU of the person and, where they are told, of each group."""
        picture, truth = self.unpack(batch)
        found = {name: outputs[name].sigmoid() for name in MAPS}
        told = truth["told"].flatten(1).all(1)
        figures = {
            f"{name}_iou": torch.where(
                told | (name == "mask"), mask_iou(found[name], truth[name]), torch.nan
            )
            for name in MAPS
        }
        return figures, {"input": picture, "mask": found["mask"], "true mask": truth["mask"]}
