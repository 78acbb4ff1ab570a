"""Training of a filler that is blind in holes: it sees a coarse fill, not what was there.

The coarse fill is the tone around a hole or, as where a wide hole is filled from coarse to fine
(`tasks.photo_fill`), what the network itself fills in on a copy half as large.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cleanplate.training.losses import NamedTensors, Term
from cleanplate.training.modules.learner import Batch, Learner, Tensors, channels_last, psnr

INPUTS = ("guess red", "guess green", "guess blue", "hole")
WINDOW = 9  # pixels over which detail is compared


def texture_loss(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Compare how much detail fill and truth have around each pixel of a hole, by L1.

    Detail is the local standard deviation of what differs from the mean of 3x3 pixels. By L1 the
    best fill is the mean of everything that may have been there, which is as smooth as fog; this
    term asks for as much detail as the truth has, wherever each grain of it lies.
    """
    hole = truth["mask"]
    miss = (detail(outputs["picture"]) - detail(truth["picture"])).abs() * hole
    return miss.sum() / (3 * hole.sum() + 1)


def detail(picture: Tensor) -> Tensor:
    """Return the local standard deviation (N, C, H, W) of a picture's finest detail."""
    fine = picture - F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    square = F.avg_pool2d(fine.square(), WINDOW, 1, WINDOW // 2, count_include_pad=False)
    return (square + 1e-6).sqrt()


class HoleFilling(Learner):
    """Learns what lies in the holes of photographs from what lies around them.

    Batches are those of `Holed`. Validation logs PSNR within the holes: `val/psnr_hole`, which the
    best checkpoint is chosen by, and `val/psnr_guess` of the coarse fill; and `val/detail`, the
    detail of the fill as a share of the truth's.
    """

    monitor = ("val/psnr_hole", "max")
    terms: ClassVar[Mapping[str, Term]] = {"texture": texture_loss}

    def __init__(
        self,
        network: str = "photo-filler",
        loss: str | dict[str, float] | None = None,
        own_share: float = 0.4,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of the planes INPUTS with the output `fill`.
            loss: see `Learner`; the term `texture` is `texture_loss`.
            own_share: share of the training pictures whose coarse fill is the network's own.
            kwargs: see `Learner`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, loss=loss or {"l1_hole": 1.0, "texture": 0.3}, **kwargs)
        self.own_share = own_share
        self.built_from["planes"] = list(INPUTS)

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the planes INPUTS, and what is there in the hole."""
        guess, hole = batch["guess"], batch["hole"]
        own = round(self.own_share * len(guess)) if self.training else 0
        if own:
            guess = torch.cat([self.own_guess(guess[:own], hole[:own]), guess[own:]])
        planes = torch.cat([guess, hole], 1)
        return channels_last(planes), {"picture": batch["target"], "mask": hole}

    @torch.no_grad()
    def own_guess(self, guess: Tensor, hole: Tensor) -> Tensor:
        """Return the pictures with what the network fills in on copies half as large."""
        small, unknown = F.avg_pool2d(guess, 2), F.max_pool2d(hole, 2)
        fill = self(channels_last(torch.cat([small, unknown], 1)))["picture"].clamp(0, 1)
        coarse = torch.lerp(small, fill.to(small.dtype), unknown)
        large = F.interpolate(coarse, size=guess.shape[-2:], mode="bilinear", align_corners=False)
        return torch.lerp(guess, large, hole)

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure PSNR in the holes, of fill and coarse fill, and the share of detail."""
        hole, clean = batch["hole"], batch["target"]
        filled = outputs["picture"].clamp(0, 1) * hole + clean * (1 - hole)
        kept = [(detail(x) * hole).flatten(1).sum(1) for x in (filled, clean)]
        figures = {
            "psnr_hole": psnr(filled, clean, hole),
            "psnr_guess": psnr(batch["guess"], clean, hole),
            "detail": kept[0] / kept[1].clamp_min(1e-6),
        }
        return figures, {"guess": batch["guess"], "filled": filled, "truth": clean, "hole": hole}
