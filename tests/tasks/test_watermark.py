"""The watermark task with tiny models in the place of those that ship."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx_models
import pytest
from onnx import helper

from cleanplate.errors import UsageError
from cleanplate.models import RGB, read_card
from cleanplate.picture import Picture
from cleanplate.tasks.watermark.detection import Detection, Detector
from cleanplate.tasks.watermark.task import Watermark, make
from cleanplate.tasks.watermark.verification import FEATURES, verified

OPACITY = 0.5
SURE_FROM_80 = {f"evidence_{name}": 0 for name in FEATURES} | {
    "evidence_mean": 100,
    "evidence_bias": -80,
}


def see_through() -> dict[str, object]:
    """A filler: `fill` is the guess it is given, `cover` and `mask` the rough mask."""
    nodes = [
        helper.make_node("Slice", ["planes", "zero", "three", "axis"], ["fill"]),
        helper.make_node("Slice", ["planes", "six", "seven", "axis"], ["cover"]),
        helper.make_node("Identity", ["cover"], ["mask"]),
    ]
    numbers = {"zero": 0, "three": 3, "six": 6, "seven": 7, "axis": 1}
    weights = {name: np.array([value], np.int64) for name, value in numbers.items()}
    outputs = {"fill": 3, "cover": 1, "mask": 1}
    return {"nodes": nodes, "weights": weights, "planes": 8, "outputs": outputs}


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """A locator that takes all that is bright for a mark, and a filler that changes nothing."""
    parameters = {"threshold": 0.5, "side": 256, "certainty": 0.9, "zoom": 1.5, **SURE_FROM_80}
    locator = onnx_models.write(
        tmp_path, "bright", onnx_models.threshold(0.42), parameters=parameters, tile=128
    )
    filler = onnx_models.write(
        tmp_path, "through", see_through(), tile=128, parameters={"threshold": 0.5, "side": 256}
    )
    return {"locator": locator, "filler": filler}


def marked(scale: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dark picture, the same under white letters of half opacity, and where these are."""
    rng = np.random.default_rng(5)
    coarse = rng.uniform(0, 90, (20, 24, 3)).astype(np.float32)
    size = (240 * scale, 200 * scale)
    clean = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).clip(0, 90)
    letters = np.zeros(size[::-1], np.uint8)
    at, thick = (20 * scale, 120 * scale), 12 * scale
    cv2.putText(letters, "MARK", at, cv2.FONT_HERSHEY_SIMPLEX, 2.4 * scale, 255, thick)
    alpha = (letters[..., None] / 255) * OPACITY
    picture = clean * (1 - alpha) + 255 * alpha
    return np.rint(clean).astype(np.uint8), np.rint(picture).astype(np.uint8), letters > 0


@pytest.mark.parametrize("scale", [1, 3])
def test_a_mark_is_seen_through_and_the_rest_is_untouched(
    models: dict[str, Path], scale: int
) -> None:
    clean, picture, letters = marked(scale)
    cleaned = Watermark(**models).clean(Picture.from_array(picture.copy()))
    result = cleaned.picture.to_array()

    inside = cv2.erode(letters.astype(np.uint8), np.ones((5, 5)), iterations=scale) > 0
    before, after = (np.abs(x.astype(float) - clean)[inside].mean() for x in (picture, result))
    assert before > 80
    assert after < 0.25 * before
    assert (result[~cleaned.edited] == picture[~cleaned.edited]).all()
    reach = cv2.dilate(letters.astype(np.uint8), np.ones((9, 9)), iterations=scale) > 0
    assert not cleaned.edited[~reach].any()
    assert cleaned.report["filled"] == pytest.approx(np.mean(cleaned.mask > 127), abs=1e-6)
    assert cleaned.report["opacity"] == pytest.approx(OPACITY, abs=0.1)


def test_a_clean_picture_comes_back_as_it_was(models: dict[str, Path]) -> None:
    clean, _, _ = marked()
    cleaned = Watermark(**models).clean(Picture.from_array(clean.copy()))
    assert (cleaned.picture.to_array() == clean).all()
    assert not cleaned.edited.any()
    assert cleaned.report["filled"] == 0


