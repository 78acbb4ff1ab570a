"""`cleanplate denoise` with a tiny model: what it takes off, what it is told, what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest
from onnx import helper

import cleanplate
from cleanplate.errors import UsageError
from cleanplate.metrics import psnr
from cleanplate.tasks.denoise import filters


def smoothing() -> dict[str, Any]:
    """`picture` goes to the mean of 3x3 pixels by the share `strength`; `level` is what differs."""
    pool = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1] * 4, "count_include_pad": 0}
    nodes = [
        helper.make_node("Slice", ["planes", "zero", "three", "axis"], ["noisy"]),
        helper.make_node("Slice", ["planes", "three", "four", "axis"], ["strength"]),
        helper.make_node("AveragePool", ["noisy"], ["mean"], **pool),
        helper.make_node("Sub", ["mean", "noisy"], ["step"]),
        helper.make_node("Mul", ["step", "strength"], ["part"]),
        helper.make_node("Add", ["noisy", "part"], ["picture"]),
        helper.make_node("Abs", ["step"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["level"], axes=[1], keepdims=1),
    ]
    numbers = {"zero": 0, "three": 3, "four": 4, "axis": 1}
    weights = {name: np.array([value], np.int64) for name, value in numbers.items()}
    return {
        "nodes": nodes,
        "weights": weights,
        "planes": 4,
        "outputs": {"picture": 3, "level": 1},
    }


@pytest.fixture
def restorer(tmp_path: Path) -> Path:
    inputs = ("red", "green", "blue", "strength")
    return onnx_models.write(
        tmp_path, "smoothing", smoothing(), task="denoise", role="restorer", inputs=inputs, tile=64
    )


def grey(depth: type = np.uint8) -> np.ndarray:
    return np.full((96, 128, 3), np.iinfo(depth).max // 2, depth)


def noisy(sigma: float = 20, depth: type = np.uint8) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((96, 128, 3)) * sigma / 255
    most = np.iinfo(depth).max
    return np.rint((grey(depth) + noise * most).clip(0, most)).astype(depth)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_noise_comes_off(restorer: Path, depth: type) -> None:
    task = cleanplate.Cleaner("denoise", restorer=restorer)
    result = task(noisy(depth=depth))
    cleaned = result.to_array()
    most = np.iinfo(depth).max
    assert cleaned.dtype == depth
    before = psnr(noisy(depth=depth) / most, grey(depth) / most)
    assert psnr(cleaned / most, grey(depth) / most) > before + 6
    assert result.report["noise"] == pytest.approx(20 * 0.75, rel=0.1)
    assert 0 < result.doubt < 1


def test_a_clean_picture_is_left_alone(restorer: Path, tmp_path: Path) -> None:
    result = cleanplate.Cleaner("denoise", restorer=restorer)(grey())
    assert np.array_equal(result.to_array(), grey())
    assert result.report["noise"] == 0


def test_strength_says_how_much_goes(restorer: Path) -> None:
    def left(**options: Any) -> float:
        result = cleanplate.Cleaner("denoise", restorer=restorer, **options)(noisy())
        return float(result.to_array().astype(float).std())

    assert left(strength=0.0) == noisy().std()
    assert left(strength=1.0) < left(strength=0.5) < noisy().std()
    assert left(keep_grain=1.0) == noisy().std()
    mixed = 0.5 * cleanplate.Cleaner("denoise", restorer=restorer)(noisy()).to_array()
    found = cleanplate.Cleaner("denoise", restorer=restorer, keep_grain=0.5)(noisy()).to_array()
    assert np.abs(found - (mixed + 0.5 * noisy())).max() <= 1


@pytest.mark.parametrize("method", ["bilateral", "nlm"])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_classical_filters_take_noise_off(method: str, depth: type) -> None:
    cleaned = cleanplate.Cleaner("denoise", method=method)(noisy(8, depth)).to_array()
    most = np.iinfo(depth).max
    assert cleaned.std() / most < 0.6 * noisy(8, depth).std() / most


def test_filters_show_no_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cleanplate.Cleaner("denoise", method="bilateral")(noisy(8)).to_array()
    monkeypatch.setattr("cleanplate.tasks.denoise.task.ROWS", 32)
    assert np.array_equal(
        cleanplate.Cleaner("denoise", method="bilateral")(noisy(8)).to_array(), whole
    )


@pytest.mark.parametrize("sigma", [5, 15, 40])
def test_the_level_of_white_noise_is_known(sigma: float) -> None:
    assert 255 * filters.noise_level(noisy(sigma) / np.float32(255)) == pytest.approx(
        sigma, rel=0.1
    )


def test_models_of_other_tasks_are_refused(tmp_path: Path) -> None:
    rgb = ("red", "green", "blue")
    finds = onnx_models.write(tmp_path, "finds", onnx_models.threshold(), inputs=rgb)
    with pytest.raises(UsageError, match="gives no picture"):
        cleanplate.Cleaner("denoise", restorer=finds)
    plain = onnx_models.write(tmp_path, "plain", onnx_models.convolutions(1), inputs=rgb)
    with pytest.raises(UsageError, match="cannot be told a strength"):
        cleanplate.Cleaner("denoise", restorer=plain, strength=0.5)
    assert cleanplate.Cleaner("denoise", restorer=plain)(noisy()).to_array().shape == (96, 128, 3)


def test_the_outermost_pixels_are_as_clean_as_the_rest() -> None:
    scene = np.full((200, 240, 3), 128.0)
    seen = (scene + np.random.default_rng(1).normal(0, 20, scene.shape)).clip(0, 255)
    clean = cleanplate.clean(seen.astype(np.uint8), "denoise").to_array().astype(float)
    error = np.abs(clean - 128).mean(-1)
    inside = error[16:-16, 16:-16].mean()
    for rim in (error[:2], error[-2:], error[:, :2], error[:, -2:]):
        assert rim.mean() < 2 * inside
