"""Any exported model as a task: what evaluation and mining run where no task is named.

Needs no torch. What a model does follows from its card: a locator looks at a copy whose longer side
is its tile and gives a mask; a model with `mask` and a picture is composited under its mask, one
with a picture alone takes the place of the whole picture; one that is given a mask fills what the
mask names, on a square about each part where the card states `crop` and `factor`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, regions, run_in_bands, run_tiled
from cleanplate.tasks import squares
from cleanplate.tasks.base import Cleaned
from cleanplate.tasks.hidden import Hidden
from cleanplate.tasks.maps import Floats, as_planes, cut, planes_of
from cleanplate.training.data.raw import LEVELS, Levels
from cleanplate.training.data.raw_files import BAYER

RGB = ("red", "green", "blue")


class PlainModel:
    """One model, used as its card says.

    Attributes:
        raw: whether it takes the planes of a Bayer mosaic, for which there is `denoise`.
        levels: black and white of the sensor that such a mosaic is of.
        finds: whether it gives a mask.
    """

    name: ClassVar[str] = "plain"

    def __init__(self, model: str | Path, *, device: str = "auto", threads: int = 0) -> None:
        """Load a model.

        Raises:
            ModelError: the model or the device cannot be used.
            UsageError: it takes planes that only its own task can make.
        """
        self.model = models.load(model, device=device, threads=threads)
        card = self.model.card
        self.raw = card.inputs == BAYER
        known = LEVELS._asdict() | dict(card.parameters)
        self.levels = Levels(float(known["black"]), float(known["white"]))
        self.given_mask = card.inputs == squares.INPUTS
        self.finds = "mask" in card.outputs
        self.picture = next((name for name in ("picture", "fill") if name in card.outputs), None)
        if not (self.raw or self.given_mask or card.inputs == RGB):
            raise UsageError(
                f"{card.name} takes {', '.join(card.inputs)}, which its task makes: name the task "
                f"and the role, such as --task {card.task} --model {card.role}={model}."
            )

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Clean `picture` in place; `mask` (H, W) is what a model that is given one shall fill.

        Raises:
            ModelError: the model failed.
            UsageError: a model of a mosaic's planes, or no mask for one that needs it.
        """
        if self.raw:
            raise UsageError(f"{self.model.card.name} takes RAW planes, not pictures.")
        if self.given_mask:
            if mask is None:
                raise UsageError(f"{self.model.card.name} fills what a mask names; there is none.")
            return self._fill(picture, mask > 0.5)
        if self.picture is None:
            return Cleaned(picture, self._locate(picture), {})
        found = np.zeros((picture.height, picture.width), np.uint8)

        def planes(box: Box) -> Floats:
            return as_planes(picture.rgb(box))

        for box, maps in run_in_bands(self.model, planes, found.shape):
            fill = maps[self.picture]
            share = maps["mask"][0] if self.finds else np.ones(fill.shape[1:], np.float32)
            composite(picture, box, fill.transpose(1, 2, 0), share)
            cut(found, box)[:] = _bytes(share)
        return Cleaned(picture, found, {})

    def denoise(self, noisy: Floats) -> Floats:
        """Planes (H, W, 4) of a mosaic without their noise."""
        return self._run(noisy, "picture").transpose(1, 2, 0)

    def _run(self, view: Floats, output: str) -> Floats:
        """One output (C, H, W) for the whole of a view (H, W, C')."""

        size = (view.shape[0], view.shape[1])
        planes = planes_of(view)
        return run_tiled(self.model, planes, size, outputs=(output,))[output]

    def _locate(self, picture: Picture) -> NDArray[np.uint8]:
        found = self._run(picture.shrunk(self.model.card.tile), "mask")[0]
        return _bytes(cv2.resize(found, (picture.width, picture.height)))

    def _fill(self, picture: Picture, mask: NDArray[np.bool_]) -> Cleaned:
        share = mask.astype(np.float32)
        for part in regions(mask, margin=0, least=0):
            painting = squares.paint(self.model, picture, Hidden(share, 0.5, mask.shape), part)
            composite(picture, part, painting.at(self.picture or "picture", part), cut(share, part))
        return Cleaned(picture, _bytes(share), {})


def _bytes(share: Any) -> NDArray[np.uint8]:
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
