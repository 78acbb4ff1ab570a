"""Denoising: how much noise there is, is estimated everywhere, and that much is taken off."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import PictureError, UsageError
from cleanplate.models import Model
from cleanplate.picture import Box, Picture, RawPicture
from cleanplate.restoring import composite, run_mirrored
from cleanplate.tasks.base import Cleaned, Remark, Report
from cleanplate.tasks.denoise import INFO, filters, raw
from cleanplate.tasks.maps import Floats, as_planes

RAW_MODEL = "denoiser-raw"
LEAST = 0.8  # mean level, of 255, below which a picture counts as clean
MOST = 55.0  # strongest level, of 255, that the model has learnt
ROWS = 512  # that a classical filter takes at a time
UNUSED = Remark(
    "raw-option-unused", "develop, black, white and pattern are for RAW files; this is none"
)


NO_ENSEMBLE = Remark("ensemble-unused", "ensemble is for photographs; a RAW file has one view")


class Band(NamedTuple):
    """Rows of a picture without their noise, (h, W, 3) in [0, 1], and the noise's mean level."""

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
        ensemble: bool = False,
        develop: str | None = None,
        black: float | None = None,
        white: float | None = None,
        pattern: str | None = None,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the model, unless a classical filter takes its place.

        Args:
            restorer: the model: one that ships, or the path of an `.onnx` file. Its inputs are red,
                green and blue, and `strength` if it is told how much to take away; its outputs
                `picture` or `fill`, and `level` if it says how much there was. Or it is one of RAW
                files, whose inputs are the planes `raw.BAYER`; photographs are then refused.
            strength: what the estimated level is multiplied by, 0 to 2.
            keep_grain: share of the noisy picture in the result, 0 to 1.
            method: `model`, `bilateral` or `nlm`.
            ensemble: mean over the eight flips and turns of each tile; not of RAW files, whose
                pattern would be another.
            develop: what RAW files become in the place of DNGs; the suffix of a result follows it.
            black: see `RawPicture.tell`.
            white: see `RawPicture.tell`.
            pattern: see `RawPicture.tell`.
            device: see `models.load`.
            threads: see `models.load`.

        Raises:
            UsageError: there is no such model, or it does not denoise pictures.
            ModelError: the model or the device cannot be used.
        """
        if ensemble and method != "model":
            raise UsageError("ensemble is of a model: leave it out, or the method.")
        if restorer != "denoiser" and method != "model":
            raise UsageError(f"{method} uses no model: leave it out, or the method.")
        self.strength, self.keep_grain, self.method = strength, keep_grain, method
        self.ensemble = ensemble
        self.numbers: dict[str, Any] = {"black": black, "white": white, "pattern": pattern}
        self.for_raw = any(x is not None for x in (develop, black, white, pattern))
        self.start = partial(models.load, device=device, threads=threads)
        self.model: Model | None = None
        self.raw_model: Model | None = None
        if method == "model":
            chosen = self.start(restorer)
            if chosen.card.inputs == raw.BAYER:
                self.raw_model = chosen
            else:
                self.model = models.Ensemble(chosen) if ensemble else chosen
                self._check(chosen)

    def clean(
        self, picture: Picture | RawPicture, *, mask: NDArray[np.float32] | None = None
    ) -> Cleaned:
        """Take the noise off a picture, in place; one without noise stays as it is.

        The report holds `noise`, the estimated standard deviation, of 255; of a RAW picture where
        there is a fifth of full light.
        """
        INFO.check_mask(mask is not None)
        if isinstance(picture, RawPicture):
            return self._clean_raw(picture)
        if self.method == "model" and self.model is None:
            raise PictureError(
                f"{picture.name}: the model that was given is of RAW files, and this is none; "
                "leave --model out."
            )
        size = (picture.height, picture.width)
        remarks = [UNUSED] if self.for_raw else []
        untouched = Cleaned(picture, np.zeros(size, np.uint8), {}, remarks=remarks)
        if self.strength == 0 or self.keep_grain == 1:
            return untouched
        clean, level = self._whole(picture)
        report = {"noise": round(level, 2)} | ({"device": self.model.device} if self.model else {})
        untouched.report = report
        if level < LEAST:
            return untouched
        for top in range(0, size[0], ROWS):
            box = Box(top, 0, min(top + ROWS, size[0]), size[1])
            band = clean[box.top : box.bottom].astype(np.float32) / np.float32(picture.max_value)
            share = np.full(band.shape[:2], 1 - self.keep_grain, np.float32)
            composite(picture, box, band, share)
        everything = np.full(size, 255, np.uint8)
        doubt = round(min(1.0, level / MOST), 3)
        return Cleaned(picture, everything, report, remarks=remarks, doubt=doubt)

    def _clean_raw(self, picture: RawPicture) -> Cleaned:
        """Take the noise off a mosaic, in place."""
        try:
            picture.tell(**self.numbers)
        except UsageError as error:  # other files may be right
            raise PictureError(str(error)) from None
        size = (picture.height, picture.width)
        remarks = [NO_ENSEMBLE] if self.ensemble else []
        untouched = Cleaned(picture, np.zeros(size, np.uint8), {}, remarks=remarks)
        if self.strength == 0 or self.keep_grain == 1:
            return untouched
        noise = raw.noise_of(picture.mosaic, picture.profile)
        report: Report = {"noise": round(255 * noise.level(), 2)}
        untouched.report = report
        if not noise.seen():
            return untouched
        if self.method == "bilateral":
            raw.filter_bilaterally(picture.mosaic, self.strength, self.keep_grain)
        else:
            model = self._model_of_raw(picture.name)
            raw.denoise(model, picture.mosaic, noise, self.strength, self.keep_grain)
            report["device"] = model.device
        if picture.profile:
            left = raw.measured(picture.mosaic)
            picture.noise_left = min(1.0, (left.level() / noise.level()) ** 2)
        return Cleaned(picture, np.full(size, 255, np.uint8), report, remarks=remarks)

    def _model_of_raw(self, name: str) -> Model:
        """Return the model of mosaics that was chosen, or the one that ships."""
        if self.method == "nlm":
            raise PictureError(f"{name}: non-local means are for photographs; take bilateral.")
        if self.raw_model is None:
            self.raw_model = self.start(RAW_MODEL)
        model = self.raw_model
        if not raw.takes_normalised(model) and self.strength != 1:
            raise UsageError(
                f"{model.card.name} cannot be told a strength; --keep-grain tempers its result."
            )
        return model

    def _whole(self, picture: Picture) -> tuple[NDArray[np.uint8 | np.uint16], float]:
        """Return the clean picture in the depth of the noisy one, and the mean level, of 255.

        Only at the end is it known whether there is noise at all, so nothing is written before.
        """
        size = (picture.height, picture.width)
        clean = np.empty((*size, 3), picture.pixels.dtype)
        total = 0.0
        for band in self._filtered(picture) if self.model is None else self._restored(picture):
            values = np.rint(np.clip(band.clean, 0, 1) * np.float32(picture.max_value))
            clean[band.box.top : band.box.bottom] = values
            total += band.level * len(band.clean)
        return clean, 255 * total / size[0]

    def _restored(self, picture: Picture) -> Iterator[Band]:
        """Run the model; where it does not estimate the level, every picture counts as noisy."""
        assert self.model is not None
        outputs, named = self.model.card.outputs, self.model.card.painting
        assert named is not None  # `_check` has seen to it
        told = "strength" in self.model.card.inputs
        wanted = (named, "level") if "level" in outputs else (named,)

        def planes(box: Box) -> Floats:
            rgb = as_planes(picture.rgb(box))
            strength = np.full((1, *rgb.shape[1:]), self.strength, np.float32)
            return np.concatenate([rgb, strength]) if told else rgb

        size = (picture.height, picture.width)
        for box, maps in run_mirrored(self.model, planes, size, outputs=wanted):
            level = float(maps["level"].mean()) if "level" in maps else 1.0
            yield Band(box, maps[named].transpose(1, 2, 0), level)

    def _filtered(self, picture: Picture) -> Iterator[Band]:
        """Run a classical filter over strips of rows that overlap."""
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
            yield Band(box, clean[above : len(clean) - below], level)

    def _check(self, model: Model) -> None:
        """Check that this task can run the model, with these options.

        Raises:
            UsageError: it cannot.
        """
        inputs = model.card.inputs
        if inputs not in (models.RGB, (*models.RGB, "strength")):
            raise UsageError(
                f"{model.card.name} takes {', '.join(inputs)}: it does not denoise pictures."
            )
        if model.card.painting is None:
            raise UsageError(f"{model.card.name} gives no picture: it does not denoise.")
        if "strength" not in inputs and self.strength not in (0, 1):
            raise UsageError(
                f"{model.card.name} cannot be told a strength; --keep-grain tempers its result."
            )
