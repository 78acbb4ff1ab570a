"""Holes of the user's masks give nothing away of what was in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx_models
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cleanplate
from cleanplate.tasks import photo_fill

TASKS = ("inpaint", "occlusion", "photo", "opaque")


def scene(rng: np.random.Generator, size: tuple[int, int], depth: type, colours: int) -> np.ndarray:
    most = int(np.iinfo(depth).max)
    coarse = rng.integers(0, most + 1, (5, 4, colours), dtype=depth)
    picture = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR)
    return picture.reshape(*size, colours)


def blobs(rng: np.random.Generator, size: tuple[int, int], count: int) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    for _ in range(count):
        x, y = (int(rng.integers(0, side)) for side in size[::-1])
        axes = tuple(int(side) for side in rng.integers(1, max(2, min(size) // 2), 2))
        cv2.ellipse(mask, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
    return mask


@pytest.fixture(scope="module")
def cleaners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, cleanplate.Cleaner]:
    """Tasks with a filler that says of everything that it is seen: the most tempting one; with one
    for photographs; and with those that ship."""
    folder = tmp_path_factory.mktemp("models")
    graph = onnx_models.guesses(seen=1.0)
    page = onnx_models.write(folder, "tempting", graph, tile=256, parameters={"side": 192})
    inputs = list(photo_fill.INPUTS)
    photo = onnx_models.write(
        folder, "photo", onnx_models.coarse_guesses(), tile=64, multiple=8, inputs=inputs
    )
    made = {task: cleanplate.Cleaner(task, filler=page) for task in ("inpaint", "occlusion")}
    made["opaque"] = cleanplate.Cleaner("watermark", opaque=True)
    return made | {"photo": cleanplate.Cleaner("inpaint", filler=photo)}


@pytest.mark.parametrize("task", TASKS)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(24, 300), st.integers(24, 300)),
    depth=st.sampled_from([np.uint8, np.uint16]),
    colours=st.sampled_from([1, 3]),
    count=st.integers(1, 4),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_lies_in_a_hole_changes_no_sample(
    cleaners: dict[str, cleanplate.Cleaner],
    task: str,
    seed: int,
    size: tuple[int, int],
    depth: type,
    colours: int,
    count: int,
) -> None:
    rng = np.random.default_rng(seed)
    one = scene(rng, size, depth, colours)
    mask = blobs(rng, size, count)
    other = np.where(mask[..., None] > 127, np.iinfo(depth).max - one, one)
    results = [cleaners[task](picture, mask=mask).to_array() for picture in (one, other)]
    assert np.array_equal(*results)


@pytest.mark.parametrize("task", TASKS)
def test_what_lies_in_a_hole_changes_no_byte(
    cleaners: dict[str, cleanplate.Cleaner], task: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    one = scene(rng, (90, 120), np.uint8, 3)
    mask = blobs(rng, (90, 120), 2)
    other = np.where(mask[..., None] > 127, 255 - one, one)
    written = []
    for picture in (one, other):
        cv2.imwrite(str(tmp_path / "page.png"), picture)
        cleaners[task](tmp_path / "page.png", mask=mask).save(tmp_path / "out.png")
        written.append((tmp_path / "out.png").read_bytes())
    assert written[0] == written[1]
