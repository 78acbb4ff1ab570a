from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from cleanplate.picture import Box
from cleanplate.restoring import feather, regions

MASKS = hnp.arrays(
    np.bool_,
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    elements=st.sampled_from([False] * 30 + [True]),
    fill=st.just(False),
)


def mask_of(size: tuple[int, int], *boxes: Box) -> NDArray[np.bool_]:
    mask = np.zeros(size, bool)
    for box in boxes:
        mask[box.top : box.bottom, box.left : box.right] = True
    return mask


@given(MASKS, st.floats(0, 1), st.integers(0, 6))
def test_regions_hold_the_mask_and_do_not_overlap(
    mask: NDArray[np.bool_], margin: float, least: int
) -> None:
    boxes = regions(mask, margin, least=least)
    count = np.zeros(mask.shape, int)
    for box in boxes:
        assert 0 <= box.top < box.bottom <= mask.shape[0]
        assert 0 <= box.left < box.right <= mask.shape[1]
        assert mask[box.top : box.bottom, box.left : box.right].any()
        count[box.top : box.bottom, box.left : box.right] += 1
    assert count.max(initial=0) <= 1
    assert count[mask].all()
    near = mask_of(mask.shape)
    for y, x in np.argwhere(mask):
        near[max(y - least, 0) : y + least + 1, max(x - least, 0) : x + least + 1] = True
    assert count[near].all()


def test_a_region_is_grown_by_a_share_of_its_longer_side() -> None:
    mask = mask_of((300, 300), Box(100, 100, 140, 110))
    assert regions(mask, 0.25, least=0) == [Box(90, 90, 150, 120)]
    assert regions(mask, 0.25, least=32) == [Box(68, 68, 172, 142)]


def test_regions_are_clipped_and_sorted() -> None:
    mask = mask_of((100, 200), Box(0, 190, 5, 200), Box(0, 0, 5, 5), Box(90, 3, 100, 9))
    assert regions(mask, 0, least=10) == [
        Box(0, 0, 15, 15),
        Box(0, 180, 15, 200),
        Box(80, 0, 100, 19),
    ]


def test_regions_that_meet_after_a_merge_are_merged_too() -> None:
    # Grown, the first two meet, and only the box around both meets the third.
    mask = mask_of((100, 100), Box(10, 10, 12, 12), Box(38, 38, 40, 40), Box(5, 48, 6, 49))
    assert len(regions(mask, 0, least=0)) == 3
    assert regions(mask, 0, least=14) == [Box(0, 0, 54, 63)]


def test_a_part_in_the_hole_of_another_is_in_its_region() -> None:
    mask = mask_of((60, 60), Box(5, 5, 55, 55)) & ~mask_of((60, 60), Box(7, 7, 53, 53))
    mask[30, 30] = True
    assert regions(mask, 0, least=0) == [Box(5, 5, 55, 55)]


def test_an_empty_mask_has_no_regions() -> None:
    assert regions(np.zeros((5, 5), bool)) == []


@given(MASKS, st.floats(0, 8))
def test_a_feather_is_1_in_the_mask_and_0_beyond_its_radius(
    mask: NDArray[np.bool_], radius: float
) -> None:
    weights = feather(mask, radius)
    assert weights.dtype == np.float32
    assert weights.shape == mask.shape
    assert weights.min() >= 0
    assert weights.max() <= 1
    ys, xs = np.indices(mask.shape)
    distance = np.full(mask.shape, np.inf)
    for y, x in np.argwhere(mask):
        distance = np.minimum(distance, np.hypot(ys - y, xs - x))
    assert (weights[mask] == 1).all()
    assert (weights[distance > radius * (1 + 1e-6)] == 0).all()
    assert (weights[distance < radius * (1 - 1e-6)] > 0).all()


def test_a_feather_falls_smoothly() -> None:
    mask = np.zeros((1, 40), bool)
    mask[0, :5] = True
    line = feather(mask, 10)[0]
    steps = np.diff(line)
    assert (steps[4:14] < 0).all()
    assert np.abs(steps).max() < 0.16
    assert (line[15:] == 0).all()


@pytest.mark.parametrize("radius", [0, 3])
def test_an_empty_mask_has_no_feather(radius: float) -> None:
    empty: NDArray[Any] = np.zeros((9, 9), bool)
    assert not feather(empty, radius).any()
