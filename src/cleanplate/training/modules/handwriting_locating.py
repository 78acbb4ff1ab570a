"""Telling handwriting from print by a network that was pretrained on photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from cleanplate.training.losses import Term
from cleanplate.training.modules.handwriting_erasing import harmed, known, print_bce, print_dice
from cleanplate.training.modules.learner import Batch, Tensors, as_float, channels_last, mask_iou
from cleanplate.training.modules.locating import Locating

LOSS = {"focal": 20.0, "batch_dice": 1.0, "print_bce": 0.2, "print_dice": 0.2}


class HandwritingLocating(Locating):
    """Learns `input` -> `mask`, where ink is, and `print`; where they cross both are.

    Batches are those of `Handwritten`. Validation logs the IoU of the ink in crops that bear some
    (`val/mask_iou`, which the best checkpoint is chosen by), and `val/harmed`, the share of the
    pixels beyond 9 pixels of any ink that are taken for ink.
    """

    monitor = ("val/mask_iou", "max")
    terms: ClassVar[Mapping[str, Term]] = {"print_bce": print_bce, "print_dice": print_dice}

    def __init__(
        self,
        network: str = "handwriting-locator",
        loss: str | dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Put a network to its training.

        Args:
            network: name of a registered network of three planes with the outputs `mask` and
                `print`.
            loss: see `Learner`; `print_bce` and `print_dice` are terms, too.
            kwargs: see `Locating`.

        Raises:
            UsageError: unknown network or loss.
            ModelError: `init_from` cannot be used.
        """
        super().__init__(network, loss=loss or LOSS, **kwargs)

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the page, and in [0, 1] the ink's map and the print's."""
        page = channels_last(as_float(batch["input"]))
        return page, {name: as_float(batch[name]) for name in ("mask", "print")}

    def measure(self, outputs: Tensors, batch: Batch) -> tuple[Tensors, Tensors]:
        """Return how well ink is found, and how much else is."""
        page, truth = self.unpack(batch)
        ink, found = truth["mask"], outputs["mask"].sigmoid()
        figures = {
            "mask_iou": known(mask_iou(found, ink), ink.flatten(1).any(1)),
            "harmed": harmed((found > 0.5).float(), ink),
        }
        return figures, {"input": page, "mask": found, "true mask": ink}
