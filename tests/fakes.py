"""A task that needs no model: it finds what is red and paints it grey."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cleanplate import tasks
from cleanplate.picture import Picture
from cleanplate.serve.settings import Settings
from cleanplate.serve.worker import serve_work
from cleanplate.tasks.base import Cleaned


class Blot:
    made: ClassVar[list[dict[str, Any]]] = []

    def __init__(
        self,
        *,
        device: str = "auto",
        threads: int = 0,
        threshold: float = 0.5,
        locator: str | None = None,
        mark: Path | None = None,
        opaque: bool = False,
    ) -> None:
        self.made.append(
            {"device": device, "threads": threads, "threshold": threshold, "locator": locator}
        )

    def clean(self, picture: Picture, *, mask: NDArray[np.float32] | None = None) -> Cleaned:
        time.sleep(float(os.environ.get("BLOT_SECONDS", "0")))
        if "impossible" in picture.name:
            raise ValueError("the task is at a loss")
        pixels = picture.pixels.astype(int)
        red = (pixels[..., 0] > 180) & (pixels[..., 1] < 80) & (pixels[..., 2] < 80)
        picture.pixels[red] = 128
        return Cleaned(picture, np.where(red, 255, 0).astype(np.uint8), {})


def stand_in(task: type[Blot]) -> None:
    """Put a fake task in the place of the watermark task."""
    tasks.register(replace(tasks.info("watermark"), make=task, roles=("locator",)))


def serve_blots(connection: Connection, settings: Settings, scratch: str) -> None:
    """A server's worker with the fake task."""
    stand_in(Blot)
    serve_work(connection, settings, scratch)


def draw(path: Path, blot: tuple[int, int] = (16, 16)) -> Path:
    """Write a green 64x48 picture with a red rectangle, `blot` pixels (width, height), in it."""
    image = Image.new("RGB", (64, 48), (20, 160, 60))
    image.paste((255, 0, 0), (16, 16, 16 + blot[0], 16 + blot[1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def leftovers(folder: Path) -> list[Path]:
    """The temporary files below a folder."""
    return [path for path in folder.rglob("*") if path.name.startswith(".")]
