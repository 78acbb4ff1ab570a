"""Crop fill: models that see no more of a picture than a square around what is hidden.

A filler of a picture and its mask, such as DeepFill v2, sees the square reduced and blank where it
is hidden; only its fill is enlarged, so that the rest keeps its detail. An eraser sees the square
at full size, tile by tile.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.models import Model
from cleanplate.picture import Box, Picture
from cleanplate.restoring import run_in_bands, run_tiled
from cleanplate.tasks.base import write_found
from cleanplate.tasks.inpainting_mask import InpaintingMask, strips
from cleanplate.tasks.maps import Floats, as_planes, enlarged, grey, planes_of, resized, scaled

INPUTS = ("red", "green", "blue", "mask")
"""The planes of a filler that is given a picture and its mask."""

SHOWN = {"coarse": "coarse", "picture": "refined"}
"""By output of a filler: the step that it is shown as."""

SHOWN_SIDE = 640  # longer side in pixels of the steps
CONTEXT = 1.25  # least side of a square, as a multiple of the longer side of what is hidden


class Painting(NamedTuple):
    """What a filler paints on a square of a picture.

    Attributes:
        square: where in the picture.
        outputs: the filler's, by name, (h, w, C), at the size at which it saw the square.
    """

    square: Box
    outputs: dict[str, Floats]

    def at(self, name: str, box: Box) -> Floats:
        """Return an output in a box of the picture that lies in the square, enlarged."""
        inner = box.moved(-self.square.top, -self.square.left)
        return enlarged(self.outputs[name], inner, self.square.size)


def fill(
    model: Model, picture: Picture, mask: NDArray[np.uint8], hidden: InpaintingMask
) -> dict[str, Floats]:
    """Have a filler paint a square around each hidden part, and write what is hidden.

    Args:
        model: see `paint`; its output `picture` is written.
        picture: changed in place.
        mask: (H, W), in which the change is noted.
        hidden: what is filled in.

    Returns:
        The steps, see `Cleaned.steps`; `coarse` where the model gives it, and `refined`.

    Raises:
        ModelError: the model failed.
    """
    steps = _before(picture, hidden)
    where = steps["hole"][..., 0] > 0.5
    for part in hidden.parts():
        painting = paint(model, picture, hidden, part)
        for box in strips(part):
            page = as_planes(painting.at("picture", box))
            write_found(picture, mask, box, page, hidden.within(box))
        small = scaled(painting.square, mask.shape, where.shape)
        for output, step in SHOWN.items():
            if output in painting.outputs:
                page = small.cut(steps.setdefault(step, steps["before"].copy()))
                there = small.cut(where)
                page[there] = resized(painting.outputs[output], page.shape)[there]
    return steps


def paint(model: Model, picture: Picture, hidden: InpaintingMask, part: Box) -> Painting:
    """Run a filler on a square around a part of what is hidden.

    Of its card's parameters, `crop` is the least side of the square, and `factor` by how much it is
    reduced; both are larger for a part that needs a larger square.

    Args:
        model: takes `INPUTS`, the picture 0 where the mask is 1.
        picture: stays as it is.
        hidden: all that is hidden in the picture.
        part: box of the picture.

    Raises:
        ModelError: the model failed.
    """
    card = model.card
    square = _square(part, hidden.size, int(card.parameters.get("crop", 0)))
    longer = max(square.size)
    factor = max(float(card.parameters.get("factor", 1)), longer / card.tile)
    crop = Picture.from_array(square.cut(picture.pixels))
    rgb = crop.shrunk(max(1, round(longer / factor)))
    hole = hidden.within(square).astype(np.uint8) * 255
    blank = cv2.resize(hole, rgb.shape[1::-1], interpolation=cv2.INTER_AREA)[..., None] > 0
    maps = run_tiled(model, planes_of(np.dstack([rgb * ~blank, blank])), blank.shape[:2])
    return Painting(square, {name: values.transpose(1, 2, 0) for name, values in maps.items()})


def erase(
    model: Model, picture: Picture, mask: NDArray[np.uint8], hidden: InpaintingMask
) -> dict[str, Floats]:
    """Have an eraser redraw a square around each hidden part, and write what is hidden.

    Tiles start at the corner of the square, so that a part that is smaller than a tile lies within
    one. For a part as large as the picture, the square is the whole picture.

    Args:
        model: takes red, green and blue; its output `picture` is written.
        picture: changed in place.
        mask: (H, W), in which the change is noted.
        hidden: what is erased.

    Returns:
        The steps, see `Cleaned.steps`.

    Raises:
        ModelError: the model failed.
    """
    steps = _before(picture, hidden)
    for part in hidden.parts():
        square = _square(part, hidden.size, model.card.tile, model.card.multiple)
        _erase(model, picture, mask, hidden, part, square)
    return steps


def _erase(
    model: Model,
    picture: Picture,
    mask: NDArray[np.uint8],
    hidden: InpaintingMask,
    part: Box,
    square: Box,
) -> None:
    def planes(box: Box) -> Floats:
        return as_planes(picture.rgb(box.moved(square.top, square.left)))

    inner = part.moved(-square.top, -square.left)
    for band, maps in run_in_bands(model, planes, square.size, region=inner, outputs=("picture",)):
        box = band.moved(square.top, square.left)
        write_found(picture, mask, box, maps["picture"], hidden.within(box))


def _before(picture: Picture, hidden: InpaintingMask) -> dict[str, Floats]:
    """Return the first steps of both ways: a small copy, and what is hidden of it."""
    small = picture.shrunk(SHOWN_SIDE)
    return {"before": small, "hole": grey(resized(hidden.small.astype(np.float32), small.shape))}


def _square(part: Box, size: tuple[int, int], least: int, multiple: int = 1) -> Box:
    """Return a square around a part, moved into the picture, or cropped to it where it is larger.

    Its side is a multiple of `multiple`, and at least `least`.
    """
    wanted = max(least, round(CONTEXT * max(part.size)))
    side = -(-wanted // multiple) * multiple
    top, left = (
        min(max(0, (start + stop - side) // 2), max(0, length - side))
        for start, stop, length in (
            (part.top, part.bottom, size[0]),
            (part.left, part.right, size[1]),
        )
    )
    return Box(top, left, min(size[0], top + side), min(size[1], left + side))
