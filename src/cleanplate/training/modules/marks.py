"""Finding a watermark and taking it off: how the locator and the filler learn it."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from cleanplate import models
from cleanplate.tasks.overlay import NOTHING, Overlay, estimate, seen_through
from cleanplate.training import networks
from cleanplate.training.data.marked import ALARM
from cleanplate.training.losses import dice, iou
from cleanplate.training.modules.learner import mask_iou
from cleanplate.training.weights import start_from

Batch = dict[str, Tensor]
VISIBLE = 0.02  # opacity from which a pixel counts as marked
SPECK = 200.0  # pixels: Dice of one picture forgives a miss or a false find much smaller than this


class MarkModule(LightningModule):
    """What both share: the network, AdamW under a warm-up and one cosine, validation by pass."""

    def __init__(
        self,
        network: str,
        options: dict[str, Any],
        rate: float,
        warm_up: int,
        init_from: str | None,
    ) -> None:
        super().__init__()
        self.built_from: dict[str, Any] = {"network": network, "options": options}
        self.rate, self.warm_up = rate, warm_up
        self.network = networks.create(network, **options)
        if init_from is not None:
            start_from(self.network, init_from)
        self.network.to(memory_format=torch.channels_last)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say beside the weights what they are of, so that the export needs no recipe."""
        checkpoint["cleanplate"] = self.built_from

    def on_fit_start(self) -> None:
        """Spare CPUs the bfloat16 depthwise convolution: its gradient is slower than float32's."""
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                module.forward = partial(in_float32, module.forward)  # type: ignore[method-assign]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters with their learning rates."""
        return [{"params": self.network.parameters(), "lr": self.rate}]

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW; the rate rises linearly, then falls along a cosine to a hundredth."""
        optimizer = torch.optim.AdamW(self.parameter_groups(), weight_decay=1e-4)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.SequentialLR(
            optimizer,
            [
                torch.optim.lr_scheduler.LinearLR(optimizer, 0.02, 1.0, self.warm_up),
                torch.optim.lr_scheduler.CosineAnnealingLR(
                    optimizer, max(1, steps - self.warm_up), self.rate * 0.01
                ),
            ],
            [self.warm_up],
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Log every part of the loss and return their sum."""
        parts = self.losses(batch, index)
        total = torch.stack(list(parts.values())).sum()
        self.log_dict({f"train/{name}": value.detach() for name, value in parts.items()})
        self.log("train/loss", total.detach(), prog_bar=True)
        return total

    def losses(self, batch: Batch, index: int) -> dict[str, Tensor]:
        """Return the weighted parts of the loss by name."""
        raise NotImplementedError


