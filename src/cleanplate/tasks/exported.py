"""Any exported model, used as its card says: picture to picture, picture to mask, or both.

A model with a picture and a mask is composited under its mask, one with a picture alone takes the
place of the whole picture; a locator looks at a copy whose longer side is its tile and gives a
mask; one that is given a mask fills what the mask names, on a square around each part.

So models are validated while they are trained, and so a task runs one that finds and fills by
itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models import Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, regions, run_in_bands, run_tiled
from cleanplate.tasks import crop_fill
from cleanplate.tasks.base import Cleaned, share_filled
from cleanplate.tasks.inpainting_mask import InpaintingMask
from cleanplate.tasks.maps import Floats, as_planes, planes_of

FLOOR = 0.1  # share of a fill under which the picture is left as it is


class Exported:
    """One model, used as its card says.

    Attributes:
        model: the model.
        given_mask: whether it fills what a mask names.
        finds: whether it gives a mask.
        picture: the name of the output that is a picture; None: it gives none.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        threshold: float | None = None,
        ensemble: bool = False,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load a model.

        Args:
            model: see `models.load`.
            threshold: value of a model's own mask up to which the picture is left as it is; None
                for `FLOOR`.
            ensemble: mean over the eight flips and turns of what the model sees.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: the model or the device cannot be used.
            UsageError: it takes planes that only its own task can make, or fills masks and gives no
                picture.
        """
        loaded = models.load(model, device=device, threads=threads)
        self.model = models.Ensemble(loaded) if ensemble else loaded
        card = loaded.card
        self.given_mask = card.inputs == crop_fill.INPUTS
        self.finds = "mask" in card.outputs
        self.picture = card.painting
        if self.given_mask:
            card.check(card.task, planes=len(crop_fill.INPUTS), outputs=("picture",))
        self._floor = FLOOR if threshold is None else threshold
        if not (self.given_mask or card.inputs == models.RGB):
            raise UsageError(
                f"{card.name} takes {', '.join(card.inputs)}, which its task makes: name the task "
                f"and the role: --task {card.task} --model {card.role}=MODEL."
            )

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Clean `picture` in place; see `Task.clean`.

        Raises:
            ModelError: the model failed.
            UsageError: no mask for a model that fills one, or one for another.
        """
        if self.given_mask != (mask is not None):
            wants = "fills what a mask names" if self.given_mask else "takes no mask"
            raise UsageError(f"{self.model.card.name} {wants}.")
        if mask is not None:
            found = self._fill(picture, mask > 0.5)
        elif self.picture is None:
            found = _locate(self.model, picture)
            nowhere = np.zeros(found.shape, bool)
            return Cleaned(picture, found, self._report(found), changed=nowhere)
        else:
            found = self._repaint(picture, self.picture)
        return Cleaned(picture, found, self._report(found))

    def _report(self, found: NDArray[np.uint8]) -> dict[str, float | int | str]:
        return {"device": self.model.device, "filled": share_filled(found)}

    def _repaint(self, picture: Picture, output: str) -> NDArray[np.uint8]:
        """Write what the model paints, under its mask where it gives one."""
        found = np.zeros((picture.height, picture.width), np.uint8)

        def planes(box: Box) -> Floats:
            return as_planes(picture.rgb(box))

        for box, maps in run_in_bands(self.model, planes, found.shape):
            fill = maps[output]
            if self.finds:
                share = shares(maps["mask"][0], self._floor)
            else:
                share = np.ones(fill.shape[1:], np.float32)
            composite(picture, box, fill.transpose(1, 2, 0), share)
            box.cut(found)[:] = _bytes(share)
        return found

    def _fill(self, picture: Picture, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        share = mask.astype(np.float32)
        hidden = InpaintingMask(share, 0.5, mask.shape)
        for part in regions(mask, margin=0, least=0):
            painting = crop_fill.paint(self.model, picture, hidden, part)
            composite(picture, part, painting.at(self.picture or "picture", part), part.cut(share))
        return _bytes(share)


def shares(mask: Floats, floor: float = FLOOR) -> Floats:
    """Return what share (h, w) of a model's picture goes into the result, by its own mask.

    That is the mask, but 0 up to a floor: a network is never quite sure of nothing, and what is
    left as it is must stay exactly so.
    """
    return np.where(mask > floor, np.clip(mask, 0, 1), np.float32(0))


def _locate(model: Model, picture: Picture) -> NDArray[np.uint8]:
    view = picture.shrunk(model.card.tile)
    size = (view.shape[0], view.shape[1])
    found = run_tiled(model, planes_of(view), size, outputs=("mask",))["mask"][0]
    return _bytes(cv2.resize(found, (picture.width, picture.height)))


def _bytes(share: Any) -> NDArray[np.uint8]:
    scaled: NDArray[np.uint8] = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return scaled
