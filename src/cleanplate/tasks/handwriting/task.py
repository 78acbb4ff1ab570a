"""How handwriting comes off: a model says where ink is and what the page is without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models import Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, feather, run_in_bands
from cleanplate.tasks.base import EDGE, Cleaned, Remark, share_filled, write_found
from cleanplate.tasks.handwriting import INFO
from cleanplate.tasks.handwriting.beneath import crossings, restore
from cleanplate.tasks.handwriting.detection import HALO, Ink, detected
from cleanplate.tasks.handwriting.inks import ink_mask, transmittance
from cleanplate.tasks.handwriting.strokes import least
from cleanplate.tasks.inpainting_mask import strips
from cleanplate.tasks.maps import Floats, as_planes, dilated
from cleanplate.tasks.pull_push import pull_push_fill

FAINT = 6 / 255  # how much darker than its surroundings ink is; a tile without any is blank
WINDOW = 31  # pixels of these surroundings
OVERLAP = 64  # pixels that tiles share: a stroke is recognised by what is near it
ABOUT = 64  # pixels around a strip of the page in which paper is looked for
ERASER, LOCATOR = "handwriting-eraser", "handwriting-locator"  # one finds what the other misses
NOTHING = Remark("no-handwriting", "no handwriting found")


class Handwriting:
    """Takes ink off a page where a model detected it, at the page's own size."""

    def __init__(
        self,
        *,
        eraser: str | Path = ERASER,
        locator: str | Path | None = None,
        ink: str = "all",
        keep: str | None = None,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            eraser: takes red, green and blue, gives `mask`, where ink is, and either `print`: then
                ink is filled with the paper's tone; or `fill` or `picture`, the page without ink.
                The recipes `handwriting` and `handwriting-erasenet` train such.
            locator: takes red, green and blue, gives `mask`, where ink is: what either model finds
                counts. None for the shipped one beside the shipped eraser, and for none beside
                another. The recipe `handwriting-locator` trains such.
            ink: `all`, or the one that is worked on: blue, red, black, pencil or highlighter.
            keep: `ink` for the handwriting alone, on white.
            threshold: probability from which a stroke counts as ink; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            UsageError: there is no such model, or it is not of this task.
        """
        self.ink, self.keep = ink, keep
        self.model = models.load(eraser, device=device, threads=threads)
        self.outputs = _outputs_of(self.model)
        if locator is None and eraser == ERASER:
            locator = LOCATOR
        self.locator = None
        if locator is not None:
            self.locator = models.load(locator, device=device, threads=threads)
            self.locator.card.check("handwriting", planes=3, outputs=("mask",))
        own = self.model.card.parameters.get("threshold", 0.5)
        self.threshold = float(own) if threshold is None else threshold

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Take the ink off `picture`, in place; see `Task.clean`."""
        INFO.check_mask(mask is not None)
        clean, probability = self._predict(picture)
        ink = detected(picture, probability, self.threshold)
        found = ink.where
        if self.outputs == ("mask",):
            fill_ink(clean, picture, ink)
        if self.ink != "all":
            for box in strips(Box(0, 0, *found.shape)):
                part, page = box.cut(found), picture.rgb(box)
                if part.any():
                    part &= ink_mask(self.ink, page, _floats(box.cut(clean), picture), part)
        noted = np.zeros(found.shape, np.uint8)
        cleaned = Cleaned(picture, noted, {"device": self.model.device})
        if self.keep:
            self._keep(cleaned, found, clean)
        else:
            for box in strips(Box(0, 0, *found.shape)):
                if box.cut(found).any():
                    page = as_planes(_floats(box.cut(clean), picture))
                    write_found(picture, noted, box, page, box.cut(found))
        cleaned.report["filled"] = share_filled(noted)
        cleaned.doubt = ink.doubt
        return cleaned

    def _predict(self, picture: Picture) -> tuple[NDArray[np.uint8 | np.uint16], NDArray[np.uint8]]:
        """Run the models, except on blank paper.

        Returns:
            The page without ink, (H, W, 3) in the picture's depth, as it is where the model is not
            asked for that; and the probability that a pixel is ink, (H, W), 0 to 255.
        """
        size = (picture.height, picture.width)
        clean = np.empty((*size, 3), picture.pixels.dtype)
        clean[:] = picture.pixels  # of grey, three times the same
        probability = np.zeros(size, np.uint8)

        @cache  # both models ask for the same tiles
        def wanted(box: Box) -> bool:
            return not is_blank(picture.rgb(box))

        for box, maps in _run(self.model, picture, self.outputs, wanted):
            for fill in self.outputs[1:]:
                values = np.clip(maps[fill], 0, 1) * np.float32(picture.max_value)
                box.cut(clean)[:] = np.rint(values).transpose(1, 2, 0)
            box.cut(probability)[:] = _in_bytes(maps["mask"][0])
        if self.locator is not None:
            for box, maps in _run(self.locator, picture, ("mask",), wanted):
                found = box.cut(probability)
                np.maximum(found, _in_bytes(maps["mask"][0]), out=found)
        return clean, probability

    def _keep(
        self, cleaned: Cleaned, found: NDArray[np.bool_], clean: NDArray[np.uint8 | np.uint16]
    ) -> None:
        """Leave the ink alone, on white."""
        picture = cleaned.picture
        assert isinstance(picture, Picture)
        share = feather(found, EDGE)
        for box in strips(Box(0, 0, *found.shape)):
            light = transmittance(picture.rgb(box), _floats(box.cut(clean), picture))
            alone = 1 - (1 - light) * box.cut(share)[..., None]
            composite(picture, box, alone, np.ones(box.size, np.float32))
        cleaned.mask[found] = 255
        cleaned.changed = np.ones(found.shape, bool)
        if not found.any():
            cleaned.remarks.append(NOTHING)


def _run(
    model: Model, picture: Picture, outputs: tuple[str, ...], wanted: Callable[[Box], bool]
) -> Iterator[tuple[Box, dict[str, Floats]]]:
    """Run a model over a page band by band, where tiles are wanted; see `run_in_bands`."""

    def planes(box: Box) -> Floats:
        return as_planes(picture.rgb(box))

    return run_in_bands(
        model,
        planes,
        (picture.height, picture.width),
        outputs=outputs,
        wanted=wanted,
        overlap=min(OVERLAP, model.card.tile // 8),
    )


def _in_bytes(probability: Floats) -> NDArray[np.uint8]:
    """Scale probabilities to 0..255."""
    return np.rint(np.clip(probability, 0, 1) * 255).astype(np.uint8)


def is_blank(page: Floats) -> bool:
    """Say whether nothing on a page (h, w, 3) is darker than its surroundings."""
    darkest = least(page)
    return not bool((cv2.blur(darkest, (WINDOW, WINDOW)) - darkest > FAINT).any())


def fill_ink(clean: NDArray[np.uint8 | np.uint16], picture: Picture, ink: Ink) -> None:
    """Fill ink in a copy of a page (H, W, 3): with paper, and with the print that it crosses."""
    crossed = crossings(picture, ink)
    seen = ink.coloured.copy()
    for one in crossed:
        one.box.cut(seen)[one.own] = True
    fill_with_paper(clean, picture, ink._replace(coloured=seen))
    restore(clean, picture, crossed)


def fill_with_paper(clean: NDArray[np.uint8 | np.uint16], picture: Picture, ink: Ink) -> None:
    """Let the tone of the paper flow into ink, and HALO pixels around it, in a copy (H, W, 3).

    Where print is not seen under ink, print nearby has its part in that tone: some of it may lie
    there. Print that is not covered keeps every pixel.
    """
    size = ink.where.shape
    for strip in strips(Box(0, 0, *size)):
        across = np.flatnonzero(strip.grown(HALO, size).cut(ink.where).any(0))
        if not across.size:
            continue
        part = strip._replace(left=max(0, int(across[0]) - HALO), right=int(across[-1]) + 1 + HALO)
        part = part._replace(right=min(part.right, size[1]))
        wide = part.grown(ABOUT, size)
        where, coloured, marks = (wide.cut(one) for one in ink[:3])
        rgb, hole = picture.rgb(wide), dilated(where, HALO)
        paper = pull_push_fill(rgb, hole)
        if coloured.any():
            bare = dilated(coloured, HALO)
            paper[bare] = pull_push_fill(rgb, dilated(where | marks, HALO))[bare]
        inner = part.moved(-wide.top, -wide.left)
        filled = inner.cut(hole & (where | ~marks))
        values = inner.cut(paper)[filled] * np.float32(picture.max_value)
        part.cut(clean)[filled] = np.rint(values).astype(clean.dtype)


def _floats(pixels: NDArray[np.uint8 | np.uint16], picture: Picture) -> Floats:
    """Scale samples in the picture's depth to [0, 1]."""
    values: Floats = pixels.astype(np.float32) / np.float32(picture.max_value)
    return values


def _outputs_of(model: Model) -> tuple[str, ...]:
    """Return which outputs are used: `mask`, and the page without ink where the model gives that.

    Raises:
        UsageError: the model is of another kind.
    """
    card = model.card
    if card.inputs == models.RGB and "mask" in card.outputs:
        if "print" in card.outputs:
            return ("mask",)
        if card.painting is not None:
            return ("mask", card.painting)
    raise UsageError(
        f"{card.name} does not take handwriting off: that takes red, green and blue, and gives "
        "mask, and print, fill or picture."
    )
