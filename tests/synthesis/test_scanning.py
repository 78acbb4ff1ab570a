"""How pages are seen: alike with ink and without; clutter is print."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.training.data.synthesis.clutter import CHANCES, Clutter
from cleanplate.training.data.synthesis.scanning import (
    CaptureEffects,
    bleached,
    in_black,
    paper_of,
    random_warp,
    sharpened,
)


def page(side: int = 160) -> np.ndarray:
    sheet = np.full((side, side, 3), 240, np.uint8)
    for y in range(20, side - 10, 20):
        cv2.putText(sheet, "printed words", (8, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (20, 20, 20))
    return sheet


def test_a_look_is_the_same_with_ink_and_without() -> None:
    clean = page()
    written = clean.copy()
    cv2.line(written, (30, 70), (60, 90), (40, 40, 150), 3)
    for seed in range(40):
        effects = CaptureEffects(np.random.default_rng(seed), clean)
        one, two = effects.apply(clean), effects.apply(written)
        assert one.dtype == np.uint8 and one.shape == clean.shape
        far = np.abs(one[120:].astype(int) - two[120:])
        assert far.max() == 0
        assert np.array_equal(one, effects.apply(clean))


def test_captured_differ() -> None:
    captured = [
        CaptureEffects(np.random.default_rng(seed), page()).apply(page()) for seed in range(40)
    ]
    assert len({one.tobytes() for one in captured}) > 25
    values = [len(np.unique(one)) for one in captured]
    assert min(values) < 10 and max(values) > 100  # black and white alone, and grey


def test_paper_is_what_print_lies_on() -> None:
    shade = np.linspace(0.5, 1, 160)[:, None, None]
    paper = paper_of(np.rint(page() * shade).astype(np.uint8))
    assert paper == pytest.approx(np.broadcast_to(240 * shade[..., 0], paper.shape), rel=0.15)


def test_black_and_white_bleaching_and_sharpening() -> None:
    sheet = page()
    paper = paper_of(sheet)
    black = in_black(sheet, paper, 0.6, 0.0)
    assert set(np.unique(black)) <= {0, 255} and (black == 0).mean() > 0.02
    bleach = bleached(sheet, paper, 0.1, 0.9)
    assert bleach[0, 0].tolist() == [255] * 3 and bleach.min() < sheet.min()
    sharp = sharpened(sheet, 1.0, 1.0)
    assert sharp.astype(int).std() > sheet.astype(int).std()


def test_a_warp_captured_at_what_it_says() -> None:
    for seed in range(30):
        warp, around = random_warp(np.random.default_rng(seed), 96, 0.7, True)
        seen = warp.apply(np.full((around, around), 100, np.uint8), 0.0)
        assert seen.shape == (96, 96) and seen.min() == 100  # nothing from beyond its edges
    warp, around = random_warp(np.random.default_rng(0), 96, 0.7, False)
    assert around == 96 and np.array_equal(warp.apply(page(96)), page(96))


def test_clutter_darkens_and_stays_in_its_kinds(sources: Path) -> None:
    clutter = Clutter([sources / "fonts"], [sources / "logos"])
    assert sum(CHANCES) == pytest.approx(1)
    changed = 0
    for seed in range(40):
        sheet = page()
        marked = clutter.on(np.random.default_rng(seed), sheet, 600)
        assert marked.dtype == np.uint8 and (marked <= sheet).all()
        changed += bool((marked != sheet).any())
    assert changed > 30
