"""The models that ship, on pictures made here; floors a little under what was measured."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

import cleanplate
from cleanplate import metrics, models
from cleanplate.models.catalogue import FOLDER
from cleanplate.picture import Picture
from cleanplate.restoring import run_in_bands, run_tiled
from cleanplate.tasks import create
from cleanplate.tasks.cutout.task import Cutout
from cleanplate.tasks.maps import planes_of
from cleanplate.tasks.occlusion.task import Occlusion
from cleanplate.tasks.watermark.task import Watermark

MIB = 1 << 20
Stamp = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]


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
    assert sum((FOLDER / card.file).stat().st_size for card in models.cards()) <= 64 * MIB


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


def tiled(clean: np.ndarray, opacity: float) -> tuple[np.ndarray, np.ndarray]:
    """Letters all over a picture, in shifted rows; the result and where they are."""
    cover = np.zeros(clean.shape[:2], np.uint8)
    for row, y in enumerate(range(40, 350, 70)):
        for x in range(-60 - row % 2 * 55, 420, 110):
            cv2.putText(cover, "SAMPLE", (x, y), cv2.FONT_HERSHEY_DUPLEX, 0.8, 255, 2, cv2.LINE_AA)
    alpha = cover[..., None] / 255 * opacity
    colour = np.array([90, 200, 230])
    return np.rint(clean * (1 - alpha) + colour * alpha).astype(np.uint8), cover > 6


@pytest.mark.parametrize(("seed", "opacity"), [(1, 0.2), (2, 0.3), (3, 0.45)])
def test_of_a_tiled_mark_hardly_anything_stays(task: Watermark, seed: int, opacity: float) -> None:
    clean = scene(seed)
    marked, where = tiled(clean, opacity)
    cleaned = task.clean(Picture.from_array(marked))
    assert metrics.psnr(cleaned.picture.to_array(), clean, where) > 36
    assert metrics.iou(cleaned.mask > 127, where) > 0.89


@pytest.mark.parametrize("make", [stamped, tiled])
def test_a_higher_threshold_never_fills_more(make: Stamp) -> None:
    marked, _ = make(scene(1), 0.4)
    before = np.ones(marked.shape[:2], bool)
    for threshold in (None, 0.6, 0.9, 0.97, 1.0):
        asked = Watermark(device="cpu", threads=1, threshold=threshold)
        filled = asked.clean(Picture.from_array(marked.copy())).mask > 127
        assert not (filled & ~before).any()
        before = filled
    assert not before.any()


@pytest.mark.parametrize("seed", [4, 5, 6, 7])
def test_clean_pictures_stay_clean(task: Watermark, seed: int) -> None:
    clean = scene(seed)
    result = task.clean(Picture.from_array(clean.copy())).picture.to_array()
    assert (result != clean).any(-1).mean() <= 0.005


def page(seed: int) -> np.ndarray:
    """Lines of words and a ruled table on paper in uneven light, (1200, 850, 3) uint8."""
    rng = np.random.default_rng(seed)
    sheet = np.full((1200, 850, 3), 255, np.uint8)
    for bottom in range(90, 1130, 26):
        words = "".join(chr(c) for c in rng.choice([*range(97, 123), *[32] * 5], 60))
        cv2.putText(sheet, words, (60, bottom), 4, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    light = cv2.resize(rng.uniform(0.75, 0.95, (3, 3)), (850, 1200))[..., None]
    return np.rint(sheet * light * rng.uniform(0.92, 1, 3)).astype(np.uint8)


def pointed_at(clean: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hold a finger, as rough as shapes make it, over a page; the result and where it is."""
    rng = np.random.default_rng(seed)
    shape, nail = np.zeros(clean.shape[:2], np.float32), np.zeros(clean.shape[:2], np.float32)
    y = int(rng.integers(300, 1000))
    cv2.line(shape, (-60, y), (140, y - 100), 1.0, 100, cv2.LINE_AA)
    cv2.ellipse(nail, (150, y - 105), (32, 23), -26, 0, 360, 1.0, -1, cv2.LINE_AA)
    round_off = 0.55 + 0.45 * cv2.GaussianBlur(shape, (0, 0), 20)[..., None]
    tone = np.array([205, 150, 115]) * rng.uniform(0.5, 1.05)
    skin = tone * round_off + nail[..., None] * np.array([15, 20, 25])
    alpha = cv2.GaussianBlur(shape, (0, 0), 1)[..., None]
    return np.rint(clean * (1 - alpha) + skin * alpha).clip(0, 255).astype(np.uint8), shape > 0.02


