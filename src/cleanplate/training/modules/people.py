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
from cleanplate.training.modules.learner import Batch, Tensors, as_float, channels_last, mask_iou
from cleanplate.training.modules.locating import Locating

MAPS = ("mask", *GROUPS)
NOWHERE = -30.0  # logits of what is not looked at


def person(outputs: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Tensor:
    """Compute BCE + 3 Dice of the person's map."""
    return bce_dice(outputs["mask"], truth["mask"])


def group(outputs: Mapping[str, Tensor], truth: Mapping[str, Tensor], name: str) -> Tensor:
    """Compute BCE + 3 Dice over the batch of a group's map, where the groups are known."""
    logits, known = outputs[name], truth["known"]
    cross = F.binary_cross_entropy_with_logits(logits, truth[name], known)
    there = known >= 0.5
    dice = batch_dice(logits.masked_fill(~there, NOWHERE), truth[name] * there)
    return cross + 3 * dice


class PeopleLocating(Locating):
    """The locator with a map for the person and one for each of GROUPS, each by itself.

    Terms of the loss are `person` and the names of the groups. A batch holds `input`, `maps`
    (N, 5, H, W), the truth of MAPS, and `known` (N, 1, H, W), where the groups are known.
    Validation logs the IoU of each map at 0.5.
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

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the picture, and the truth of each map in [0, 1]."""
        maps = as_float(batch["maps"]).split(1, 1)
        truth = dict(zip(MAPS, maps, strict=True)) | {"known": as_float(batch["known"])}
        return channels_last(as_float(batch["input"])), truth

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure the IoU of the person and, where they are known, of each group."""
        picture, truth = self.unpack(batch)
        found = {name: outputs[name].sigmoid() for name in MAPS}
        known = truth["known"].flatten(1).all(1)
        figures = {
            f"{name}_iou": torch.where(
                known | (name == "mask"), mask_iou(found[name], truth[name]), torch.nan
            )
            for name in MAPS
        }
        return figures, {"input": picture, "mask": found["mask"], "true mask": truth["mask"]}
