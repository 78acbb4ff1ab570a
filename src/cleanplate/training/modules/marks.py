"""Finding a watermark and taking it off: how the locator and the filler learn it."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from cleanplate import models
from cleanplate.tasks.overlay import estimate, seen_through
from cleanplate.training import networks
from cleanplate.training.losses import dice
from cleanplate.training.modules.learner import mask_iou

Batch = dict[str, Tensor]
VISIBLE = 0.02  # opacity from which a pixel counts as marked
SPECK = 200.0  # pixels: Dice of one picture forgives a miss or a false find much smaller than this
ALARM = 0.005  # share of a clean picture from which finding a mark in it is a false alarm


class MarkModule(LightningModule):
    """What both share: the network, AdamW under a warm-up and one cosine, validation by pass."""

    def __init__(self, network: str, options: dict[str, Any], rate: float, warm_up: int) -> None:
        super().__init__()
        self.built_from: dict[str, Any] = {"network": network, "options": options}
        self.rate, self.warm_up = rate, warm_up
        self.network = networks.create(network, **options).to(memory_format=torch.channels_last)

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
    ) -> None:
        """Train `network` at `rate`, its pretrained encoder at `encoder_rate`."""
        super().__init__(network, options or {}, rate, warm_up)
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
            iou = mask_iou(found, truth)[marked].mean()
            self.log("val/iou", iou, batch_size=int(marked.sum()))
        if not marked.all():
            alarm = (found.flatten(1).mean(1) > ALARM)[~marked].float().mean()
            self.log("val/alarm", alarm, batch_size=int((~marked).sum()))


class FillerModule(MarkModule):
    """The filler on marked pictures, which it looks at twice.

    At the first look it sees the picture and a rough mask, and outlines the mark. From the outline
    follows what the mark is made of, and with that what lies under it (see `tasks.overlay`); at the
    second look the network corrects this solution.
    """

    monitor = ("val/psnr_mask_filled", "max")

    def __init__(
        self,
        network: str = "filler",
        options: dict[str, Any] | None = None,
        rate: float = 5e-4,
        warm_up: int = 300,
        locator: str | None = None,
    ) -> None:
        """Train `network`, of the planes LOOK and outputs `fill` and `mask`, at `rate`.

        Every other rough mask is that of `locator`, an ONNX model, where one is given.
        """
        super().__init__(network, {"planes": len(LOOK)} | (options or {}), rate, warm_up)
        self.built_from["planes"] = list(LOOK)
        self.locator_name = locator

    @cached_property
    def locator(self) -> models.Model | None:
        """The locator; loaded late, since the average of the weights is a copy of this module."""
        return models.load(self.locator_name, threads=1) if self.locator_name else None

    def losses(self, batch: Batch, index: int) -> dict[str, Tensor]:
        """Train the first look on even batches, the second on odd ones."""
        picture = channels_last(batch["picture"])
        rough = batch["rough"]
        if self.locator is not None and index // 2 % 2:
            rough = torch.from_numpy(self.locator(picture.float().cpu().numpy())["mask"]).to(rough)
        look = first_look(picture, rough)
        if index % 2:
            with torch.no_grad():
                look = second_look(picture, self.network(look)["mask"])
        return mark_losses(self.network(look), batch)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log what the two looks give under the mark, and how well they outline it."""
        picture = channels_last(batch["picture"])
        first = self.network(first_look(picture, batch["rough"]))
        look = second_look(picture, first["mask"])
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
                iou = mask_iou((outputs["mask"].sigmoid() > 0.1).float(), truth)[marked].mean()
                self.log(f"val/iou_{name}", iou, batch_size=count)


GUESS_AND_PICTURE = tuple(
    f"{p} {c}" for p in ("guess", "picture") for c in ("red", "green", "blue")
)
LOOK = (*GUESS_AND_PICTURE, "mask", "alpha")


def first_look(picture: Tensor, rough: Tensor) -> Tensor:
    """Return the filler's planes when only a rough mask (N, 1, H, W) in [0, 1] is known."""
    return torch.cat([picture, picture, rough, torch.zeros_like(rough)], 1)


def second_look(picture: Tensor, outline: Tensor) -> Tensor:
    """Return the filler's planes once the mark is outlined (logits (N, 1, H, W)) and solved for."""
    cover = outline.float().sigmoid()
    guesses, alphas = [], []
    for one, its_cover in zip(picture, cover[:, 0], strict=True):
        rgb, covered = one.permute(1, 2, 0).float().cpu().numpy(), its_cover.cpu().numpy()
        mark = estimate(rgb, covered)
        alpha = covered * mark.opacity
        guesses.append(torch.from_numpy(seen_through(rgb, alpha, mark.colour)))
        alphas.append(torch.from_numpy(alpha))
    guess = torch.stack(guesses).permute(0, 3, 1, 2).to(picture)
    alpha = torch.stack(alphas)[:, None].to(picture)
    return torch.cat([guess, picture, cover, alpha], 1)


def mark_losses(outputs: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Weigh the fill, under the mark and over all, and the cover (alpha over the opacity)."""
    truth = (batch["alpha"] > VISIBLE).float()
    cover = (batch["alpha"] / batch["opacity"][..., None, None].clamp(min=0.05)).clamp(0, 1)
    miss = (outputs["fill"].float() - batch["clean"]).abs()
    found = outputs["mask"].float()
    return {
        "under": 3 * (miss * truth).sum() / (3 * truth.sum() + 1),
        "whole": 2 * miss.mean(),
        "bce": F.binary_cross_entropy_with_logits(found, cover),
        "dice": 0.5 * dice(as_one(found), as_one(cover)),
    }


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
