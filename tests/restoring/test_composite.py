from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from cleanplate import restoring
from cleanplate.picture import Box, Picture
from cleanplate.restoring import LUMA, composite

BOX = Box(2, 1, 7, 9)
SIZE = (BOX.bottom - BOX.top, BOX.right - BOX.left)


def floats(*shape: int) -> st.SearchStrategy[NDArray[Any]]:
    return hnp.arrays(np.float32, shape, elements=st.floats(-0.5, 1.5, width=32))


def samples(planes: int, dtype: Any) -> NDArray[Any]:
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, (12, 11, planes), dtype, endpoint=True)


def inside(array: NDArray[Any]) -> NDArray[Any]:
    return array[BOX.top : BOX.bottom, BOX.left : BOX.right]


@given(
    st.sampled_from([(1, np.uint8), (3, np.uint8), (1, np.uint16), (3, np.uint16)]),
    floats(*SIZE, 3),
    floats(*SIZE),
)
def test_samples_outside_the_mask_are_bit_identical(
    kind: tuple[int, Any], fill: NDArray[Any], mask: NDArray[Any]
) -> None:
    before = samples(*kind)
    picture = Picture.from_array(before)
    composite(picture, BOX, fill, mask)
    touched = np.zeros(before.shape[:2], bool)
    inside(touched)[:] = mask > 0
    np.testing.assert_array_equal(picture.pixels[~touched], before[~touched])
    # Elsewhere it is the blend, to half a level.
    weights, colours = np.clip(mask, 0, 1)[:, :, None], np.clip(fill.astype(float), 0, 1)
    if kind[0] == 1:
        colours = (colours @ LUMA)[:, :, None]
    blend = colours * picture.max_value * weights + inside(before) * (1 - weights.astype(float))
    level = 0.5 + 1e-6 * picture.max_value
    assert np.abs(inside(picture.pixels) - blend).max() <= level


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planes", [1, 3])
def test_a_fill_that_is_the_picture_changes_nothing(planes: int, dtype: Any) -> None:
    before = samples(planes, dtype)
    picture = Picture.from_array(before)
    fill = np.repeat(inside(before), 3 // planes, axis=2) / np.float32(picture.max_value)
    composite(picture, BOX, fill, np.linspace(0, 1, 40, dtype=np.float32).reshape(SIZE))
    np.testing.assert_array_equal(picture.pixels, before)


def test_a_full_mask_puts_the_fill_rounded_to_the_depth() -> None:
    for dtype, level in ((np.uint8, 128), (np.uint16, 32896)):
        picture = Picture.from_array(samples(3, dtype))
        fill = np.full((*SIZE, 3), 0.50196, np.float32)
        composite(picture, BOX, fill, np.ones(SIZE, np.float32))
        assert (np.abs(inside(picture.pixels).astype(int) - level) <= level // 30000).all()


def test_a_grey_picture_takes_the_luma() -> None:
    picture = Picture.from_array(samples(1, np.uint8))
    fill = np.zeros((*SIZE, 3), np.float32)
    fill[..., 1] = 1
    composite(picture, BOX, fill, np.ones(SIZE, np.float32))
    assert (inside(picture.pixels) == round(255 * 0.587)).all()
    assert sum(LUMA) == pytest.approx(1)


def test_alpha_is_left_alone() -> None:
    before = samples(4, np.uint8)
    picture = Picture.from_array(before)
    composite(picture, BOX, np.ones((*SIZE, 3), np.float32), np.ones(SIZE, np.float32))
    assert (inside(picture.pixels) == 255).all()
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, before[..., 3])


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    fill = np.random.default_rng(1).random((*SIZE, 3), np.float32)
    mask = np.random.default_rng(2).random(SIZE, np.float32)
    whole, striped = (Picture.from_array(samples(3, np.uint8)) for _ in range(2))
    composite(whole, BOX, fill, mask)
    monkeypatch.setattr(restoring, "_STRIP", 16)
    composite(striped, BOX, fill, mask)
    np.testing.assert_array_equal(whole.pixels, striped.pixels)


def test_wrong_boxes_and_shapes_are_refused() -> None:
    picture = Picture.from_array(samples(3, np.uint8))
    fill, mask = np.zeros((*SIZE, 3), np.float32), np.zeros(SIZE, np.float32)
    with pytest.raises(ValueError, match="lie in a picture"):
        composite(picture, Box(8, 0, 13, 8), fill, mask)
    with pytest.raises(ValueError, match="not of the size"):
        composite(picture, BOX, fill[1:], mask)
    with pytest.raises(ValueError, match="not of the size"):
        composite(picture, BOX, fill, mask[:, 1:])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_cut_out_keeps_its_colours(dtype: Any) -> None:
    picture = Picture.from_array(samples(4, dtype))
    before, own = picture.pixels.copy(), picture.alpha
    assert own is not None
    share = np.linspace(-0.5, 1.5, own.size, dtype=np.float32).reshape(own.shape)
    restoring.cut_out(picture, share)
    np.testing.assert_array_equal(picture.pixels, before)
    np.testing.assert_array_equal(picture.alpha, np.rint(np.clip(share, 0, 1) * own))
    with pytest.raises(ValueError, match="not of the size"):
        restoring.cut_out(picture, share[1:])
