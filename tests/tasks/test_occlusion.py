"""The occlusion task with tiny models in the place of those that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models
import pytest
from onnx import helper
from PIL import Image

from cleanplate.errors import PictureError, UsageError
from cleanplate.models import load
from cleanplate.picture import Picture
from cleanplate.tasks import create, crop_fill
from cleanplate.tasks.base import Cleaned, Task
from cleanplate.tasks.inpainting import Inpaint
from cleanplate.tasks.inpainting_mask import InpaintingMask
from cleanplate.tasks.masks import Masks
from cleanplate.tasks.occlusion.task import Occlusion

BLOB = (slice(60, 100), slice(50, 90))


def filler(folder: Path, seen: float = 0.0) -> Path:
    return onnx_models.write(
        folder, f"guess{seen}", onnx_models.guesses(seen), tile=256, parameters={"side": 192}
    )


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """A locator that takes all that is bright for a hand, and a filler that lets tone flow in."""
    parameters = {"threshold": 0.5, "side": 256, "certainty": 0.8, "least": 0.001}
    locator = onnx_models.write(
        tmp_path, "bright", onnx_models.threshold(0.7), parameters=parameters, tile=256
    )
    return {"locator": locator, "filler": filler(tmp_path)}


def page() -> tuple[np.ndarray, np.ndarray]:
    """A grey slope (160, 140, 3), and the same with something bright on it."""
    slope = np.linspace(80, 140, 140).round().astype(np.uint8)
    clean = np.ascontiguousarray(np.broadcast_to(slope[None, :, None], (160, 140, 3)))
    hidden = clean.copy()
    hidden[BLOB] = 250
    return clean, hidden


def taken_off(
    task: Task, array: np.ndarray, where: np.ndarray | None = None
) -> tuple[np.ndarray, Cleaned]:
    mask = None if where is None else where.astype(np.float32)
    cleaned = task.clean(Picture.from_array(array), mask=mask)
    return cleaned.picture.to_array(), cleaned


def test_what_hides_the_page_goes_and_the_rest_is_untouched(models: dict[str, Path]) -> None:
    clean, hidden = page()
    result, cleaned = taken_off(Occlusion(**models), hidden)
    assert abs(result[BLOB].astype(int) - clean[BLOB]).mean() < 6
    untouched = cleaned.mask == 0
    assert (result[untouched] == hidden[untouched]).all()
    assert untouched.mean() > 0.9
    assert cleaned.report["filled"] == pytest.approx(40 * 40 / (160 * 140), rel=0.1)


def test_at_full_size_the_hole_is_where_the_occluder_was(models: dict[str, Path]) -> None:
    clean, hidden = (np.repeat(np.repeat(array, 4, 0), 4, 1) for array in page())
    result, cleaned = taken_off(Occlusion(**models), hidden)
    inner = (slice(250, 390), slice(210, 350))
    assert abs(result[inner].astype(int) - clean[inner]).mean() < 6
    assert cleaned.mask[inner].min() == 255
    assert (result[cleaned.mask == 0] == hidden[cleaned.mask == 0]).all()


def test_a_page_with_nothing_on_it_comes_back_as_it_was(models: dict[str, Path]) -> None:
    clean, _ = page()
    result, cleaned = taken_off(Occlusion(**models), clean)
    assert (result == clean).all()
    assert not cleaned.edited.any()


def test_a_picture_that_is_taken_for_what_hides_a_page_is_left_and_it_says_so(
    models: dict[str, Path],
) -> None:
    hidden = page()[1]
    assert taken_off(Occlusion(**models), hidden)[1].remarks == []
    hidden[:130] = 250
    result, cleaned = taken_off(Occlusion(**models), hidden)
    assert (result == hidden).all()
    assert cleaned.unchanged
    [remark] = cleaned.remarks
    assert (remark.code, remark.grave, cleaned.doubt > 0.5) == ("mask-over-half", True, True)


def test_a_speck_is_no_occluder(models: dict[str, Path]) -> None:
    clean, _ = page()
    clean[10:13, 10:13] = 250
    result, _ = taken_off(Occlusion(**models), clean)
    assert (result == clean).all()


@pytest.mark.parametrize(("side", "filled"), [(4, True), (20, False)])
def test_a_small_hole_in_a_find_is_none(models: dict[str, Path], side: int, filled: bool) -> None:
    clean, hidden = page()
    hole = np.s_[70 : 70 + side, 60 : 60 + side]
    hidden[hole] = clean[hole]
    _, cleaned = taken_off(Occlusion(**models), hidden)
    assert cleaned.mask[95, 85] > 0
    assert (cleaned.mask[70 + side // 2, 60 + side // 2] > 0) == filled


def test_in_shade_the_detail_of_the_page_is_kept(tmp_path: Path) -> None:
    clean = np.full((200, 200, 3), 200, np.uint8)
    clean[90:110:4, 60:140] = 40  # lines that a small copy would blur
    mask = np.zeros((200, 200), bool)
    mask[80:120, 50:150] = True
    shaded = np.where(mask[..., None], clean // 2, clean).astype(np.uint8)
    coarse = onnx_models.write(
        tmp_path, "seen", onnx_models.guesses(1.0), tile=256, parameters={"side": 100}
    )
    picture = Picture.from_array(shaded)  # of a find, not of a mask of the user's
    Inpaint(filler=coarse).fill(picture, InpaintingMask(mask.astype(np.float32), 0.5, mask.shape))
    inner = picture.to_array()[92:108, 70:130, 0].astype(int)
    assert (
        inner[0::4].mean() > inner[2::4].mean() + 20 or inner[2::4].mean() > inner[0::4].mean() + 20
    )


@pytest.mark.parametrize("kind", ["array", "bool", "file", "folder"])
def test_a_mask_of_the_users_own_takes_the_place_of_the_search(
    models: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    clean, _ = page()
    where = np.zeros((160, 140), bool)
    where[20:40, 20:40] = True
    folder = tmp_path / "masks"
    folder.mkdir()
    Image.fromarray(where).save(folder / "scan[1].png")
    given = {
        "array": where.astype(np.uint8) * 255,
        "bool": where,
        "file": folder / "scan[1].png",
        "folder": folder,
    }[kind]
    task = create("inpaint", filler=models["filler"])
    picture = Picture.from_array(clean, name="elsewhere/scan[1].jpg")
    cleaned = task.clean(picture, mask=Masks(given).of(picture))
    assert (cleaned.mask[20:40, 20:40] == 255).all()
    assert (cleaned.mask[50:, 50:] == 0).all()


def test_a_mask_of_another_size_or_none_at_all_is_refused_by_name(tmp_path: Path) -> None:
    clean, _ = page()
    with pytest.raises(PictureError, match="9x9 pixels, the picture 140x160"):
        Masks(np.ones((9, 9), bool)).of(Picture.from_array(clean))
    with pytest.raises(PictureError, match=r"there is no mask page\.\*"):
        Masks(tmp_path).of(Picture.from_array(clean, name="page.png"))


def test_inpainting_without_a_mask_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="mask"):
        create("inpaint").clean(Picture.from_array(page()[0]))


def negative() -> dict[str, object]:
    """An eraser: `picture` is the negative, so that it shows where it was written."""
    nodes = [helper.make_node("Sub", ["one", "planes"], ["picture"])]
    weights = {"one": np.array(1, np.float32)}
    return {"nodes": nodes, "weights": weights, "planes": 3, "outputs": {"picture": 3}}


def painter(folder: Path) -> Path:
    """A filler like DeepFill v2 at a quarter of the size: `picture` is 0.4 in the hole."""
    nodes = [
        helper.make_node("Slice", ["planes", "zero", "three", "axis"], ["coarse"]),
        helper.make_node("Slice", ["planes", "three", "four", "axis"], ["hole"]),
        helper.make_node("Mul", ["hole", "tone"], ["paint"]),
        helper.make_node("Add", ["coarse", "paint"], ["picture"]),
    ]
    numbers = {"zero": 0, "three": 3, "four": 4, "axis": 1}
    weights = {name: np.array([value], np.int64) for name, value in numbers.items()}
    weights["tone"] = np.array(0.4, np.float32)
    graph = {
        "nodes": nodes,
        "weights": weights,
        "planes": 4,
        "outputs": {"picture": 3, "coarse": 3},
    }
    parameters = {"crop": 128, "factor": 4}
    return onnx_models.write(
        folder, "painter", graph, inputs=list(crop_fill.INPUTS), tile=32, parameters=parameters
    )


@pytest.mark.parametrize("fixed", [False, True])
def test_an_eraser_redraws_what_the_locator_finds(
    models: dict[str, Path], tmp_path: Path, fixed: bool
) -> None:
    eraser = onnx_models.write(
        tmp_path, "negative", negative(), tile=32, multiple=32 if fixed else 1
    )
    clean, hidden = page()
    task = Occlusion(locator=models["locator"], eraser=eraser)
    result, cleaned = taken_off(task, hidden)
    assert (result[BLOB] == 5).all()
    untouched = cleaned.mask == 0
    assert (result[untouched] == hidden[untouched]).all()
    assert untouched.mean() > 0.9
    assert list(cleaned.steps) == ["before", "hole"]
    assert (taken_off(task, clean)[0] == clean).all()


@pytest.mark.parametrize("fixed", [False, True])
def test_without_a_locator_an_eraser_redraws_all_of_the_page(tmp_path: Path, fixed: bool) -> None:
    eraser = onnx_models.write(
        tmp_path, "negative", negative(), tile=80, multiple=80 if fixed else 2
    )
    _, hidden = page()
    hidden = hidden[:-1, :-1]
    result, cleaned = taken_off(Occlusion(eraser=eraser, locator="none"), hidden)
    assert (result == 255 - hidden).all()
    assert cleaned.report["filled"] == 1


def test_a_filler_paints_small_squares_and_the_rest_keeps_its_detail(
    models: dict[str, Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.integers(0, 150, (600, 500, 3), np.uint8)
    hidden[100:180, 60:120] = hidden[400:500, 300:420] = 250
    task = Occlusion(locator=models["locator"], filler=painter(tmp_path))
    result, cleaned = taken_off(task, hidden)
    for blob in (result[108:172, 68:112], result[408:492, 308:412]):
        assert abs(blob.astype(int) - 102).max() <= 1
    untouched = cleaned.mask == 0
    assert (result[untouched] == hidden[untouched]).all()
    assert untouched.mean() > 0.9
    assert list(cleaned.steps) == ["before", "hole", "coarse", "refined"]
    for step, tone in (("coarse", 0), ("refined", 0.4)):
        assert cleaned.steps[step][120:160, 80:100] == pytest.approx(tone, abs=0.01)
        assert (cleaned.steps[step][:80] == cleaned.steps["before"][:80]).all()


@pytest.mark.parametrize(("length", "seen"), [(40, 32), (100, 32), (280, 32), (400, 32)])
def test_what_is_larger_than_the_square_is_reduced_more(
    tmp_path: Path, length: int, seen: int
) -> None:
    where = np.zeros((400, 400), np.float32)
    where[:length, :length] = 1
    picture = Picture.from_array(np.full((400, 400), 200, np.uint8))
    hidden = InpaintingMask(where, 0.5, where.shape)
    [part] = hidden.parts()
    painting = crop_fill.paint(load(painter(tmp_path), device="cpu"), picture, hidden, part)
    assert painting.outputs["picture"].shape == (seen, seen, 3)
    side = painting.square.bottom
    assert painting.square == (0, 0, side, side)
    assert side == {40: 128, 100: 130, 280: 355, 400: 400}[length]


def test_inpainting_takes_such_a_filler(tmp_path: Path) -> None:
    clean, _ = page()
    where = np.zeros((160, 140), bool)
    where[20:60, 20:60] = True
    result, cleaned = taken_off(Inpaint(filler=painter(tmp_path)), clean, where)
    assert abs(result[26:54, 26:54].astype(int) - 102).max() <= 1
    assert (result[cleaned.mask == 0] == clean[cleaned.mask == 0]).all()


def test_forms_that_cannot_be_are_refused(models: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="Without a locator"):
        Occlusion(locator="none")
    with pytest.raises(UsageError, match=r"bright.*gives mask, but not picture"):
        Occlusion(eraser=models["locator"])
