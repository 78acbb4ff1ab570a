"""Training against a discriminator: what the modules that do so have in common."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from cleanplate.errors import UsageError
from cleanplate.training import networks
from cleanplate.training.losses import (
    hinge_discriminator,
    least_squares_discriminator,
    wasserstein_discriminator,
)
from cleanplate.training.modules.learner import (
    Batch,
    Learner,
    Tensors,
    adam,
    in_float32,
)
from cleanplate.training.weights import load_weights

CRITICS = {  # the discriminator's loss by the network's adversarial term
    "hinge": hinge_discriminator,
    "least_squares": least_squares_discriminator,
    "wasserstein": wasserstein_discriminator,
}


def uncounted(optimizer: Any) -> None:
    """Keep Lightning, and so `max_steps`, from counting the steps of an optimiser."""
    optimizer._on_before_step = optimizer._on_after_step = lambda: None


class Adversarial(Learner):
    """A learner with a discriminator, which learns to tell what the network makes from the truth.

    A kind of training says what the discriminator is shown (`shown`); its loss finds the score of
    that as the output `score`.
    """

    def __init__(
        self,
        network: str,
        discriminator: str,
        network_options: dict[str, Any] | None = None,
        discriminator_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "l1",
        ratio: int = 1,
        optimizer: OptimizerCallable = adam,
        discriminator_optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
        clip: float | None = None,
        accumulate: int = 1,
    ) -> None:
        """Put a network to its training, and a discriminator beside it.

        Args:
            network: see `Learner`.
            discriminator: name of a registered network of picture and mask with the output
                `score`.
            network_options: for its constructor.
            discriminator_options: for its constructor.
            loss: see `Learner`; one of its terms is what the discriminator says: `hinge`,
                `least_squares` or `wasserstein`, and the discriminator learns by its counterpart.
            ratio: updates of the network to one of the discriminator.
            optimizer: makes the network's optimiser from its parameters.
            discriminator_optimizer: makes the discriminator's.
            schedule: makes the learning-rate schedule of both.
            init_from: a checkpoint whose averaged weights both networks start from.
            clip: largest norm of the gradient of either network, None for any.
            accumulate: batches to an update.

        Raises:
            UsageError: an unknown network or loss, or one that this module does not train; a loss
                without an adversarial term, or with several; what is no discriminator; a number
                out of its range.
            ModelError: `init_from` cannot be used, or VGG's weights for the loss cannot be had.
        """
        super().__init__(network, network_options, loss, optimizer, schedule, init_from)
        if networks.card(discriminator).role != "discriminator":
            raise UsageError(f"{discriminator} is not a discriminator.")
        named = [name for name in CRITICS if name in self.loss.weights]
        if len(named) != 1:
            raise UsageError(f"The loss needs one of these terms: {', '.join(CRITICS)}.")
        self.critic_loss = CRITICS[named[0]]
        if min(ratio, accumulate) < 1:
            raise UsageError(f"ratio and accumulate are 1 or more, not {ratio} and {accumulate}.")
        if clip is not None and clip <= 0:
            raise UsageError(f"clip is above 0, not {clip:g}.")
        self.automatic_optimization = False  # Lightning's own is for one optimiser
        self.discriminator = networks.create(discriminator, **(discriminator_options or {}))
        if init_from is not None:
            load_weights(self.discriminator, init_from, "discriminator.")
        self.make_discriminator_optimizer = discriminator_optimizer
        self.ratio, self.clip, self.accumulate = ratio, clip, accumulate

    def shown(self, outputs: Tensors, truth: Tensors) -> Tensor:
        """Return the pictures that the discriminator is to tell from true ones."""
        raise NotImplementedError

    def configure_optimizers(self) -> Any:
        """Make one for each of the two networks."""
        return (
            self.scheduled(self.make_optimizer(self.parameter_groups())),
            self.scheduled(self.make_discriminator_optimizer(self.discriminator.parameters())),
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Update the discriminator at every `ratio`-th update of an epoch, the network at each."""
        planes, truth = self.unpack(batch)
        optimizer, judges = self.optimizers()
        uncounted(judges)
        update, place = divmod(batch_idx, self.accumulate)
        due = place == self.accumulate - 1 or self.trainer.is_last_batch
        outputs = in_float32(self(planes))
        fake, mask = self.shown(outputs, truth), truth["mask"]
        if update % self.ratio == 0:
            both = torch.cat([truth["picture"], fake.detach()])
            real, unreal = self.score(both, mask.repeat(2, 1, 1, 1)).chunk(2)
            self.update(judges, self.critic_loss(real, unreal), "discriminator", due)
        self.toggle_optimizer(optimizer)
        total, parts = self.total({**outputs, "score": self.score(fake, mask)}, truth)
        self.update(optimizer, total, "loss", due)
        self.untoggle_optimizer(optimizer)
        self.log_dict({f"train/{name}": part for name, part in parts.items()})
        self.log("train/learning_rate", optimizer.param_groups[0]["lr"])
        for schedule in self.schedules() if due else []:
            schedule.step()
        return total.detach()

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Clip the gradient: here mixed precision has taken its scale off."""
        if self.clip is not None:
            self.clip_gradients(optimizer, self.clip, "norm")

    def on_train_epoch_end(self) -> None:
        """Step the schedules that count epochs."""
        for schedule in self.schedules("epoch"):
            schedule.step()

    def schedules(self, interval: str = "step") -> list[Any]:
        """Return the schedules that step so; with two optimisers, Lightning leaves that to us."""
        made = self.lr_schedulers() or []
        return [one for one in made if getattr(one, "interval", "epoch") == interval]

    def score(self, picture: Tensor, mask: Tensor) -> Tensor:
        """Return what the discriminator says of pictures and their masks."""
        scores: Tensor = self.discriminator(torch.cat([picture, mask], 1))["score"]
        return scores.float()

    def update(self, optimizer: Any, loss: Tensor, name: str, due: bool) -> None:
        """Add the gradient of a loss, which is logged; where it is due, a step of an optimiser."""
        self.manual_backward(loss / self.accumulate)
        if due:
            optimizer.step()
            optimizer.zero_grad()
        self.log(f"train/{name}", loss.detach(), prog_bar=True)
