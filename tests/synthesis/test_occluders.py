"""Occluders cut out of photographs and set before pages."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cleanplate.errors import UsageError
from cleanplate.training.data.occluded import OccludedCrops
from cleanplate.training.data.synthesis.cutouts import cut_hand, cut_person
from cleanplate.training.data.synthesis.looks import LOOKS, restyled
from cleanplate.training.data.synthesis.occluders import Occluders
from cleanplate.training.data.synthesis.pages import laid

SKIN, SHADOW, GROUND = (205, 150, 120), (205, 205, 207), (250, 250, 250)


def hand() -> np.ndarray:
    """A photograph (400, 480, 3): an arm from above, two fingers, their shadow beside them."""
    photo = np.full((400, 480, 3), GROUND, np.uint8)
    for colour, shift in ((SHADOW, 12), (SKIN, 0)):
        for left, right, bottom in ((180, 300, 220), (185, 225, 350), (250, 290, 330)):
            cv2.rectangle(photo, (left + shift, 0), (right + shift, bottom), colour, -1)
    return photo


@pytest.fixture
def cutouts(tmp_path: Path) -> Path:
    """A folder with a hand and a head."""
    for name in ("someone", "busts"):
        patch = np.zeros((200, 150, 4), np.uint8)
        cv2.ellipse(patch, (75, 120), (50, 110), 0, 0, 360, (*SKIN[::-1], 255), -1)
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "one.png"), patch)
    return tmp_path


def test_a_hand_is_cut_out_upright_without_its_shadow() -> None:
    photo = hand()
    patch = cut_hand(photo)
    assert patch is not None
    alpha = patch[..., 3] > 127
    skin = (photo == SKIN).all(-1).sum()
    assert alpha.sum() == pytest.approx(skin, rel=0.06)
    assert abs(patch[alpha][:, :3].astype(int) - SKIN).max() < 25
    assert alpha[-1].any() and alpha[-1].mean() > alpha[3].mean()  # the arm is below


def test_where_there_is_no_hand_there_is_no_cutout() -> None:
    assert cut_hand(np.full((400, 480, 3), 250, np.uint8)) is None


def test_a_person_is_cut_out_whole_and_nobody_gives_nothing() -> None:
    photo, mask = np.full((600, 400, 3), 90, np.uint8), np.zeros((600, 400), np.uint8)
    mask[40:560, 120:280] = 255
    patch = cut_person(photo, mask)
    assert patch is not None
    assert patch.shape[0] == pytest.approx(520, abs=4)
    assert patch.shape[1] == pytest.approx(160, abs=4)
    assert cut_person(photo, 0 * mask) is None


def test_only_what_the_mask_names_is_hidden(cutouts: Path) -> None:
    occluders = Occluders([cutouts])
    page = np.full((300, 240, 3), 230, np.uint8)
    for seed in range(12):
        picture, mask, seen = occluders.draw(np.random.default_rng(seed), page)
        changed = abs(picture.astype(int) - page).max(-1) > 6
        assert mask.any()
        assert not (changed & ~mask).any()
        assert (seen[~mask] > 0.97).all()
        border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        assert border.any()  # it reaches in from an edge


def test_the_same_seed_gives_the_same_occlusion(cutouts: Path) -> None:
    occluders, page = Occluders([cutouts]), np.full((200, 160, 3), 200, np.uint8)
    one, two = (occluders.draw(np.random.default_rng(7), page) for _ in range(2))
    np.testing.assert_array_equal(one.picture, two.picture)
    np.testing.assert_array_equal(one.mask, two.mask)


def test_a_folder_without_hands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cut-out"):
        Occluders([tmp_path])


def test_items_of_pages_have_a_hole_with_a_guess_in_it(cutouts: Path) -> None:
    rng = np.random.default_rng(0)
    pages = [rng.integers(180, 255, (320, 240, 3), np.uint8)]
    prints = [rng.integers(0, 255, (100, 100, 3), np.uint8)]
    data = OccludedCrops(
        pages, [1.0], prints, Occluders([cutouts]), crop=96, sides=(150, 300),
        clean_share=0.3, core_share=0.5, seed=1, size=8,
    )  # fmt: skip
    items = [data[(0, index)] for index in range(8)]
    assert items[3]["input"].shape == (3, 96, 96)
    assert any(item["mask"].any() for item in items)
    assert not all(item["mask"].any() for item in items)
    for item in items:
        outside = item["hole"] == 0
        assert (item["guess"] == item["input"])[outside.expand(3, -1, -1)].all()
        assert ((item["seen"] > 0.97) | (item["mask"] == 1)).all()


def test_the_core_of_what_hides_a_page_shows_the_guess(cutouts: Path) -> None:
    rng = np.random.default_rng(0)
    pages = [rng.integers(180, 255, (320, 240, 3), np.uint8)]

    def items(share: float) -> list[dict[str, torch.Tensor]]:
        data = OccludedCrops(
            pages, [1.0], pages, Occluders([cutouts]), crop=96, sides=(150, 300),
            clean_share=0.0, core_share=share, seed=1, size=8,
        )  # fmt: skip
        return [data[(0, index)] for index in range(8)]

    hidden = 0
    for whole, cored in zip(items(0.0), items(1.0), strict=True):
        changed = (whole["input"] != cored["input"]).any(0)
        assert torch.equal(cored["input"][:, changed], cored["guess"][:, changed])
        assert (whole["seen"][0][changed] < 0.02).all()
        hidden += int(changed.sum())
    assert hidden > 0


def test_a_page_laid_on_a_ground_covers_most_of_it() -> None:
    page, ground = np.full((200, 150, 3), 240, np.uint8), np.zeros((50, 50, 3), np.uint8)
    for seed in range(6):
        picture = laid(np.random.default_rng(seed), page, ground)
        assert picture.shape == page.shape
        assert (picture > 200).mean() > 0.6


def test_persons_come_in_every_look_and_stay_cut_out() -> None:
    patch = np.zeros((300, 100, 4), np.uint8)
    patch[20:, 20:80] = (*SKIN, 255)
    means = []
    for seed in range(120):
        seen = restyled(np.random.default_rng(seed), patch)
        assert seen.shape == patch.shape
        assert seen.dtype == np.uint8
        assert not seen[:5, :5, 3].any()
        assert (seen[60:280, 40:60, 3] == 255).all()
        means.append(seen[150:280, 40:60, :3].mean((0, 1)))
    tones = np.array(means)
    assert len(LOOKS) == 8
    assert (tones.mean(1) > 215).mean() > 0.05  # in white, bleached
    assert (tones.mean(1) < 90).mean() > 0.05
    assert (np.ptp(tones, axis=1) < 3).mean() > 0.15  # without colour


def test_a_folder_of_persons_gives_whole_persons(tmp_path: Path, cutouts: Path) -> None:
    patch = np.full((400, 100, 4), 255, np.uint8)
    (tmp_path / "people").mkdir()
    cv2.imwrite(str(tmp_path / "people" / "one.png"), patch)
    assert len(Occluders([cutouts]).people) == 1
