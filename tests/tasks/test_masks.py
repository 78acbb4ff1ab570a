"""Masks as people have them: painted on a clear layer, of 0 and 1, of any depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cleanplate.picture import Picture
from cleanplate.tasks.masks import Masks

WHERE = np.zeros((20, 30), bool)
WHERE[5:9, 10:20] = True


def painted(colour: int) -> np.ndarray:
    """A stroke of one grey on a clear layer."""
    alpha = np.where(WHERE, 255, 0).astype(np.uint8)
    return np.dstack([np.full((20, 30, 3), colour, np.uint8), alpha])


@pytest.mark.parametrize(
    "mask",
    [
        WHERE,
        WHERE.astype(np.uint8),
        WHERE.astype(np.uint8) * 255,
        WHERE.astype(np.uint16),
        WHERE.astype(np.uint16) * 65535,
        painted(0),
        painted(255),
        np.dstack([WHERE.astype(np.uint8) * 255] * 3 + [np.full((20, 30), 255, np.uint8)]),
    ],
    ids=["bool", "0-1", "8 bits", "0-1 of 16", "16 bits", "black paint", "white paint", "opaque"],
)
def test_a_mask_names_what_was_painted(mask: np.ndarray, tmp_path: Path) -> None:
    picture = Picture.from_array(np.zeros((20, 30, 3), np.uint8))
    assert np.array_equal(Masks(mask).of(picture) > 0.5, WHERE)
    if mask.dtype == np.uint8:
        Image.fromarray(mask).save(tmp_path / "mask.png")
        assert np.array_equal(Masks(tmp_path / "mask.png").of(picture) > 0.5, WHERE)
