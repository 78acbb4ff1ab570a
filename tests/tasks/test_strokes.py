"""Strokes of a page: marks are one colour each, and are ink or print as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from cleanplate.picture import Picture
from cleanplate.tasks.handwriting import strokes
from cleanplate.tasks.handwriting.strokes import Strokes, strokes_of, votes

PAPER, BLACK, RED = 230, (30, 30, 32), (200, 40, 50)


def page_of(*marks: tuple[int, int, int, int]) -> np.ndarray:
    """Black marks on paper: top, left, height, width."""
    page = np.full((400, 600, 3), PAPER, np.uint8)
    for top, left, height, width in marks:
        page[top : top + height, left : left + width] = BLACK
    return page


def said_of(page: np.ndarray, **ink: tuple[slice, slice, int]) -> tuple[Strokes, np.ndarray]:
    probability = np.zeros(page.shape[:2], np.uint8)
    for rows, columns, value in ink.values():
        probability[rows, columns] = value
    found = strokes_of(Picture.from_array(page), probability)
    return found, votes(found)


def test_a_mark_is_measured() -> None:
    page = page_of((100, 50, 10, 40))
    found, said = said_of(page, half=(slice(100, 110), slice(50, 70), 255))
    assert np.array_equal(found.labels > 0, (page < PAPER).all(-1))
    assert len(said) == 2 and found.size[1] == 40 and found.kind[1] == strokes.NEUTRAL
    assert found.middle[1] == pytest.approx((69.5, 104.5))
    assert found.light[1] == pytest.approx(np.array(BLACK) / PAPER, abs=0.02)
    assert said[1] == pytest.approx(0.5, abs=0.01)


def test_a_letter_goes_with_its_line() -> None:
    line = [(100, 40 * n + 20, 20, 20) for n in range(10)]
    page = page_of(*line, (300, 220, 20, 20))
    found, said = said_of(
        page,
        letter=(slice(100, 120), slice(180, 200), 230),
        alone=(slice(300, 320), slice(220, 240), 230),
    )
    assert found.probability[found.labels[110, 190]] == pytest.approx(0.9, abs=0.01)
    assert said[found.labels[110, 190]] < 0.3
    assert said[found.labels[310, 230]] == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("other", ["larger", "paler", "red", "far"])
def test_unlike_marks_have_no_say(other: str) -> None:
    page = page_of((100, 100, 20, 20))
    where = np.s_[100:120, 130:150]
    if other == "larger":
        where = np.s_[60:160, 130:230]
    elif other == "far":
        where = np.s_[100:120, 560:580]
    page[where] = {"paler": (110, 110, 112), "red": RED}.get(other, BLACK)
    found, said = said_of(page, own=(slice(100, 120), slice(100, 120), 255))
    assert said[found.labels[110, 110]] > 0.85
    assert said[found.labels[where][5, 5]] < 0.15


def test_red_ink_and_the_print_under_it_are_two_marks() -> None:
    page = page_of((100, 200, 80, 8))
    page[130:138, 100:300] = RED
    page[130:138, 200:208] = (25, 5, 6)  # red over black
    found, _ = said_of(page)
    red, black = found.labels[134, 120], found.labels[110, 204]
    assert red != black and found.kind[red] != strokes.NEUTRAL == found.kind[black]
    assert found.labels[134, 204] == black


def test_shade_is_no_mark() -> None:
    page = np.linspace(90, 240, 600)[None, :, None] * np.ones((400, 1, 3))
    found, said = said_of(np.rint(page).astype(np.uint8))
    assert not found.labels.any() and len(said) == 1


def test_very_many_marks_vote_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strokes, "MOST", 9)
    line = [(100, 40 * n + 20, 20, 20) for n in range(10)]
    found, said = said_of(page_of(*line), letter=(slice(100, 120), slice(180, 200), 230))
    assert np.array_equal(said, found.probability)
