"""An exported model of a Bayer mosaic's planes, as pairs of planes are measured. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from cleanplate import models
from cleanplate.restoring import run_tiled
from cleanplate.tasks.maps import Floats, planes_of
from cleanplate.training.data.raw import LEVELS, Levels


class RawModel:
    """A denoiser of planes.

    Attributes:
        model: the model.
        levels: black and white of the sensor that it was trained for.
    """

    def __init__(self, model: str | Path, *, device: str = "auto", threads: int = 0) -> None:
        """Load a model; ModelError where it or the device cannot be used."""
        self.model = models.load(model, device=device, threads=threads)
        known = LEVELS._asdict() | dict(self.model.card.parameters)
        self.levels = Levels(float(known["black"]), float(known["white"]))

    def denoise(self, noisy: Floats) -> Floats:
        """Return planes (H, W, 4) without their noise, 0 for black and 1 for white."""
        size = (noisy.shape[0], noisy.shape[1])
        outputs = ("picture",)
        found: Floats = run_tiled(self.model, planes_of(noisy), size, outputs=outputs)["picture"]
        return found.transpose(1, 2, 0)
