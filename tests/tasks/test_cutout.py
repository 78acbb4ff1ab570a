"""The cut-out task, on a stand-in that takes what is bright for a person."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx_models
import pytest
from onnx import helper
from PIL import Image
from typer.testing import CliRunner

import cleanplate
from cleanplate.cli import make_app
from cleanplate.errors import UsageError
from cleanplate.tasks.cutout import edge as edges
from cleanplate.tasks.cutout import foreground
from cleanplate.tasks.cutout.background import Background

PARAMETERS = {"threshold": 0.5, "side": 128, "certainty": 0.8, "least": 0.001}


@pytest.fixture
def locator(tmp_path: Path) -> str:
    """A person is what is bright; his garment, what is brighter."""
    parts = onnx_models.threshold(0.4)
    higher = onnx_models.threshold(0.8)
    parts["nodes"] += [
        helper.make_node("Greater", ["mean", "more"], ["higher"]),
        helper.make_node("Cast", ["higher"], ["garment"], to=1),
    ]
    parts["weights"]["more"] = higher["weights"]["value"]
    parts["outputs"] = {"mask": 1, "garment": 1}
    fields = {"role": "locator", "tile": 128, "parameters": PARAMETERS}
    return str(onnx_models.write(tmp_path, "bright", parts, **fields))


def bright(size: tuple[int, int] = (96, 128), colour: Any = (220, 230, 240)) -> np.ndarray:
    """Dark, with a bright disk of a third of the height."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    away = np.hypot(rows - size[0] / 2, columns - size[1] / 2)
    share = np.clip(size[0] / 3 - away + 0.5, 0, 1)[..., None]
    return np.rint(np.array(colour) * share + np.array([10, 20, 60]) * (1 - share)).astype(np.uint8)


def test_the_rest_is_gone_from_the_file(locator: str) -> None:
    given = bright()
    data = cleanplate.clean(_png(given), "cutout", locator=locator).picture
    cut = np.asarray(Image.open(io.BytesIO(data)))
    assert cut.shape == (96, 128, 4)
    assert not cut[cut[..., 3] == 0].any()
    assert cut[..., 3].mean() / 255 == pytest.approx(np.pi / 9 * 96 / 128, abs=0.01)
    inside = cut[..., 3] == 255
    np.testing.assert_array_equal(cut[inside][:, :3], given[inside])


@pytest.mark.parametrize("size", [(96, 128), (2300, 1000)])
def test_the_edge_has_the_subjects_own_colours(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    alpha = np.clip(size[1] / 3 - np.hypot(rows - size[0] / 2, columns - size[1] / 2), -4, 4) / 8
    alpha = np.float32(alpha + 0.5)
    subject = np.dstack([rows / size[0], 1 - columns / size[1], 0.5 * np.ones_like(rows)])
    ground = np.dstack([np.zeros_like(rows), columns / size[1], np.ones_like(rows)])
    mixed = np.uint8(np.rint((subject * alpha[..., None] + ground * (1 - alpha[..., None])) * 255))
    at, along, colours = foreground.estimate(mixed, alpha)
    off = np.abs(colours - subject[at, along]) * 255
    visible = alpha[at, along] > 0.25
    assert np.count_nonzero(visible) > 500
    assert off[visible].mean() <= 2
    assert (np.abs(mixed[at, along] - 255 * subject[at, along])[visible]).max() > 40


def test_nothing_found(locator: str) -> None:
    dark = np.full((40, 30, 3), 20, np.uint8)
    result = cleanplate.clean(dark, "cutout", locator=locator)
    assert [remark.code for remark in result.remarks] == ["no-subject"]
    assert not result.picture.any()
    assert result.picture.shape == (40, 30, 4)


@pytest.mark.parametrize("shape", [(1, 4000), (64, 64), (700, 3)])
def test_odd_sizes(locator: str, shape: tuple[int, int]) -> None:
    result = cleanplate.clean(np.full((*shape, 3), 230, np.uint8), "cutout", locator=locator)
    assert result.picture.shape == (*shape, 4)
    assert (result.picture[..., 3] == 255).all() or result.remarks


@pytest.mark.parametrize("edge", ["fine", "soft", "none"])
def test_edges_keep_what_is_black_and_open_holes(locator: str, edge: str) -> None:
    given = bright((192, 256))
    given[60:130, 120:126] = 0  # a hole, as the stand-in sees it
    given[64:128, 90:92] = (0, 0, 0)
    given[64:128, 88:90] = given[64:128, 92:94] = 255
    cut = cleanplate.clean(given, "cutout", locator=locator, edge=edge).picture
    assert cut[95, 122, 3] < 30
    assert cut[96, 150, 3] == 255
    values = len(np.unique(cut[..., 3]))
    assert values == 2 if edge == "none" else values > 4


def test_the_fine_edge_is_where_the_pictures_is() -> None:
    """From an eighth of the size; the edge of the true alpha is sharp."""
    rows, columns = np.mgrid[:256, :320].astype(np.float32)
    truth = np.clip(90.5 - np.hypot(rows - 120, columns - 150), 0, 1)
    picture = np.uint8(30 + 190 * truth[..., None] * np.ones(3))
    small, alpha = (
        cv2.resize(one, (40, 32), interpolation=cv2.INTER_AREA)
        for one in (picture / np.float32(255), truth)
    )
    found = {"fine": edges.fine(picture, small, alpha), "plain": edges.plain(alpha, (256, 320))}
    off = {name: float(np.abs(one - truth).mean()) for name, one in found.items()}
    assert off["fine"] < 0.25 * off["plain"]
    deep = edges.fine(picture.astype(np.uint16) * 257, small, alpha)
    assert np.abs(deep - found["fine"]).max() < 0.01


def test_soft_blurs_within_the_find(locator: str) -> None:
    hard, soft = (
        cleanplate.clean(bright(), "cutout", locator=locator, edge=edge).picture[..., 3].astype(int)
        for edge in ("none", "soft")
    )
    assert 0.9 < soft.sum() / hard.sum() < 1


def test_a_colour_behind(locator: str) -> None:
    given = bright()
    laid = cleanplate.clean(given, "cutout", locator=locator, background="#00ff40").picture
    assert laid.shape == given.shape
    np.testing.assert_array_equal(laid[2, 2], [0, 255, 64])
    np.testing.assert_array_equal(laid[48, 64], given[48, 64])


def test_a_picture_behind(locator: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 200, 3), (7, 80, 9), np.uint8)).save(tmp_path / "wall.png")
    laid = cleanplate.clean(
        bright(), "cutout", locator=locator, background=str(tmp_path / "wall.png")
    ).picture
    np.testing.assert_array_equal(laid[2, 2], [7, 80, 9])


