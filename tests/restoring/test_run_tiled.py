from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx_models
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cleanplate import models
from cleanplate.errors import ModelError
from cleanplate.picture import Box
from cleanplate.restoring import run_in_bands, run_tiled, tiles

Array = NDArray[Any]


class Fake:
    """A model in numpy: `maps` is the function of its planes; it keeps the planes it was given."""

    def __init__(self, maps: Callable[[Array], Array], tile: int = 16, multiple: int = 1) -> None:
        self.card = SimpleNamespace(
            name="fake", tile=tile, multiple=multiple, outputs=("map",), parameters={}
        )
        self.maps = maps
        self.given: list[Array] = []

    def __call__(self, planes: Array) -> dict[str, Array]:
        self.given.append(planes.copy())
        return {"map": self.maps(planes)}


def same(planes: Array) -> Array:
    return planes


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random(shape, np.float32)


def crop(planes: Array) -> Callable[[Box], Array]:
    return lambda box: planes[:, box.top : box.bottom, box.left : box.right]


def joined(model: Any, planes: Array, overlap: int, region: Box | None = None) -> Array:
    """The first map of a model's bands, one under the other."""
    bands = run_in_bands(model, crop(planes), planes.shape[1:], region=region, overlap=overlap)
    return np.concatenate([next(iter(maps.values())) for _, maps in bands], axis=1)


@given(st.data())
def test_the_identity_gives_the_picture_back(data: st.DataObject) -> None:
    multiple = data.draw(st.integers(1, 5), "multiple")
    units = data.draw(st.integers(2, 8), "tile in multiples")
    overlap = data.draw(st.integers(0, units // 2), "overlap in multiples") * multiple
    height, width = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(top + 1, height))
    right = data.draw(st.integers(left + 1, width))
    planes = noise(2, height, width)
    model = Fake(same, tile=units * multiple, multiple=multiple)
    result = joined(model, planes, overlap, Box(top, left, bottom, right))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, planes[:, top:bottom, left:right], atol=1e-6)
    assert max(max(given.shape[2:]) for given in model.given) <= units * multiple


def of(folder: Path, graph: dict[str, Any], **fields: Any) -> models.Model:
    return models.load(onnx_models.write(folder, "made", graph, **fields), threads=1, device="cpu")


def test_a_model_of_one_size_is_given_that_size() -> None:
    planes = noise(3, 50, 70)
    model = Fake(same, tile=16, multiple=16)
    assert np.array_equal(run_tiled(model, crop(planes), (50, 70))["map"], planes)
    assert {given.shape for given in model.given} == {(1, 3, 16, 16)}


@pytest.mark.parametrize("count", [4, 6, 7])  # receptive fields of 9, 13 and 15
def test_tiles_do_not_show_where_the_overlap_holds_the_receptive_field(
    tmp_path: Path, count: int
) -> None:
    planes = noise(3, 150, 133)
    whole, tiled = (
        joined(of(tmp_path, onnx_models.convolutions(count), tile=tile), planes, 16)
        for tile in (160, 48)
    )
    assert np.abs(tiled - whole).max() / np.ptp(whole) < 1 / 255


def test_tiles_do_not_show_in_a_model_that_works_at_a_reduced_size(tmp_path: Path) -> None:
    planes = noise(3, 150, 133)
    whole = joined(of(tmp_path, onnx_models.pooled(8), multiple=8, tile=160), planes, 0)
    model = of(tmp_path, onnx_models.pooled(8), multiple=8, tile=48)
    np.testing.assert_allclose(joined(model, planes, 16), whole, atol=1e-5)
    part = joined(model, planes, 16, Box(37, 11, 90, 120))
    np.testing.assert_allclose(part, whole[:, 37:90, 11:120], atol=1e-5)


def test_tiles_that_disagree_are_blended_without_a_seam() -> None:
    calls = iter(range(100))
    model = Fake(lambda planes: np.full_like(planes, next(calls) % 2), tile=64)
    result = joined(model, noise(1, 64, 200), 32)[0, 0]
    assert result.min() == 0
    assert result.max() == 1
    assert np.abs(np.diff(result)).max() < 0.25  # over 8 pixels or more, where a cut would be 1


