"""Training of the shipped occlusion filler: what lies behind something that hides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cleanplate.training.losses import NamedTensors, Term
from cleanplate.training.modules.learner import (
    GUESS_AND_PICTURE,
    Batch,
    Learner,
    Tensors,
    channels_last,
    psnr,
)

INPUTS = (*GUESS_AND_PICTURE, "hole")


def seen_loss(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Compute BCE of where in the hole the page is seen, over the picture's samples there."""
    hole = truth["mask"]
    given, wanted = outputs["seen"], truth["seen"]
    total = F.binary_cross_entropy_with_logits(given, wanted, hole, reduction="sum")
    return total / (3 * hole.sum() + 1)


class OcclusionFilling(Learner):
    """Learns to fill holes, given a coarse fill of the tone around each.

    The filler also sees the picture as it is: what a shadow or a soft edge covers need not be
    guessed. Where print cannot be known, the squared error, which PSNR counts, leads to its mean,
    the absolute error to bare paper. The output `seen` tells where a shaded page shows, so that its
    detail can be kept.

    A batch holds `input`, `target`, `guess` (N, 3, H, W), `hole` and `seen` (N, 1, H, W).
    Validation logs PSNR within the holes: `val/psnr_hole`, which the best checkpoint is chosen by,
    and `val/psnr_guess` of the coarse fill.
    """

    monitor = ("val/psnr_hole", "max")
    terms: ClassVar[Mapping[str, Term]] = {"seen": seen_loss}

    def __init__(
        self,
        network: str = "occlusion-filler",
        loss: str | dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of the planes INPUTS with the outputs `fill` and
                `seen`.
            loss: see `Learner`; the term `seen` is of the output of that name.
            kwargs: see `Learner`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        chosen = loss or {"l2_hole": 10.0, "l1_hole": 0.5, "seen": 0.1}
        super().__init__(network, loss=chosen, **kwargs)
        self.built_from["planes"] = list(INPUTS)

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the planes INPUTS, and what is there in the hole."""
        planes = torch.cat([batch["guess"], batch["input"], batch["hole"]], 1)
        truth = {"picture": batch["target"], "mask": batch["hole"], "seen": batch["seen"]}
        return channels_last(planes), truth

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure PSNR in the holes, of the fill and of the coarse fill."""
        hole, clean = batch["hole"], batch["target"]
        bears = hole.flatten(1).any(1)
        results = {"hole": outputs["picture"].clamp(0, 1), "guess": batch["guess"]}
        figures = {
            f"psnr_{name}": torch.where(bears, psnr(result, clean, hole), torch.nan)
            for name, result in results.items()
        }
        filled = results["hole"] * hole + batch["input"] * (1 - hole)
        columns = {"input": batch["input"], "guess": batch["guess"], "filled": filled}
        return figures, {**columns, "truth": clean, "hole": hole}
