"""`cleanplate handwriting` with a tiny model: what comes off, what stays, what is kept alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx_models
import pytest
from onnx import TensorProto, helper

import cleanplate
from cleanplate.errors import UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.handwriting import INKS
from cleanplate.tasks.handwriting.detection import Ink, detected, hysteresis
from cleanplate.tasks.handwriting.inks import ink_mask
from cleanplate.tasks.handwriting.task import fill_with_paper, is_blank

PAPER = 230
INK = {
    "blue": (60, 80, 180),
    "red": (210, 50, 60),
    "black": (60, 60, 62),
    "pencil": (140, 140, 140),
    "highlighter": (225, 220, 70),
}
PRINT = (10, 10, 10)


def erasing(fill: str = "fill") -> dict[str, Any]:
    """Ink is what is neither as bright as paper nor as black as print; `fill` is plain paper."""
    nodes = [
        helper.make_node("ReduceMin", ["planes"], ["least"], axes=[1], keepdims=1),
        helper.make_node("ReduceMax", ["planes"], ["most"], axes=[1], keepdims=1),
        helper.make_node("Less", ["least", "paper"], ["dark"]),
        helper.make_node("Greater", ["most", "print"], ["bright"]),
        helper.make_node("And", ["dark", "bright"], ["ink"]),
        helper.make_node("Cast", ["ink"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["planes", "nothing"], ["black"]),
        helper.make_node("Add", ["black", "tone"], [fill]),
    ]
    values = {"paper": 0.8, "print": 0.1, "nothing": 0.0, "tone": PAPER / 255}
    weights = {name: np.array(value, np.float32) for name, value in values.items()}
    return {"nodes": nodes, "weights": weights, "planes": 3, "outputs": {fill: 3, "mask": 1}}


@pytest.fixture(scope="module")
def eraser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    fields = {"task": "handwriting", "role": "eraser", "inputs": ("red", "green", "blue")}
    return onnx_models.write(folder, "erasing", erasing(), tile=64, **fields)


def picture_of(page: np.ndarray) -> Picture:
    return Picture.from_array(page)


def blank() -> np.ndarray:
    """Print on paper."""
    page = np.full((150, 180, 3), PAPER, np.uint8)
    page[20:26, 10:170] = PRINT
    return page


def written(*names: str) -> np.ndarray:
    """A stroke in each ink, one below the other."""
    page = blank()
    for row, name in enumerate(names):
        page[40 + 22 * row : 44 + 22 * row, 20:160] = INK[name]
    return page


def test_handwriting_comes_off_and_print_stays(eraser: Path) -> None:
    result = cleanplate.clean(written("blue", "black"), "handwriting", eraser=eraser)
    assert np.array_equal(result.picture, blank())
    assert (result.mask[40:44, 20:160] > 127).all() and not result.mask[:30].any()
    assert 0.03 < result.report["filled"] < 0.06
    assert result.doubt == 0


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_page_without_ink_stays_as_it_is(eraser: Path, depth: type, tmp_path: Path) -> None:
    page = blank().astype(depth) * (257 if depth == np.uint16 else 1)
    result = cleanplate.clean(page, "handwriting", eraser=eraser)
    assert np.array_equal(result.picture, page) and not result.mask.any()
    cv2.imwrite(str(tmp_path / "page.jpg"), blank())
    content = (tmp_path / "page.jpg").read_bytes()
    assert cleanplate.clean(content, "handwriting", eraser=eraser).picture == content


@pytest.mark.parametrize("ink", [name for name in INKS if name != "all"])
def test_one_ink_is_chosen(eraser: Path, ink: str) -> None:
    names = list(INK)
    page = written(*names)
    result = cleanplate.clean(page, "handwriting", eraser=eraser, ink=ink)
    for row, name in enumerate(names):
        stroke = np.s_[40 + 22 * row : 44 + 22 * row, 20:160]
        same = np.array_equal(result.picture[stroke], page[stroke])
        assert same == (name != ink), name


def test_ink_is_kept_alone(eraser: Path) -> None:
    page = written("blue")
    result = cleanplate.clean(page, "handwriting", eraser=eraser, keep="ink")
    assert (result.picture[:35] == 255).all()  # the print went
    light = np.array(INK["blue"]) / PAPER * 255
    assert result.picture[42, 80] == pytest.approx(light, abs=2)
    assert (result.mask[40:44, 20:160] == 255).all() and not result.mask[:30].any()
    assert not result.remarks


def test_where_no_ink_is_to_be_kept_a_remark_says_so(eraser: Path) -> None:
    result = cleanplate.clean(written(), "handwriting", eraser=eraser, keep="ink")
    assert (result.picture == 255).all()
    assert [remark.code for remark in result.remarks] == ["no-handwriting"]


def test_what_only_looks_like_ink_is_left_where_no_ink_is_certain() -> None:
    page, probability = np.full((60, 60, 3), PAPER, np.uint8), np.zeros((60, 60), np.uint8)
    page[10:20, 10:20] = page[40:50, 40:50] = INK["black"]
    probability[10:20, 10:20] = 120
    assert not detected(picture_of(page), probability, 0.2).where.any()
    probability[40:50, 40:50] = 250  # ink for certain elsewhere on the page
    found, *_, doubt = detected(picture_of(page), probability, 0.2)
    assert found[10:20, 10:20].all() and found[40:50, 40:50].all()
    assert found.sum() == 200
    assert 0 < doubt < 0.6


@pytest.mark.parametrize(("ink", "found"), [("black", False), ("red", True)])
def test_a_stroke_with_a_colour_is_certain_earlier(ink: str, found: bool) -> None:
    page, probability = np.full((60, 60, 3), PAPER, np.uint8), np.zeros((60, 60), np.uint8)
    page[10:20, 10:20] = INK[ink]
    probability[10:20, 10:20] = 165
    assert detected(picture_of(page), probability, 0.5).where.any() == found


def test_models_of_other_tasks_are_refused(tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path, "finding", onnx_models.threshold(), inputs=("a", "b", "c"))
    with pytest.raises(UsageError, match="finding does not take handwriting off"):
        cleanplate.Cleaner("handwriting", eraser=path)


def test_an_eraser_that_gives_a_picture_runs(tmp_path: Path) -> None:
    inputs = ("red", "green", "blue")
    path = onnx_models.write(tmp_path, "erasenet", erasing("picture"), inputs=inputs, tile=64)
    result = cleanplate.clean(written("black"), "handwriting", eraser=path)
    assert np.array_equal(result.picture, blank())


def test_finds_of_pixels_have_a_sure_one_and_some_size() -> None:
    certain = np.zeros((40, 60), np.uint8)
    certain[5:10, 5:20] = 140  # likely, but nowhere sure
    certain[20:24, 5:20] = 140
    certain[21, 10] = 250
    certain[30, 50] = 255  # a speck
    found = hysteresis(certain, 0.5)
    assert found[20:24, 5:20].all() and found.sum() == 60
    assert not hysteresis(certain, 0.99).any()


def test_of_what_touches_a_large_mark_the_pixels_are_told_apart() -> None:
    page, probability = np.full((300, 300, 3), PAPER, np.uint8), np.zeros((300, 300), np.uint8)
    page[150:153, 10:290] = page[120:170, 100:104] = PRINT  # a stroke through a rule
    probability[120:170, 100:104] = 230
    page[20:30, 20:40] = PRINT
    probability[20:30, 20:40] = 250
    found, *_ = detected(picture_of(page), probability, 0.5)
    assert found[120:170, 100:104].all() and not found[150:153, 10:100].any()


def test_the_dark_edge_of_a_scan_is_no_ink_and_a_stroke_at_the_edge_is() -> None:
    page, probability = np.full((300, 300, 3), PAPER, np.uint8), np.zeros((300, 300), np.uint8)
    page[:6] = PRINT
    page[100:104, :60] = INK["blue"]
    probability[:6] = probability[100:104, :60] = 250
    found, *_ = detected(picture_of(page), probability, 0.5)
    assert found[100:104, :60].all() and not found[:6].any()


def test_pieces_of_the_desk_are_no_ink() -> None:
    """Noise in a dark edge parts it into marks of several colours."""
    page, probability = np.full((300, 300, 3), PAPER, np.uint8), np.zeros((300, 300), np.uint8)
    page[:, :14] = INK["black"]
    page[100:110, 3:12] = page[130:150, 40:44] = INK["red"]
    probability[100:110, 3:12] = probability[130:150, 40:44] = 250
    found = detected(picture_of(page), probability, 0.5).where
    assert found[130:150, 40:44].all()
    assert not found[:, :14].any()


def test_ink_that_hardly_stands_out_is_found_by_its_pixels() -> None:
    page, probability = np.full((120, 120, 3), PAPER, np.uint8), np.zeros((120, 120), np.uint8)
    page[60:64, 20:100] = PAPER - 14
    page[20:30, 20:40] = INK["blue"]
    probability[60:64, 20:100] = probability[20:30, 20:40] = 240
    probability[20:30, 40:44] = 240  # beside a stroke
    found, *_ = detected(picture_of(page), probability, 0.5)
    assert found[60:64, 20:100].all() and found[20:30, 20:40].all()
    assert not found[20:30, 40:44].any()


def test_holes_are_filled_with_the_paper_around_them() -> None:
    tone = np.linspace(140, 235, 700)[:, None, None] * np.ones((1, 90, 3))
    page = np.rint(tone).astype(np.uint8)
    clean, found = np.zeros_like(page), np.zeros((700, 90), bool)
    page[300:560, 40:44] = INK["blue"]
    page[300:560, 39] = page[300:560, 44] = 150  # its blurred edge
    found[300:560, 40:44] = True
    fill_with_paper(clean, picture_of(page), Ink(found, found, found, 0.0))
    assert np.abs(clean[found] - tone[found]).max() < 4
    filled = clean.any(-1)
    assert filled[299:561, 39:45].all() and not filled[:298].any() and not filled[:, 46:].any()


def test_print_beside_and_under_red_ink_stays_and_does_not_smear() -> None:
    page = np.full((200, 240, 3), PAPER, np.uint8)
    page[:, 100:106] = PRINT
    clean = page.copy()
    page[80:88, 60:180] = INK["red"]
    page[80:88, 100:106] = (8, 2, 2)  # red over black
    probability = np.zeros(page.shape[:2], np.uint8)
    probability[80:88, 60:180] = 250
    ink = detected(picture_of(page), probability, 0.5)
    assert np.array_equal(ink.where, ink.coloured) and ink.where[84, 70] and ink.where[84, 170]
    filled = page.copy()
    fill_with_paper(filled, picture_of(page), ink)
    assert np.abs(filled.astype(int) - clean).max() <= 8


def test_blank_paper_is_known() -> None:
    paper = (
        np.full((64, 64, 3), 0.9, np.float32)
        * np.linspace(0.8, 1, 64, dtype=np.float32)[:, None, None]
    )
    assert is_blank(paper)
    paper[30, 20:40] -= 0.05
    assert not is_blank(paper)


def test_ink_over_print_goes_with_its_neighbourhood() -> None:
    clean = np.full((40, 60, 3), 0.9, np.float32)
    clean[:, 30:33] = 0.05
    page = clean.copy()
    page[18:22, 5:55] *= np.array((0.3, 0.4, 0.8), np.float32)
    found = np.zeros((40, 60), bool)
    found[18:22, 5:55] = True
    assert np.array_equal(ink_mask("blue", page, clean, found), found)
    assert not ink_mask("black", page, clean, found).any()
