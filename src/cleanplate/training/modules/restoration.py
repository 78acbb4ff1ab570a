"""Training of networks that give a clean picture, with a mask (EraseNet and its kin) or without
(NAFNet, denoisers)."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from cleanplate.errors import UsageError
from cleanplate.metrics import MS_SSIM_SIDE
from cleanplate.tasks.exported import FLOOR
from cleanplate.training.losses import COMPOSITES, ms_ssim
from cleanplate.training.modules.adversarial import CRITICS, Adversarial
from cleanplate.training.modules.learner import (
    Batch,
    Learner,
    Tensors,
    adam,
    as_float,
    mask_iou,
    psnr,
)


class Restoration(Learner):
    """Learns `input` -> `picture`, and `mask` where the network gives one.

    A batch holds `input`, `target` (N, 3, H, W) and `mask` (N, 1, H, W). Validation logs, as means
    over the pictures: `val/psnr` of what a user would get, which for a network with a mask is the
    composite, and `val/ms_ssim` of that, where its sides allow it; `val/psnr_input`; and with a
    mask `val/psnr_raw` of the network's picture alone and `val/mask_iou` (threshold 0.5).
    `val/psnr` is what the best checkpoint is chosen by.
    """

    def __init__(
        self,
        network: str,
        network_options: dict[str, Any] | None = None,
        loss: str | dict[str, float] = "watermark",
        optimizer: OptimizerCallable = adam,
        schedule: LRSchedulerCallable | None = None,
        init_from: str | None = None,
        tlc: int | None = None,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network with the output `picture` or `fill`.
            network_options: see `Learner`.
            loss: see `Learner`.
            optimizer: see `Learner`.
            schedule: see `Learner`.
            init_from: see `Learner`.
            tlc: side of the training crops that NAFNet's pools shall look at in evaluation (TLC);
                None for the whole picture.

        Raises:
            UsageError: unknown network or loss, or one that this module does not train.
            ModelError: `init_from` cannot be used.
        """
        terms = COMPOSITES.get(loss, {}) if isinstance(loss, str) else loss
        judged = [name for name in CRITICS if name in terms]
        if judged and not isinstance(self, Adversarial):
            raise UsageError(
                f"The term {judged[0]!r} needs a discriminator, which this module does not train: "
                "see the recipe watermark-erasenet-published, or give the other terms alone."
            )
        super().__init__(network, network_options, loss, optimizer, schedule, init_from)
        if not {"picture", "fill"} & set(self.card.outputs):
            raise UsageError(f"{network} does not give a picture.")
        if tlc is not None:
            self.network.use_tlc((tlc, tlc))
            self.built_from["tlc"] = tlc

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return `input`, and the truth; floats in [0, 1]."""
        planes = {name: as_float(batch[name]) for name in ("input", "target", "mask")}
        return planes["input"], {"picture": planes["target"], "mask": planes["mask"]}

    @staticmethod
    def composite(restored: Tensor, picture: Tensor, mask: Tensor) -> Tensor:
        """Return what the exported model makes of a picture (see `tasks.exported.shares`)."""
        share = mask * (mask > FLOOR)
        return restored * share + picture * (1 - share)

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Measure PSNR, and the IoU of the mask."""
        picture, truth = self.unpack(batch)
        restored = cleaned = outputs["picture"].clamp(0, 1)
        figures = {"psnr_input": psnr(picture, truth["picture"])}
        columns = {"input": picture, "cleaned": cleaned, "truth": truth["picture"]}
        if "mask" in outputs:
            mask = outputs["mask"].sigmoid() if "mask" in self.card.logits else outputs["mask"]
            columns["cleaned"] = cleaned = self.composite(restored, picture, mask)
            columns |= {"mask": mask, "true mask": truth["mask"]}
            figures["psnr_raw"] = psnr(restored, truth["picture"])
            figures["mask_iou"] = mask_iou(mask, truth["mask"])
        figures["ms_ssim"] = likeness(cleaned, truth["picture"])
        return {"psnr": psnr(cleaned, truth["picture"]), **figures}, columns


def likeness(picture: Tensor, truth: Tensor) -> Tensor:
    """Return each picture's MS-SSIM, of (N, C, H, W) in [0, 1]; nan where a side is too short."""
    if min(picture.shape[-2:]) < MS_SSIM_SIDE:
        return picture.new_full((len(picture),), torch.nan)
    pairs = zip(picture.split(1), truth.split(1), strict=True)
    return torch.stack([1 - ms_ssim(one, other) for one, other in pairs])
