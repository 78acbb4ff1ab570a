"""Writing sheets of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleanplate.batch import write_all
from cleanplate.batch.sheets import sheet
from cleanplate.picture import Picture

__all__ = ["save_sheet", "sheet"]


def save_sheet(path: Path, drawn: NDArray[np.uint8]) -> None:
    """Write a sheet as PNG, complete or not at all."""
    everywhere = np.ones(drawn.shape[:2], bool)
    write_all({path: Picture.from_array(drawn).encode(everywhere, format="PNG")})
