"""What flows into a hole."""

from __future__ import annotations

import numpy as np

from cleanplate.tasks.tone import flow_in


def test_an_even_surface_is_continued_and_the_rest_left_as_it_is() -> None:
    picture = np.broadcast_to(np.float32([0.2, 0.5, 0.8]), (90, 70, 3)).copy()
    hole = np.zeros((90, 70), bool)
    hole[20:60, 20:50] = True
    broken = picture.copy()
    broken[hole] = 1
    np.testing.assert_allclose(flow_in(broken, hole), picture, atol=1e-5)


def test_a_slope_is_continued_roughly() -> None:
    slope = np.linspace(0, 1, 128, dtype=np.float32)
    picture = np.broadcast_to(slope[None, :, None], (100, 128, 3)).copy()
    hole = np.zeros((100, 128), bool)
    hole[30:70, 40:80] = True
    assert abs(flow_in(picture, hole) - picture)[hole].mean() < 0.05


def test_nothing_known_gives_grey() -> None:
    filled = flow_in(np.ones((5, 7, 3), np.float32), np.ones((5, 7), bool))
    np.testing.assert_allclose(filled, 0.5)
