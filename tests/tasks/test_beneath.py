"""Print that ink crosses is seen beneath it, by what is darker than the ink alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cleanplate.picture import Picture
from cleanplate.tasks.handwriting.beneath import crossings
from cleanplate.tasks.handwriting.detection import Ink
from cleanplate.tasks.handwriting.task import fill_ink

PAPER = 225
INKS = {"blue": (50, 70, 170), "red": (200, 40, 50), "grey": (80, 80, 85)}


def page() -> np.ndarray:
    """Lines of print on paper, (160, 320, 3)."""
    found = np.full((160, 320, 3), PAPER, np.uint8)
    for line in range(4):
        text = "print on paper stays"
        at = (6, 30 + 38 * line)
        cv2.putText(found, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (12, 12, 12), 2, cv2.LINE_AA)
    return found


def stroke() -> np.ndarray:
    """A loop across all lines, opacity in [0, 1]."""
    drawn = np.zeros((160, 320), np.uint8)
    cv2.ellipse(drawn, (160, 80), (120, 70), 20, 0, 360, 255, 7, cv2.LINE_AA)
    return drawn / np.float32(255)


def written(colour: tuple[int, int, int], noise: float = 0.0) -> tuple[np.ndarray, Ink]:
    """The page with a stroke multiplied onto it, as scanners see ink; and where that is."""
    clean, drawn = page(), stroke()
    light = 1 - drawn[..., None] * (1 - np.array(colour) / PAPER)
    seen = clean * light + np.random.default_rng(0).normal(0, noise, clean.shape)
    where = drawn > 0.05
    marks = (seen.min(-1) < PAPER - 40) | where
    return np.rint(seen).clip(0, 255).astype(np.uint8), Ink(where, ~marks, marks, 0.0)


def cleaned(seen: np.ndarray, ink: Ink) -> np.ndarray:
    """The page with the ink filled."""
    clean = seen.copy()
    fill_ink(clean, Picture.from_array(seen), ink)
    return clean


@pytest.mark.parametrize("colour", INKS.values(), ids=INKS.keys())
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_print_is_restored_under_ink_that_is_paler(
    colour: tuple[int, int, int], noise: float
) -> None:
    seen, ink = written(colour, noise)
    result, truth = cleaned(seen, ink).astype(int), page().astype(int)
    beneath = ink.where & (truth.min(-1) < 60)
    alone = ink.where & (truth.min(-1) > PAPER - 10)
    assert beneath.sum() > 150
    assert np.median(result[beneath].mean(-1)) < 60
    assert np.abs(result - truth)[beneath].mean() < 45
    assert np.abs(result - truth)[alone].mean() < 12


def test_print_is_not_made_up_under_ink_as_dark_as_it() -> None:
    seen, ink = written((14, 14, 14))
    assert crossings(Picture.from_array(seen), ink) == []


def test_where_there_is_no_print_all_ink_becomes_paper() -> None:
    drawn = stroke()
    light = 1 - drawn[..., None] * (1 - np.array(INKS["blue"]) / PAPER)
    seen = np.rint(PAPER * light).astype(np.uint8)
    ink = Ink(drawn > 0.02, np.zeros(drawn.shape, bool), drawn > 0.02, 0.0)
    result = cleaned(seen, ink)
    assert np.abs(result.astype(int) - PAPER).max() <= 8


def test_ink_of_sixteen_bits_is_restored_alike() -> None:
    seen, ink = written(INKS["blue"])
    narrow, wide = cleaned(seen, ink), cleaned(seen.astype(np.uint16) * 257, ink)
    assert np.abs(wide / 257 - narrow).max() < 2
