"""Holes in photographs: how they are filled, and how a photograph is told from a page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx_models
import pytest

from cleanplate.picture import Picture
from cleanplate.tasks import create, photo_fill
from cleanplate.tasks.inpainting_mask import InpaintingMask
from cleanplate.tasks.photo_fill import levels
from cleanplate.tasks.surroundings import is_page


def hidden(mask: np.ndarray) -> InpaintingMask:
    return InpaintingMask(mask.astype(np.float32), 0.5, mask.shape, blind=True)


def disc(size: tuple[int, int], centre: tuple[int, int], radius: int) -> np.ndarray:
    return cv2.circle(np.zeros(size, np.uint8), centre, radius, 1, -1) > 0


def photograph(size: tuple[int, int] = (240, 320)) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.integers(20, 230, (9, 12, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


def printed(paper: int = 235, ink: int = 30) -> np.ndarray:
    page = np.full((480, 360, 3), paper, np.uint8)
    for line in range(16):
        text = "a line of print on a page"
        at = (20, 40 + 28 * line)
        cv2.putText(page, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (ink,) * 3, 2, cv2.LINE_AA)
    return page


@pytest.fixture(scope="module")
def filler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, inputs = tmp_path_factory.mktemp("models"), list(photo_fill.INPUTS)
    graph = onnx_models.coarse_guesses()
    return onnx_models.write(folder, "photo", graph, tile=64, multiple=8, inputs=inputs)


@pytest.mark.parametrize("radius", [3, 60])
def test_the_hole_is_filled_and_nothing_else(filler: Path, radius: int) -> None:
    before = photograph()
    mask = disc(before.shape[:2], (150, 120), radius)
    picture = Picture.from_array(before)
    cleaned = create("inpaint", filler=filler).clean(picture, mask=mask.astype(np.float32))
    after = picture.to_array()
    far = ~(cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))) > 0)
    assert (after[far] == before[far]).all()
    assert (after[mask] != before[mask]).any(1).mean() > 0.9
    assert (cleaned.mask[mask] == 255).all()


def test_a_wide_hole_in_one_colour_is_filled_with_it(filler: Path) -> None:
    before = np.full((200, 300, 3), (40, 90, 160), np.uint8)
    mask = disc((200, 300), (150, 100), 80)
    before[mask] = 255
    picture = Picture.from_array(before)
    create("inpaint", filler=filler).clean(picture, mask=mask.astype(np.float32))
    assert np.abs(picture.to_array().astype(int) - (40, 90, 160)).max() <= 1


def test_levels_are_as_many_as_bring_the_surroundings_near() -> None:
    size = (1000, 1000)
    near = photo_fill.NEAR
    assert levels(hidden(disc(size, (500, 500), near - 2))) == 0
    assert levels(hidden(disc(size, (500, 500), 2 * near - 4))) == 1
    assert levels(hidden(disc(size, (500, 500), 4 * near - 8))) == 2


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (70, 90)])
def test_a_picture_that_is_hidden_wholly_is_filled_with_something(
    filler: Path, size: tuple[int, int]
) -> None:
    picture = Picture.from_array(np.zeros((*size, 3), np.uint8))
    cleaned = create("inpaint", filler=filler).clean(picture, mask=np.ones(size, np.float32))
    assert (cleaned.mask == 255).all()


@pytest.mark.parametrize(("paper", "ink"), [(235, 30), (120, 20), (250, 180)])
def test_print_on_paper_is_a_page(paper: int, ink: int) -> None:
    mask = disc((480, 360), (180, 240), 60)
    assert is_page(Picture.from_array(printed(paper, ink)), hidden(mask))


def test_a_photograph_is_no_page() -> None:
    mask = disc((240, 320), (150, 120), 40)
    assert not is_page(Picture.from_array(photograph()), hidden(mask))


def test_a_blue_sky_is_no_page() -> None:
    sky = np.full((240, 320, 3), (120, 170, 235), np.uint8)
    assert not is_page(Picture.from_array(sky), hidden(disc((240, 320), (150, 120), 40)))


def test_what_is_hidden_wholly_is_no_page() -> None:
    assert not is_page(Picture.from_array(printed()), hidden(np.ones((480, 360), bool)))
