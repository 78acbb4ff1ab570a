"""Watermarks: text, logos and patterns laid over a picture, mostly half transparent."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, feather, regions, run_in_bands, run_tiled
from cleanplate.tasks.base import Cleaned, Report
from cleanplate.tasks.overlay import Overlay, estimate, seen_through

Floats = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)

EDGE = 1.5  # pixels around the mark in which the picture passes into the fill


class Mark(NamedTuple):
    """A watermark as seen on a copy of the picture: where it is, (h, w) in [0, 1], and its make."""

    cover: Floats
    overlay: Overlay


class Watermark:
    """Finds a mark on a copy, learns what it is made of, and takes it off at full size."""

    name: ClassVar[str] = "watermark"

    def __init__(
        self,
        *,
        locator: str | Path = "watermark-locator",
        filler: str | Path = "watermark-filler",
        eraser: str | Path | None = None,
        threshold: float | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the models.

        Args:
            locator: says where a mark is (`mask`).
            filler: outlines the mark (`mask`) and corrects what is seen through it (`fill`).
            eraser: a model that gives `mask` and `picture` in one pass, such as EraseNet; it takes
                the place of both.
            threshold: probability from which a pixel counts as marked; None for the model's own.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            ModelError: a model or the device cannot be used.
        """
        wanted = (eraser,) if eraser else (locator, filler)
        loaded = [models.load(name, device=device, threads=threads) for name in wanted]
        self._finder, self._restorer = loaded[0], loaded[-1]
        self._in_one = eraser is not None
        own = self._finder.card.parameter("threshold")
        self._threshold = own if threshold is None else threshold

    def clean(self, picture: Picture) -> Cleaned:
        """Take the marks off `picture`, in place."""
        mask = np.zeros((picture.height, picture.width), np.uint8)
        report: Report = {"device": self._finder.device}
        if self._in_one:
            self._erase(picture, mask)
        else:
            report |= self._take_off(picture, mask)
        report["filled"] = round(float(np.mean(mask > 127)), 6)
        return Cleaned(picture, mask, report)

    def _take_off(self, picture: Picture, mask: NDArray[np.uint8]) -> Report:
        """Locate on a small copy, then fill at full size where something was found."""
        small = picture.shrunk(int(self._restorer.card.parameter("side")))
        found = self._locate(picture, small.shape[:2])
        marked = found > self._threshold
        certain = [box for box in _about(marked) if self._is_certain(found, marked, box)]
        if not certain:
            return {}
        mark = self._understand(small, found, marked)
        for box in certain:
            self._fill(picture, mask, mark, _scaled(box, marked.shape, mask.shape))
        return {"opacity": round(mark.overlay.opacity, 3)}

    def _is_certain(self, found: Floats, marked: NDArray[np.bool_], box: Box) -> bool:
        """Tell a mark from what only looks like one, which is found with less certainty.

        What is not certain is struck from `marked`.
        """
        part = _cut(marked, box)
        if _cut(found, box)[part].mean() >= self._finder.card.parameter("certainty"):
            return True
        part[:] = False
        return False

    def _locate(self, picture: Picture, size: tuple[int, int]) -> Floats:
        """Return how probably each pixel of a copy of the given size is marked.

        The locator looks at a copy of its own, enlarged where the picture is small: it outlines
        what it sees in twice the detail more truly than it loses in context.
        """
        side = int(self._finder.card.parameter("side"))
        view = picture.shrunk(side)
        zoom = min(self._finder.card.parameter("zoom"), side / max(view.shape))
        if zoom > 1:
            view = np.asarray(cv2.resize(view, None, fx=zoom, fy=zoom), np.float32)
        found = run_tiled(self._finder, planes_of(view), view.shape[:2])["mask"][0]
        return np.asarray(cv2.resize(found, size[::-1], interpolation=cv2.INTER_AREA), np.float32)

    def _understand(self, small: Floats, found: Floats, marked: NDArray[np.bool_]) -> Mark:
        """Outline the mark on the small copy, and tell from its outline what it is made of."""

        def planes(box: Box) -> Floats:
            rgb, rough = _planes(_cut(small, box)), _cut(found, box)[None]
            return np.concatenate([rgb, rgb, rough, np.zeros_like(rough)])

        cover = run_tiled(
            self._restorer,
            planes,
            found.shape,
            outputs=("mask",),
            wanted=lambda box: bool(_cut(marked, box).any()),
        )["mask"][0]
        return Mark(cover, estimate(small, cover))

    def _fill(self, picture: Picture, mask: NDArray[np.uint8], mark: Mark, region: Box) -> None:
        """See through the mark in a region, have the filler correct that, write it back."""

        def planes(box: Box) -> Floats:
            rgb, cover = picture.rgb(box), _enlarged(mark.cover, box, mask.shape)
            alpha = cover * np.float32(mark.overlay.opacity)
            guess = seen_through(rgb, alpha, mark.overlay.colour)
            return _planes(np.concatenate([guess, rgb, cover[..., None], alpha[..., None]], 2))

        for box, maps in run_in_bands(
            self._restorer,
            planes,
            mask.shape,
            region=region,
            outputs=("fill", "mask"),
            wanted=lambda box: bool(_enlarged(mark.cover, box, mask.shape).max() > 0.1),
        ):
            sure = maps["mask"][0] > self._restorer.card.parameter("threshold")
            self._write(picture, mask, box, maps["fill"], sure)

    def _erase(self, picture: Picture, mask: NDArray[np.uint8]) -> None:
        """Run a model that locates and fills in one pass over the whole picture."""

        def planes(box: Box) -> Floats:
            return _planes(picture.rgb(box))

        for box, maps in run_in_bands(self._restorer, planes, mask.shape):
            self._write(picture, mask, box, maps["picture"], maps["mask"][0] > self._threshold)

    def _write(
        self,
        picture: Picture,
        mask: NDArray[np.uint8],
        box: Box,
        fill: Floats,
        sure: NDArray[np.bool_],
    ) -> None:
        """Composite a fill (3, h, w) where the mark surely is, and note it in the mask."""
        share = feather(sure, EDGE)
        composite(picture, box, fill.transpose(1, 2, 0), share)
        noted = np.where(sure, 255, np.ceil(share * 127)).astype(np.uint8)
        np.maximum(_cut(mask, box), noted, out=_cut(mask, box))


