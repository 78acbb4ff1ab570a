"""The models that ship, on pictures made here; floors a little under what was measured."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from cleanplate import metrics, models
from cleanplate.models.catalogue import FOLDER
from cleanplate.picture import Picture
from cleanplate.restoring import run_tiled
from cleanplate.tasks.maps import planes_of
from cleanplate.tasks.watermark import Watermark

MIB = 1 << 20


@pytest.fixture(scope="module")
def task() -> Watermark:
    return Watermark(device="cpu", threads=1)


def scene(seed: int) -> np.ndarray:
    """Detail at every scale, falling off as in photographs, (320, 420, 3) uint8."""
    rng = np.random.default_rng(seed)
    picture = np.full((320, 420, 3), 128.0)
    for cells, strength in ((4, 70), (9, 35), (20, 18), (50, 9), (120, 5)):
        grey = rng.normal(0, strength, (cells, cells, 1))
        coarse = grey + rng.normal(0, strength / 2, (cells, cells, 3))
        picture += cv2.resize(coarse, (420, 320), interpolation=cv2.INTER_CUBIC)
    picture += rng.normal(0, 2, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def stamped(clean: np.ndarray, opacity: float) -> tuple[np.ndarray, np.ndarray]:
    """White letters over a picture; the result and where they are."""
    cover = np.zeros(clean.shape[:2], np.uint8)
    for y in (90, 190, 290):
        cv2.putText(cover, "PREVIEW", (30, y), cv2.FONT_HERSHEY_DUPLEX, 2.3, 255, 7, cv2.LINE_AA)
    alpha = cover[..., None] / 255 * opacity
    return np.rint(clean * (1 - alpha) + 255 * alpha).astype(np.uint8), cover > 6


@pytest.mark.parametrize("card", models.cards(), ids=lambda card: card.name)
def test_each_model_is_what_its_card_says(card: models.Card) -> None:
    content = (FOLDER / card.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.sha256
    assert len(content) <= 8 * MIB
    assert card.figures
    assert card.data


def test_all_models_together_stay_small() -> None:
    assert sum((FOLDER / card.file).stat().st_size for card in models.cards()) <= 40 * MIB


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_letters_come_off(task: Watermark, seed: int) -> None:
    clean = scene(seed)
    marked, where = stamped(clean, 0.45)
    cleaned = task.clean(Picture.from_array(marked.copy()))
    result = cleaned.picture.to_array()
    before = metrics.psnr(marked, clean, where)
    assert metrics.psnr(result, clean, where) > before + 11
    assert metrics.iou(cleaned.mask > 127, where) > 0.72
    far = cv2.dilate(where.astype(np.uint8), np.ones((25, 25))) == 0
    assert (result != marked).any(-1)[far].mean() < 0.01


@pytest.mark.parametrize("seed", [4, 5, 6, 7])
def test_clean_pictures_stay_clean(task: Watermark, seed: int) -> None:
    clean = scene(seed)
    result = task.clean(Picture.from_array(clean.copy())).picture.to_array()
    assert (result != clean).any(-1).mean() <= 0.005


def test_the_locator_sees_the_same_through_tiles() -> None:
    locator = models.load("watermark-locator", device="cpu", threads=1)
    marked, _ = stamped(scene(1), 0.45)
    picture = np.tile(marked.astype(np.float32) / 255, (2, 2, 1))
    size = picture.shape[:2]
    whole = run_tiled(locator, planes_of(picture), size)["mask"]
    tiled = run_tiled(locator, planes_of(picture), size, tile=544, overlap=256)["mask"]
    assert np.abs(whole - tiled).mean() < 0.01


def test_the_filler_fills_the_same_through_tiles() -> None:
    filler = models.load("watermark-filler", device="cpu", threads=1)
    marked, where = stamped(scene(1), 0.45)
    rgb = marked.astype(np.float32) / 255
    mask = where[..., None].astype(np.float32)
    planes = np.concatenate([rgb, rgb, mask, np.zeros_like(mask)], 2)
    size = rgb.shape[:2]
    whole = run_tiled(filler, planes_of(planes), size)["fill"]
    tiled = run_tiled(filler, planes_of(planes), size, tile=256, overlap=128)["fill"]
    assert np.abs(whole - tiled).mean() < 1 / 255
