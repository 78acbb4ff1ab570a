"""A camera undone and done again, and the noise in between."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cleanplate.training.data.raw import Levels
from cleanplate.training.data.synthesis.camera import (
    STEPS,
    PictureNoise,
    Response,
    photographed,
)
from cleanplate.training.data.synthesis.noise import (
    SHOT,
    RawNoise,
    Sensor,
    exposed,
    mosaicked,
    plain,
    some_camera,
    some_sensor,
    undeveloped,
)


def picture(height: int = 64, width: int = 80) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(20, 200, (4, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("response", [Response(2.2, 1.0), Response(1.8, 0.0), Response(2.6, 0.4)])
def test_the_response_is_undone(response: Response) -> None:
    again = np.interp(response.light(), np.linspace(0, 1, STEPS), response.table())
    assert np.abs(255 * again - np.arange(256)).max() < 1e-3
    assert response.light()[0] == 0 and response.light()[255] == pytest.approx(1)


def test_light_lies_within_the_sensors_range() -> None:
    for seed in range(5):
        camera = some_camera(np.random.default_rng(seed))
        assert camera.matrix.sum(1) == pytest.approx(1, abs=1e-5)
        light = undeveloped(picture(), camera)
        assert light.dtype == np.float32 and light.min() >= 0 and light.max() <= 1


def test_a_mosaic_holds_red_green_green_blue() -> None:
    light = np.arange(36, dtype=np.float32).reshape(4, 3, 3)
    planes = mosaicked(light)
    assert planes.shape == (2, 1, 4)
    assert planes[1, 0].tolist() == [light[2, 0, 0], light[2, 1, 1], light[3, 0, 1], light[3, 1, 2]]


def test_noise_has_the_variance_that_it_says() -> None:
    rng = np.random.default_rng(0)
    sensor = Sensor(shot=4e-3, read=1e-4)
    for level in (0.02, 0.2, 0.7):
        noisy = exposed(rng, np.full((100, 100, 4), level, np.float32), sensor)
        assert noisy.mean() == pytest.approx(level, abs=2e-3)
        assert noisy.var() == pytest.approx(sensor.shot * level + sensor.read, rel=0.08)


def test_levels_bound_and_round_the_noise() -> None:
    levels = Levels(64.0, 1023.0)
    dark = np.zeros((50, 50, 4), np.float32)
    noisy = exposed(np.random.default_rng(0), dark, Sensor(1e-2, 1e-3, levels))
    values = noisy * (1023 - 64) + 64
    assert np.abs(values - np.rint(values)).max() < 1e-3
    assert -64 / 959 - 1e-6 <= noisy.min() < 0  # noise below black is kept
    bright = exposed(np.random.default_rng(0), dark + 1, Sensor(1e-2, 1e-3, levels))
    assert bright.max() == 1


def test_sensors_follow_the_line() -> None:
    rng = np.random.default_rng(0)
    sensors = [some_sensor(rng) for _ in range(500)]
    shots = np.log([s.shot for s in sensors])
    reads = np.log([s.read for s in sensors])
    assert np.exp(shots.min()) >= SHOT[0] and np.exp(shots.max()) <= SHOT[1]
    slope, offset = np.polyfit(shots, reads, 1)
    assert slope == pytest.approx(2.18, abs=0.05) and offset == pytest.approx(1.2, abs=0.3)
    assert np.std(reads - 2.18 * shots - 1.2) == pytest.approx(0.26, abs=0.03)


def test_raw_pairs_are_planes() -> None:
    noisy, clean = RawNoise().draw(np.random.default_rng(3), picture())
    assert noisy.shape == clean.shape == (32, 40, 4)
    assert noisy.dtype == clean.dtype == np.float32
    assert clean.min() >= 0 and clean.max() <= 1 and noisy.max() <= 1
    assert not np.array_equal(noisy, clean)


@pytest.mark.parametrize("make", [plain, photographed])
def test_pictures_keep_their_truth(make: object) -> None:
    clean = picture(63, 81)
    pairs = [make(np.random.default_rng(seed), clean) for seed in range(12)]
    assert all(np.array_equal(pair.clean, clean) for pair in pairs)
    assert all(pair.noisy.shape == clean.shape for pair in pairs)
    noise = [pair.noisy.astype(float) - clean for pair in pairs]
    assert all(abs(part.mean()) < 4 for part in noise)
    spreads = [part.std() for part in noise]
    assert max(spreads) > 3 * min(spreads) > 0


def test_a_cameras_noise_is_coarser_than_plain_noise() -> None:
    def neighbours(noise: np.ndarray) -> float:
        return float(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1])

    grey = np.full((64, 64, 3), 120, np.uint8)
    shares = {
        make: np.mean(
            [
                neighbours(make(np.random.default_rng(s), grey).noisy.astype(float)[..., 1])
                for s in range(12)
            ]
        )
        for make in (plain, photographed)
    }
    assert abs(shares[plain]) < 0.05 < 0.2 < shares[photographed]


def test_a_cameras_noise_is_like_that_of_real_pictures() -> None:
    """Measured there: 0.6 to the next pixel, 0.35 on the diagonal, 0.45 between channels."""
    figures = []
    for seed in range(60):
        pair = photographed(np.random.default_rng(seed), picture(96, 96))
        noise = pair.noisy.astype(float) - pair.clean
        noise -= noise.mean((0, 1))
        square = (noise**2).mean()
        beside, diagonal = noise[:, 1:] * noise[:, :-1], noise[1:, 1:] * noise[:-1, :-1]
        colours = np.corrcoef(noise.reshape(-1, 3).T)[0, 1]
        figures.append((beside.mean() / square, diagonal.mean() / square, colours))
    beside, diagonal, colours = np.median(figures, 0)
    assert 0.45 < beside < 0.75 and 0.2 < diagonal < 0.5 and 0.25 < colours < 0.65


def test_photographs_are_shrunk_with_their_truth() -> None:
    pair = photographed(np.random.default_rng(0), picture(64, 80), 0.5)
    assert pair.noisy.shape == pair.clean.shape == (32, 40, 3)


def test_the_same_seed_gives_the_same_noise() -> None:
    noise = PictureNoise(jpeg_share=1.0)
    one, two, other = (noise.draw(np.random.default_rng(s), picture()).noisy for s in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, other)