class LocatorModule(MarkModule):
    """The locator: cross-entropy, heavier on the mark, Dice over the batch and of each picture.

    Over the batch, Dice asks for the pixels of large marks; of each picture, for faint and small
    marks as much as for those.
    """

    monitor = ("val/iou", "max")

    def __init__(
        self,
        network: str = "locator",
        options: dict[str, Any] | None = None,
        rate: float = 1e-3,
        encoder_rate: float = 3e-4,
        warm_up: int = 200,
        mark_weight: float = 2.0,
        init_from: str | None = None,
    ) -> None:
        """Train `network` at `rate`, its encoder at `encoder_rate`, from `init_from` if given."""
        super().__init__(network, options or {}, rate, warm_up, init_from)
        self.encoder_rate, self.mark_weight = encoder_rate, mark_weight

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the encoder's parameters and all others, apart."""
        encoder = [p for p in self.network.encoder.parameters() if p.requires_grad]
        known = {id(p) for p in self.network.encoder.parameters()}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        return [
            {"params": encoder, "lr": self.encoder_rate},
            {"params": rest, "lr": self.rate},
        ]

    def losses(self, batch: Batch, index: int) -> dict[str, Tensor]:
        """Compare the mask's logits with where the mark can be seen."""
        logits = self.network(channels_last(batch["picture"]))["mask"].float()
        truth = (batch["alpha"] > VISIBLE).float()
        weight = 1 + (self.mark_weight - 1) * truth
        return {
            "bce": F.binary_cross_entropy_with_logits(logits, truth, weight),
            "dice": dice(as_one(logits), as_one(truth)),
            "each": 0.5 * dice(logits, truth, smooth=SPECK),
        }

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log IoU over marked crops and the share of clean crops that raise an alarm."""
        found = (self.network(channels_last(batch["picture"]))["mask"] > 0).float()
        truth = (batch["alpha"] > VISIBLE).float()
        marked = truth.flatten(1).any(1)
        if marked.any():
            overlap = mask_iou(found, truth)[marked].mean()
            self.log("val/iou", overlap, batch_size=int(marked.sum()))
        if not marked.all():
            alarm = (found.flatten(1).mean(1) > ALARM)[~marked].float().mean()
            self.log("val/alarm", alarm, batch_size=int((~marked).sum()))


class FillerModule(MarkModule):
    """The filler on marked pictures, which it looks at twice.

    At the first look it sees the picture and a rough mask, and says how far the mark covers each
    pixel. From that follows what the mark is made of, and with that what lies under it (see
    `tasks.overlay`); at the second look the network corrects this solution. What it knows by then
    may come from elsewhere, and from a smaller copy of the picture: half of the covers are softened
    and of the marks' makes are the true ones, give or take a little; a quarter of the covers are
    the true ones, so that it learns when to leave a solution alone. At both looks it also says
    where the mark can be seen.
    """

    monitor = ("val/psnr_mask_filled", "max")

    def __init__(
        self,
        network: str = "filler",
        options: dict[str, Any] | None = None,
        rate: float = 5e-4,
        warm_up: int = 300,
        locator: str | None = None,
        init_from: str | None = None,
    ) -> None:
        """Train `network`, of the planes LOOK and outputs `fill`, `cover` and `mask`, at `rate`.

        Rough masks are those of `locator`, an ONNX model, where one is given.
        """
        own = {"planes": len(LOOK), "heads": {"cover": 1, "mask": 1}}
        super().__init__(network, own | (options or {}), rate, warm_up, init_from)
        self.built_from |= {"planes": list(LOOK), "logits": ["cover"]}
        self.locator_name = locator

    @cached_property
    def locator(self) -> models.Model | None:
        """The locator; loaded late, since the average of the weights is a copy of this module."""
        return models.load(self.locator_name, threads=1) if self.locator_name else None

    def rough(self, batch: Batch) -> Tensor:
        """Return the rough masks that the first look is given."""
        if self.locator is None:
            return batch["rough"]
        return located(self.locator, batch["picture"].float()).to(batch["rough"])

    def losses(self, batch: Batch, index: int) -> dict[str, Tensor]:
        """Train both looks, of which the first learns nothing from the second."""
        picture = channels_last(batch["picture"])
        first = self.network(first_look(picture, self.rough(batch)))
        seen, known = first["cover"].detach().float().sigmoid(), true_cover(batch)
        told = torch.rand(len(picture), 1, 1, 1, device=seen.device) < 0.25
        cover = softened(torch.where(told, known, seen))
        second = self.network(second_look(picture, cover, batch))
        parts = [mark_losses(outputs, batch) for outputs in (first, second)]
        return {f"{name} {look}": parts[look - 1][name] for look in (1, 2) for name in parts[0]}

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log what the two looks give under the mark, and how well they outline it."""
        picture = channels_last(batch["picture"])
        first = self.network(first_look(picture, self.rough(batch)))
        look = second_look(picture, first["cover"].float().sigmoid())
        second = self.network(look)
        truth = (batch["alpha"] > VISIBLE).float()
        marked = truth.flatten(1).any(1)
        results = {"input": picture, "solved": look[:, :3], "filled": second["fill"]}
        if marked.any():
            count = int(marked.sum())
            for name, result in results.items():
                value = psnr_under(result.float(), batch["clean"], truth)[marked].mean()
                self.log(f"val/psnr_mask_{name}", value, batch_size=count)
            for name, outputs in {"first": first, "second": second}.items():
                overlap = mask_iou((outputs["mask"] > 0).float(), truth)[marked].mean()
                self.log(f"val/iou_{name}", overlap, batch_size=count)


