"""What flows into a hole."""

from __future__ import annotations

import numpy as np
import pytest

from cleanplate.tasks.pull_push import pull_push_fill, pull_push_parts


def test_an_even_surface_is_continued_and_the_rest_left_as_it_is() -> None:
    picture = np.broadcast_to(np.float32([0.2, 0.5, 0.8]), (90, 70, 3)).copy()
    hole = np.zeros((90, 70), bool)
    hole[20:60, 20:50] = True
    broken = picture.copy()
    broken[hole] = 1
    np.testing.assert_allclose(pull_push_fill(broken, hole), picture, atol=1e-5)


def test_a_slope_is_continued_roughly() -> None:
    slope = np.linspace(0, 1, 128, dtype=np.float32)
    picture = np.broadcast_to(slope[None, :, None], (100, 128, 3)).copy()
    hole = np.zeros((100, 128), bool)
    hole[30:70, 40:80] = True
    assert abs(pull_push_fill(picture, hole) - picture)[hole].mean() < 0.05


def test_nothing_known_gives_grey() -> None:
    filled = pull_push_fill(np.ones((5, 7, 3), np.float32), np.ones((5, 7), bool))
    np.testing.assert_allclose(filled, 0.5)


def test_colours_do_not_flow_from_part_to_part() -> None:
    picture, hole = np.zeros((60, 80, 3), np.float32), np.zeros((60, 80), bool)
    picture[:, 40:] = 1
    parts = (np.arange(80) >= 40).astype(np.int32) * np.ones((60, 1), np.int32)
    hole[20:40, 20:60] = True
    spoilt = np.where(hole[..., None], np.float32(0.5), picture)
    assert pull_push_parts(spoilt, hole, parts) == pytest.approx(picture, abs=0.01)
    assert np.abs(pull_push_fill(spoilt, hole) - picture).max() > 0.3


def test_into_a_part_that_is_hidden_wholly_all_colours_flow() -> None:
    picture = np.full((40, 40, 3), 0.25, np.float32)
    hole = np.zeros((40, 40), bool)
    hole[10:30, 10:30] = True
    result = pull_push_parts(
        np.where(hole[..., None], np.float32(1), picture), hole, hole.astype(np.int32)
    )
    assert result == pytest.approx(picture, abs=0.01)
