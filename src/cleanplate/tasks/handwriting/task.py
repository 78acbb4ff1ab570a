"""How handwriting comes off: a model says where ink is and what the page is without it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models import Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, feather, run_in_bands
from cleanplate.tasks.base import EDGE, Cleaned, doubt_of, share_filled, write_found
from cleanplate.tasks.handwriting import INFO
from cleanplate.tasks.handwriting.inks import drawn_with, light_of
from cleanplate.tasks.inpainting_mask import strips
from cleanplate.tasks.maps import Floats, as_planes

SEED = 0.75  # a find of which no pixel is as sure is none, unless the threshold is higher
LEAST = 6  # pixels of a find
FAINT = 6 / 255  # a tile in which nothing is so much darker than about it is blank paper
ABOUT = 31  # pixels
OVERLAP = 64  # pixels that tiles share: strokes are told by what is near


class Handwriting:
    """Takes ink off a page where a model finds it, at the page's own size."""

    def __init__(
        self,
        *,
        eraser: str | Path | None = None,
        ink: str = "all",
        keep: str | None = None,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the model.

        Args:
            eraser: takes red, green and blue, gives `mask`, where ink is, and `fill` or `picture`,
                the page without it; the recipes `handwriting` and `handwriting-erasenet` train
                such.
            ink: `all`, or the one that is worked on: blue, red, black, pencil or highlighter.
            keep: `ink` for the handwriting alone, on white.
            threshold: probability from which a pixel counts as ink; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: the model or the device cannot be used.
            UsageError: there is no such model, or it is not of this task.
        """
        if eraser is None:
            raise UsageError(
                "No model for handwriting ships yet: train one (`cleanplate train handwriting`, "
                "docs/handwriting.md) and give it, --model eraser=mine.onnx."
            )
        self.ink, self.keep = ink, keep
        self.model = models.load(eraser, device=device, threads=threads)
        self.fill = _fill_of(self.model)
        own = self.model.card.parameters.get("threshold", 0.5)
        self.threshold = float(own) if threshold is None else threshold

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Take the ink off `picture`, in place; see `Task.clean`."""
        INFO.check_mask(mask is not None)
        clean, certain = self._look(picture)
        found = finds(certain, self.threshold)
        if self.ink != "all":
            for box in strips(Box(0, 0, *found.shape)):
                part, page = box.cut(found), picture.rgb(box)
                if part.any():
                    part &= drawn_with(self.ink, page, _floats(box.cut(clean), picture), part)
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
        sure = certain[found]
        cleaned.doubt = doubt_of([float(sure.mean()) / 255] if sure.size else [])
        return cleaned

    def _look(self, picture: Picture) -> tuple[NDArray[np.uint8 | np.uint16], NDArray[np.uint8]]:
        """Run the model, but on blank paper.

        Returns:
            The page without ink, (H, W, 3) in the picture's depth, and how surely each pixel is
            ink, (H, W), 0 to 255.
        """
        size = (picture.height, picture.width)
        clean = np.empty((*size, 3), picture.pixels.dtype)
        clean[:] = picture.pixels  # of grey, three times the same
        certain = np.zeros(size, np.uint8)

        def planes(box: Box) -> Floats:
            return as_planes(picture.rgb(box))

        def wanted(box: Box) -> bool:
            return marked(picture.rgb(box))

        for box, maps in run_in_bands(
            self.model,
            planes,
            size,
            outputs=(self.fill, "mask"),
            wanted=wanted,
            overlap=min(OVERLAP, self.model.card.tile // 8),
        ):
            values = np.clip(maps[self.fill], 0, 1) * np.float32(picture.max_value)
            box.cut(clean)[:] = np.rint(values).transpose(1, 2, 0)
            box.cut(certain)[:] = np.rint(np.clip(maps["mask"][0], 0, 1) * 255)
        return clean, certain

    def _keep(
        self, cleaned: Cleaned, found: NDArray[np.bool_], clean: NDArray[np.uint8 | np.uint16]
    ) -> None:
        """Leave the ink alone, on white."""
        picture = cleaned.picture
        assert isinstance(picture, Picture)
        share = feather(found, EDGE)
        for box in strips(Box(0, 0, *found.shape)):
            light = light_of(picture.rgb(box), _floats(box.cut(clean), picture))
            alone = 1 - (1 - light) * box.cut(share)[..., None]
            composite(picture, box, alone, np.ones(box.size, np.float32))
        cleaned.mask[found] = 255
        cleaned.changed = np.ones(found.shape, bool)


def marked(page: Floats) -> bool:
    """Whether anything on a page (h, w, 3) is darker than what is about it."""
    darkest = page.min(-1)
    return bool((cv2.blur(darkest, (ABOUT, ABOUT)) - darkest > FAINT).any())


def finds(certain: NDArray[np.uint8], threshold: float) -> NDArray[np.bool_]:
    """Return where ink is, (H, W): connected pixels above a threshold, some of them surely so.

    Args:
        certain: (H, W), 0 to 255.
        threshold: 0 to 1.
    """
    likely = certain > 255 * threshold
    count, labels, figures, _ = cv2.connectedComponentsWithStats(likely.astype(np.uint8))
    sure = np.zeros(count, bool)
    sure[labels[certain > 255 * max(threshold, SEED)]] = True
    kept = sure & (figures[:, cv2.CC_STAT_AREA] >= LEAST)
    kept[0] = False
    return np.asarray(kept[labels])


def _floats(pixels: NDArray[np.uint8 | np.uint16], picture: Picture) -> Floats:
    """Return samples in the picture's depth in [0, 1]."""
    values: Floats = pixels.astype(np.float32) / np.float32(picture.max_value)
    return values


def _fill_of(model: Model) -> str:
    """Return which output is the page without ink.

    Raises:
        UsageError: the model is of another kind.
    """
    card = model.card
    fill = card.painting
    if card.inputs != models.RGB or fill is None or "mask" not in card.outputs:
        raise UsageError(
            f"{card.name} does not take handwriting off: that takes red, green and blue, and gives "
            "fill (or picture) and mask."
        )
    return fill
