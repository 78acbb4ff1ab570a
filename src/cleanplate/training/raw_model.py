"""What takes noise off a mosaic's planes, as pairs of planes are measured. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from cleanplate import models
from cleanplate.picture import Mosaic
from cleanplate.picture.mosaic import from_places
from cleanplate.tasks.denoise import filters, raw
from cleanplate.tasks.denoise.sensor_noise import estimate
from cleanplate.tasks.maps import Floats
from cleanplate.training.data.raw import LEVELS, Levels


class RawDenoiser(Protocol):
    """A model or a filter.

    Attributes:
        levels: black and white of the sensor that it is for.
    """

    levels: Levels

    def denoise(self, noisy: Floats) -> Floats:
        """Return planes (H, W, 4) without their noise, 0 for black and 1 for white."""
        ...


class RawModel:
    """A denoiser of planes; one that is told of the noise is told what `raw.measured` finds.

    Attributes:
        model: the model.
        levels: black and white of the sensor that it was trained for.
    """

    def __init__(self, model: str | Path, *, device: str = "auto", threads: int = 0) -> None:
        """Load a model.

        Raises:
            ModelError: it cannot be used.
            UsageError: there is no such model or device, or it gives no picture.
        """
        self.model = models.load(model, device=device, threads=threads)
        self.model.card.check("denoise", planes=len(raw.BAYER), outputs=("picture",))
        known = LEVELS._asdict() | dict(self.model.card.parameters)
        self.levels = Levels(float(known["black"]), float(known["white"]))

    def denoise(self, noisy: Floats) -> Floats:
        """See `RawDenoiser`."""
        mosaic = Mosaic(from_places(noisy.astype(np.float32)), (0.0,) * 4, 1.0, "RGGB")
        noise = raw.measured(mosaic)
        if noise.seen() or not raw.takes_normalised(self.model):
            raw.denoise(self.model, mosaic, noise)
        return mosaic.planes()

    def given(self, noisy: Floats) -> Floats:
        """Return what the model sees of planes (H, W, 4)."""
        noise = estimate(noisy)
        told = raw.takes_normalised(self.model) and noise.seen()
        return np.asarray(noise.normalised(noisy) if told else noisy, np.float32)


class RawFilter:
    """The bilateral filter of the write-up on RAW denoising."""

    levels = LEVELS

    def denoise(self, noisy: Floats) -> Floats:
        """See `RawDenoiser`."""
        return filters.bilateral(noisy)
