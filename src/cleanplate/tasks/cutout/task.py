"""Cut-outs: the subject is found on a small copy, its edge drawn at full size, the rest removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cleanplate import models, restoring
from cleanplate.errors import UsageError
from cleanplate.picture import Box, Picture
from cleanplate.restoring import run_tiled
from cleanplate.tasks.base import Cleaned, Remark, doubt_of, share_filled
from cleanplate.tasks.cutout import edge as edges
from cleanplate.tasks.cutout import foreground, matting
from cleanplate.tasks.cutout.background import Background
from cleanplate.tasks.cutout.sampling import Floats
from cleanplate.tasks.maps import planes_of
from cleanplate.tasks.masks import shrunk

LEAST_SIDE = 256  # pixels; a picture whose longer side is less is enlarged to it
COARSER = 0.75  # scale of the second look, which tells more surely who is there
MATTE_SIDE = 400  # pixels of the longer side of the copy on which a mask is refined
FAINT = 0.1  # probability from which a pixel may belong to a find
BOXED = 0.98  # share of its bounding box that a mask fills if it is meant as a box
BESIDE = 0.04  # share of the largest find's area below which another is left out
SHARPNESS = 2.0  # slope of alpha over probability, where 1 leaves it as it is
MARGIN = 0.1  # share of a box's longer side that is looked at around it
NOTHING = Remark("no-subject", "no subject found")


class Cutout:
    """Keeps people, or what they wear, and removes what is behind them."""

    def __init__(
        self,
        *,
        locator: str | Path = "cutout-locator",
        classes: Sequence[str] = ("person",),
        edge: str = "fine",
        background: str | None = None,
        mask_only: bool = False,
        crop: bool = False,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the model.

        Args:
            locator: gives how probably each pixel is a person's (`mask`), and a map of the same
                name for each further class.
            classes: what is kept, of `CLASSES`.
            edge: `fine`, along the picture's own edges and with the subject's own colours; `soft`,
                blurred; `none`.
            background: what the subject is laid on, see `Background`; None for transparency.
            mask_only: the picture becomes the mask.
            crop: the picture is cut down to what is kept.
            threshold: probability from which a pixel is kept; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: the model or the device cannot be used.
            PictureError: the background cannot be read.
            UsageError: there is no such model, it does not tell these classes apart, or a mask
                alone is to be laid on a background.
        """
        if mask_only and background is not None:
            raise UsageError("A mask is not laid on a background: leave one of the two out.")
        self._model = models.load(locator, device=device, threads=threads)
        card = self._model.card
        self._maps = ["mask" if name == "person" else name for name in classes]
        for name, kind in zip(self._maps, classes, strict=True):
            if name not in card.outputs:
                raise UsageError(
                    f"{card.name}, of the role {card.role}, does not find the class {kind}."
                )
        numbers = ("threshold", "side", "certainty", "least")
        card.check("cutout", planes=3, outputs=self._maps, numbers=numbers)
        self._threshold = card.parameter("threshold") if threshold is None else threshold
        self._edge, self._mask_only, self._crop = edge, mask_only, crop
        self._background = None if background is None else Background(background)

    def clean(self, picture: Picture, *, mask: Floats | None = None) -> Cleaned:
        """Cut the subject out of a picture, in place.

        Args:
            picture: is changed.
            mask: (H, W) in [0, 1]: a box around the subject, in which it is searched for; or a
                rough mask or a trimap of it, which is refined. None: it is searched for everywhere.
        """
        whole = Box(0, 0, picture.height, picture.width)
        region, radius = whole, edges.ROUGH
        if mask is None:
            copy, alpha = self._found(picture, whole)
        elif (box := box_of(mask)) is not None:
            region = box.grown(round(MARGIN * max(box.size)), whole.size)
            copy, alpha = self._found(picture, region)
            alpha = alpha * within(box, region, alpha.shape)
        else:
            copy, alpha = refined(picture, mask)
            radius = edges.EXACT
        steps = {"copy": copy, "found": alpha[..., None]}
        kept = np.zeros((whole.bottom, whole.right), np.float32)
        if (alpha > 0.5).any():
            region.cut(kept)[:] = self._drawn(region.cut(picture.pixels), copy, alpha, radius)
        return self._written(picture, kept, steps, alpha[alpha > 0.5])

    def _found(self, picture: Picture, region: Box) -> tuple[Floats, Floats]:
        """Return a copy of a region and the alpha of the subject in it."""
        card = self._model.card
        copy = downscaled(picture, region, int(card.parameter("side")))
        found = (self._seen(copy) + self._seen_coarser(copy)) / np.float32(2)
        suppress(found, self._threshold, card.parameter("certainty"), card.parameter("least"))
        return copy, sharpened(found, self._threshold)

    def _seen(self, copy: Floats) -> Floats:
        """Return how probably each pixel of a copy is of one of the classes."""
        maps = run_tiled(self._model, planes_of(copy), copy.shape[:2], outputs=self._maps)
        found: Floats = np.maximum.reduce([maps[name][0] for name in self._maps])
        return found

    def _seen_coarser(self, copy: Floats) -> Floats:
        """Return the same of the copy mirrored and, unless that is too small, shrunk."""
        size = copy.shape[1], copy.shape[0]
        mirrored = copy[:, ::-1]
        if COARSER * max(size) >= LEAST_SIDE:
            small = [max(1, round(COARSER * length)) for length in size]
            shrunken = cv2.resize(mirrored, small, interpolation=cv2.INTER_AREA)
            mirrored = np.asarray(shrunken, np.float32)
        seen = self._seen(mirrored)[:, ::-1]
        return np.asarray(cv2.resize(seen, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def _drawn(self, pixels: edges.Samples, copy: Floats, alpha: Floats, radius: int) -> Floats:
        """Enlarge alpha to the size of the picture, in the way that was chosen."""
        if self._edge == "fine":
            return edges.fine(pixels, copy, alpha, radius)
        size = pixels.shape[0], pixels.shape[1]
        return edges.soft(alpha, size) if self._edge == "soft" else edges.plain(alpha, size, 0.5)

    def _written(
        self, picture: Picture, kept: Floats, steps: dict[str, Floats], sure: Floats
    ) -> Cleaned:
        """Write the cut-out into the picture, and say what was done."""
        mask = np.empty(kept.shape, np.uint8)
        for row, shares in zip(mask, kept, strict=True):
            row[:] = np.rint(shares * 255)
        found = bool(mask.any())
        report: dict[str, float | int | str] = {
            "device": self._model.device,
            "kept": share_filled(mask),
        }
        box = Box.around(mask) if self._crop and found else None
        if self._mask_only:
            restoring.show(picture, mask)
        else:
            if self._edge == "fine":
                restoring.recolour(picture, *foreground.estimate(picture.pixels, kept))
            if self._background:
                restoring.lay_on(picture, kept, self._background.of(picture))
            else:
                restoring.cut_out(picture, kept)
                restoring.blank(picture)
        if box is not None:
            picture.crop(box)
            mask = np.ascontiguousarray(box.cut(mask))
        everywhere = np.ones(mask.shape, bool)
        cleaned = Cleaned(picture, mask, report, steps, changed=everywhere)
        cleaned.doubt = doubt_of([float(sure.mean())]) if found else None
        if not found:
            cleaned.remarks.append(NOTHING)
        return cleaned


def downscaled(picture: Picture, region: Box, side: int) -> Floats:
    """Return a copy (h, w, 3) in [0, 1] of a region whose longer side is LEAST_SIDE to `side`."""
    pixels = region.cut(picture.pixels)
    longer = max(pixels.shape[:2])
    scale = min(1.0, side / longer) if longer >= LEAST_SIDE else LEAST_SIDE / longer
    size = [max(1, round(length * scale)) for length in pixels.shape[1::-1]]
    way = cv2.INTER_AREA if scale <= 1 else cv2.INTER_LINEAR
    small = cv2.resize(pixels, size, interpolation=way).reshape(size[1], size[0], -1)
    copy: Floats = small * np.float32(1 / picture.max_value)
    return copy if copy.shape[2] == 3 else np.repeat(copy, 3, axis=2)


def suppress(found: Floats, threshold: float, certainty: float, least: float) -> None:
    """Set finds to 0, in place, that are small, unsure on the whole, or tiny beside the largest.

    Args:
        found: (h, w), probabilities.
        threshold: probability from which a pixel is found.
        certainty: least mean probability of a find.
        least: least share of the copy's pixels that a find has.
    """
    _, parts = cv2.connectedComponents((found > min(FAINT, threshold)).astype(np.uint8))
    sure = np.where(found > threshold, parts, 0).ravel()
    count = int(parts.max()) + 1
    sizes = np.bincount(sure, minlength=count)
    means = np.bincount(sure, found.ravel(), count) / np.maximum(sizes, 1)
    sizes[0] = 0
    struck = (sizes < max(1, least * found.size)) | (means < certainty)
    struck |= sizes < BESIDE * np.where(struck, 0, sizes).max()
    struck[0] = True  # and what belongs to no find
    found[struck[parts]] = 0


def sharpened(found: Floats, threshold: float) -> Floats:
    """Turn probabilities into alpha: one half at the threshold, and SHARPNESS times as steep.

    So the subject is opaque where the locator is fairly sure.
    """
    low = found / np.float32(max(2 * threshold, 1e-6))
    high = 1 - (1 - found) / np.float32(max(2 * (1 - threshold), 1e-6))
    even = np.where(found < threshold, low, high)
    return np.asarray(np.clip(0.5 + SHARPNESS * (even - 0.5), 0, 1), np.float32)


def refined(picture: Picture, mask: Floats) -> tuple[Floats, Floats]:
    """Refine a rough mask or a trimap: return a copy of the picture, and alpha."""
    copy = downscaled(picture, Box(0, 0, picture.height, picture.width), MATTE_SIDE)
    size = copy.shape[0], copy.shape[1]
    known, sure = matting.trimap_of(shrunk(mask, size))
    return copy, matting.solve(copy, known, sure)


def box_of(mask: Floats) -> Box | None:
    """Return the box that a mask (H, W) is meant as; None where it is none."""
    inside = mask > 0.5
    box = Box.around(inside)
    if box is None or np.count_nonzero((mask > 0.2) & (mask < 0.8)):
        return None
    return box if np.count_nonzero(inside) >= BOXED * box.height * box.width else None


def within(box: Box, region: Box, size: tuple[int, ...]) -> Floats:
    """Return 1 inside a box and 0 around it, on a copy of a region, (h, w)."""
    high, wide = region.size
    rows = (np.arange(size[0]) + 0.5) * high / size[0] + region.top
    columns = (np.arange(size[1]) + 0.5) * wide / size[1] + region.left
    inside = ((rows >= box.top) & (rows <= box.bottom))[:, None] & (
        (columns >= box.left) & (columns <= box.right)
    )
    return inside.astype(np.float32)
