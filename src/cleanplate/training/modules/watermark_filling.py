"""Training of the shipped watermark filler, which looks at a marked picture twice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cleanplate import models
from cleanplate.tasks.watermark.overlay import NOTHING, Overlay, estimate, seen_through
from cleanplate.training.losses import NamedTensors, Term, batch_dice, bce
from cleanplate.training.modules.learner import (
    GUESS_AND_PICTURE,
    Batch,
    Learner,
    Tensors,
    channels_last,
    in_float32,
    mask_iou,
    psnr,
)

INPUTS = (*GUESS_AND_PICTURE, "mask", "alpha")
LOSS = {
    "l1_hole": 3.0,
    "l1": 2.0,
    "bce": 1.0,
    "smooth_iou": 0.5,
    "cover_bce": 1.0,
    "cover_dice": 0.5,
}


def cover_bce(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Compute BCE of how far the mark covers each pixel."""
    return bce(outputs["cover"], truth["cover"])


def cover_dice(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Compute Dice of the mark's cover over the batch."""
    return batch_dice(outputs["cover"], truth["cover"])


class WatermarkFilling(Learner):
    """The filler on marked pictures, which it looks at twice.

    At the first look it sees the picture and a rough mask, and says how far the mark covers each
    pixel. From that follow the mark's opacity and colour, and from these what lies under it (see
    `tasks.watermark.overlay`). At the second look the network corrects this solution. In use, the
    cover may come from a smaller copy, and opacity and colour from elsewhere. So in half of the
    cases the cover is softened, and in half opacity and colour are the true ones, perturbed a
    little; in a quarter the cover is the true one, so that the network learns when to leave a
    solution alone. At both looks it also says where the mark can be seen.

    A batch holds `input`, `target` (N, 3, H, W), `mask`, `rough`, `alpha` (N, 1, H, W), `colour`
    (N, 3) and `opacity` (N, 1). Validation logs PSNR under the mark of the input, of the solution
    and of the result (`val/psnr_mask_filled`, which the best checkpoint is chosen by), and the IoU
    of the outline at either look.
    """

    monitor = ("val/psnr_mask_filled", "max")
    terms: ClassVar[Mapping[str, Term]] = {"cover_bce": cover_bce, "cover_dice": cover_dice}

    def __init__(
        self,
        network: str = "watermark-filler",
        loss: str | dict[str, float] | None = None,
        locator: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of the planes INPUTS with the outputs `fill`,
                `mask` and `cover`.
            loss: see `Learner`; the terms `cover_bce` and `cover_dice` are of the output `cover`.
            locator: an ONNX model whose masks are the rough ones; None for those of the data.
            kwargs: see `Learner`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, loss=loss or LOSS, **kwargs)
        self.built_from["planes"] = list(INPUTS)
        self.locator_name = locator

    @cached_property
    def locator(self) -> models.Model | None:
        """The locator; loaded late, since the average of the weights is a copy of this module."""
        return models.load(self.locator_name, threads=1) if self.locator_name else None

    def rough(self, batch: Batch) -> Tensor:
        """Return the rough masks that the first look is given."""
        if self.locator is None:
            return batch["rough"]
        return located(self.locator, batch["input"].float()).to(batch["rough"])

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the planes of the first look, and the clean picture, the mark's outline and its
        cover.
        """
        truth = {"picture": batch["target"], "mask": batch["mask"], "cover": true_cover(batch)}
        return first_look(channels_last(batch["input"]), self.rough(batch)), truth

    def losses(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Sum the losses of both looks, of which the first learns nothing from the second."""
        planes, truth = self.unpack(batch)
        first = in_float32(self(planes))
        seen = first["cover"].detach().sigmoid()
        told = torch.rand(len(planes), 1, 1, 1, device=seen.device) < 0.25
        cover = softened(torch.where(told, truth["cover"], seen))
        second = in_float32(self(second_look(planes[:, 3:6], cover, batch)))
        looks = [self.total(outputs, truth) for outputs in (first, second)]
        parts = {
            f"{name} {look}": part
            for look, (_, terms) in enumerate(looks, 1)
            for name, part in terms.items()
        }
        return looks[0][0] + looks[1][0], parts

    def predict(self, batch: Batch) -> Tensors:
        """Return the outputs of the second look, and beside them `solved` and `first mask`."""
        picture = channels_last(batch["input"])
        first = in_float32(self(first_look(picture, self.rough(batch))))
        look = second_look(picture, first["cover"].sigmoid())
        return {
            **in_float32(self(look)),
            "solved": look[:, :3].float(),
            "first mask": first["mask"],
        }

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Return what the two looks give under the mark, and how well they outline it."""
        truth, clean = batch["mask"], batch["target"]
        marked = truth.flatten(1).any(1)
        filled = outputs["picture"].clamp(0, 1)
        results = {"input": batch["input"], "solved": outputs["solved"], "filled": filled}
        masks = {"first": outputs["first mask"], "second": outputs["mask"]}
        figures = {
            **{f"psnr_mask_{n}": psnr(x.clamp(0, 1), clean, truth) for n, x in results.items()},
            **{f"iou_{name}": mask_iou(logits.sigmoid(), truth) for name, logits in masks.items()},
        }
        figures = {name: torch.where(marked, x, torch.nan) for name, x in figures.items()}
        columns = {**results, "truth": clean, "mask": outputs["mask"].sigmoid()}
        return figures, {**columns, "true mask": truth}


def located(locator: models.Model, picture: Tensor) -> Tensor:
    """Return what a locator finds in pictures (N, 3, H, W), seen as large as the task shows them.

    Returns:
        Probabilities (N, 1, H, W).
    """
    size, multiple = picture.shape[2:], locator.card.multiple
    zoom = locator.card.parameter("zoom")
    seen = [round(side * zoom / multiple) * multiple for side in size]
    view = F.interpolate(picture, seen, mode="bilinear", align_corners=False)
    found = torch.from_numpy(locator(view.cpu().numpy())["mask"])
    return F.interpolate(found, size, mode="area")


def softened(cover: Tensor) -> Tensor:
    """Soften half of all maps (N, 1, H, W), as if they came from a smaller copy."""
    if torch.rand(()) < 0.5:
        return cover
    size = cover.shape[2:]
    share = float(torch.empty(()).uniform_(0.4, 1.0))
    small = F.interpolate(cover, scale_factor=share, mode="area")
    return F.interpolate(small, size, mode="bilinear", align_corners=False)


def first_look(picture: Tensor, rough: Tensor) -> Tensor:
    """Return the filler's planes when only a rough mask (N, 1, H, W) in [0, 1] is known."""
    return torch.cat([picture, picture, rough, torch.zeros_like(rough)], 1)


def second_look(picture: Tensor, cover: Tensor, truth: Batch | None = None) -> Tensor:
    """Return the filler's planes once it is known how far a mark covers each pixel (N, 1, H, W).

    With the `truth`, its colour and opacity replace half of the estimates, and those for which
    there was too little outline.
    """
    guesses, alphas = [], []
    for number, (one, its_cover) in enumerate(zip(picture, cover[:, 0], strict=True)):
        rgb, covered = one.permute(1, 2, 0).float().cpu().numpy(), its_cover.cpu().numpy()
        mark = estimate(rgb, covered)
        if truth is not None and (not mark.opacity or torch.rand(()) < 0.5):
            mark = perturbed(float(truth["opacity"][number]), truth["colour"][number].cpu())
        alpha = covered * np.float32(mark.opacity)
        guesses.append(torch.from_numpy(seen_through(rgb, alpha, mark.colour)))
        alphas.append(torch.from_numpy(alpha))
    guess = torch.stack(guesses).permute(0, 3, 1, 2).to(picture)
    alpha = torch.stack(alphas)[:, None].to(picture)
    return torch.cat([guess, picture, cover, alpha], 1)


def perturbed(opacity: float, colour: Tensor) -> Overlay:
    """Perturb an overlay as a good estimate may err; no overlay stays none."""
    if not opacity:
        return NOTHING
    near = min(max(opacity + 0.05 * float(torch.randn(())), 0.02), 0.97)
    return Overlay(near, (colour + 0.04 * torch.randn(3)).clamp(0, 1).numpy())


def true_cover(batch: Batch) -> Tensor:
    """Return how far the mark covers each pixel (N, 1, H, W), in [0, 1]."""
    return (batch["alpha"] / batch["opacity"][..., None, None].clamp(min=0.05)).clamp(0, 1)