def _about(marked: NDArray[np.bool_]) -> list[Box]:
    """Return boxes about the parts of a mark; letters of a line share one."""
    return regions(cv2.dilate(marked.astype(np.uint8), np.ones((5, 5))) > 0)


def planes_of(picture: Floats) -> Callable[[Box], Floats]:
    """Return what gives the planes (3, h, w) of a box of a picture (H, W, 3)."""

    def planes(box: Box) -> Floats:
        return _planes(_cut(picture, box))

    return planes


def _planes(values: Floats) -> Floats:
    """Return a picture (h, w, C) as planes (C, h, w)."""
    planes: Floats = values.transpose(2, 0, 1)
    return planes


def _cut(values: NDArray[T], box: Box) -> NDArray[T]:
    """Return the view of a box of a map (H, W, ...)."""
    return values[box.top : box.bottom, box.left : box.right]


def _scaled(box: Box, source: tuple[int, ...], target: tuple[int, ...]) -> Box:
    """Return the box of a picture of the size `target` that holds a box of one of size `source`."""
    down, right = target[0] / source[0], target[1] / source[1]
    return Box(
        int(box.top * down),
        int(box.left * right),
        min(target[0], math.ceil(box.bottom * down)),
        min(target[1], math.ceil(box.right * right)),
    )


def _enlarged(values: Floats, box: Box, size: tuple[int, ...]) -> Floats:
    """Return the part of a map (h, w), enlarged to `size`, that lies in a box."""
    down, right = values.shape[0] / size[0], values.shape[1] / size[1]
    matrix = np.array(
        [
            [right, 0, (box.left + 0.5) * right - 0.5],
            [0, down, (box.top + 0.5) * down - 0.5],
        ]
    )
    enlarged: Floats = cv2.warpAffine(  # type: ignore[assignment]
        values,
        matrix,
        (box.right - box.left, box.bottom - box.top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return enlarged
