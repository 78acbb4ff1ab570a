"""Adversarial training of networks that give a clean picture and a mask (EraseNet as published)."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from cleanplate.training.modules.adversarial import Adversarial
from cleanplate.training.modules.learner import Planes, adam
from cleanplate.training.modules.restoration import Restoration


class Erasing(Adversarial, Restoration):
    """Learns what `Restoration` does, against a discriminator that learns to tell.

    Batches and figures are those of `Restoration`.
    """

    def __init__(
        self,
        network: str = "erasenet",
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "erasenet",
        discriminator: str = "erasenet-discriminator",
        discriminator_options: dict[str, Any] | None = None,
        ratio: int = 1,
        optimizer: OptimizerCallable = adam,
        discriminator_optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
        clip: float | None = None,
        accumulate: int = 1,
    ) -> None:
        """Put a network to its training.

        Args:
            network: see `Restoration`.
            network_options: for its constructor.
            loss: see `Learner`; its term `hinge` is what the discriminator says.
            discriminator: name of a registered network of picture and mask with the output
                `score`.
            discriminator_options: for its constructor.
            ratio: updates of the network to one of the discriminator.
            optimizer: makes the network's optimiser from its parameters.
            discriminator_optimizer: makes the discriminator's.
            schedule: makes the learning-rate schedule of both.
            init_from: a checkpoint whose averaged weights both networks start from.
            clip: largest norm of the gradient of either network, None for any.
            accumulate: batches to an update.

        Raises:
            UsageError: an unknown network or loss, or one that this module does not train.
            ModelError: `init_from` cannot be used, or VGG's weights for the loss cannot be had.
        """
        super().__init__(network, network_options, loss, optimizer, schedule, init_from)
        self.oppose(
            discriminator,
            discriminator_options,
            optimizer=discriminator_optimizer,
            init_from=init_from,
            ratio=ratio,
            clip=clip,
            accumulate=accumulate,
        )

    def shown(self, outputs: Planes, truth: Planes) -> Tensor:
        """The whole picture, for the loss asks it to be clean outside the mask, too."""
        return outputs["picture"]
