"""Marks that pictures share: learnt, found, registered."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from mark_makers import COLOUR, OPACITY, SIZE, covered, mark, psnr, scene, under

from cleanplate.errors import PictureError
from cleanplate.picture import Box, Picture
from cleanplate.tasks.marks.learning import learn
from cleanplate.tasks.marks.mark import Place, rendered
from cleanplate.tasks.marks.patches import PatchStore, patch_of
from cleanplate.tasks.marks.registering import gradients
from cleanplate.tasks.marks.searching import find
from cleanplate.tasks.marks.solving import Patch, poisson_solved

THERE = Place(100, 20, 1, 1)


def readers(pictures: list[np.ndarray]) -> list[partial[Picture]]:
    return [partial(Picture.from_array, picture) for picture in pictures]


def test_a_mark_at_one_place_is_learnt_though_some_pictures_lack_it() -> None:
    pictures = [under(scene(seed), THERE) for seed in range(8)]
    pictures[3:3] = [np.rint(scene(20) * 255).astype(np.uint8)]
    learnt = learn(readers(pictures))
    assert learnt.others == [3]
    alpha = learnt.mark.alpha
    body = alpha > 0.5 * alpha.max()
    assert np.median(alpha[body]) == pytest.approx(OPACITY, abs=0.02)
    assert learnt.mark.colour[body].mean(0) == pytest.approx(COLOUR, abs=0.04)
    assert np.median(learnt.mark.certainty[body]) > 0.9

    picture = scene(30)
    marked = under(picture, THERE).astype(np.float32) / 255
    fit = find(marked, learnt.mark)
    assert fit is not None
    layer = rendered(learnt.mark, fit.place, Box(0, 0, *SIZE))
    assert psnr(layer.behind(marked), picture, covered(THERE)) > 36


@pytest.mark.slow
def test_a_mark_that_moves_and_grows_is_learnt() -> None:
    rng = np.random.default_rng(8)
    pictures, size = [], (200, 260)
    for seed in range(10):
        scale = rng.uniform(0.9, 1.6)
        spare = np.array(size) - np.array((40, 110)) * scale
        top, left = (int(value) for value in spare * rng.random(2))
        pictures.append(under(scene(seed, size), Place(top, left, scale, scale)))
    learnt = learn(readers(pictures))
    assert len(learnt.bearing) >= 9
    alpha = learnt.mark.alpha
    assert np.median(alpha[alpha > 0.5 * alpha.max()]) == pytest.approx(OPACITY, abs=0.05)


def test_too_few_pictures_are_named() -> None:
    with pytest.raises(PictureError, match="3 pictures are too few to learn a mark from"):
        learn(readers([under(scene(seed), THERE) for seed in range(3)]))


@pytest.mark.slow
def test_pictures_that_share_nothing_give_no_mark() -> None:
    plain = [np.rint(scene(seed) * 255).astype(np.uint8) for seed in range(5)]
    with pytest.raises(PictureError, match=r"No mark was found|found in only 0 of 5 pictures"):
        learn(readers(plain))


@pytest.mark.parametrize("place", [Place(31.4, 12.7, 0.62, 0.62), Place(60, 40.25, 1.3, 1.32)])
def test_a_mark_is_registered_to_a_tenth_of_a_pixel(place: Place) -> None:
    marked = under(scene(3), place, mark(0.6 * OPACITY)).astype(np.float32) / 255
    fit = find(marked, mark())
    assert fit is not None
    assert fit.strength == pytest.approx(0.6, abs=0.03)
    assert np.abs(np.array(fit.place[:2]) - place[:2]).max() < 0.1
    assert (np.abs(np.array(fit.place[2:]) - place[2:]) * mark().size).max() < 0.1


def test_what_is_not_there_is_not_found() -> None:
    assert all(find(scene(seed), mark()) is None for seed in range(40, 44))


def test_a_map_is_what_its_gradients_sum_to() -> None:
    values = np.zeros((20, 31), np.float32)
    values[5:12, 8:20] = 0.7
    assert poisson_solved(gradients(values)) == pytest.approx(values, abs=1e-4)


def test_pieces_come_back_from_disk_as_often_as_asked() -> None:
    patches = PatchStore((6, 9))
    picture, place = scene(1), Place(20, 30, 1, 1)
    for top in (0, 146):
        patches.add(patch_of(picture, place._replace(top=top), (6, 9)))
    for _ in range(2):
        first, last = list(patches)
        assert isinstance(first, Patch)
        assert first.picture == pytest.approx(picture[:6, 30:39], abs=1e-4)
        assert last.valid.all(1).tolist() == [True] * 4 + [False] * 2
