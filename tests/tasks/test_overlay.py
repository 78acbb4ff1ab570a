from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanplate.tasks.watermark.overlay import estimate, seen_through


def texture(seed: int) -> np.ndarray:
    """A picture with detail at every scale, (160, 200, 3) in [0, 1]."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.random((side, side, 3)), (200, 160), interpolation=cv2.INTER_CUBIC)
        for side in (4, 16, 64)
    ]
    return np.clip(sum(layers) / 3, 0, 1).astype(np.float32)


def letters() -> np.ndarray:
    """A cover with much outline, (160, 200) in [0, 1]."""
    cover = np.zeros((160, 200), np.uint8)
    for y in (50, 100, 150):
        cv2.putText(cover, "COPY", (8, y), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 255, 10, cv2.LINE_AA)
    return (cover / 255).astype(np.float32)


@settings(max_examples=20, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    opacity=st.floats(0.15, 0.8),
    colour=st.tuples(*[st.floats(0, 1)] * 3),
)
def test_opacity_and_colour_follow_from_the_outline(
    seed: int, opacity: float, colour: tuple[float, float, float]
) -> None:
    clean, cover = texture(seed), letters()
    alpha = (cover * opacity)[..., None]
    marked = (clean * (1 - alpha) + alpha * np.array(colour)).astype(np.float32)

    found = estimate(marked, cover)
    seen = seen_through(marked, cover * np.float32(found.opacity), found.colour)

    assert found.opacity == pytest.approx(opacity, abs=0.15)
    before, after = (np.abs(x - clean)[cover > 0.5].mean() for x in (marked, seen))
    assert after < 0.5 * before + 0.02


def test_the_true_overlay_is_solved_for_exactly() -> None:
    clean, cover = texture(1), letters()
    alpha, colour = cover * np.float32(0.6), np.array([0.9, 0.2, 0.4], np.float32)
    marked = clean * (1 - alpha[..., None]) + alpha[..., None] * colour
    assert seen_through(marked, alpha, colour) == pytest.approx(clean, abs=1e-5)


def test_what_hides_everything_does_not_divide_by_zero() -> None:
    marked = np.ones((8, 8, 3), np.float32)
    seen = seen_through(marked, np.ones((8, 8), np.float32), np.zeros(3, np.float32))
    assert np.isfinite(seen).all()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_without_an_outline_there_is_nothing_to_tell(level: float) -> None:
    cover = np.full((160, 200), level, np.float32)
    assert estimate(texture(2), cover).opacity == 0.0
