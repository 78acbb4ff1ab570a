"""Figures of merit in numpy: what evaluation prints.

A picture is (H, W) or (H, W, C): uint8 or uint16 over the whole range of the type, or float in
[0, 1]. Both pictures must have the same shape and depth; UsageError says which differs. All
arithmetic is in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import UsageError

Picture = NDArray[Any]
Mask = NDArray[Any]
Field = NDArray[np.float64]

SIGMA = 1.5
RADIUS = 5  # the window is 11x11
NEAR = 3.0  # greatest distance in pixels between contours that agree
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_SSIM_SIDE = 2 * RADIUS * 2 ** (len(SCALE_WEIGHTS) - 1) + 16  # smallest side for five scales


def psnr(a: Picture, b: Picture, where: Mask | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB, over all samples or those in `where`.

    `where` is a bool (H, W). Equal pictures give infinity; an empty `where` gives nan.

    >>> round(psnr(np.zeros((8, 8)), np.full((8, 8), 0.1)), 2)
    20.0
    """
    first, second, peak = _pair(a, b)
    error = np.square(first - second)
    if where is not None:
        error = error[_mask(where, error.shape[:2])]
        if error.size == 0:
            return math.nan
    mean = float(error.mean())
    return math.inf if mean == 0 else 10 * math.log10(peak**2 / mean)


def ssim(a: Picture, b: Picture) -> float:
    """Return structural similarity, averaged over channels and where the 11x11 window fits.

    Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03 (Wang et al., "Image quality assessment:
    from error visibility to structural similarity", IEEE TIP 2004, eq. 13), as scikit-image has it;
    torchmetrics also counts the borders, reflected.
    """
    first, second, peak = _pair(a, b)
    if min(first.shape[:2]) <= 2 * RADIUS:
        raise UsageError(f"SSIM needs sides of 11 pixels or more, not {_size(first)}.")
    luminance, structure = _similarity(first, second, peak)
    return float((luminance * structure).mean())


def ms_ssim(a: Picture, b: Picture) -> float:
    """Return multi-scale structural similarity over five scales, in [0, 1].

    Wang et al., "Multiscale structural similarity for image quality assessment", Asilomar 2003,
    eq. 7, with its published weights; 2x2 means between scales, negative terms taken as 0. The
    last scale counts its borders too (reflected), as torchmetrics does: it may have few others.
    """
    first, second, peak = _pair(a, b)
    if min(first.shape[:2]) < MS_SSIM_SIDE:
        raise UsageError(
            f"MS-SSIM needs sides of {MS_SSIM_SIDE} pixels or more, not {_size(first)}."
        )
    product = 1.0
    last = len(SCALE_WEIGHTS) - 1
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, structure = _similarity(first, second, peak, borders=scale == last)
        term = luminance * structure if scale == last else structure
        product *= max(0.0, float(term.mean())) ** weight
        first, second = _halved(first), _halved(second)
    return product


def iou(found: Mask, truth: Mask) -> float:
    """Return the intersection over union of two bool masks of one shape; 1 when both are empty.

    >>> iou(np.array([[True, True, False]]), np.array([[False, True, False]]))
    0.5
    """
    first, second = _mask(found, truth.shape), _mask(truth, truth.shape)
    union = int(np.count_nonzero(first | second))
    return float(np.count_nonzero(first & second)) / union if union else 1.0


def mean_iou(found: Mask, truth: Mask) -> float:
    """Return the mean IoU over the classes that occur in either of two label maps of one shape.

    For bool masks: over foreground and background.
    """
    if found.shape != truth.shape:
        raise UsageError(f"The label maps differ in shape: {found.shape} and {truth.shape}.")
    classes = np.union1d(found, truth)
    return float(np.mean([iou(found == label, truth == label) for label in classes]))


def raw_score(psnr_db: float, similarity: float) -> float:
    """Return the RAW contest's score: 0 at 30 dB and SSIM 0.8, 100 at 60 dB and SSIM 1."""
    return 100 * (0.8 * (psnr_db - 30) / 30 + 0.2 * (similarity - 0.8) / 0.2)