def test_the_mask_alone_and_cropped(locator: str) -> None:
    shown = cleanplate.clean(bright(), "cutout", locator=locator, mask_only=True, crop=True)
    assert shown.picture.shape == (*shown.mask.shape, 3)
    assert abs(shown.mask.shape[0] - 64) <= 2
    np.testing.assert_array_equal(shown.picture[..., 0], shown.mask)
    with pytest.raises(UsageError, match="leave one"):
        cleanplate.Cleaner("cutout", locator=locator, mask_only=True, background="white")


def test_classes(locator: str) -> None:
    given = bright(colour=(150, 150, 150))
    given[40:56, 56:72] = 255
    whole = cleanplate.clean(given, "cutout", locator=locator)
    part = cleanplate.clean(given, "cutout", locator=locator, classes="garment")
    assert part.mask[48, 64] == 255
    assert part.mask[48, 40] == 0
    assert whole.mask[48, 40] == 255
    with pytest.raises(UsageError, match="hair"):
        cleanplate.Cleaner("cutout", locator=locator, classes=["hair"])


def test_a_box_limits_the_search(locator: str) -> None:
    given = np.concatenate([bright(), bright()], 1)
    box = np.zeros(given.shape[:2], np.uint8)
    box[5:90, 5:120] = 255
    mask = cleanplate.clean(given, "cutout", locator=locator, mask=box).mask
    assert mask[48, 64] == 255
    assert not mask[:, 128:].any()


def test_a_trimap_is_filled_in(locator: str) -> None:
    given = bright()
    away = np.hypot(*(np.mgrid[:96, :128] - np.array([48, 64])[:, None, None]))
    trimap = np.where(away < 24, 255, np.where(away > 40, 0, 128)).astype(np.uint8)
    mask = cleanplate.clean(given, "cutout", mask=trimap, locator=locator).mask / 255
    truth = np.clip(32 - away + 0.5, 0, 1)
    assert np.abs(mask - truth)[(away > 24) & (away < 40)].mean() < 0.06


def test_a_rough_mask_is_refined(locator: str) -> None:
    away = np.hypot(*(np.mgrid[:96, :128] - np.array([48, 64])[:, None, None]))
    mask = cleanplate.clean(bright(), "cutout", mask=away < 30, locator=locator).mask
    assert mask[48, 64 - 31] > 200
    assert mask[48, 64 - 34] < 30


def test_from_the_command_line(locator: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(bright()).save(tmp_path / "in" / "a.jpg", quality=95)
    Image.fromarray(np.full((9, 9, 3), 9, np.uint8)).save(tmp_path / "in" / "b.png")
    out = tmp_path / "out"
    where = ["cutout", str(tmp_path / "in"), "-o", str(out), "--model", f"locator={locator}"]
    result = CliRunner().invoke(make_app(), [*where, "--classes", "person,garment"])
    assert (result.exit_code, "% kept" in result.stdout) == (0, True)
    assert "no subject found" in result.stdout + result.stderr
    with Image.open(out / "a.png") as cut:
        assert (cut.mode, cut.size) == ("RGBA", (128, 96))
    with Image.open(out / "b.png") as empty:
        assert not np.asarray(empty).any()


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_background_that_is_not_there_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="lawn is no background: give white, black, #rrggbb"):
        Background("lawn")
