"""Adversarial training of networks that fill holes (DeepFill v2)."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional

from cleanplate.errors import UsageError
from cleanplate.training import networks
from cleanplate.training.losses import hinge_discriminator, hinge_generator
from cleanplate.training.modules.learner import (
    Batch,
    Learner,
    Planes,
    adam,
    as_float,
    in_float32,
    psnr,
    with_schedule,
)
from cleanplate.training.weights import load_weights

PLANES = ("red", "green", "blue", "mask")


class Inpainting(Learner):
    """Learns what a picture shows in a hole, against a discriminator that learns to tell.

    A batch holds `target` (N, 3, H, W) and `mask` (N, 1, H, W), the hole. Validation logs
    `val/psnr` of the fill pasted into the picture, which the best checkpoint is chosen by, and
    `val/psnr_mask` within the hole alone.
    """

    def __init__(
        self,
        network: str = "deepfill-v2",
        network_options: dict[str, Any] | None = None,
        discriminator: str = "sn-patchgan",
        discriminator_options: dict[str, Any] | None = None,
        l1: float = 1000.0,
        adversarial: float = 1.0,
        ratio: int = 1,
        optimizer: OptimizerCallable = adam,
        discriminator_optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of picture and mask with the outputs `picture`
                and `coarse`.
            network_options: for its constructor.
            discriminator: name of a registered network of picture and mask with the output
                `score`.
            discriminator_options: for its constructor.
            l1: weight of the mean absolute difference, of both outputs.
            adversarial: weight of the hinge loss of the fill pasted into the picture.
            ratio: updates of the network to one of the discriminator.
            optimizer: makes the network's optimiser from its parameters.
            discriminator_optimizer: makes the discriminator's.
            schedule: makes the learning-rate schedule of both.
            init_from: a checkpoint whose averaged weights both networks start from.

        Raises:
            UsageError: an unknown network, or one that this module does not train.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, network_options, "l1", optimizer, schedule, init_from)
        if self.card.planes != len(PLANES) or "coarse" not in self.card.outputs:
            raise UsageError(f"{network} does not fill a hole in two steps.")
        if networks.card(discriminator).role != "discriminator":
            raise UsageError(f"{discriminator} is not a discriminator.")
        if ratio < 1:
            raise UsageError(f"ratio is 1 or more, not {ratio}.")
        self.automatic_optimization = False
        self.built_from["planes"] = list(PLANES)
        self.discriminator = networks.create(discriminator, **(discriminator_options or {}))
        if init_from is not None:
            load_weights(self.discriminator, init_from, "discriminator.")
        self.l1, self.adversarial, self.ratio = l1, adversarial, ratio
        self.make_discriminator_optimizer = discriminator_optimizer

    def unpack(self, batch: Batch) -> tuple[Tensor, Planes]:
        """The picture without what lies in the hole, and the hole; the truth."""
        picture, mask = as_float(batch["target"]), as_float(batch["mask"])
        planes = torch.cat([picture * (1 - mask), mask], 1)
        return planes, {"picture": picture, "mask": mask}

    def configure_optimizers(self) -> Any:
        """One for each of the two."""
        return (
            with_schedule(self.make_optimizer(self.network.parameters()), self.make_schedule),
            with_schedule(
                self.make_discriminator_optimizer(self.discriminator.parameters()),
                self.make_schedule,
            ),
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Update the discriminator every `ratio`-th batch of an epoch, the network on each."""
        planes, truth = self.unpack(batch)
        picture, mask = truth["picture"], truth["mask"]
        optimizer, judges = self.optimizers()
        outputs = in_float32(self(planes))
        filled = outputs["picture"] * mask + planes[:, :3]
        if batch_idx % self.ratio == 0:
            both = torch.cat([picture, filled.detach()])
            real, fake = self.score(both, mask.repeat(2, 1, 1, 1)).chunk(2)
            self.update(judges, hinge_discriminator(real, fake), "discriminator")
        parts = {
            "l1": functional.l1_loss(outputs["picture"], picture)
            + functional.l1_loss(outputs["coarse"], picture),
        }
        self.toggle_optimizer(optimizer)
        parts["adversarial"] = hinge_generator(self.score(filled, mask))
        total = self.l1 * parts["l1"] + self.adversarial * parts["adversarial"]
        self.update(optimizer, total, "loss")
        self.untoggle_optimizer(optimizer)
        self.log_dict({f"train/{name}": part.detach() for name, part in parts.items()})
        self.log("train/learning_rate", optimizer.param_groups[0]["lr"])
        for schedule in self.schedules():
            schedule.step()
        return total.detach()

    def on_train_epoch_end(self) -> None:
        """Step the schedules that count epochs."""
        for schedule in self.schedules("epoch"):
            schedule.step()

    def schedules(self, interval: str = "step") -> list[Any]:
        """The schedules that step so; Lightning leaves that to a module with two optimisers."""
        made = self.lr_schedulers() or []
        return [one for one in made if getattr(one, "interval", "epoch") == interval]

    def score(self, picture: Tensor, mask: Tensor) -> Tensor:
        """What the discriminator says of pictures and their holes."""
        scores: Tensor = self.discriminator(torch.cat([picture, mask], 1))["score"]
        return scores.float()

    def update(self, optimizer: Any, loss: Tensor, name: str) -> None:
        """One step of an optimiser down a loss, which is logged."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.log(f"train/{name}", loss.detach(), prog_bar=True)

    def measure(self, outputs: Planes, batch: Batch) -> tuple[Planes, Planes]:
        """PSNR of the pasted fill, over all and in the hole."""
        planes, truth = self.unpack(batch)
        picture, mask = truth["picture"], truth["mask"]
        pasted = outputs["picture"].clamp(0, 1) * mask + planes[:, :3]
        figures = {"psnr": psnr(pasted, picture), "psnr_mask": psnr(pasted, picture, mask)}
        columns = {"input": planes[:, :3], "coarse": outputs["coarse"].clamp(0, 1)}
        return figures, {**columns, "filled": pasted, "truth": picture, "mask": mask}
