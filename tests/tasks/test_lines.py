from __future__ import annotations

import cv2
import numpy as np
import pytest

from cleanplate.picture import Box
from cleanplate.tasks import lines

HOLE = np.s_[150:450, 500:700]


def ruled(angle: float = 0.0, width: int = 2, stop: int = 1100) -> np.ndarray:
    """Paper of 600 x 1200 with a rule through its middle that ends at `stop`."""
    page = np.full((600, 1200, 3), 0.9, np.float32)
    rise = int(np.tan(np.deg2rad(angle)) * (stop - 100))
    cv2.line(page, (100, 300), (stop, 300 + rise), (0.3, 0.3, 0.3), width)
    return page


@pytest.mark.parametrize("angle", [-10.0, 0.0, 4.0, 9.0])
@pytest.mark.parametrize("stands", [False, True])
def test_a_rule_is_drawn_through_a_hole(angle: float, stands: bool) -> None:
    page, hole = ruled(angle), np.zeros((600, 1200), bool)
    hole[HOLE] = True
    if stands:
        page, hole = page.swapaxes(0, 1).copy(), hole.T.copy()
    blank = page.copy()
    blank[hole] = 0.9
    found = lines.rules(blank, hole)
    assert len(found) == 1
    result = blank.copy()
    lines.draw(found, result, Box(0, 0, *hole.shape), hole.shape)
    before, after = (((one - page)[hole] ** 2).mean() for one in (blank, result))
    assert after < 0.4 * before


def test_a_rule_is_drawn_at_the_size_of_the_picture() -> None:
    page, hole = ruled(), np.zeros((600, 1200), bool)
    hole[HOLE] = True
    found = lines.rules(np.where(hole[..., None], np.float32(0.9), page), hole)
    box = Box(560, 1100, 640, 1300)
    large = np.full((80, 200, 3), 0.9, np.float32)
    lines.draw(found, large, box, (1200, 2400))
    dark = np.flatnonzero(large[:, 100, 0] < 0.6)
    assert 3 <= dark.size <= 7  # two pixels wide on the copy
    assert dark.mean() + box.top == pytest.approx(601, abs=2)


def test_what_ends_in_a_hole_is_not_continued() -> None:
    hole = np.zeros((600, 1200), bool)
    hole[HOLE] = True
    assert lines.rules(ruled(stop=600), hole) == []


def test_an_edge_is_no_rule() -> None:
    page, hole = np.full((600, 1200, 3), 0.9, np.float32), np.zeros((600, 1200), bool)
    page[300:] = 0.3
    hole[HOLE] = True
    assert lines.rules(page, hole) == []


def test_lines_of_print_are_no_rules() -> None:
    sheet, hole = np.full((600, 1200, 3), 230, np.uint8), np.zeros((600, 1200), bool)
    for y in range(40, 600, 40):
        text = "the quick brown fox jumps over the lazy dog - " * 3
        cv2.putText(sheet, text, (10, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (50, 50, 50), 2)
    hole[HOLE] = True
    assert lines.rules(sheet.astype(np.float32) / 255, hole) == []


def test_where_nothing_is_seen_there_is_no_rule() -> None:
    assert lines.rules(ruled(), np.ones((600, 1200), bool)) == []


@pytest.mark.parametrize("angle", [-8.0, 0.0, 5.0])
def test_an_edge_is_found_through_a_hole(angle: float) -> None:
    y, x = np.mgrid[:600, :1200]
    below = y > 300 + np.tan(np.deg2rad(angle)) * (x - 600)
    page, hole = np.where(below[..., None], np.float32([0.3, 0.4, 0.2]), 0.9), np.zeros_like(below)
    page = cv2.GaussianBlur(page.astype(np.float32), (0, 0), 1)
    hole[HOLE] = True
    found = lines.edges(np.where(hole[..., None], np.float32(0.6), page), hole)
    assert len(found) == 1
    parts = lines.sides(found, (300, 600))  # at another size
    share = (parts[75:225, 250:350] == below[::2, ::2][75:225, 250:350]).mean()
    assert max(share, 1 - share) > 0.98  # numbers have no order


def test_a_rule_is_no_edge() -> None:
    hole = np.zeros((600, 1200), bool)
    hole[HOLE] = True
    assert lines.edges(ruled(width=3), hole) == []
