"""Which finds are of one paint: what is none of it is left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cleanplate import models
from cleanplate.tasks.watermark.agreement import groups
from cleanplate.tasks.watermark.detection import Detection
from cleanplate.tasks.watermark.overlay import Overlay

WHITE = np.float32([1, 1, 1])
RED = np.float32([0.9, 0.1, 0.1])
SIZE = (200, 400)


def texture(low: float = 0.2, high: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = rng.uniform(low, high, (14, 28, 3)).astype(np.float32)
    fine = rng.normal(0, 0.01, (*SIZE, 3)).astype(np.float32)
    return (cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC) + fine).clip(0, 1)


def word(left: int, top: int = 60) -> np.ndarray:
    cover = np.zeros(SIZE, np.uint8)
    at = (left, top + 40)
    cv2.putText(cover, "MARK", at, cv2.FONT_HERSHEY_SIMPLEX, 1.3, 255, 5, cv2.LINE_AA)
    return cover.astype(np.float32) / np.float32(255)


def painted(picture: np.ndarray, cover: np.ndarray, colour: np.ndarray, opacity: float):
    alpha = opacity * cover[..., None]
    return picture * (1 - alpha) + alpha * colour


def detection(picture: np.ndarray, cover: np.ndarray, **fields) -> Detection:
    nothing = np.zeros(SIZE, np.float32)
    probability = 0.98 * cv2.GaussianBlur(cover, (0, 0), 0.6)
    return Detection(picture, probability, cover > 0.5, cover, nothing)._replace(**fields)


def share(where: np.ndarray, cover: np.ndarray) -> float:
    return float(where[cover > 0.5].mean())


@pytest.fixture(scope="module")
def card() -> models.Card:
    return models.card("watermark-locator")


def test_one_mark_is_one_group_of_its_paint(card: models.Card) -> None:
    first, second = word(20), word(220, 120)
    picture = painted(texture(), np.maximum(first, second), WHITE, 0.5)
    [group] = groups(card, detection(picture, np.maximum(first, second)))
    assert share(group.where, np.maximum(first, second)) == 1
    assert group.paint.opacity == pytest.approx(0.5, abs=0.08)
    assert group.paint.colour == pytest.approx(WHITE, abs=0.1)


def test_what_is_none_of_the_paint_is_left(card: models.Card) -> None:
    mark, other = word(20), word(220, 120)
    picture = painted(texture(), mark, WHITE, 0.5)  # under the other there is nothing
    [group] = groups(card, detection(picture, np.maximum(mark, other)))
    assert share(group.where, mark) == 1
    assert share(group.where, other) == 0


def test_a_large_false_find_does_not_outvote_a_small_mark(card: models.Card) -> None:
    mark, other = word(20), np.zeros(SIZE, np.float32)
    other[20:180, 200:390] = 1
    picture = painted(texture(), mark, WHITE, 0.5)
    found = groups(card, detection(picture, np.maximum(mark, other)))
    assert share(found[0].where, mark) == 1
    assert share(found[0].where, other) == 0


def test_a_letter_that_would_be_darker_than_black_is_left(card: models.Card) -> None:
    cover = word(20)
    last = np.arange(SIZE[1]) > 112
    dark = np.where(
        last[:, None], np.float32(0.05), texture()
    )  # too dark for the mark's last letter
    picture = painted(dark, np.where(last, 0, cover), WHITE, 0.5)
    [group] = groups(card, detection(picture, cover, overlay=Overlay(0.5, WHITE)))
    assert share(group.where[:, :100], cover[:, :100]) > 0.95
    assert share(group.where[:, 120:], cover[:, 120:]) == 0


def test_marks_of_two_paints_are_two_groups(card: models.Card) -> None:
    first, second = word(20), word(220, 120)
    picture = painted(painted(texture(), first, WHITE, 0.5), second, RED, 0.6)
    found = groups(card, detection(picture, np.maximum(first, second)))
    assert len(found) == 2
    opacities = sorted(group.paint.opacity for group in found)
    assert opacities == pytest.approx([0.5, 0.6], abs=0.1)
    assert not (found[0].where & found[1].where).any()


def test_finds_too_small_to_ask_are_kept_together(card: models.Card) -> None:
    cover = np.zeros(SIZE, np.float32)
    cover[100, 200] = 1
    [group] = groups(card, detection(texture(), cover))
    assert group.where[100, 200]
