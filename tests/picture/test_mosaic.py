from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_makers import BLACK, LEVELS, WHITE, flat

from cleanplate.errors import UsageError
from cleanplate.picture import PATTERNS, Box, Mosaic
from cleanplate.picture.mosaic import by_place, cropped, first_red, from_places, named_pattern


def mosaic_of(pattern: str, height: int = 64, width: int = 96) -> Mosaic:
    return Mosaic(flat(pattern, height, width), (BLACK,) * 4, WHITE, pattern)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(64, 96), (63, 95), (64, 95), (63, 96)])
def test_planes_are_red_green_green_blue_whatever_the_pattern(
    pattern: str, size: tuple[int, int]
) -> None:
    planes = mosaic_of(pattern, *size).planes()
    wanted = [LEVELS["R"], LEVELS["G"], LEVELS["G"], LEVELS["B"]]
    assert np.allclose(planes.mean((0, 1)), wanted, atol=0.005)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_mosaic_is_cropped_so_that_it_begins_with_red(pattern: str) -> None:
    light = by_place(cropped(flat(pattern, 65, 97), pattern)).mean((0, 1))
    wanted = [LEVELS[colour] * (WHITE - BLACK) + BLACK for colour in "RGGB"]
    assert np.allclose(light, wanted, atol=20)


@settings(max_examples=60, deadline=None)
@given(
    pattern=st.sampled_from(PATTERNS),
    height=st.integers(2, 21),
    width=st.integers(2, 21),
    seed=st.integers(0, 1000),
)
def test_planes_written_back_change_nothing(
    pattern: str, height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 65536, (height, width)).astype(np.uint16)
    mosaic = Mosaic(samples.copy(), (1000.0, 1010.0, 990.0, 1024.0), 60000.0, pattern)
    mosaic.put(mosaic.planes())
    assert np.array_equal(mosaic.samples, samples)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_boxes_give_and_take_what_the_whole_does(pattern: str) -> None:
    mosaic = mosaic_of(pattern, 63, 95)
    whole = mosaic.planes()
    height, width = mosaic.size
    assert whole.shape == (height, width, 4)
    for box in (Box(0, 0, 9, width), Box(9, 0, height, 20), Box(9, 20, height, width)):
        part = mosaic.planes(box)
        assert np.array_equal(part, whole[box.top : box.bottom, box.left : box.right])
        mosaic.put(part * np.float32(0.5), box)
    halves = mosaic_of(pattern, 63, 95)
    halves.put(whole * np.float32(0.5))
    assert np.array_equal(mosaic.samples, halves.samples)


def test_each_place_has_its_own_black_level() -> None:
    samples = np.tile(np.array([[100, 110], [120, 130]], np.uint16), (4, 4))
    for pattern in PATTERNS:
        mosaic = Mosaic(samples, (100.0, 110.0, 120.0, 130.0), 1000.0, pattern)
        assert not mosaic.planes().any()


def test_numbers_are_rounded_and_kept_within_what_the_file_holds() -> None:
    mosaic = Mosaic(np.zeros((4, 4), np.uint16), (0.0,) * 4, 100.0, "RGGB", most=127.0)
    planes = np.full((2, 2, 4), -1.0, np.float32)
    planes[0, 0] = [0.126, 0.124, 5.0, 0.5]
    mosaic.put(planes)
    assert mosaic.samples[:2, :2].tolist() == [[13, 12], [127, 50]]
    assert not mosaic.samples[2:].any()


def test_squares_undo_each_other() -> None:
    mosaic = flat("RGGB", 8, 12)
    assert np.array_equal(from_places(by_place(mosaic)), mosaic)
    with pytest.raises(ValueError, match="squares"):
        by_place(mosaic[1:])


def test_a_pattern_is_known_by_its_letters() -> None:
    assert named_pattern("grbg") == "GRBG"
    assert [first_red(p) for p in PATTERNS] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with pytest.raises(UsageError, match="RGGB"):
        named_pattern("RGB")
