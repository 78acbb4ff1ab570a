"""What is hidden is filled in, by a model for pages or for photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models import Card, Model
from cleanplate.picture import Picture
from cleanplate.tasks import coarse_fill, crop_fill, photo_fill
from cleanplate.tasks.base import Cleaned, Report, share_filled
from cleanplate.tasks.inpainting_mask import InpaintingMask, conceal
from cleanplate.tasks.maps import Floats
from cleanplate.tasks.surroundings import is_page

SHIPPED: dict[str, str | Path] = {"page": "occlusion-filler", "photo": "photo-filler"}

Fill = Callable[[Model, Picture, NDArray[np.uint8], InpaintingMask], dict[str, Floats]]


class Inpaint:
    """Fills in what a mask names: nothing is searched for."""

    def __init__(
        self,
        *,
        filler: str | Path | None = None,
        eraser: str | Path | None = None,
        kind: str = "auto",
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            filler: gives the page (`fill`) and how much of it is to be seen (`seen`); or, like
                DeepFill v2, what it paints on a small square (`picture`), see `crop_fill.paint`; or
                `fill` from a coarse fill and the hole, see `photo_fill.fill`. None for the shipped
                ones.
            eraser: gives the clean page from the page (`picture`), such as NAFNet; it takes the
                place of the filler, on a square about what is hidden.
            kind: which of the shipped fillers is taken: `page`, `photo`, or `auto`, where what
                surrounds the holes tells.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            UsageError: there is no such model, or it does not fit this task.
        """
        chosen = SHIPPED if kind == "auto" else {kind: SHIPPED[kind]}
        if given := eraser or filler:
            chosen = {"given": given}
        self._models = {
            name: models.load(model, device=device, threads=threads)
            for name, model in chosen.items()
        }
        cards = {name: model.card for name, model in self._models.items()}
        self._fills = {name: fill_by(card, whole=bool(eraser)) for name, card in cards.items()}

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Fill in what `mask` names, in place; see `Task.clean`.

        Nothing of what lies under the mask reaches the result: it is painted over first.
        """
        if mask is None:
            raise UsageError("Say what to fill in: inpaint needs a mask.")
        hidden = InpaintingMask(mask, 0.5, mask.shape, blind=True)
        conceal(picture, hidden)
        return self.fill(picture, hidden)

    def fill(self, picture: Picture, hidden: InpaintingMask) -> Cleaned:
        """Fill in what is hidden of a picture, in place."""
        mask = np.zeros((picture.height, picture.width), np.uint8)
        steps: dict[str, Floats] = {}
        kind = next(iter(self._models))
        if len(self._models) > 1:
            kind = "page" if is_page(picture, hidden) else "photo"
        model = self._models[kind]
        if hidden.small.any():
            steps = self._fills[kind](model, picture, mask, hidden)
        report: Report = {"device": model.device, "filled": share_filled(mask)}
        return Cleaned(picture, mask, report, steps)


def fill_by(card: Card, *, whole: bool = False) -> Fill:
    """Return what fills holes by a model of such a card; `whole`: one that redraws all it sees.

    Raises:
        UsageError: the model does not fit.
    """
    if whole or card.inputs == crop_fill.INPUTS:
        card.check("inpaint", planes=3 if whole else 4, outputs=("picture",))
        return crop_fill.erase if whole else crop_fill.fill
    if card.inputs == photo_fill.INPUTS:
        card.check("inpaint", planes=4, outputs=("fill",))
        return photo_fill.fill
    coarse_fill.check(card)
    return coarse_fill.fill
