from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ImageFont


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what marks are made from: `fonts`, `logos`, `photos` and `validation`."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("fonts", "logos", "photos", "validation"):
        (folder / name).mkdir()
    (folder / "fonts" / "own.ttf").write_bytes(ImageFont.load_default(10).font_bytes)
    logo = np.zeros((64, 64), np.uint8)
    cv2.circle(logo, (32, 32), 24, 255, 6)
    cv2.imwrite(str(folder / "logos" / "ring.png"), logo)
    rng = np.random.default_rng(0)
    for name in ("photos", "validation"):
        for index in range(3):
            coarse = rng.integers(0, 256, (9, 12, 3), np.uint8)
            photo = cv2.resize(coarse, (200, 150), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / name / f"{index}.png"), photo)
    return folder
