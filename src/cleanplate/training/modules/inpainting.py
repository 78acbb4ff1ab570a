"""Adversarial training of networks that fill holes (DeepFill v2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from cleanplate.errors import UsageError
from cleanplate.training.losses import NamedTensors, Term, l1
from cleanplate.training.modules.adversarial import Adversarial
from cleanplate.training.modules.learner import Batch, Tensors, as_float, psnr

INPUTS = ("red", "green", "blue", "mask")


def both_l1(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Add the mean absolute differences of the coarse step and of the refined one."""
    steps = [l1(outputs[name], truth["picture"]) for name in ("picture", "coarse")]
    return steps[0] + steps[1]


class Inpainting(Adversarial):
    """Learns what a picture shows in a hole, against a discriminator that learns to tell.

    A batch holds `target` (N, 3, H, W) and `mask` (N, 1, H, W), the hole. Validation logs
    `val/psnr` of the fill pasted into the picture, which the best checkpoint is chosen by, and
    `val/psnr_mask` within the hole alone.
    """

    terms: ClassVar[Mapping[str, Term]] = {"both_l1": both_l1}

    def __init__(
        self,
        network: str = "deepfill-v2",
        discriminator: str = "sn-patchgan",
        loss: str | dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of picture and mask with the outputs `picture`
                and `coarse`.
            discriminator: see `Adversarial`.
            loss: see `Adversarial`; the term `both_l1` is the mean absolute difference of both
                outputs.
            kwargs: see `Adversarial`.

        Raises:
            UsageError: an unknown network, or one that this module does not train.
            ModelError: `init_from` cannot be used.
        """
        chosen = loss or {"both_l1": 1000.0, "hinge": 1.0}
        super().__init__(network, discriminator, loss=chosen, **kwargs)
        if self.card.planes != len(INPUTS) or "coarse" not in self.card.outputs:
            raise UsageError(f"{network} does not fill a hole in two steps.")
        self.built_from["planes"] = list(INPUTS)

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the picture without what lies in the hole, and the hole; the truth."""
        picture, mask = as_float(batch["target"]), as_float(batch["mask"])
        planes = torch.cat([picture * (1 - mask), mask], 1)
        return planes, {"picture": picture, "mask": mask}

    def shown(self, outputs: Tensors, truth: Tensors) -> Tensor:
        """Return the fill pasted into the picture."""
        return outputs["picture"] * truth["mask"] + truth["picture"] * (1 - truth["mask"])

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure PSNR of the pasted fill, over the picture and in the hole."""
        planes, truth = self.unpack(batch)
        picture, mask = truth["picture"], truth["mask"]
        pasted = outputs["picture"].clamp(0, 1) * mask + planes[:, :3]
        figures = {"psnr": psnr(pasted, picture), "psnr_mask": psnr(pasted, picture, mask)}
        columns = {"input": planes[:, :3], "coarse": outputs["coarse"].clamp(0, 1)}
        return figures, {**columns, "filled": pasted, "truth": picture, "mask": mask}