def changed(before: Picture, after: Picture, outside: Mask) -> float:
    """Return the share of pixels in `outside` (bool (H, W)) that changed; 0 if it is empty."""
    if before.shape != after.shape or before.dtype != after.dtype:
        raise UsageError(
            f"The pictures differ: {before.shape} {before.dtype} and {after.shape} {after.dtype}."
        )
    differs = before != after
    if differs.ndim == 3:
        differs = differs.any(axis=2)
    there = _mask(outside, differs.shape)
    total = int(np.count_nonzero(there))
    return float(np.count_nonzero(differs & there)) / total if total else 0.0


def _pair(a: Picture, b: Picture) -> tuple[Field, Field, float]:
    """Check two pictures; return them as float64 (H, W, C), and their peak value."""
    if a.shape != b.shape or a.ndim not in (2, 3):
        raise UsageError(
            f"Two pictures (H, W) or (H, W, C) of one shape are compared, not "
            f"{a.shape} and {b.shape}."
        )
    peak = _peak(a)
    if _peak(b) != peak:
        raise UsageError(f"The pictures differ in depth: {a.dtype} and {b.dtype}.")
    shape = (*a.shape[:2], -1)
    return a.reshape(shape).astype(np.float64), b.reshape(shape).astype(np.float64), peak


def _peak(picture: Picture) -> float:
    if picture.dtype in (np.uint8, np.uint16):
        return float(np.iinfo(picture.dtype).max)
    if not np.issubdtype(picture.dtype, np.floating):
        raise UsageError(f"A picture is uint8, uint16 or float in [0, 1], not {picture.dtype}.")
    low, high = float(picture.min()), float(picture.max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise UsageError(f"A float picture holds [0, 1], not [{low:g}, {high:g}].")
    return 1.0


def _mask(mask: Mask, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise UsageError(f"A bool mask of shape {shape} is wanted, not {mask.dtype} {mask.shape}.")
    return mask


def _size(picture: Field) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"


def _similarity(a: Field, b: Field, peak: float, borders: bool = False) -> tuple[Field, Field]:
    """Return SSIM's luminance and contrast-structure maps, where the window fits or everywhere."""
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_a, mean_b = _blurred(a), _blurred(b)
    variances = _blurred(a * a + b * b) - mean_a**2 - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    if borders:
        return luminance, structure
    inside = slice(RADIUS, -RADIUS)
    return luminance[inside, inside], structure[inside, inside]


def _blurred(field: Field) -> Field:
    import cv2

    steps = np.arange(-RADIUS, RADIUS + 1)
    window = np.exp(-(steps**2) / (2 * SIGMA**2))
    window /= window.sum()
    smooth: Field = np.asarray(cv2.sepFilter2D(field, cv2.CV_64F, window, window), np.float64)
    return smooth.reshape(field.shape)


def _halved(field: Field) -> Field:
    height, width, channels = field.shape
    even = field[: height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(height // 2, 2, width // 2, 2, channels)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)


def boundary_f(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the F measure of the contour of a mask, 0 to 1 (Perazzi et al., CVPR 2016).

    Of precision, the share of its contour within NEAR pixels of the true one, and recall, the share
    of the true contour within as many pixels of its own.

    Args:
        found: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        The harmonic mean of the two; 1 where neither mask has a contour, 0 where one has none.

    Raises:
        UsageError: the shapes differ, or the masks are not bool.
    """
    found, truth = _mask(found, found.shape), _mask(truth, found.shape)
    ours, theirs = _contour(found), _contour(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = float(_near(theirs)[ours].mean())
    recall = float(_near(ours)[theirs].mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask's pixels with a neighbour outside it; where the picture ends is no contour."""
    import cv2

    inside = mask.astype(np.uint8)
    core = cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(inside > core)


def _near(contour: NDArray[np.bool_]) -> NDArray[np.bool_]:
    import cv2

    away = cv2.distanceTransform((~contour).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away <= NEAR)
