"""What is behind something that hides it: how a filler learns to fill a hole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cleanplate.training.modules.marks import (
    GUESS_AND_PICTURE,
    Batch,
    MarkModule,
    channels_last,
    psnr_under,
)

HIDDEN = (*GUESS_AND_PICTURE, "hole")


class HoleModule(MarkModule):
    """The filler on pictures with a hole, into which the tone about it has flown.

    It also sees the picture as it is: what a shadow or a soft edge covers need not be guessed. The
    squared error, which PSNR counts, makes of print that cannot be known its mean; the absolute one
    the paper. The output `seen` tells where a shaded page can be seen, so that its detail can be
    kept.
    """

    monitor = ("val/psnr_hole", "max")

    def __init__(
        self,
        network: str = "filler",
        options: dict[str, Any] | None = None,
        rate: float = 5e-4,
        warm_up: int = 300,
        square: float = 10.0,
        absolute: float = 0.5,
        init_from: str | None = None,
    ) -> None:
        """Train `network`, of the planes HIDDEN and the outputs `fill` and `seen`, at `rate`."""
        own = {"planes": len(HIDDEN), "heads": {"seen": 1}}
        super().__init__(network, own | (options or {}), rate, warm_up, init_from)
        self.built_from |= {"planes": list(HIDDEN), "logits": ["seen"]}
        self.square, self.absolute = square, absolute

    def losses(self, batch: Batch, index: int) -> dict[str, Tensor]:
        """Compare the fill with what is there, and what is to be seen of it, in the hole."""
        outputs = self.network(hidden(batch))
        miss = (outputs["fill"].float() - batch["clean"]) * batch["hole"]
        count = 3 * batch["hole"].sum() + 1
        return {
            "square": self.square * miss.square().sum() / count,
            "absolute": self.absolute * miss.abs().sum() / count,
            "seen": 0.1
            * F.binary_cross_entropy_with_logits(
                outputs["seen"].float(), batch["seen"], batch["hole"], reduction="sum"
            )
            / count,
        }

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log PSNR in the holes, beside that of the first guess."""
        fill = self.network(hidden(batch))["fill"].float()
        holes = batch["hole"].flatten(1).any(1)
        if holes.any():
            for name, result in {"hole": fill, "guess": batch["guess"]}.items():
                value = psnr_under(result, batch["clean"], batch["hole"])[holes].mean()
                self.log(f"val/psnr_{name}", value, batch_size=int(holes.sum()))


def hidden(batch: Batch) -> Tensor:
    """Return the planes HIDDEN of a batch."""
    return channels_last(torch.cat([batch["guess"], batch["picture"], batch["hole"]], 1))
