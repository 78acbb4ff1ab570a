"""Taking handwriting off pages: where ink is, where print is, and what the page is without ink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cleanplate.training.losses import NamedTensors, Term, batch_dice, bce
from cleanplate.training.modules.learner import (
    Batch,
    Learner,
    Tensors,
    as_float,
    channels_last,
    mask_iou,
    psnr,
)

LOSS = {"ink_l1": 10.0, "focal": 20.0, "batch_dice": 1.0, "print_bce": 0.2, "print_dice": 0.2}
WEIGHT = 5.0  # of ink and of the print beside it
NEAR = 8  # pixels
WIDE = 2 * NEAR + 1
BESIDE = 9  # pixels from ink, beyond which a find is a false one


def ink_l1(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Compute L1 in which ink, and print within 8 pixels of it, weighs five times as much."""
    ink = truth["mask"]
    near = F.max_pool2d(ink, WIDE, 1, NEAR) * truth["print"]
    weight = 1 + (WEIGHT - 1) * torch.maximum(ink, near)
    return ((outputs["picture"] - truth["picture"]).abs() * weight).mean()


def print_bce(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Compute BCE of the print's map."""
    return bce(outputs["print"], truth["print"])


def print_dice(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Compute Dice of the print's map over the batch."""
    return batch_dice(outputs["print"], truth["print"])


class HandwritingErasing(Learner):
    """Learns `input` -> `target`, `mask`, where ink is, and `print`; where they cross both are.

    Batches are those of `Handwritten`. Validation logs PSNR under the ink, in crops that bear
    some (`val/psnr_mask`, which the best checkpoint is chosen by), and before (`psnr_mask_input`);
    the IoU of the ink; and `val/harmed`, the share of the pixels beyond 9 pixels of any ink that
    are taken for ink.
    """

    monitor = ("val/psnr_mask", "max")
    terms: ClassVar[Mapping[str, Term]] = {
        "ink_l1": ink_l1,
        "print_bce": print_bce,
        "print_dice": print_dice,
    }

    def __init__(
        self,
        network: str = "handwriting-eraser",
        loss: str | dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of three planes with the outputs `fill`, `mask`
                and `print`.
            loss: see `Learner`; `ink_l1`, `print_bce` and `print_dice` are terms, too.
            kwargs: see `Learner`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, loss=loss or LOSS, **kwargs)

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the page, and in [0, 1] the page without ink, the ink's map and the print's."""
        truth = {"picture": "target", "mask": "mask", "print": "print"}
        page = channels_last(as_float(batch["input"]))
        return page, {name: as_float(batch[key]) for name, key in truth.items()}

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Return how well ink is found and what lies under it is."""
        page, truth = self.unpack(batch)
        ink, clean = truth["mask"], truth["picture"]
        found = outputs["mask"].sigmoid()
        where = (found > 0.5).float()
        cleaned = outputs["picture"].clamp(0, 1) * where + page * (1 - where)
        written = ink.flatten(1).any(1)
        figures = {
            "psnr_mask": known(psnr(cleaned, clean, ink), written),
            "psnr_mask_input": known(psnr(page, clean, ink), written),
            "mask_iou": known(mask_iou(found, ink), written),
            "harmed": harmed(where, ink),
        }
        columns = {"page": page, "cleaned": cleaned, "truth": clean, "ink": found}
        return figures, {**columns, "print": outputs["print"].sigmoid()}


def harmed(where: Tensor, ink: Tensor) -> Tensor:
    """Return the share (N,) of the pixels beyond BESIDE pixels of any ink that `where` holds."""
    far = 1 - F.max_pool2d(ink, 2 * BESIDE + 1, 1, BESIDE)
    return (where * far).flatten(1).mean(1)


def known(values: Tensor, where: Tensor) -> Tensor:
    """Return figures (N,), nan where they do not apply."""
    return values.where(where, torch.nan)
