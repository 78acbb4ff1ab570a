"""The page behind what hides it, guessed on a small copy; what is seen of it is kept."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Card, Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import regions, run_tiled
from cleanplate.tasks import grain, lines
from cleanplate.tasks.base import write_found
from cleanplate.tasks.inpainting_mask import InpaintingMask, strips
from cleanplate.tasks.maps import Floats, as_planes, enlarged, grey, planes_of, resized
from cleanplate.tasks.pull_push import pull_push_parts

MARGIN = 0.5  # of a hole's longer side, seen around it
GROWTH = 1  # pixels of the small copy that a hole is grown by: what is half an occluder is one
SHADE = (0.6, 2.5)  # how much brighter a page can be than its shaded part


class View(NamedTuple):
    """A small copy `rgb` (h, w, 3) in [0, 1], the `hole` in it, and the `tone` that flows in."""

    rgb: Floats
    hole: NDArray[np.bool_]
    tone: Floats


class Guess(NamedTuple):
    """The page behind a view's holes.

    Attributes:
        fill: the page, (h, w, 3).
        light: what the detail of the view is to be multiplied by, (h, w, 3): how much brighter the
            page is than its shaded part, and 0 where it is not to be seen.
        rules: lines that run through holes.
    """

    fill: Floats
    light: Floats
    rules: list[lines.Rule]


def check(card: Card) -> None:
    """Check that a model can fill in this way, by its card.

    Raises:
        UsageError: it cannot.
    """
    card.check("inpaint", planes=7, outputs=("fill", "seen"), numbers=("side",))


def fill(
    model: Model, picture: Picture, mask: NDArray[np.uint8], hidden: InpaintingMask
) -> dict[str, Floats]:
    """Fill the holes on a small copy and write them at full size.

    Args:
        model: gives the page (`fill`) and how much of it is to be seen (`seen`) from the tone that
            flows in, the picture and the hole.
        picture: changed in place.
        mask: (H, W), in which the change is noted.
        hidden: what is filled in. Where it is blind, the tone stands for what is hidden.

    Returns:
        The steps, see `Cleaned.steps`.

    Raises:
        ModelError: the model failed, or its card lacks `side`.
    """
    finer = picture.shrunk(lines.SIDE)
    hole = reached(hidden.small, finer.shape)
    small = picture.shrunk(int(model.card.parameter("side")))
    view = look(small, hidden.small, lines.edges(finer, hole))
    if hidden.blind:
        view = view._replace(rgb=view.tone)
    guess = guess_behind(model, view, lines.rules(finer, hole))
    if hidden.blind:
        guess = guess._replace(light=guess.light * ~view.hole[..., None])
    for part in hidden.parts():
        surface = grain.measure(picture, part, hidden)
        for box in strips(part):
            sure = hidden.within(box)
            if sure.any():
                page = page_in(picture, box, view, guess, surface)
                write_found(picture, mask, box, as_planes(page), sure)
    where = grey(view.hole.astype(np.float32))
    return {"before": view.rgb, "hole": where, "tone": view.tone, "coarse": guess.fill}


def look(rgb: Floats, hidden: NDArray[np.bool_], edges: list[lines.Edge]) -> View:
    """Let the tone of the page flow into the holes of a small copy, as far as the edges.

    Args:
        rgb: (h, w, 3) in [0, 1].
        hidden: a map of any size.
        edges: of the page and what lies under it.
    """
    hole = reached(hidden, rgb.shape)
    brush = np.ones((2 * GROWTH + 1, 2 * GROWTH + 1), np.uint8)
    hole = cv2.dilate(hole.astype(np.uint8), brush) > 0
    return View(rgb, hole, pull_push_parts(rgb, hole, lines.sides(edges, rgb.shape)))


def reached(hidden: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels of another size (h, w) what is hidden reaches into."""
    return resized(hidden.astype(np.float32), size) > 0.01


def guess_behind(model: Model, view: View, rules: list[lines.Rule]) -> Guess:
    """Correct the tone that flowed into the holes of a view, a region each.

    Raises:
        ModelError: the model failed.
    """
    hole = view.hole.astype(np.float32)
    known = np.dstack([view.tone, view.rgb, hole])
    page, seen = view.rgb.copy(), np.ones_like(hole)
    for box in regions(view.hole, MARGIN):
        maps = run_tiled(model, planes_of(known), hole.shape, region=box)
        box.cut(page)[:] = np.clip(maps["fill"], 0, 1).transpose(1, 2, 0)
        box.cut(seen)[:] = np.clip(2 * maps["seen"][0] - 1, 0, 1)  # a doubt is no sight
    brighter = np.clip(page / np.maximum(view.rgb, 0.02), *SHADE)
    return Guess(page, np.asarray(brighter * seen[..., None], np.float32), rules)


def page_in(picture: Picture, box: Box, view: View, guess: Guess, surface: grain.Grain) -> Floats:
    """Return the page (h, w, 3) in a box of the picture.

    The guess is enlarged, rules are drawn and grain is laid over it; where the page is seen, in
    shade, it keeps its own detail in the place of grain.
    """
    size = (picture.height, picture.width)
    page, light = (enlarged(values, box, size) for values in (guess.fill, guess.light))
    lines.draw(guess.rules, page, box, size)
    detail = picture.rgb(box) - enlarged(view.rgb, box, size)
    page += detail * light + surface.over(box) * (1 - np.minimum(light, 1))
    return page
