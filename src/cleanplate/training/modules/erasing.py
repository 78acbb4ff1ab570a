"""Adversarial training of networks that give a clean picture and a mask (EraseNet as published)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from cleanplate.training.modules.adversarial import Adversarial
from cleanplate.training.modules.learner import Tensors
from cleanplate.training.modules.restoration import Restoration


class Erasing(Adversarial, Restoration):
    """Learns what `Restoration` does, against a discriminator that learns to tell.

    Batches and figures are those of `Restoration`.
    """

    def __init__(
        self,
        network: str = "erasenet",
        discriminator: str = "erasenet-discriminator",
        loss: str | dict[str, float] = "erasenet",
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: see `Restoration`.
            discriminator: see `Adversarial`.
            loss: see `Adversarial`.
            kwargs: see `Adversarial`.

        Raises:
            UsageError: an unknown network or loss, or one that this module does not train.
            ModelError: `init_from` cannot be used, or VGG's weights for the loss cannot be had.
        """
        super().__init__(network, discriminator, loss=loss, **kwargs)

    def shown(self, outputs: Tensors, truth: Tensors) -> Tensor:
        """Return the whole picture, for the loss asks it to be clean outside the mask, too."""
        return outputs["picture"]
