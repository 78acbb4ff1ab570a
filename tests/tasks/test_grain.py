from __future__ import annotations

import cv2
import numpy as np
import pytest

from cleanplate.picture import Box, Picture
from cleanplate.tasks import grain
from cleanplate.tasks.inpainting_mask import InpaintingMask

PART = Box(100, 100, 300, 300)


def paper(sigma: float, softness: float = 0.0) -> Picture:
    noise = np.random.default_rng(1).normal(0, 1, (400, 400))
    if softness:
        noise = cv2.GaussianBlur(noise, (0, 0), softness)
        noise /= noise.std()
    values = np.clip(200 + sigma * noise, 0, 255).round().astype(np.uint8)
    values[:, 350:] = 20  # print, which is no grain
    return Picture.from_array(np.repeat(values[..., None], 3, axis=2))


def hidden() -> InpaintingMask:
    found = np.zeros((400, 400), np.float32)
    found[120:280, 120:280] = 1
    return InpaintingMask(found, 0.5, (400, 400))


@pytest.mark.parametrize(("sigma", "softness"), [(3.0, 0.0), (6.0, 0.0), (5.0, 0.8)])
def test_the_grain_of_bare_paper_is_measured_and_laid(sigma: float, softness: float) -> None:
    measured = grain.measure(paper(sigma, softness), PART, hidden())
    laid = measured.over(Box(0, 0, 200, 200)) * 255
    assert laid.std() == pytest.approx(sigma, rel=0.25)
    grey = laid[..., 0]
    alike = (grey[:, 1:] * grey[:, :-1]).mean() / grey.var()
    wanted = np.exp(-1 / (4 * softness**2)) if softness else 0.0
    assert alike == pytest.approx(wanted, abs=0.15)


def test_clean_paper_gets_none() -> None:
    measured = grain.measure(paper(0.0), PART, hidden())
    assert abs(measured.over(PART)).max() < 1e-5


def test_where_nothing_is_seen_there_is_none() -> None:
    everything = InpaintingMask(np.ones((400, 400), np.float32), 0.5, (400, 400))
    assert not grain.measure(paper(4.0), PART, everything).over(PART).any()


def test_the_same_box_has_the_same_grain() -> None:
    measured = grain.measure(paper(4.0), PART, hidden())
    assert np.array_equal(measured.over(PART), measured.over(PART))
    assert not np.array_equal(measured.over(PART), measured.over(Box(0, 0, 200, 200)))


def test_letters_on_flat_ground_are_no_grain() -> None:
    flat = np.full((400, 400, 3), 200, np.uint8)
    for row in range(10, 400, 25):  # in every window, few of its pixels
        cv2.putText(flat, "i l i l i l i l i", (5, row), 0, 0.5, (20, 20, 20), 1)
    measured = grain.measure(Picture.from_array(flat), PART, hidden())
    assert abs(measured.over(PART)).max() < 1e-5
