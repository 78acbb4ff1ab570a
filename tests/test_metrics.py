from __future__ import annotations

import math

import numpy as np
import pytest

from cleanplate import metrics
from cleanplate.errors import UsageError


def _pictures(dtype: str, shape: tuple[int, ...] = (181, 203, 3)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    smooth = 0.5 + 0.3 * np.sin(rows / 9.0) * np.cos(columns / 13.0)
    clean = np.clip(smooth[..., None] + rng.normal(0, 0.05, shape), 0, 1)
    noisy = np.clip(clean + rng.normal(0, 0.1, shape), 0, 1)
    if dtype == "float":
        return clean, noisy
    peak = np.iinfo(dtype).max
    return (clean * peak).round().astype(dtype), (noisy * peak).round().astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float"])
def test_psnr_and_ssim_agree_with_scikit_image(dtype: str) -> None:
    reference = pytest.importorskip("skimage.metrics")
    a, b = _pictures(dtype)
    peak = 1.0 if dtype == "float" else np.iinfo(dtype).max
    assert metrics.psnr(a, b) == pytest.approx(
        reference.peak_signal_noise_ratio(a, b, data_range=peak), abs=1e-4
    )
    expected = reference.structural_similarity(
        a, b, data_range=peak, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
    )
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-4)


def test_psnr_and_ms_ssim_agree_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("torchmetrics.functional.image")
    a, b = _pictures("float")
    first, second = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in (b, a))
    for ours, theirs in (
        (metrics.psnr, reference.peak_signal_noise_ratio),
        (metrics.ms_ssim, reference.multiscale_structural_similarity_index_measure),
    ):
        assert ours(a, b) == pytest.approx(theirs(first, second, data_range=1.0).item(), abs=1e-4)


def test_depth_does_not_change_the_figures() -> None:
    figures = [
        [f(*_pictures(dtype)) for f in (metrics.psnr, metrics.ssim, metrics.ms_ssim)]
        for dtype in ("uint16", "float")
    ]
    assert figures[0] == pytest.approx(figures[1], abs=1e-3)


def test_equal_pictures_are_perfect() -> None:
    a, _ = _pictures("uint8")
    assert metrics.psnr(a, a) == math.inf
    assert metrics.ssim(a, a) == pytest.approx(1)
    assert metrics.ms_ssim(a, a) == pytest.approx(1)
    assert metrics.ssim(a[..., 0], a[..., 0]) == pytest.approx(1)


def test_psnr_in_a_mask_sees_only_the_mask() -> None:
    a = np.zeros((4, 6, 3), np.uint8)
    b = a.copy()
    b[0, 0] = 10
    where = np.zeros((4, 6), bool)
    where[0] = True
    expected = 10 * math.log10(255**2 / (100 / 6))
    assert metrics.psnr(a, b, where) == pytest.approx(expected)
    assert metrics.psnr(a, b, ~where) == math.inf
    assert math.isnan(metrics.psnr(a, b, np.zeros((4, 6), bool)))


def test_iou_by_hand() -> None:
    a = np.array([[1, 1, 0, 0]], bool)
    b = np.array([[0, 1, 1, 0]], bool)
    assert metrics.iou(a, b) == pytest.approx(1 / 3)
    assert metrics.mean_iou(a, b) == pytest.approx(1 / 3)
    assert metrics.iou(a & False, b & False) == 1.0
    labels = np.array([[0, 0, 1, 2]])
    assert metrics.mean_iou(labels, np.array([[0, 1, 1, 1]])) == pytest.approx(
        (0.5 + 1 / 3 + 0) / 3
    )


def test_iou_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(3)
    found, truth = rng.integers(0, 4, (2, 40, 50))
    first, second = torch.from_numpy(found), torch.from_numpy(truth)
    assert metrics.iou(found > 1, truth > 1) == pytest.approx(
        reference.binary_jaccard_index(first > 1, second > 1).item(), abs=1e-4
    )
    assert metrics.mean_iou(found, truth) == pytest.approx(
        reference.multiclass_jaccard_index(first, second, 4).item(), abs=1e-4
    )


def test_raw_score_ends() -> None:
    assert metrics.raw_score(30, 0.8) == pytest.approx(0)
    assert metrics.raw_score(60, 1.0) == pytest.approx(100)
    assert metrics.raw_score(37.683, 0.902) == pytest.approx(30.68, abs=0.02)


def test_changed_counts_pixels_not_samples() -> None:
    before = np.zeros((2, 4, 3), np.uint8)
    after = before.copy()
    after[0, 0] = 9
    after[1, 1, 2] = 1
    outside = np.ones((2, 4), bool)
    assert metrics.changed(before, after, outside) == 2 / 8
    outside[0, 0] = False
    assert metrics.changed(before, after, outside) == 1 / 7
    assert metrics.changed(before, after, outside & False) == 0.0
    assert metrics.changed(before[..., 0], after[..., 0], outside) == 0.0


def test_refusals_name_the_fault() -> None:
    a, b = _pictures("uint8")
    small = a[:20, :200]
    with pytest.raises(UsageError, match="shape"):
        metrics.psnr(a, b[:-1])
    with pytest.raises(UsageError, match="depth"):
        metrics.ssim(a, b / 255)
    with pytest.raises(UsageError, match="float picture"):
        metrics.psnr(a.astype(float), b.astype(float))
    with pytest.raises(UsageError, match="int32"):
        metrics.psnr(a.astype(np.int32), b.astype(np.int32))
    with pytest.raises(UsageError, match=r"MS-SSIM needs .* 200x20"):
        metrics.ms_ssim(small, small)
    with pytest.raises(UsageError, match="11 pixels"):
        metrics.ssim(small[:10], small[:10])
    with pytest.raises(UsageError, match="bool mask"):
        metrics.psnr(a, b, np.ones(a.shape[:2], np.uint8))
    with pytest.raises(UsageError, match="shape"):
        metrics.mean_iou(a, b[:-1])
    with pytest.raises(UsageError, match="pictures differ"):
        metrics.changed(a, b.astype(np.uint16), np.ones(a.shape[:2], bool))


def test_boundary_f_counts_contours_within_its_reach() -> None:
    square = np.zeros((60, 60), bool)
    square[20:40, 20:40] = True
    near, far = np.roll(square, 2, 1), np.roll(square, 12, 1)
    assert metrics.boundary_f(square, square) == 1
    assert metrics.boundary_f(near, square) == 1
    assert 0.3 < metrics.boundary_f(far, square) < 0.8
    assert metrics.boundary_f(~near & ~square, square) < 1
    nothing = np.zeros_like(square)
    assert metrics.boundary_f(nothing, nothing) == 1
    assert metrics.boundary_f(nothing, square) == 0
    half = np.zeros_like(square)
    half[:, :30] = True
    assert metrics.boundary_f(half, half[::-1]) == 1  # where the picture ends is no contour
