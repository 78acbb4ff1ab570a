from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.training.data.synthesis.scenes import coloured, shadowed, signed, varied
from cleanplate.training.data.synthesis.watermarks import Watermarks


@pytest.fixture(scope="module")
def marks(sources: Path) -> Watermarks:
    return Watermarks([sources / "fonts"], [sources / "logos"])


@pytest.fixture
def scene() -> np.ndarray:
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(20, 236, (6, 8, 3), np.uint8), (160, 120))


def test_the_same_seed_gives_the_same_scene(scene: np.ndarray, marks: Watermarks) -> None:
    first, again = (varied(np.random.default_rng(3), scene, marks) for _ in range(2))
    assert np.array_equal(first, again)
    made = [varied(np.random.default_rng(seed), scene, marks) for seed in range(40)]
    assert all(one.shape == scene.shape and one.dtype == np.uint8 for one in made)
    changed = sum(not np.array_equal(one, scene) for one in made)
    assert 12 <= changed <= 36  # about half of them


@pytest.mark.parametrize("seed", range(10))
def test_other_colours_keep_the_order_of_light_and_dark(scene: np.ndarray, seed: int) -> None:
    value, result = scene.max(-1), coloured(np.random.default_rng(seed), scene).max(-1)
    means = [result[value == level].mean() for level in np.unique(value)]
    assert np.diff(means).min() >= -0.5
    assert means[-1] > means[0] + 20


@pytest.mark.parametrize("seed", range(10))
def test_a_sign_changes_a_part_of_the_scene(
    scene: np.ndarray, marks: Watermarks, seed: int
) -> None:
    result = signed(np.random.default_rng(seed), scene, marks)
    assert (result == scene).all(-1).any()
    several = [signed(np.random.default_rng(100 + seed + i), scene, marks) for i in range(6)]
    assert any((one != scene).any(-1).mean() > 0.005 for one in several)


@pytest.mark.parametrize("seed", range(10))
def test_a_shadow_is_soft(scene: np.ndarray, seed: int) -> None:
    flat = np.full_like(scene, 120)
    result = shadowed(np.random.default_rng(seed), flat).astype(int)
    assert result.min() >= 120 * 0.35 - 1
    assert result.max() <= 120 * 1.6 + 1
    step = max(np.abs(np.diff(result, axis=axis)).max() for axis in (0, 1))
    assert step < 60  # a hard edge would step by all that the shadow takes
