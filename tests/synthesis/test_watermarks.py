from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models
import pytest

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.training.data.on_the_fly import load_clean
from cleanplate.training.data.synthesis.lettering import Lettering, draw_lines, load_font
from cleanplate.training.data.synthesis.pages import Pages
from cleanplate.training.data.synthesis.watermarks import Watermarks
from cleanplate.training.data.watermarked import WatermarkedCrops, rough_mask


@pytest.fixture(scope="module")
def marks(sources: Path) -> Watermarks:
    return Watermarks([sources / "fonts"], [sources / "logos"])


def crops(sources: Path, marks: Watermarks, seed: int = 3, clean: float = 0.0) -> WatermarkedCrops:
    pictures = load_clean([sources / "photos"], 400)
    return WatermarkedCrops(
        pictures,
        [1.0] * len(pictures),
        marks,
        crop=64,
        sides=(64, 120),
        clean_share=clean,
        jpeg_share=0.0,
        seed=seed,
        size=8,
    )


@pytest.mark.parametrize("seed", range(40))
def test_a_mark_is_what_it_says(marks: Watermarks, seed: int) -> None:
    mark = marks.draw(np.random.default_rng(seed), 120, 160)
    assert mark.alpha.shape == (120, 160)
    assert 0 <= mark.alpha.min() <= mark.alpha.max() <= 1
    assert mark.paint.min() >= 0
    assert mark.paint.max() <= 1
    clean = np.random.default_rng(seed).random((120, 160, 3)).astype(np.float32)
    alpha = mark.alpha[..., None]
    assert mark.over(clean) == pytest.approx(clean * (1 - alpha) + mark.paint * alpha, abs=1e-6)
    part = mark.cropped(10, 20, 30, 40)
    assert part.over(clean[10:40, 20:60]) == pytest.approx(mark.over(clean)[10:40, 20:60])


def test_the_same_seed_gives_the_same_bytes(sources: Path, marks: Watermarks) -> None:
    one, two = (crops(sources, marks)[1, 5] for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    other = crops(sources, marks, seed=4)[1, 5]
    assert not np.array_equal(one["input"], other["input"])


def test_opacities_cover_what_is_seen_in_the_wild(marks: Watermarks) -> None:
    rng = np.random.default_rng(1)
    found = [marks.draw(rng, 40, 40).opacity for _ in range(300)]
    assert min(found) < 0.08
    assert max(found) > 0.9
    assert 0.35 < np.mean(found) < 0.65


def test_clean_items_bear_no_mark(sources: Path, marks: Watermarks) -> None:
    item = crops(sources, marks, clean=1.0)[0, 0]
    assert np.array_equal(item["input"], item["target"])
    assert float(item["alpha"].max()) == 0
    assert float(item["opacity"]) == 0


def test_items_differ_from_the_clean_picture_only_under_the_mark(
    sources: Path, marks: Watermarks
) -> None:
    for index in range(8):
        item = crops(sources, marks)[0, index]
        outside = (item["alpha"] == 0).expand(3, -1, -1)
        assert np.array_equal(item["input"][outside], item["target"][outside])


def test_a_string_holds_no_character_that_the_font_lacks(marks: Watermarks) -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        path, text = marks.lettering.phrase(rng)
        has = dict(marks.lettering.faces)[path]
        assert text
        assert all(ord(character) in has for character in text)


def test_lines_are_cut_to_their_ink(marks: Watermarks) -> None:
    font = load_font(marks.lettering.faces[0][0], 40)
    cover = draw_lines(["ink", "and more"], font)
    assert cover.max() == 1
    assert all(edge.max() > 0 for edge in (cover[0], cover[-1], cover[:, 0], cover[:, -1]))


def test_a_rough_mask_is_near_the_true_one() -> None:
    alpha = np.zeros((64, 64), np.float32)
    alpha[20:44, 20:44] = 0.5
    rng = np.random.default_rng(0)
    rough = np.stack([rough_mask(rng, alpha) for _ in range(50)])
    assert 0 <= rough.min() <= rough.max() <= 1
    assert rough[:, 24:40, 24:40].mean() > 3 * rough[:, :12, :12].mean()


def test_pages_carry_print(marks: Watermarks) -> None:
    page = Pages(marks.lettering).draw(np.random.default_rng(4), 300)
    assert page.shape[0] == 300
    assert page.dtype == np.uint8
    grey = page.mean(-1)
    assert np.median(grey) > 150  # paper
    assert 0.01 < (grey < np.median(grey) - 60).mean() < 0.5  # ink


def test_empty_folders_are_named(tmp_path: Path, sources: Path) -> None:
    with pytest.raises(UsageError, match="no fonts"):
        Lettering([tmp_path])
    with pytest.raises(UsageError, match="no logos"):
        Watermarks([sources / "fonts"], [tmp_path])
    with pytest.raises(UsageError, match="no pictures"):
        load_clean([tmp_path], 100)


def test_hard_examples_are_those_in_which_a_locator_sees_a_mark(
    sources: Path, marks: Watermarks, tmp_path: Path
) -> None:
    path = onnx_models.write(tmp_path, "bright", onnx_models.threshold(0.8))
    locator = models.load(path, device="cpu", threads=1)
    data = crops(sources, marks, clean=1.0)
    data.mine(locator, 24)
    assert 0 < len(data.hard) < 24
    alarms = [bool(locator(data[0, i]["target"][None].numpy())["mask"].any()) for i in range(40)]
    data.hard = []
    chance = [bool(locator(data[0, i]["target"][None].numpy())["mask"].any()) for i in range(40)]
    assert sum(alarms) > sum(chance)
