"""Coarse fill: the page behind what hides it is predicted on a small copy; what shows is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Card, Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import regions, run_tiled
from cleanplate.tasks import grain, lines
from cleanplate.tasks.base import write_found
from cleanplate.tasks.inpainting_mask import InpaintingMask, strips
from cleanplate.tasks.maps import Floats, as_planes, dilated, enlarged, grey, planes_of, resized
from cleanplate.tasks.pull_push import pull_push_parts

MARGIN = 0.5  # of a hole's longer side, seen around it
GROWTH = 1  # pixels of the small copy that a hole is grown by, as its edge is half occluder
SHADE = (0.6, 2.5)  # how much brighter a page can be than its shaded part


class Context(NamedTuple):
    """What the model is given of a small copy.

    Attributes:
        rgb: the copy, (h, w, 3) in [0, 1].
        hole: (h, w).
        tone: the copy with the colours around the hole flown into it, (h, w, 3).
    """

    rgb: Floats
    hole: NDArray[np.bool_]
    tone: Floats


class CoarseFill(NamedTuple):
    """The page behind the holes of a small copy.

    Attributes:
        fill: the page, (h, w, 3).
        gain: how much brighter the page is than its shaded part, (h, w, 3), which its detail is
            multiplied by; 0 where the page does not show.
        rules: ruled lines that run through holes.
    """

    fill: Floats
    gain: Floats
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
        model: gives the page (`fill`) and how much of it shows (`seen`) from the tone, the picture
            and the hole.
        picture: changed in place.
        mask: (H, W), in which the change is noted.
        hidden: what is filled in; where it is `blind`, the model sees the tone in its place.

    Returns:
        The steps, see `Cleaned.steps`.

    Raises:
        ModelError: the model failed, or its card lacks `side`.
    """
    finer = picture.shrunk(lines.SIDE)
    hole = covered(hidden.small, finer.shape)
    small = picture.shrunk(int(model.card.parameter("side")))
    context = context_of(small, hidden.small, lines.edges(finer, hole))
    if hidden.blind:
        context = context._replace(rgb=context.tone)
    coarse = predict(model, context, lines.rules(finer, hole))
    if hidden.blind:
        coarse = coarse._replace(gain=coarse.gain * ~context.hole[..., None])
    for part in hidden.parts():
        surface = grain.measure(picture, part, hidden)
        for box in strips(part):
            sure = hidden.within(box)
            if sure.any():
                page = full_size_page(picture, box, context, coarse, surface)
                write_found(picture, mask, box, as_planes(page), sure)
    where = grey(context.hole.astype(np.float32))
    return {"before": context.rgb, "hole": where, "tone": context.tone, "coarse": coarse.fill}


def context_of(rgb: Floats, hidden: NDArray[np.bool_], edges: list[lines.Edge]) -> Context:
    """Let the tone of the page flow into the holes of a small copy, but not across edges.

    Args:
        rgb: (h, w, 3) in [0, 1].
        hidden: a map of any size.
        edges: of the page and what lies under it.
    """
    hole = dilated(covered(hidden, rgb.shape), GROWTH)
    return Context(rgb, hole, pull_push_parts(rgb, hole, lines.sides(edges, rgb.shape)))


def covered(hidden: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels of a copy of another size (h, w) are hidden, even in part."""
    return resized(hidden.astype(np.float32), size) > 0.01


def predict(model: Model, context: Context, rules: list[lines.Rule]) -> CoarseFill:
    """Run the model, which corrects the tone in the holes, region by region.

    Raises:
        ModelError: the model failed.
    """
    hole = context.hole.astype(np.float32)
    known = np.dstack([context.tone, context.rgb, hole])
    page, seen = context.rgb.copy(), np.ones_like(hole)
    for box in regions(context.hole, MARGIN):
        maps = run_tiled(model, planes_of(known), hole.shape, region=box)
        box.cut(page)[:] = np.clip(maps["fill"], 0, 1).transpose(1, 2, 0)
        box.cut(seen)[:] = np.clip(2 * maps["seen"][0] - 1, 0, 1)  # 0 unless it is probable
    brighter = np.clip(page / np.maximum(context.rgb, 0.02), *SHADE)
    return CoarseFill(page, np.asarray(brighter * seen[..., None], np.float32), rules)


def full_size_page(
    picture: Picture, box: Box, context: Context, coarse: CoarseFill, surface: grain.Grain
) -> Floats:
    """Return the page (h, w, 3) in a box of the picture.

    The coarse fill is enlarged, rules are drawn and grain is laid over it; where the page shows, in
    shade, it keeps its own detail in the place of grain.
    """
    size = (picture.height, picture.width)
    page, gain = (enlarged(values, box, size) for values in (coarse.fill, coarse.gain))
    lines.draw(coarse.rules, page, box, size)
    detail = picture.rgb(box) - enlarged(context.rgb, box, size)
    page += detail * gain + surface.over(box) * (1 - np.minimum(gain, 1))
    return page
