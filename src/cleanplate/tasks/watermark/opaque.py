"""Opaque marks: nothing shows through them, so they are filled from what surrounds them alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Picture
from cleanplate.tasks.inpainting import Inpaint
from cleanplate.tasks.inpainting_mask import InpaintingMask, conceal
from cleanplate.tasks.maps import dilated
from cleanplate.tasks.watermark.detection import Detection
from cleanplate.tasks.watermark.overlay import estimate
from cleanplate.tasks.watermark.verification import measure, within

OPAQUE = 0.75  # opacity as it is estimated, from which little of use shows through
MEAN, RIM = 0.78, 0.0  # of `verification.features`: least and most of an opaque mark
COVERED = 0.15  # of a pixel: where a mark covers less of it than that, it is not seen
BESIDE = 2  # pixels about it that its soft edge and its JPEG blocks may have changed


def opaque_finds(detection: Detection, strict: float) -> NDArray[np.bool_]:
    """Return where (h, w) finds are opaque marks.

    Of such a mark no picture that shows through can tell; the locator's own certainty must do.
    `strict` in [0, 1] raises what is asked of it, up to certainty itself.
    """
    boxes = []
    least = MEAN + (1 - MEAN) * strict
    for box in detection.boxes():
        measured = measure(detection, box)
        paint = estimate(box.cut(detection.small), box.cut(detection.coverage))
        sure = measured["mean"] >= least and measured["rim"] <= RIM
        if sure and paint.opacity >= OPAQUE:
            boxes.append(box)
    return within(boxes, detection.mask.shape)


def fill_blind(
    inpaint: Inpaint, picture: Picture, mask: NDArray[np.uint8], marks: Detection
) -> None:
    """Fill opaque marks in, in place; nothing of what they look like reaches the result.

    Args:
        inpaint: fills by what surrounds a hole.
        picture: is changed.
        mask: (H, W), in which the change is noted.
        marks: what is filled in.
    """
    hole = dilated(marks.mask | (marks.coverage > COVERED), BESIDE).astype(np.float32)
    hidden = InpaintingMask(hole, 0.5, (picture.height, picture.width), blind=True)
    conceal(picture, hidden)
    np.maximum(mask, inpaint.fill(picture, hidden).mask, out=mask)
