"""How noise comes off: how much there is, is estimated everywhere, and that much is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models import Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import composite, run_in_bands
from cleanplate.tasks.base import Cleaned
from cleanplate.tasks.denoise import INFO, filters
from cleanplate.tasks.maps import Floats, as_planes

RGB = ("red", "green", "blue")
LEAST = 0.8  # of 255: a mean level under which a picture counts as clean
MOST = 55.0  # of 255: the strongest noise that the model has learnt
ROWS = 512  # that a classical filter takes at a time


class Part(NamedTuple):
    """Rows of a picture without their noise: (h, W, 3) in [0, 1], and what the noise's mean is."""

    box: Box
    clean: Floats
    level: float


class Denoise:
    """Takes noise of any level off the whole of a picture, with one model."""

    def __init__(
        self,
        *,
        restorer: str = "denoiser",
        strength: float = 1.0,
        keep_grain: float = 0.0,
        method: str = "model",
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the model, unless a classical filter takes its place.

        Args:
            restorer: the model: one that ships, or the path of an `.onnx` file. Its inputs are red,
                green and blue, and `strength` if it is told how much to take away; its outputs
                `picture` or `fill`, and `level` if it says how much there was.
            strength: what the estimated level is multiplied by, 0 to 2.
            keep_grain: share of the noisy picture in the result, 0 to 1.
            method: `model`, `bilateral` or `nlm`.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            UsageError: there is no such model, or it does not denoise pictures.
            ModelError: the model or the device cannot be used.
        """
        self.strength, self.keep_grain, self.method = strength, keep_grain, method
        self.model: Model | None = None
        if method == "model":
            self.model = models.load(restorer, device=device, threads=threads)
            self._check(self.model)

    def clean(self, picture: Picture, *, mask: NDArray[np.float32] | None = None) -> Cleaned:
        """Take the noise off a picture, in place; one without noise stays as it is.

        The report holds `noise`, the estimated standard deviation, of 255.
        """
        INFO.check_mask(mask is not None)
        size = (picture.height, picture.width)
        untouched = Cleaned(picture, np.zeros(size, np.uint8), {})
        if self.strength == 0 or self.keep_grain == 1:
            return untouched
        clean, level = self._whole(picture)
        report = {"noise": round(level, 2)} | ({"device": self.model.device} if self.model else {})
        untouched.report = report
        if level < LEAST:
            return untouched
        for top in range(0, size[0], ROWS):
            box = Box(top, 0, min(top + ROWS, size[0]), size[1])
            part = clean[box.top : box.bottom].astype(np.float32) / np.float32(picture.max_value)
            share = np.full(part.shape[:2], 1 - self.keep_grain, np.float32)
            composite(picture, box, part, share)
        everything = np.full(size, 255, np.uint8)
        return Cleaned(picture, everything, report, doubt=round(min(1.0, level / MOST), 3))

    def _whole(self, picture: Picture) -> tuple[NDArray[np.uint8 | np.uint16], float]:
        """The clean picture in the depth of the noisy one, and the mean level, of 255.

        Whether there is noise at all is known only at the end; so nothing is written before.
        """
        size = (picture.height, picture.width)
        clean = np.empty((*size, 3), picture.pixels.dtype)
        total = 0.0
        for part in self._filtered(picture) if self.model is None else self._restored(picture):
            values = np.rint(np.clip(part.clean, 0, 1) * np.float32(picture.max_value))
            clean[part.box.top : part.box.bottom] = values
            total += part.level * len(part.clean)
        return clean, 255 * total / size[0]

    def _restored(self, picture: Picture) -> Iterator[Part]:
        """Run the model; one that says nothing of the level is asked to change any picture."""
        assert self.model is not None
        outputs = self.model.card.outputs
        named = next(name for name in ("picture", "fill") if name in outputs)
        told = "strength" in self.model.card.inputs
        wanted = (named, "level") if "level" in outputs else (named,)

        def planes(box: Box) -> Floats:
            rgb = as_planes(picture.rgb(box))
            strength = np.full((1, *rgb.shape[1:]), self.strength, np.float32)
            return np.concatenate([rgb, strength]) if told else rgb

        size = (picture.height, picture.width)
        for box, maps in run_in_bands(self.model, planes, size, outputs=wanted):
            level = float(maps["level"].mean()) if "level" in maps else 1.0
            yield Part(box, maps[named].transpose(1, 2, 0), level)

    def _filtered(self, picture: Picture) -> Iterator[Part]:
        """Run a classical filter, by rows that reach into those above and below."""
        height, width = picture.height, picture.width
        middle = max(0, height // 2 - ROWS)
        level = filters.noise_level(
            picture.rgb(Box(middle, 0, min(height, middle + 2 * ROWS), width))
        )
        for top in range(0, height, ROWS):
            box = Box(top, 0, min(top + ROWS, height), width)
            above, below = min(filters.REACH, top), min(filters.REACH, height - box.bottom)
            view = picture.rgb(Box(top - above, 0, box.bottom + below, width))
            if self.method == "bilateral":
                clean = filters.bilateral(view, self.strength)
            else:
                clean = filters.non_local_means(view, self.strength * level)
            yield Part(box, clean[above : len(clean) - below], level)

    def _check(self, model: Model) -> None:
        """Raise UsageError for a model that this task cannot run, or not so."""
        inputs = model.card.inputs
        if inputs not in (RGB, (*RGB, "strength")):
            raise UsageError(
                f"{model.card.name} takes {', '.join(inputs)}: it does not denoise pictures."
            )
        if not {"picture", "fill"} & set(model.card.outputs):
            raise UsageError(f"{model.card.name} gives no picture: it does not denoise.")
        if "strength" not in inputs and self.strength not in (0, 1):
            raise UsageError(
                f"{model.card.name} cannot be told a strength; --keep-grain tempers its result."
            )
