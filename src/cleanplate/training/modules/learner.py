"""The base of all training modules: a network, its loss, its optimiser and schedule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from cleanplate.training import networks
from cleanplate.training.losses import TERMS, Composed, Term
from cleanplate.training.weights import start_from

Batch = dict[str, Any]
Tensors = dict[str, Tensor]
GUESS_AND_PICTURE = tuple(
    f"{p} {c}" for p in ("guess", "picture") for c in ("red", "green", "blue")
)  # first planes of the shipped fillers
PEAK = 100.0  # dB; what equal pictures count as


def adam(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """Make Adam with the rate of the write-up on watermarks."""
    return torch.optim.Adam(parameters, lr=2e-3)


class Learner(pl.LightningModule):
    """A network, its loss, its optimiser and schedule; what it was built from goes with it.

    A subclass says what the network sees and what is true of a batch (`unpack`), and what
    validation measures (`measure`). Batches are dicts of tensors (N, C, H, W), uint8 in 0..255 or
    float, and `name`, a list of N.

    Attributes:
        monitor: the logged figure that the best checkpoint is chosen by, and "max" or "min".
        of_pictures: the figures of each picture that was validated, by its name.
        terms: loss terms of the subclass's own, by name, beside those of `losses.TERMS`.
    """

    monitor = ("val/psnr", "max")
    terms: ClassVar[Mapping[str, Term]] = {}

    def __init__(
        self,
        network: str,
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "l1",
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network.
            network_options: for its constructor.
            loss: name of a composite in `losses.COMPOSITES` or of a term, or weights by term.
            optimizer: makes the optimiser from the parameters or groups of them.
            schedule: makes the learning-rate schedule (see `schedules`).
            init_from: what the network's weights start from; see `weights.start_from`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        super().__init__()
        options = network_options or {}
        self.card = networks.card(network)
        self.built_from: dict[str, Any] = {"network": network, "options": options}
        self.network = networks.create(network, **options)
        if init_from is not None:
            start_from(self.network, init_from)
        self.network.to(memory_format=torch.channels_last)  # faster on CPUs; inputs need not be
        self.loss = composed(loss, self.terms)
        self.of_pictures: dict[str, dict[str, float]] = {}
        self.make_optimizer, self.make_schedule = optimizer, schedule

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return what the network sees, (N, planes, H, W), and the truth as the loss wants it."""
        raise NotImplementedError

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Return each picture's figures (N,) by name, nan where none applies, and the columns of
        the validation sheet."""
        raise NotImplementedError

    def forward(self, planes: Tensor) -> Tensors:
        """Return the network's outputs by name; a filler's `fill` is the `picture` here."""
        outputs: Tensors = self.network(planes)
        return {("picture" if name == "fill" else name): x for name, x in outputs.items()}

    def predict(self, batch: Batch) -> Tensors:
        """Return the network's outputs for a batch."""
        return in_float32(self(self.unpack(batch)[0]))

    def parameter_groups(self) -> Iterable[Any]:
        """Return what the optimiser is made of: parameters, or groups of them with rates of their
        own.
        """
        return self.network.parameters()

    def configure_optimizers(self) -> Any:
        """Make the optimiser of the network's parameters."""
        return self.scheduled(self.make_optimizer(self.parameter_groups()))

    def scheduled(self, optimizer: torch.optim.Optimizer) -> Any:
        """Return Lightning's description of an optimiser and its schedule."""
        if self.make_schedule is None:
            return {"optimizer": optimizer}
        made = self.make_schedule(optimizer)
        if hasattr(made, "fit"):
            made.fit(self.trainer)
        every = {"scheduler": made, "interval": getattr(made, "interval", "epoch")}
        return {"optimizer": optimizer, "lr_scheduler": every}

    def on_fit_start(self) -> None:
        """Spare CPUs the bfloat16 depthwise convolution: its gradient is slower than float32's."""
        for module in self.network.modules():
            depthwise = isinstance(module, nn.Conv2d) and module.groups > 1
            if depthwise and self.device.type == "cpu":
                module.forward = partial(without_autocast, module.forward)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted sum of the terms; each is logged."""
        total, parts = self.losses(batch)
        self.log("train/loss", total.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value for name, value in parts.items()})
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log("train/learning_rate", rate)
        return total

    def losses(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the loss of a batch, and its terms without their weights, by name."""
        planes, truth = self.unpack(batch)
        return self.total(in_float32(self(planes)), truth)

    def total(self, outputs: Tensors, truth: Tensors) -> tuple[Tensor, Tensors]:
        """Return the loss of outputs, and its terms without their weights."""
        with torch.autocast(self.device.type, enabled=False):
            total, parts = self.loss(outputs, truth)
        return total, parts

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensors:
        """Log the means of the figures; return the columns of the validation sheet."""
        figures, columns = self.measure(self.predict(batch), batch)
        for place, picture in enumerate(batch.get("name", ())):
            told = {name: round(float(values[place]), 4) for name, values in figures.items()}
            self.of_pictures[picture] = told
        for name, values in figures.items():
            known = values[~values.isnan()]
            if len(known):
                self.log(
                    f"val/{name}",
                    known.mean(),
                    batch_size=len(known),
                    sync_dist=True,
                    prog_bar=f"val/{name}" == self.monitor[0],
                )
        return columns

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note beside the weights which network they are of, so that the export needs no recipe."""
        checkpoint["cleanplate"] = self.built_from


def composed(loss: str | dict[str, float], terms: Mapping[str, Term]) -> nn.Module:
    """Return the loss that a recipe names: a composite, one term, or terms with their weights."""
    if isinstance(loss, str) and (loss in TERMS or loss in terms):
        loss = {loss: 1.0}
    return Composed(loss, terms=terms)


def as_float(planes: Tensor) -> Tensor:
    """Return uint8 0..255 as float [0, 1]; floats as they are."""
    return planes.float() / 255 if planes.dtype == torch.uint8 else planes


def in_float32(outputs: Tensors) -> Tensors:
    """Return outputs in float32: losses and figures are not for half precision."""
    return {name: planes.float() for name, planes in outputs.items()}


def without_autocast(forward: Any, maps: Tensor) -> Tensor:
    """Run one layer in float32."""
    with torch.autocast(maps.device.type, enabled=False):
        return forward(maps.float())


def channels_last(planes: Tensor) -> Tensor:
    """Return the tensor in the memory format that CPU convolutions are fastest in."""
    return planes.to(memory_format=torch.channels_last)


def psnr(picture: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return each picture's PSNR in dB, at most 100, of (N, C, H, W) in [0, 1]; or under a mask."""
    error = (picture - truth).square()
    if mask is None:
        error = error.flatten(1).mean(1)
    else:
        count = (mask.flatten(1).sum(1) * picture.shape[1]).clamp_min(1)
        error = (error * mask).flatten(1).sum(1) / count
    return -10 * error.clamp_min(10 ** (-PEAK / 10)).log10()


def mask_iou(mask: Tensor, truth: Tensor) -> Tensor:
    """Return the intersection over union of each mask at 0.5; 1 when both are empty."""
    found, there = mask.flatten(1) > 0.5, truth.flatten(1) > 0.5
    union = (found | there).sum(1)
    return torch.where(union > 0, (found & there).sum(1) / union.clamp_min(1), 1.0)