@pytest.fixture(scope="module")
def occlusion() -> Occlusion:
    return Occlusion(device="cpu", threads=1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_finger_leaves_the_page(occlusion: Occlusion, seed: int) -> None:
    clean = page(seed)
    hidden, where = pointed_at(clean, seed)
    cleaned = occlusion.clean(Picture.from_array(hidden.copy()))
    result = cleaned.picture.to_array()
    before = metrics.psnr(hidden, clean, where)
    assert metrics.psnr(result, clean, where) > before + 4
    assert metrics.iou(cleaned.mask > 127, where) > 0.85
    far = cv2.dilate(where.astype(np.uint8), np.ones((41, 41))) == 0
    assert (result != hidden).any(-1)[far].mean() < 0.002


@pytest.mark.parametrize("seed", [4, 5])
def test_a_page_with_nothing_on_it_comes_back_unchanged(occlusion: Occlusion, seed: int) -> None:
    clean = page(seed)
    result = occlusion.clean(Picture.from_array(clean.copy())).picture.to_array()
    assert (result == clean).all()


def in_tiles(model: models.Model, picture: np.ndarray, output: str, tile: int) -> np.ndarray:
    """A map of a model in tiles that share nearly half of their sides."""
    smaller = copy.copy(model)
    smaller.card = dataclasses.replace(model.card, tile=tile)
    overlap = tile // 2 // model.card.multiple * model.card.multiple
    bands = run_in_bands(smaller, planes_of(picture), picture.shape[:2], overlap=overlap)
    return np.concatenate([maps[output] for _, maps in bands], axis=1)


def test_the_locator_sees_the_same_through_tiles() -> None:
    locator = models.load("watermark-locator", device="cpu", threads=1)
    marked, _ = stamped(scene(1), 0.45)
    picture = np.tile(marked.astype(np.float32) / 255, (2, 2, 1))
    whole = run_tiled(locator, planes_of(picture), picture.shape[:2])["mask"]
    assert np.abs(whole - in_tiles(locator, picture, "mask", 544)).mean() < 0.01


def test_the_filler_fills_the_same_through_tiles() -> None:
    filler = models.load("watermark-filler", device="cpu", threads=1)
    marked, where = stamped(scene(1), 0.45)
    rgb = marked.astype(np.float32) / 255
    mask = where[..., None].astype(np.float32)
    planes = np.concatenate([rgb, rgb, mask, np.zeros_like(mask)], 2)
    whole = run_tiled(filler, planes_of(planes), rgb.shape[:2])["fill"]
    assert np.abs(whole - in_tiles(filler, planes, "fill", 256)).mean() < 1 / 255


def test_a_person_is_cut_out_and_a_cat_is_not() -> None:
    pictures = pytest.importorskip("skimage.data")
    task = Cutout(device="cpu", threads=1)
    cleaned = task.clean(Picture.from_array(pictures.astronaut()))
    mask = cleaned.mask / 255
    assert mask[60:180, 200:260].mean() > 0.95  # the face
    assert mask[300:400, 80:230].mean() > 0.95  # the suit
    assert mask[20:230, 10:100].mean() < 0.05  # the flag
    assert not cleaned.picture.pixels[cleaned.picture.alpha == 0].any()
    for nobody in (pictures.chelsea(), pictures.coffee(), scene(1)):
        alone = task.clean(Picture.from_array(nobody))
        assert [remark.code for remark in alone.remarks] == ["no-subject"]
        assert not alone.mask.any()


@pytest.mark.parametrize(("sigma", "gain"), [(15, 5.5), (25, 8.0), (50, 10.5)])
def test_noise_comes_off_and_its_level_is_known(sigma: int, gain: float) -> None:
    clean = scene(3)
    clean = cv2.GaussianBlur(clean, (0, 0), 1.2)
    noise = np.random.default_rng(sigma).normal(0, sigma, clean.shape)
    noisy = np.rint(clean + noise).clip(0, 255).astype(np.uint8)
    result = cleanplate.Cleaner("denoise", device="cpu", threads=1)(noisy)
    before, after = (metrics.psnr(x / 255, clean / 255) for x in (noisy, result.to_array()))
    assert after - before > gain
    assert result.report["noise"] == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("colour", [(190, 40, 50), (40, 60, 170)])
def test_ink_is_found_on_a_page_and_print_is_left(colour: tuple[int, int, int]) -> None:
    page = np.full((700, 600, 3), 244, np.uint8)
    for top in range(50, 666, 28):
        text = "The answer to this question is worth two points."
        face = cv2.FONT_HERSHEY_TRIPLEX
        cv2.putText(page, text, (40, top), face, 0.55, (25, 25, 25), 1, cv2.LINE_AA)
    noise = np.random.default_rng(0).normal(0, 2, page.shape)
    page = np.clip(page + noise, 0, 255).astype(np.uint8)
    ink = np.zeros(page.shape[:2], np.uint8)
    wave = [(80 + 6 * k, 300 + int(18 * np.sin(0.9 * k) + 8 * np.sin(0.23 * k))) for k in range(60)]
    cv2.polylines(ink, [np.array(wave, np.int32)], False, 255, 4, cv2.LINE_AA)
    cv2.ellipse(ink, (420, 480), (70, 40), 0, 0, 340, 255, 4, cv2.LINE_AA)
    share = ink[..., None] / 255
    written = np.rint(page * (1 - share) + page * (np.array(colour) / 255) * share).astype(np.uint8)
    eraser = create("handwriting", device="cpu", threads=1)
    found = eraser.clean(Picture.from_array(written)).mask > 127
    beside = cv2.dilate(ink, np.ones((9, 9))) == 0
    assert found[ink > 100].mean() > 0.65
    assert found[beside].mean() < 0.0015
    untouched = Picture.from_array(page.copy())
    assert eraser.clean(untouched).unchanged
