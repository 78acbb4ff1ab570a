"""The watermark task with a mark that is known, and a tiny filler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models
import pytest
from mark_makers import covered, mark, psnr, scene, under
from onnx import helper

from cleanplate import Cleaner, tasks
from cleanplate.errors import UsageError
from cleanplate.picture import Picture
from cleanplate.tasks.marks.mark import Mark, Place

PLACE = Place(60, 50, 1, 1)


@pytest.fixture
def filler(tmp_path: Path) -> Path:
    """A filler that makes all it is asked for black."""
    nodes = [
        helper.make_node("Slice", ["planes", "zero", "three", "axis"], ["guess"]),
        helper.make_node("Mul", ["guess", "nothing"], ["fill"]),
    ]
    weights = {
        name: np.array([value], np.int64)
        for name, value in {"zero": 0, "three": 3, "axis": 1}.items()
    } | {"nothing": np.zeros(1, np.float32)}
    graph = {"nodes": nodes, "weights": weights, "planes": 8, "outputs": {"fill": 3}}
    return onnx_models.write(tmp_path, "black", graph, tile=128, parameters={})


def written(tmp_path: Path, the: Mark) -> Path:
    path = tmp_path / "mark.png"
    path.write_bytes(the.encode())
    return path


def test_the_mark_comes_off_and_the_rest_is_untouched(tmp_path: Path, filler: Path) -> None:
    clean, marked = scene(5), under(scene(5), PLACE)
    task = tasks.create("watermark", mark=written(tmp_path, mark()), filler=filler)
    cleaned = task.clean(Picture.from_array(marked))
    result, there = cleaned.picture.to_array(), covered(PLACE)
    assert psnr(result / 255, clean, there) > 45
    assert (result[~cleaned.edited] == marked[~cleaned.edited]).all()
    assert (cleaned.mask[there] == 255).mean() > 0.98
    assert not cleaned.remarks and cleaned.doubt is not None and cleaned.doubt < 0.2


def test_every_copy_comes_off(tmp_path: Path, filler: Path) -> None:
    other = Place(8, 70, 1, 1)
    marked = under(under(scene(5), PLACE).astype(np.float32) / 255, other)
    task = tasks.create("watermark", mark=written(tmp_path, mark()), filler=filler)
    cleaned = task.clean(Picture.from_array(marked))
    assert (cleaned.mask[covered(PLACE) | covered(other)] == 255).mean() > 0.95


def test_a_picture_without_the_mark_stays_and_says_so(tmp_path: Path, filler: Path) -> None:
    content = Picture.from_array(np.rint(scene(9) * 255).astype(np.uint8)).encode(
        np.zeros((150, 200), bool)
    )
    cleaner = Cleaner("watermark", mark=written(tmp_path, mark()), filler=filler)
    result = cleaner(content)
    assert result.picture == content
    assert [remark.code for remark in result.remarks] == ["mark-not-found"]


def test_what_is_not_certain_is_filled(tmp_path: Path, filler: Path) -> None:
    the = mark()
    the.certainty[:, 60:] = 0
    task = tasks.create("watermark", mark=written(tmp_path, the), filler=filler)
    result = task.clean(Picture.from_array(under(scene(5), PLACE))).picture.to_array()
    strokes = covered(PLACE)
    assert (result[:, 114:][strokes[:, 114:]] < 10).mean() > 0.9
    assert (result[:, :108][strokes[:, :108]] < 10).mean() < 0.1


def test_what_searches_by_itself_goes_without_a_mark(tmp_path: Path, filler: Path) -> None:
    path = written(tmp_path, mark())
    with pytest.raises(UsageError, match="leave out threshold"):
        tasks.create("watermark", mark=path, filler=filler, threshold=0.5)
    task = tasks.create("watermark", mark=path, filler=filler)
    with pytest.raises(UsageError, match="leave out the mask"):
        task.clean(Picture.from_array(np.zeros((9, 9), np.uint8)), mask=np.ones((9, 9), np.float32))