def test_only_the_region_is_asked_for() -> None:
    asked: list[Box] = []
    planes = noise(1, 500, 500)

    def planes_of(box: Box) -> Array:
        asked.append(box)
        return crop(planes)(box)

    model = Fake(same, tile=32, multiple=8)
    run_tiled(model, planes_of, (500, 500), region=Box(101, 203, 150, 260))
    assert min(box.top for box in asked) == 96
    assert min(box.left for box in asked) == 200
    assert max(box.bottom for box in asked) == 152
    assert max(box.right for box in asked) == 264


def test_a_bands_rows_may_be_overwritten_at_once() -> None:
    planes = noise(1, 100, 50)
    expected, seen = planes.copy(), np.zeros_like(planes)
    for box, maps in run_in_bands(Fake(same), crop(planes), (100, 50), overlap=6):
        seen[:, box.top : box.bottom, box.left : box.right] += maps["map"]
        planes[:, : box.bottom] = np.nan
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_bands_hold_a_row_of_tiles_and_not_the_picture() -> None:
    model = Fake(lambda planes: planes * 2, tile=64)
    model.given = SimpleNamespace(append=lambda _: None)  # type: ignore[assignment]
    height, width = 6400, 64
    row = np.ones((3, 64, width), np.float32)
    tracemalloc.start()
    rows = 0
    for box, _ in run_in_bands(model, lambda box: row[:, : box.bottom - box.top], (height, width)):
        rows += box.bottom - box.top
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == height
    assert peak < 10 * row.nbytes


@given(st.data())
def test_tiles_that_are_not_wanted_are_not_run(data: st.DataObject) -> None:
    mask = np.zeros((90, 70), bool)
    for _ in range(data.draw(st.integers(1, 3))):
        mask[data.draw(st.integers(0, 89)), data.draw(st.integers(0, 69))] = True
    planes = noise(1, 90, 70)

    def wanted(box: Box) -> bool:
        return bool(mask[box.top : box.bottom, box.left : box.right].any())

    model = Fake(same)
    maps = run_tiled(model, crop(planes), (90, 70), wanted=wanted)
    np.testing.assert_allclose(maps["map"][:, mask], planes[:, mask], atol=1e-6)
    assert len(model.given) == sum(map(wanted, tiles(90, 70, 16, 2)))


def test_nothing_wanted_is_an_error() -> None:
    with pytest.raises(ValueError, match="wanted"):
        run_tiled(Fake(same), crop(noise(1, 9, 9)), (9, 9), wanted=lambda _: False)


def test_planes_are_padded_by_reflection_or_else_by_their_edge() -> None:
    model = Fake(same, tile=8, multiple=4)
    planes = np.arange(5 * 2, dtype=np.float32).reshape(1, 5, 2)
    maps = run_tiled(model, crop(planes), (5, 2))
    np.testing.assert_array_equal(maps["map"], planes)
    rows = planes[0][[0, 1, 2, 3, 4, 3, 2, 1]]
    np.testing.assert_array_equal(model.given[0][0, 0], rows[:, [0, 1, 1, 1]])


def test_outputs_are_chosen(tmp_path: Path) -> None:
    model = of(tmp_path, onnx_models.identity(4))
    planes = noise(4, 70, 30)
    maps = run_tiled(model, crop(planes), (70, 30), outputs=["mask"])
    assert list(maps) == ["mask"]
    assert maps["mask"].dtype == np.float32
    np.testing.assert_allclose(maps["mask"], planes[3:], atol=1e-6)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (lambda planes: planes[:, :, ::2, ::2], "size of its input"),
        (lambda planes: planes[0], "size of its input"),
        (lambda planes: planes / 0 * 0, "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_maps_that_cannot_be_used_are_refused(maps: Callable[[Array], Array], message: str) -> None:
    with pytest.raises(ModelError, match=f"fake: .*'map'.*{message}"):
        run_tiled(Fake(maps), crop(noise(1, 10, 10)), (10, 10))


def test_a_region_must_lie_in_the_picture() -> None:
    for region in (Box(0, 0, 11, 10), Box(-1, 0, 5, 5), Box(4, 4, 4, 8)):
        with pytest.raises(ValueError, match="lie in a picture"):
            run_tiled(Fake(same), crop(noise(1, 10, 10)), (10, 10), region=region)
