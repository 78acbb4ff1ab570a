"""A watermark is detected on a copy, verified, solved for, and taken off at full size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned, Task, share_filled
from cleanplate.tasks.exported import Exported
from cleanplate.tasks.inpainting import Inpaint
from cleanplate.tasks.maps import Floats, grey
from cleanplate.tasks.watermark.agreement import Group, groups
from cleanplate.tasks.watermark.detection import Detector
from cleanplate.tasks.watermark.filling import check_filler, fill
from cleanplate.tasks.watermark.known import KnownMark
from cleanplate.tasks.watermark.opaque import fill_blind, opaque_finds
from cleanplate.tasks.watermark.overlay import estimate, seen_through
from cleanplate.tasks.watermark.verification import check_locator, verified, within


def make(
    *,
    eraser: str | Path | None = None,
    threshold: float | None = None,
    mark: Path | None = None,
    opaque: bool = False,
    **given: Any,
) -> Task:
    """Make the task of a locator and a filler, or of an eraser in the place of both.

    Args:
        eraser: a model that gives `mask` and `picture` in one pass, such as EraseNet.
        threshold: see `Watermark` and `Exported`.
        mark: the file of a mark that is known, see `KnownMark`; it needs nothing but a filler.
        opaque: see `Watermark`.
        given: see `Watermark`; of its models none with an eraser.

    Raises:
        ModelError: a model or the device cannot be used.
        UsageError: there is no such model, or an eraser beside others, or a mark beside what
            searches for unknown ones.
        PictureError: the mark cannot be read.
    """
    if mark is not None:
        if eraser is not None or threshold is not None or opaque or "locator" in given:
            raise UsageError(
                "A mark is searched by itself: leave out threshold, opaque, locator, eraser."
            )
        return KnownMark(mark, **given)
    if eraser is None:
        return Watermark(threshold=threshold, opaque=opaque, **given)
    if opaque or {"locator", "filler"} & set(given):
        raise UsageError("An eraser does it all: leave out locator, filler, opaque.")
    task = Exported(eraser, threshold=threshold, **given)
    if task.picture is None:
        raise UsageError(f"{task.model.card.name} gives no picture: it is no eraser.")
    return task


class Watermark:
    """Takes off watermarks of any opacity, single or repeated."""

    def __init__(
        self,
        *,
        locator: str | Path = "watermark-locator",
        filler: str | Path = "watermark-filler",
        threshold: float | None = None,
        opaque: bool = False,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            locator: says where a mark is (`mask`).
            filler: outlines the mark (`cover`, `mask`) and corrects what is seen through it
                (`fill`).
            threshold: probability from which a pixel counts as marked; None for the model's own. A
                higher one never fills more.
            opaque: marks that nothing shows through, such as date stamps, and all that a mask
                names, are filled in from what surrounds them; see `Inpaint`.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
            UsageError: there is no such model, or it does not fit this task.
        """
        finder = models.load(locator, device=device, threads=threads)
        restorer = models.load(filler, device=device, threads=threads)
        check_locator(finder.card)
        check_filler(restorer.card)
        own = finder.card.parameter("threshold")
        asked = own if threshold is None else threshold
        # Above its own threshold finds stay the same, so that a higher one fills less.
        self.detector = Detector(finder, restorer, min(own, asked))
        self.strict = max(0.0, (asked - own) / (1 - own))
        self.inpaint = Inpaint(device=device, threads=threads) if opaque else None

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Take the marks off `picture`, in place; see `Task.clean`."""
        if mask is not None and self.inpaint is not None:
            return self.inpaint.clean(picture, mask=mask)
        filled = np.zeros((picture.height, picture.width), np.uint8)
        cleaned = Cleaned(picture, filled, {"device": self.detector.locator.device})
        self._take_off(picture, cleaned, mask)
        cleaned.report["filled"] = share_filled(filled)
        return cleaned

    def _take_off(self, picture: Picture, cleaned: Cleaned, given: Floats | None) -> None:
        """Detect, verify unless the mask is given (H, W), solve and fill."""
        detection = self.detector.detect(picture, given)
        cleaned.steps = {"before": detection.small, "found": grey(detection.probability)}
        if given is None:
            where, cleaned.doubt = verified(self.detector.locator.card, detection)
        else:
            where = within(detection.boxes(), detection.mask.shape)
        if self.inpaint is not None and (opaque := opaque_finds(detection, self.strict)).any():
            where &= ~opaque
            fill_blind(self.inpaint, picture, cleaned.mask, detection.only(opaque))
        detection = detection.only(where)
        if not detection.mask.any():
            return
        if given is None:
            found, strict = groups(self.detector.locator.card, detection), self.strict
        else:
            found = [Group(where, estimate(detection.small, detection.coverage))]
            strict = 0.0
        clear, covered = detection.small, np.zeros_like(detection.coverage)
        for group in found:
            part, paint = detection.only(group.where), group.paint
            fill(self.detector.filler, picture, cleaned.mask, part, paint, strict)
            alpha = part.coverage * np.float32(paint.opacity)
            clear = seen_through(clear, alpha, paint.colour)
            covered += part.coverage
        cleaned.steps |= {"cover": grey(covered), "seen through": clear}
        if found:
            cleaned.report["opacity"] = round(found[0].paint.opacity, 3)
