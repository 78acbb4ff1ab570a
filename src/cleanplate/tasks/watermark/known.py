"""A mark that is known: it is searched for, registered, and solved for at every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, run_tiled
from cleanplate.tasks.base import Cleaned, Remark, share_filled
from cleanplate.tasks.maps import Floats, as_planes, grey
from cleanplate.tasks.marks.mark import Layer, Mark, rendered
from cleanplate.tasks.marks.registering import Fit
from cleanplate.tasks.marks.searching import (
    STEP,
    best_place,
    find,
    measured_at,
    refine_at_full_size,
)
from cleanplate.tasks.watermark.repeats import body_opacity

SIDE = 1024  # pixels of the copy in which a mark is searched
CLEAR = 0.8  # opacity of a mark through which enough can be seen
SURE = 0.5  # certainty from which the solution is taken
SEEN = 0.004  # opacity from which a pixel is changed
FOUND = 0.02  # opacity from which it counts as found
ALMOST = 0.01  # difference from a strength of 1 up to which 1 is meant
COPY = 0.75  # correlation of a further copy, which is less probable than the first
MOST = 64  # copies of a mark in a picture


class Removed(NamedTuple):
    """What is behind a mark that was taken off.

    Attributes:
        box: of the picture.
        layer: the mark over that box.
        clean: (h, w, 3) in [0, 1].
    """

    box: Box
    layer: Layer
    clean: Floats


class KnownMark:
    """Takes off one mark, of which opacity and colour are known; pictures without it stay."""

    def __init__(
        self,
        mark: str | Path,
        *,
        filler: str | Path = "watermark-filler",
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Read the mark and load the model.

        Args:
            mark: the file of a mark, see `Mark.read`.
            filler: fills in what is opaque or not certain (`fill`).
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            PictureError: the mark cannot be read.
            ModelError: the model or the device cannot be used.
            UsageError: there is no such model, or it does not fit this task.
        """
        self.mark = Mark.read(mark)
        self.filler = models.load(filler, device=device, threads=threads)
        self.filler.card.check("watermark", planes=8, outputs=("fill",))

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Take the mark off `picture`, in place; see `Task.clean`."""
        if mask is not None:
            raise UsageError(
                "A mark that is known is searched for: leave out the mask or the mark."
            )
        filled = np.zeros((picture.height, picture.width), np.uint8)
        cleaned = Cleaned(picture, filled, {"device": self.filler.device}, doubt=0.0)
        cleaned.steps = {"before": picture.shrunk(SIDE)}
        self._take_off(picture, cleaned)
        cleaned.report["filled"] = share_filled(filled)
        return cleaned

    def _take_off(self, picture: Picture, cleaned: Cleaned) -> None:
        """Take off every copy of the mark; after the first, others of its size."""
        fit = self._search(picture)
        if fit is None:
            cleaned.remarks.append(Remark("mark-not-found", "the mark was not found"))
            return
        cleaned.doubt = round(1 - min(max(fit.correlation, 0), 1), 3)
        scale = fit.place.scale_y
        for _ in range(MOST):
            removed = self._solved(picture, fit)
            if removed is None:
                text = "what looks like the mark was left: taking it off would not have helped"
                cleaned.remarks.append(Remark("mark-left", text))
                return
            self._write(picture, cleaned.mask, removed)
            cleaned.report["opacity"] = round(float(removed.layer.alpha.max()), 3)
            again = self._search(picture, (scale / STEP, scale * STEP))
            if again is None or again.correlation < COPY:
                return
            fit = again

    def _search(self, picture: Picture, between: tuple[float, float] | None = None) -> Fit | None:
        """Find the mark in a copy, then at full size."""
        copy = picture.shrunk(SIDE)
        factor = copy.shape[0] / picture.height
        size = tuple(max(round(side * factor), 4) for side in self.mark.size)
        small = self.mark.scaled((size[0], size[1]))
        rough = find(copy, small, between) if between else find(copy, small)
        if rough is None:
            return None
        place = rough.place.of_copy(1 / factor).of_mark(small.size, self.mark.size)
        return refine_at_full_size(picture, self.mark, place)

    def _solved(self, picture: Picture, fit: Fit) -> Removed | None:
        """Solve for what is behind the mark; None where the mark would show as much after that."""
        place = best_place(picture, self.mark, fit)
        box = place.box(self.mark.size, (picture.height, picture.width))
        assert box is not None  # it was found there
        strength = 1.0 if abs(fit.strength - 1) < ALMOST else fit.strength
        layer = rendered(self.mark, place, box).with_strength(strength)
        rgb = picture.rgb(box)
        clean = np.clip(layer.behind(rgb), 0, 1)
        after = measured_at(clean, self.mark, place, box, strength)
        if after is None or abs(after.correlation) >= abs(fit.correlation):
            return None
        blind = ((layer.alpha > CLEAR) | (layer.certainty < SURE)) & (layer.alpha > FOUND)
        if blind.any():
            clean = np.where(blind[..., None], self._filled(rgb, clean, layer), clean)
        return Removed(box, layer, clean)

    def _filled(self, rgb: Floats, clean: Floats, layer: Layer) -> Floats:
        """Have the filler see through the mark where it is opaque or not known with certainty."""
        level = np.float32(body_opacity(layer.alpha))
        cover = np.minimum(layer.alpha / level, 1)
        seen = np.concatenate([clean, rgb, grey(cover), grey(layer.alpha)], 2)

        def planes(box: Box) -> Floats:
            return as_planes(box.cut(seen))

        fill: Floats = run_tiled(self.filler, planes, cover.shape, outputs=("fill",))["fill"]
        filled: Floats = fill.transpose(1, 2, 0)
        return filled

    def _write(self, picture: Picture, mask: NDArray[np.uint8], removed: Removed) -> None:
        """Write what is behind the mark, and note in the mask (H, W) where."""
        alpha = removed.layer.alpha
        composite(picture, removed.box, removed.clean, (alpha > SEEN).astype(np.float32))
        noted = removed.box.cut(mask)
        np.maximum(noted, np.where(alpha > SEEN, np.uint8(127), np.uint8(0)), out=noted)
        noted[alpha > FOUND] = 255