def test_what_is_found_without_certainty_is_left_alone(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, picture, letters = marked()
    doubt = np.where(letters, np.float32(0.7), np.float32(0))
    monkeypatch.setattr(Detector, "_locate", lambda *_: doubt)
    cleaned = Watermark(**models).clean(Picture.from_array(picture.copy()))
    assert not cleaned.edited.any()


@pytest.mark.parametrize(("second", "kept"), [(0.805, True), (0.79, False)])
def test_beside_a_certain_mark_another_need_only_be_probable(
    models: dict[str, Path], second: float, kept: bool
) -> None:
    found = np.zeros((400, 300), np.float32)
    found[20:60, 100:200] = 0.99
    found[320:360, 100:200] = second  # 0.62 and 0.27 by the logistic, where 0.9 is asked alone
    small = np.full((400, 300, 3), 0.5, np.float32)
    card = read_card(models["locator"].with_suffix(".json"))
    certain, doubt = verified(card, Detection(small, found, found > 0.5, found, 0 * found))
    assert certain[40, 150]
    assert certain[340, 150] == kept
    assert doubt == pytest.approx({0.805: 0.76, 0.79: 0.54}[second], abs=0.02)
    found[20:60] = 0
    assert not verified(card, Detection(small, found, found > 0.5, found, 0 * found))[0].any()


def test_copies_are_marks_and_what_lies_between_them_is_judged(models: dict[str, Path]) -> None:
    found, there = np.zeros((2, 400, 300), np.float32)
    found[20:60, 100:200] = 0.7
    found[320:360, 100:200] = 0.79
    there[10:70, 90:210] = 1
    small = np.full((400, 300, 3), 0.5, np.float32)
    card = read_card(models["locator"].with_suffix(".json"))
    certain, _ = verified(card, Detection(small, found, found > 0.5, found, there))
    np.testing.assert_array_equal(certain, there > 0)


def test_a_tiled_mark_is_solved_for_by_its_copies(models: dict[str, Path]) -> None:
    rng = np.random.default_rng(5)
    coarse = rng.uniform(0, 90, (20, 24, 3)).astype(np.float32)
    clean = cv2.resize(coarse, (250, 250), interpolation=cv2.INTER_CUBIC).clip(0, 90)
    letters = np.zeros((250, 250), np.uint8)
    for top in range(30, 280, 40):
        for left in range(-20, 250, 60):
            cv2.putText(letters, "Ab", (left, top), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 3)
    alpha = letters[..., None] / 255 * OPACITY
    picture = np.rint(clean * (1 - alpha) + 255 * alpha).astype(np.uint8)
    cleaned = Watermark(**models).clean(Picture.from_array(picture.copy()))
    result, under = cleaned.picture.to_array().astype(float), letters > 10
    before = ((picture - clean)[under] ** 2).mean()
    assert ((result - clean)[under] ** 2).mean() < before / 30
    assert cleaned.report["opacity"] == pytest.approx(OPACITY, abs=0.05)


def test_the_threshold_of_the_user_wins(models: dict[str, Path]) -> None:
    _, picture, _ = marked()
    cleaned = Watermark(**models, threshold=1.0).clean(Picture.from_array(picture.copy()))
    assert not cleaned.edited.any()


def test_what_nothing_shows_through_is_filled_from_beside_it(models: dict[str, Path]) -> None:
    rng = np.random.default_rng(3)
    tones = rng.uniform(20, 80, (5, 6, 3)).astype(np.float32)
    clean = cv2.resize(tones, (240, 200), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    stamped = clean.copy()
    stamped[120:150, 60:180] = 250
    results = {}
    for opaque in (False, True):
        cleaned = make(**models, opaque=opaque).clean(Picture.from_array(stamped.copy()))
        results[opaque] = cleaned.picture.to_array()
    under = np.s_[120:150, 60:180]
    errors = {k: abs(one[under].astype(int) - clean[under]).mean() for k, one in results.items()}
    assert errors[True] < 12 < errors[False]
    assert (results[True][:110] == stamped[:110]).all()


def test_at_the_highest_threshold_no_opaque_mark_is_filled(models: dict[str, Path]) -> None:
    stamped = np.full((200, 240, 3), 60, np.uint8)
    stamped[120:150, 60:180] = 250
    for threshold, filled in ((0.5, True), (1.0, False)):
        task = make(**models, opaque=True, threshold=threshold)
        assert task.clean(Picture.from_array(stamped.copy())).edited.any() == filled


def test_what_shows_through_is_solved_for_all_the_same(models: dict[str, Path]) -> None:
    _, picture, _ = marked()
    one, two = (
        make(**models, opaque=opaque).clean(Picture.from_array(picture.copy())).picture.to_array()
        for opaque in (False, True)
    )
    assert (one == two).all()


@pytest.mark.parametrize("other", [{"eraser": "x.onnx"}, {"mark": Path("x.png")}])
def test_opaque_goes_with_no_eraser_and_no_known_mark(other: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="opaque"):
        make(opaque=True, **other)


def test_an_eraser_takes_the_place_of_both(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["planes"], ["mask"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["planes", "planes"], ["picture"]),
    ]
    graph = {"nodes": nodes, "weights": {}, "planes": 3, "outputs": {"mask": 1, "picture": 3}}
    eraser = onnx_models.write(tmp_path, "black", graph, inputs=list(RGB))
    picture = np.full((90, 70, 3), 40, np.uint8)
    picture[20:40, 20:40] = 250
    task = make(eraser=eraser, threshold=0.5)
    result = task.clean(Picture.from_array(picture)).picture.to_array()
    assert (result[20:40, 20:40] == 5).all()  # 250 * (1 - 250 / 255)
    assert (result[60:, 60:] == 40).all()


def test_grey_sixteen_bit_pictures_keep_their_kind(models: dict[str, Path]) -> None:
    _, picture, letters = marked()
    grey = picture.mean(-1).astype(np.uint16) * 257
    result = Watermark(**models).clean(Picture.from_array(grey.copy())).picture.to_array()
    assert result.dtype == np.uint16
    assert result.shape == grey.shape
    assert (result != grey)[letters].mean() > 0.5
