"""A model averaged over flips and turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models
import pytest

import cleanplate
from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models.ensemble import VIEWS, turned, turned_back

RGB = ["red", "green", "blue"]


@pytest.fixture
def lopsided(tmp_path: Path) -> Path:
    """A model whose result depends on how the picture lies: convolutions with random kernels."""
    graph = onnx_models.convolutions(3)
    return onnx_models.write(tmp_path, "lopsided", graph, role="restorer", inputs=RGB)


def test_views_are_eight_and_are_undone() -> None:
    planes = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    views = [turned(planes, n) for n in range(VIEWS)]
    assert len({(view.shape, view.tobytes()) for view in views}) == 8
    for number, view in enumerate(views):
        np.testing.assert_array_equal(turned_back(view, number), planes)


def test_an_ensemble_does_not_see_how_a_picture_lies(lopsided: Path) -> None:
    one = models.load(lopsided, device="cpu", threads=1)
    both = models.Ensemble(one)
    name = one.card.outputs[0]
    planes = np.random.default_rng(0).random((1, 3, 32, 48), np.float32)
    alone, upright = one(planes)[name], both(planes)[name]
    for view in range(VIEWS):
        seen = turned(planes, view)
        np.testing.assert_allclose(turned_back(both(seen)[name], view), upright, atol=1e-5)
    assert np.abs(turned_back(one(turned(planes, 1))[name], 1) - alone).max() > 0.01
    means = sum(turned_back(one(turned(planes, n))[name], n) for n in range(VIEWS)) / VIEWS
    np.testing.assert_allclose(upright, means, atol=1e-5)


def test_denoise_takes_an_ensemble_of_a_model_alone(lopsided: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    given = {"restorer": str(lopsided), "device": "cpu"}
    one = cleanplate.Cleaner("denoise", **given)(picture).picture
    both = cleanplate.Cleaner("denoise", ensemble=True, **given)
    cleaned = both(picture).picture
    assert (one != cleaned).any()
    upside = both(np.ascontiguousarray(picture[::-1])).picture
    assert np.abs(upside[::-1].astype(int) - cleaned).max() <= 1  # rounding
    with pytest.raises(UsageError, match="ensemble is of a model"):
        cleanplate.Cleaner("denoise", ensemble=True, method="nlm")