GUESS_AND_PICTURE = tuple(
    f"{p} {c}" for p in ("guess", "picture") for c in ("red", "green", "blue")
)
LOOK = (*GUESS_AND_PICTURE, "mask", "alpha")


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
    """Return half of all maps (N, 1, H, W) as soft as if they had been seen on a smaller copy."""
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

    With the `truth`, its colour and opacity take the place of every other estimate, and of one
    that there was too little outline for.
    """
    guesses, alphas = [], []
    for number, (one, its_cover) in enumerate(zip(picture, cover[:, 0], strict=True)):
        rgb, covered = one.permute(1, 2, 0).float().cpu().numpy(), its_cover.cpu().numpy()
        mark = estimate(rgb, covered)
        if truth is not None and (not mark.opacity or torch.rand(()) < 0.5):
            mark = about(float(truth["opacity"][number]), truth["colour"][number].cpu())
        alpha = covered * np.float32(mark.opacity)
        guesses.append(torch.from_numpy(seen_through(rgb, alpha, mark.colour)))
        alphas.append(torch.from_numpy(alpha))
    guess = torch.stack(guesses).permute(0, 3, 1, 2).to(picture)
    alpha = torch.stack(alphas)[:, None].to(picture)
    return torch.cat([guess, picture, cover, alpha], 1)


def about(opacity: float, colour: Tensor) -> Overlay:
    """Return an overlay as a good estimate of it may come out; nothing where it is nothing."""
    if not opacity:
        return NOTHING
    near = min(max(opacity + 0.05 * float(torch.randn(())), 0.02), 0.97)
    return Overlay(near, (colour + 0.04 * torch.randn(3)).clamp(0, 1).numpy())


def mark_losses(outputs: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Weigh the fill, under the mark and over all, the cover, and where the mark can be seen."""
    truth, cover = (batch["alpha"] > VISIBLE).float(), true_cover(batch)
    miss = (outputs["fill"].float() - batch["clean"]).abs()
    covered, found = outputs["cover"].float(), outputs["mask"].float()
    return {
        "under": 3 * (miss * truth).sum() / (3 * truth.sum() + 1),
        "whole": 2 * miss.mean(),
        "cover": F.binary_cross_entropy_with_logits(covered, cover)
        + 0.5 * dice(as_one(covered), as_one(cover)),
        "mask": F.binary_cross_entropy_with_logits(found, truth)
        + 0.5 * iou(found, truth, smooth=SPECK),
    }


def true_cover(batch: Batch) -> Tensor:
    """Return how far the mark covers each pixel (N, 1, H, W), in [0, 1]."""
    return (batch["alpha"] / batch["opacity"][..., None, None].clamp(min=0.05)).clamp(0, 1)


def as_one(maps: Tensor) -> Tensor:
    """Set the maps (N, 1, H, W) of a batch under each other, as one picture's."""
    return maps.flatten(0, 2)[None, None]


def psnr_under(result: Tensor, clean: Tensor, truth: Tensor) -> Tensor:
    """Return PSNR (N,) in dB under the masks (N, 1, H, W) of pictures in [0, 1]."""
    square = ((result.clamp(0, 1) - clean) ** 2 * truth).flatten(1).sum(1)
    return -10 * (square / (3 * truth.flatten(1).sum(1)).clamp(min=1) + 1e-6).log10()


def channels_last(picture: Tensor) -> Tensor:
    """Return the tensor in the memory format that CPU convolutions are fastest in."""
    return picture.to(memory_format=torch.channels_last)


def in_float32(forward: Any, maps: Tensor) -> Tensor:
    """Run one layer without autocast."""
    with torch.autocast(maps.device.type, enabled=False):
        return forward(maps.float())
