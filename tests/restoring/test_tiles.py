from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanplate.picture import Box
from cleanplate.restoring import tiles


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    multiple = draw(st.integers(1, 6))
    tile = draw(st.integers(2, 12)) * multiple
    overlap = draw(st.integers(0, tile // multiple // 2)) * multiple
    height, width = draw(st.integers(1, 150)), draw(st.integers(1, 150))
    return height, width, tile, overlap, multiple


def along(boxes: list[Box], first: int) -> list[tuple[int, int]]:
    """The distinct extents of the boxes along an axis (0: rows, 1: columns), in order."""
    return sorted({(box[first], box[first + 2]) for box in boxes})


@given(layouts())
def test_tiles_cover_evenly_within_the_picture(layout: tuple[int, int, int, int, int]) -> None:
    height, width, tile, overlap, multiple = layout
    boxes = tiles(*layout)
    rows, columns = along(boxes, 0), along(boxes, 1)
    assert boxes == [Box(t, x, b, r) for t, b in rows for x, r in columns]
    for spans, length in ((rows, height), (columns, width)):
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert all(start % multiple == 0 for start, _ in spans)
        side = spans[0][1] - spans[0][0]
        assert side <= tile
        assert all(stop - start == side for start, stop in spans[:-1])
        assert 0 <= side - (spans[-1][1] - spans[-1][0]) < multiple
        for (_, stop), (start, _) in itertools.pairwise(spans):
            assert stop - start >= overlap


@given(layouts())
def test_there_is_no_tile_too_many(layout: tuple[int, int, int, int, int]) -> None:
    height, _, tile, overlap, multiple = layout
    count = len(along(tiles(*layout), 0))
    reach = (count - 1) * (tile - overlap) + overlap  # what one tile fewer would cover
    assert count == 1 or reach < -(-height // multiple) * multiple


def test_a_small_picture_is_one_box() -> None:
    assert tiles(64, 40, 64, 16) == [Box(0, 0, 64, 40)]


def test_tiles_are_no_larger_than_needed() -> None:
    assert tiles(100, 10, 96, 16, 8) == [Box(0, 0, 64, 10), Box(40, 0, 100, 10)]


@pytest.mark.parametrize(
    "layout",
    [
        (0, 9, 8, 2, 1),
        (9, 9, 0, 0, 1),
        (9, 9, 8, -1, 1),
        (9, 9, 8, 5, 1),
        (9, 9, 8, 8, 1),
        (9, 9, 9, 2, 2),
        (9, 9, 8, 2, 0),
    ],
)
def test_sizes_out_of_range_are_refused(layout: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"cover|overlap"):
        tiles(*layout)
