"""Marks that are repeated over a picture, and the pattern in which they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cleanplate.tasks.watermark.lattice import Lattice, correlation, lattice_of
from cleanplate.tasks.watermark.overlay import seen_through
from cleanplate.tasks.watermark.repeats import mean_over_copies, repeated, sum_over_copies

SIZE = (240, 320)
OPACITY, COLOUR = 0.4, np.float32([0.9, 0.2, 0.3])


def letters() -> np.ndarray:
    stamp = np.zeros((28, 56), np.uint8)
    cv2.putText(stamp, "Raw", (2, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    return stamp.astype(np.float32) / 255


def tiled(
    down: int = 48, right: int = 70, shift: int = 22, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Letters all over a map, each row moved by `shift` against the one above."""
    cover, stamp = np.zeros((size[0] + 28, size[1] + 56), np.float32), letters()
    for row, top in enumerate(range(5, size[0], down)):
        for left in range(row * shift % right, size[1], right):
            cover[top : top + 28, left : left + 56] = stamp
    return cover[: size[0], : size[1]]


def scene(seed: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.1, 0.9, (10, 13, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 0.02, (*SIZE, 3))
    return (smooth + grain).clip(0, 1).astype(np.float32)


def half_seen(cover: np.ndarray, seed: int = 6) -> np.ndarray:
    """What a locator may find of a mark: some copies blurred, some hardly, and a false alarm."""
    rng = np.random.default_rng(seed)
    sure = cv2.resize(rng.uniform(0.3, 1, (6, 8)).astype(np.float32), cover.shape[::-1])
    found = cv2.GaussianBlur(cover, (0, 0), 1.5) * sure
    found[100:130, 150:160] = 0.9
    return found


def spans(lattice: Lattice, step: tuple[float, float]) -> bool:
    multiples = np.array(step) @ np.linalg.inv(lattice.steps)
    return bool(np.abs(multiples - np.rint(multiples)).max() < 0.05)


@pytest.mark.parametrize(("down", "right", "shift"), [(48, 70, 22), (40, 64, 0), (60, 80, 40)])
def test_the_pattern_is_found_by_what_is_seen_of_it(down: int, right: int, shift: int) -> None:
    lattice = lattice_of(half_seen(tiled(down, right, shift)))
    assert lattice is not None
    assert spans(lattice, (0, right))
    assert spans(lattice, (down, shift))
    assert abs(np.linalg.det(lattice.steps)) == pytest.approx(down * right, rel=0.02)
    assert lattice.strength > 0.6


def test_what_is_not_repeated_has_no_pattern() -> None:
    one = np.zeros(SIZE, np.float32)
    one[100:128, 60:116] = letters()
    assert lattice_of(one) is None
    noise = np.random.default_rng(2).random(SIZE).astype(np.float32)
    assert lattice_of(cv2.GaussianBlur(noise, (0, 0), 4)) is None
    assert lattice_of(np.zeros(SIZE, np.float32)) is None


def test_a_map_is_wholly_like_itself_where_it_is_repeated() -> None:
    correlations = correlation(tiled())
    middle = np.array(correlations.shape) // 2
    assert correlations[tuple(middle)] == pytest.approx(1, abs=1e-4)
    assert correlations[middle[0] + 48, middle[1] + 22] > 0.95
    assert correlations[middle[0] + 24, middle[1] + 11] < 0.3
    assert np.abs(correlations).max() < 1.001


def test_the_sum_over_shifts_takes_nothing_from_outside() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = values.copy()
    expected[:2, 1:] += values[1:, :3]
    expected[1:, :3] += values[:2, 1:]
    shifts = np.array([[0, 0], [1, -1], [-1, 1]], float)
    np.testing.assert_array_equal(sum_over_copies(values, shifts), expected)


def test_the_copies_outline_each_other_and_drop_what_only_one_has() -> None:
    cover = tiled()
    found = half_seen(cover)
    lattice = lattice_of(found)
    assert lattice is not None
    shifts = lattice.shifts(SIZE)
    together = mean_over_copies(found, shifts, sum_over_copies(np.ones(SIZE, np.float32), shifts))

    def overlap(values: np.ndarray) -> float:
        one, other = values > 0.5, cover > 0.5
        return float((one & other).sum() / (one | other).sum())

    assert overlap(together) > overlap(found) + 0.1
    assert together[100:130, 150:160][cover[100:130, 150:160] == 0].min() < 0.2


def test_the_copies_tell_what_the_mark_is_made_of_and_what_lies_under_it() -> None:
    clean, cover = scene(), tiled()
    picture = clean + OPACITY * cover[..., None] * (COLOUR - clean)
    mark = repeated(picture, half_seen(cover), lambda found: found)
    assert mark is not None
    assert mark.overlay is not None
    assert mark.overlay.opacity == pytest.approx(OPACITY, abs=0.1)
    np.testing.assert_allclose(mark.overlay.colour, COLOUR, atol=0.15)
    alpha = mark.coverage * np.float32(mark.overlay.opacity)
    solved = seen_through(picture, alpha, mark.overlay.colour)
    under = cover > 0.02
    before = ((picture - clean)[under] ** 2).mean()
    assert ((solved - clean)[under] ** 2).mean() < before / 20  # 13 dB
    assert ((mark.probability > 0.5) & under).sum() / (
        (mark.probability > 0.5) | under
    ).sum() > 0.85


def test_few_copies_are_outlined_together_but_not_solved_for() -> None:
    cover = tiled(down=110, right=150, shift=75)
    found = cv2.GaussianBlur(cover, (0, 0), 1.5)
    mark = repeated(scene(), found, lambda found: found)
    assert mark is not None
    assert mark.overlay is None
    assert mark.repeat_mask[cover > 0.5].all()


def test_what_is_found_elsewhere_stays() -> None:
    found = half_seen(tiled(down=60))
    mark = repeated(scene(), found, lambda found: found)
    assert mark is not None
    beside = mark.repeat_mask == 0
    assert found[beside].max() == pytest.approx(0.9)
    np.testing.assert_array_equal(mark.probability[beside], found[beside])
