"""Adversarial training of networks that fill holes (DeepFill v2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cleanplate.errors import UsageError
from cleanplate.training.losses import hinge_generator
from cleanplate.training.modules.adversarial import Adversarial
from cleanplate.training.modules.learner import Batch, Planes, as_float, psnr

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
        discriminator: str = "sn-patchgan",
        l1: float = 1000.0,
        adversarial: float = 1.0,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of picture and mask with the outputs `picture`
                and `coarse`.
            discriminator: see `Adversarial`.
            l1: weight of the mean absolute difference, of both outputs.
            adversarial: weight of the hinge loss of the fill pasted into the picture.
            kwargs: see `Adversarial`; without `loss`, which these weights are.

        Raises:
            UsageError: an unknown network, or one that this module does not train.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, discriminator, loss="l1", **kwargs)
        if self.card.planes != len(PLANES) or "coarse" not in self.card.outputs:
            raise UsageError(f"{network} does not fill a hole in two steps.")
        self.built_from["planes"] = list(PLANES)
        self.l1, self.adversarial = l1, adversarial

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
