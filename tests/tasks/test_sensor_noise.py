from __future__ import annotations

import numpy as np
import pytest

from cleanplate.tasks.denoise.sensor_noise import UNIT, SensorNoise, estimate, of_profile


def slope_of_light(height: int = 256, width: int = 384) -> np.ndarray:
    """Planes that go from the dark to 0.8."""
    light = np.linspace(0.01, 0.8, width, dtype=np.float32)
    return np.broadcast_to(light[None, :, None], (height, width, 4)).copy()


def noisy(clean: np.ndarray, noise: SensorNoise, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    counted = rng.poisson(clean / noise.slope) * noise.slope
    return (counted + rng.normal(0, noise.offset**0.5, clean.shape)).astype(np.float32)


@pytest.mark.parametrize("slope", [1e-5, 3e-4, 4e-3])
@pytest.mark.parametrize("offset", [0.0, 1e-6, 5e-5])
def test_normalised_noise_is_the_same_whatever_the_sensor(slope: float, offset: float) -> None:
    noise = SensorNoise(slope, offset)
    for light in (0.05, 0.6):
        clean = np.full((64, 64, 4), light, np.float32)
        values = noise.normalised(noisy(clean, noise))
        assert values.var() == pytest.approx(UNIT * values.mean(), rel=0.04)
        assert np.allclose(noise.restored(values), noisy(clean, noise), atol=1e-5)


@pytest.mark.parametrize("slope", [1e-4, 1e-3, 4e-3])
@pytest.mark.parametrize("offset", [1e-7, 1e-5])
def test_noise_is_measured(slope: float, offset: float) -> None:
    noise = SensorNoise(slope, offset)
    found = estimate(noisy(slope_of_light(), noise))
    for light in (0.05, 0.2, 0.7):
        assert found.variance(light) == pytest.approx(noise.variance(light), rel=0.2)


def test_texture_is_not_taken_for_noise() -> None:
    rng = np.random.default_rng(1)
    clean = slope_of_light()
    clean[:, 96:288] += (rng.random((256, 192, 4)) < 0.5).astype(np.float32) * 0.1
    noise = SensorNoise(1e-3, 1e-6)
    found = estimate(noisy(clean, noise))
    assert found.variance(0.1) == pytest.approx(noise.variance(0.1), rel=0.3)


def test_what_is_clean_has_no_noise() -> None:
    assert not estimate(slope_of_light()).seen()
    assert not SensorNoise(0.0, 0.0).seen() and SensorNoise(1e-4, 0.0).seen()
    assert SensorNoise(0.0, 1e-4).seen()


def test_noise_that_is_alike_everywhere_can_be_normalised() -> None:
    rng = np.random.default_rng(0)
    clean = slope_of_light()
    found = estimate((clean + rng.normal(0, 0.02, clean.shape)).astype(np.float32))
    for light in (0.0, 0.2, 0.8):
        assert found.variance(light) == pytest.approx(4e-4, rel=0.3)
    assert found.slope > 1e-5


def test_strength_scales_the_spread() -> None:
    stronger = SensorNoise(1e-3, 1e-5).scaled(2.0)
    assert stronger.variance(0.5) == pytest.approx(4 * (0.5e-3 + 1e-5))


def test_a_profile_is_the_mean_of_its_colours() -> None:
    assert of_profile(()) is None
    assert of_profile(((1e-4, 1e-6),)) == SensorNoise(1e-4, 1e-6)
    found = of_profile(((1e-4, 1e-6), (2e-4, 2e-6), (3e-4, 3e-6)))
    assert found is not None and found.slope == pytest.approx(2e-4)
    assert found.offset == pytest.approx(2e-6)
