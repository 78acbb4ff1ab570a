"""Adversarial training of networks that fill holes (DeepFill v2)."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional

from cleanplate.errors import UsageError
from cleanplate.training.losses import hinge_generator
from cleanplate.training.modules.adversarial import Adversarial
from cleanplate.training.modules.learner import Batch, Planes, adam, as_float, psnr

PLANES = ("red", "green", "blue", "mask")


class Inpainting(Adversarial):
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
        clip: float | None = None,
        accumulate: int = 1,
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
            clip: largest norm of the gradient of either network, None for any.
            accumulate: batches to an update.

        Raises:
            UsageError: an unknown network, or one that this module does not train.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, network_options, "l1", optimizer, schedule, init_from)
        if self.card.planes != len(PLANES) or "coarse" not in self.card.outputs:
            raise UsageError(f"{network} does not fill a hole in two steps.")
        self.built_from["planes"] = list(PLANES)
        self.l1, self.adversarial = l1, adversarial
        self.oppose(
            discriminator,
            discriminator_options,
            optimizer=discriminator_optimizer,
            init_from=init_from,
            ratio=ratio,
            clip=clip,
            accumulate=accumulate,
        )

    def unpack(self, batch: Batch) -> tuple[Tensor, Planes]:
        """The picture without what lies in the hole, and the hole; the truth."""
        picture, mask = as_float(batch["target"]), as_float(batch["mask"])
        planes = torch.cat([picture * (1 - mask), mask], 1)
        return planes, {"picture": picture, "mask": mask}

    def shown(self, outputs: Planes, truth: Planes) -> Tensor:
        """The fill pasted into the picture."""
        return outputs["picture"] * truth["mask"] + truth["picture"] * (1 - truth["mask"])

    def total(self, outputs: Planes, truth: Planes) -> tuple[Tensor, Planes]:
        """The loss and its terms: of both steps, and what the discriminator says."""
        steps = [functional.l1_loss(outputs[n], truth["picture"]) for n in ("picture", "coarse")]
        parts = {"l1": steps[0] + steps[1], "adversarial": hinge_generator(outputs["score"])}
        total = self.l1 * parts["l1"] + self.adversarial * parts["adversarial"]
        return total, {name: part.detach() for name, part in parts.items()}

    def measure(self, outputs: Planes, batch: Batch) -> tuple[Planes, Planes]:
        """PSNR of the pasted fill, over all and in the hole."""
        planes, truth = self.unpack(batch)
        picture, mask = truth["picture"], truth["mask"]
        pasted = outputs["picture"].clamp(0, 1) * mask + planes[:, :3]
        figures = {"psnr": psnr(pasted, picture), "psnr_mask": psnr(pasted, picture, mask)}
        columns = {"input": planes[:, :3], "coarse": outputs["coarse"].clamp(0, 1)}
        return figures, {**columns, "filled": pasted, "truth": picture, "mask": mask}
