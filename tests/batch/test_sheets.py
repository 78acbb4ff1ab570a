"""Sheets of pictures side by side."""

from __future__ import annotations

import numpy as np

from cleanplate.batch.sheets import CAPTION, GAP, sheet


def test_names_stand_over_the_cells() -> None:
    cells = [np.full((3, 40, 120), 0.5, np.float32), np.zeros((1, 30, 120), np.float32)]
    plain = sheet([cells], 200)
    named = sheet([cells], 200, ["before", "mask"])
    assert plain.shape == (40 + GAP, 2 * (120 + GAP), 3)
    assert named.shape == (40 + GAP + CAPTION, *plain.shape[1:])
    np.testing.assert_array_equal(named[CAPTION:], plain)
    left, right = named[:CAPTION, :120], named[:CAPTION, 124:]
    assert left.min() < 100 > right.min()
    assert (left == 255).mean() > 0.7
