"""Models run over pictures of any size in bounded memory; the only writer of a user's pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import ModelError
from cleanplate.models import Model
from cleanplate.picture import Box, Mosaic, Picture

Floats = NDArray[np.float32]
PlanesOf = Callable[[Box], Floats]
"""Gives the model's input planes (C, h, w) over a box of the picture."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), which sum to 1."""

_STRIP = 1 << 18  # pixels composited at a time


MIRRORED = 16  # px beyond the borders, at least, that a model sees mirrored
LEAST_SHARED = 16  # px; of neighbouring parts that a model of a fixed size sees


def tiles(height: int, width: int, tile: int, overlap: int, multiple: int = 1) -> list[Box]:
    """Cover a picture evenly with overlapping boxes, row by row.

    All boxes have the same size, which is no larger than the cover needs, but for those of the last
    row and column, which the picture's border may cut by less than `multiple`. They start at
    multiples of `multiple`: a network that halves its input then sees each pixel as it would in the
    whole picture. None hangs over the picture; a picture within `tile` is one box.

    Args:
        height, width: of the picture, at least 1.
        tile: longest side of a box, a multiple of `multiple`.
        overlap: least number of pixels that neighbours share; rounded up to `multiple`, at most
            half of `tile`.
        multiple: what boxes start at multiples of.

    Raises:
        ValueError: a size is out of its range.
    """
    rows = _spans(height, tile, overlap, multiple)
    columns = _spans(width, tile, overlap, multiple)
    return [Box(row.start, col.start, row.stop, col.stop) for row in rows for col in columns]


def run_tiled(
    model: Model,
    planes_of: PlanesOf,
    size: tuple[int, int],
    *,
    region: Box | None = None,
    outputs: Sequence[str] | None = None,
    wanted: Callable[[Box], bool] | None = None,
) -> dict[str, Floats]:
    """Run a model over a picture, or a region of it, and return whole maps.

    Takes the arguments of `run_in_bands`, and holds the maps beside what that holds.

    Returns:
        By output name, a map (C, h, w) float32 of the region; 0 where no wanted tile reaches.

    Raises:
        ModelError: the model failed, or gave maps of another size or numbers that are not finite.
        ValueError: a size is out of its range, or no tile was wanted.
    """
    region = region or Box(0, 0, *size)
    maps: dict[str, Floats] = {}
    for box, parts in run_in_bands(
        model, planes_of, size, region=region, outputs=outputs, wanted=wanted
    ):
        for name, part in parts.items():
            if name not in maps:
                maps[name] = np.zeros((len(part), *region.size), np.float32)
            maps[name][:, box.top - region.top : box.bottom - region.top] = part
    if not maps:
        raise ValueError("no tile of the region is wanted")
    return maps


def run_in_bands(
    model: Model,
    planes_of: PlanesOf,
    size: tuple[int, int],
    *,
    region: Box | None = None,
    outputs: Sequence[str] | None = None,
    wanted: Callable[[Box], bool] | None = None,
    overlap: int | None = None,
) -> Iterator[tuple[Box, dict[str, Floats]]]:
    """Run a model over a picture, or a region of it, giving finished bands from top to bottom.

    Holds a row of tiles, not the region. `planes_of` never asks again for the rows of a band that
    was given, so these may be overwritten at once.

    Neighbouring tiles are blended in the middle quarter of what they share, and what lies outside
    it is dropped: a pixel's value never comes from within 3/8 of the overlap of a tile's inner
    edge, where the network saw padding. Weights sum to 1 everywhere.

    Args:
        model: every output a map of the size of its input.
        planes_of: gives the planes (C, h, w) over a box of the picture; the boxes start at
            multiples of the model's `multiple`, so they may reach up to that far out of `region`,
            never out of the picture. Where the picture ends, they are padded by reflection.
        size: (height, width) of the picture.
        region: where maps are needed; None for the whole picture.
        outputs: names of the outputs that are needed; None for all.
        wanted: whether a tile is needed; others are not run and count as 0, and bands without any
            wanted tile are left out. None: every tile.
        overlap: least number of pixels that neighbours share; None for an eighth of the tile, or
            for 0 where the tile is the multiple itself, so that tiles cannot overlap.

    Yields:
        The band's box, as wide as `region`, and its maps (C, h, w) float32 by output name.

    Raises:
        ModelError: the model failed, or gave maps of another size or numbers that are not finite.
        ValueError: a size is out of its range.
    """
    region = region or Box(0, 0, *size)
    grid = _grid(model, size, region, overlap)
    names = tuple(outputs or model.card.outputs)
    carried: dict[str, Floats] = {}
    for index, row in enumerate(grid.rows):
        band = carried
        for column in grid.columns:
            box = Box(row.start, column.start, row.stop, column.stop)
            if wanted is not None and not wanted(box):
                continue
            weights = row.weights[:, None] * column.weights
            across = slice(column.start - grid.left, column.stop - grid.left)
            for name, values in _run(model, planes_of(box), names).items():
                if name not in band:
                    shape = (len(values), row.stop - row.start, grid.right - grid.left)
                    band[name] = np.zeros(shape, np.float32)
                band[name][:, :, across] += values * weights
        last = index + 1 == len(grid.rows)
        end = row.stop if last else grid.rows[index + 1].start
        carried = {} if last else _carry(band, end - row.start, grid.rows[index + 1])
        box = Box(max(row.start, region.top), region.left, min(end, region.bottom), region.right)
        if band and box.top < box.bottom:
            down = slice(box.top - row.start, box.bottom - row.start)
            across = slice(region.left - grid.left, region.right - grid.left)
            yield box, {name: values[:, down, across] for name, values in band.items()}


def run_mirrored(
    model: Model, planes_of: PlanesOf, size: tuple[int, int], *, outputs: Sequence[str]
) -> Iterator[tuple[Box, dict[str, Floats]]]:
    """Run a model over a whole picture, which it sees mirrored beyond its borders.

    A network that changes every pixel errs where it sees its own padding, which at the borders of
    the picture no other tile makes up for. Arguments, and what is given, as of `run_in_bands`.
    """
    multiple = model.card.multiple
    margin = -(-MIRRORED // multiple) * multiple
    if model.card.tile < 4 * margin:
        margin = 0
    height, width = size

    def planes(box: Box) -> Floats:
        inner = Box(
            max(box.top - margin, 0),
            max(box.left - margin, 0),
            min(box.bottom - margin, height),
            min(box.right - margin, width),
        )
        rows = inner.top + margin - box.top, box.bottom - margin - inner.bottom
        columns = inner.left + margin - box.left, box.right - margin - inner.right
        return np.pad(planes_of(inner), ((0, 0), rows, columns), "reflect")

    around = height + 2 * margin, width + 2 * margin
    for box, maps in run_in_bands(model, planes, around, outputs=outputs):
        top, bottom = max(box.top - margin, 0), min(box.bottom - margin, height)
        if top < bottom:
            down = slice(top + margin - box.top, bottom + margin - box.top)
            across = slice(margin, margin + width)
            yield (
                Box(top, 0, bottom, width),
                {name: values[:, down, across] for name, values in maps.items()},
            )


def regions(mask: NDArray[np.bool_], margin: float = 0.25, *, least: int = 32) -> list[Box]:
    """Return boxes around the connected parts of a mask, in order of top and left.

    Each box is grown on every side by a share of its own longer side, so that there is context to
    fill from; boxes that then overlap or touch are merged until none do.

    Args:
        mask: (H, W) bool.
        margin: how far a box is grown, as a share of its longer side.
        least: how far it is grown at least, in pixels.

    Returns:
        Boxes that lie in the picture, do not overlap and hold every True pixel.

    >>> mask = np.zeros((100, 100), bool)
    >>> mask[40:50, 20:30] = True
    >>> regions(mask, least=5)
    [Box(top=35, left=15, bottom=55, right=35)]
    """
    height, width = mask.shape
    canvas = mask.astype(np.uint8)
    boxes = []
    for left, top, w, h in _outlines(canvas):
        grown = max(math.ceil(margin * max(w, h)), least)
        bottom, right = min(top + h + grown, height), min(left + w + grown, width)
        boxes.append(Box(max(top - grown, 0), max(left - grown, 0), bottom, right))
    while True:
        canvas[:] = 0
        for box in boxes:
            canvas[box.top : box.bottom, box.left : box.right] = 1
        merged = [Box(top, left, top + h, left + w) for left, top, w, h in _outlines(canvas)]
        if len(merged) == len(boxes):
            return sorted(merged)
        boxes = merged


def feather(mask: NDArray[np.bool_], radius: float) -> Floats:
    """Return weights (H, W) in [0, 1] that fall smoothly from a mask outwards.

    They are 1 in the mask, fall with the distance as a raised cosine, and are exactly 0 farther
    than `radius` pixels from it.

    Args:
        mask: (H, W) bool.
        radius: in pixels; 0 for a hard edge.
    """
    if radius <= 0 or not mask.any():
        return mask.astype(np.float32)
    outside = np.where(mask, np.uint8(0), np.uint8(1))
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weights: Floats = 0.5 + 0.5 * np.cos(distance * np.float32(np.pi / (radius + 1)))
    weights[distance > radius] = 0
    return weights


def composite(picture: Picture, box: Box, fill: Floats, mask: Floats) -> None:
    """Write `fill * mask + picture * (1 - mask)` into a box of the picture, in place.

    Nothing else in Cleanplate writes into a user's pixels. Samples where the mask is 0 keep their
    value exactly; the others are rounded to the picture's depth. In a grey picture the fill counts
    by its luma. Alpha is left alone.

    Args:
        picture: whose pixels are changed.
        box: within the picture.
        fill: (h, w, 3) in [0, 1], RGB; values beyond are clipped.
        mask: (h, w) in [0, 1]; values beyond are clipped.

    Raises:
        ValueError: the box leaves the picture, or a shape is not the box's.
    """
    height, width = box.size
    _check_inside(box, (picture.height, picture.width))
    if fill.shape != (height, width, 3) or mask.shape != (height, width):
        raise ValueError(f"fill {fill.shape} and mask {mask.shape} are not of the size of {box}")
    target = picture.pixels[box.top : box.bottom, box.left : box.right]
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        rows = slice(top, top + step)
        weights = np.clip(mask[rows], 0, 1)
        inside = weights > 0
        if not inside.any():
            continue
        colours = np.clip(fill[rows][inside], 0, 1)
        if target.shape[2] == 1:
            colours = colours @ np.asarray(LUMA, np.float32)[:, None]
        old, share = target[rows][inside], weights[inside][:, None]
        # As a step from the old value, a fill that equals the picture changes nothing.
        new = old + (colours * np.float32(picture.max_value) - old) * share
        target[rows][inside] = np.rint(np.clip(new, 0, picture.max_value))


def cut_out(picture: Picture, alpha: Floats) -> None:
    """Make all but a share of each pixel of the picture transparent, in place.

    Colours stay. What was transparent stays so: the picture's own alpha is multiplied.

    Args:
        picture: whose alpha is changed; see `Picture.set_alpha`.
        alpha: (H, W) in [0, 1], what is kept; values beyond are clipped.

    Raises:
        ValueError: it is not of the picture's size.
    """
    if alpha.shape != (picture.height, picture.width):
        raise ValueError(f"alpha {alpha.shape} is not of the size of {picture.name}")
    own = picture.alpha
    kept = np.empty(alpha.shape, picture.pixels.dtype)
    for row in range(len(kept)):
        before = picture.max_value if own is None else own[row]
        kept[row] = np.rint(np.clip(alpha[row], 0, 1) * before)
    picture.set_alpha(kept)


def write_planes(mosaic: Mosaic, box: Box, planes: Floats) -> None:
    """Write planes (h, w, 4), 0 for black and 1 for white, into a box of a mosaic, in place.

    Samples are rounded to whole numbers where the mosaic's are such.

    Raises:
        ValueError: the planes are not of the box's size.
    """
    mosaic.put(planes, box)


def put_back(picture: Picture, box: Box, part: Picture, where: NDArray[np.bool_]) -> None:
    """Write a copy of a box of the picture, which was worked on, back into it, in place.

    Args:
        picture: whose pixels, and alpha where the copy's is new, are changed.
        box: within the picture.
        part: of the box's size.
        where: (h, w), what is written.
    """
    np.copyto(box.cut(picture.pixels), part.pixels, where=where[..., None])
    if part.new_alpha and part.alpha is not None:
        opaque = np.full(picture.pixels.shape[:2], picture.max_value, picture.pixels.dtype)
        alpha = opaque if picture.alpha is None else picture.alpha.copy()
        np.copyto(box.cut(alpha), part.alpha, where=where)
        picture.set_alpha(alpha)


def give_back(mosaic: Mosaic, samples: NDArray[np.generic], where: NDArray[np.bool_]) -> None:
    """Write samples (H, W) that a mosaic had before into it again, in place, where that is so."""
    np.copyto(mosaic.samples, samples, where=where)


def blank(picture: Picture) -> None:
    """Make the colours of all that is wholly transparent 0, in place: nothing is left under it."""
    if picture.alpha is not None:
        for row, alpha in zip(picture.pixels, picture.alpha, strict=True):
            row *= (alpha > 0)[:, None]


def recolour(
    picture: Picture, rows: NDArray[np.intp], columns: NDArray[np.intp], colours: Floats
) -> None:
    """Give single pixels other colours, in place.

    Args:
        picture: whose pixels are changed.
        rows: of the pixels, (N,).
        columns: of the pixels, (N,).
        colours: (N, 3), or (N, 1) in a grey picture, in [0, 1]; values beyond are clipped.
    """
    picture.pixels[rows, columns] = np.rint(np.clip(colours, 0, 1) * picture.max_value)


def lay_on(picture: Picture, alpha: Floats, background: NDArray[np.generic]) -> None:
    """Lay a share of each pixel of the picture on a background, in place; it becomes opaque.

    What was transparent shows the background. A grey picture stays grey.

    Args:
        picture: whose pixels, and alpha if it has one, are changed.
        alpha: (H, W) in [0, 1], what is kept.
        background: (H, W, 3) uint8, or (1, 1, 3) float in [0, 1], one colour.
    """
    one = background.shape[:2] == (1, 1)
    for top in range(0, picture.height, 64):
        rows = slice(top, min(top + 64, picture.height))
        kept = alpha[rows]
        if picture.alpha is not None:
            kept = kept * (picture.alpha[rows] / np.float32(picture.max_value))
        size = (*kept.shape, 3)
        if one:
            fill = np.broadcast_to(background.astype(np.float32), size)
        else:
            fill = background[rows] * np.float32(1 / 255)
        composite(picture, Box(rows.start, 0, rows.stop, picture.width), fill, 1 - kept)
    if picture.alpha is not None:
        picture.set_alpha(np.full_like(picture.alpha, picture.max_value))


def show(picture: Picture, mask: NDArray[np.uint8]) -> None:
    """Put a mask (H, W), 0 to 255, in the place of the picture's colours; it becomes opaque."""
    step = picture.max_value // 255
    for row, values in zip(picture.pixels, mask, strict=True):
        row[:] = values[:, None].astype(row.dtype) * step
    if picture.alpha is not None:
        picture.set_alpha(np.full_like(picture.alpha, picture.max_value))


class _Span(NamedTuple):
    """A tile's extent along one axis, with its blending weights."""

    start: int
    stop: int
    weights: Floats


class _Grid(NamedTuple):
    """The tiles over a region, as the product of rows and columns, and how wide they reach."""

    rows: list[_Span]
    columns: list[_Span]
    left: int
    right: int


def _grid(model: Model, size: tuple[int, int], region: Box, overlap: int | None) -> _Grid:
    """Lay tiles over a region, on the lattice of the model's multiples in the whole picture."""
    _check_inside(region, size)
    multiple, tile = model.card.multiple, model.card.tile
    if overlap is None:
        overlap = tile // 8 if tile > multiple else 0
        if _fixed(model):  # its pools see another part in each: seams show where parts share less
            overlap = max(overlap, min(LEAST_SHARED, tile // 2 // multiple * multiple))
    axes = []
    for start, stop, length in (
        (region.top, region.bottom, size[0]),
        (region.left, region.right, size[1]),
    ):
        first = start // multiple * multiple
        end = min(-(-stop // multiple) * multiple, length)
        spans = _spans(end - first, tile, overlap, multiple, _fixed(model))
        axes.append(
            [span._replace(start=span.start + first, stop=span.stop + first) for span in spans]
        )
    rows, columns = axes
    return _Grid(rows, columns, columns[0].start, columns[-1].stop)


def _fixed(model: Model) -> bool:
    """Return whether a model takes inputs of its tile's size alone, as exports with TLC do."""
    return bool(model.card.parameters.get("fixed"))


def _spans(length: int, tile: int, overlap: int, multiple: int, fixed: bool = False) -> list[_Span]:
    """Cover an axis evenly; see `tiles`. All is counted in units of `multiple`.

    With `fixed`, several spans are each as long as the tile, so that they share more.
    """
    if min(length, tile, multiple) < 1 or overlap < 0 or tile % multiple:
        raise ValueError(f"cannot cover {length} by tiles of {tile} in multiples of {multiple}")
    units, longest, shared = -(-length // multiple), tile // multiple, -(-overlap // multiple)
    if units > longest and 2 * shared > longest:
        raise ValueError(f"an overlap of {overlap} is over half a tile of {tile}")
    count = 1 if units <= longest else -(-(units - shared) // (longest - shared))
    side = -(-(units + (count - 1) * shared) // count)
    if fixed and count > 1:
        side = longest
    starts = [i * (units - side) // max(count - 1, 1) * multiple for i in range(count)]
    stops = [min(start + side * multiple, length) for start in starts]
    weights = _windows(starts, stops)
    return [_Span(*span) for span in zip(starts, stops, weights, strict=True)]


def _windows(starts: list[int], stops: list[int]) -> list[Floats]:
    """Return each tile's weights along an axis; over all tiles they sum to 1 at every pixel."""
    total = np.zeros(stops[-1])
    windows = []
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        window = np.ones(stop - start)
        if i > 0:
            shared = stops[i - 1] - start
            window[:shared] *= _rise(shared)
        if i + 1 < len(starts):
            shared = stop - starts[i + 1]
            window[len(window) - shared :] *= _rise(shared)[::-1]
        total[start:stop] += window
        windows.append(window)
    return [
        (window / total[start:stop]).astype(np.float32)
        for window, start, stop in zip(windows, starts, stops, strict=True)
    ]


def _rise(shared: int) -> NDArray[np.float64]:
    """Return a smooth rise from 0 to 1 in the middle quarter of `shared` pixels."""
    place = (np.arange(shared) + 0.5) / max(shared, 1)
    along = np.clip((place - 0.375) / 0.25, 0, 1)
    return along * along * (3 - 2 * along)


def _run(model: Model, planes: Floats, names: tuple[str, ...]) -> dict[str, Floats]:
    """Run a model on one tile (C, h, w), padded to its multiple, and return its maps (C', h, w)."""
    _, height, width = planes.shape
    multiple = model.card.tile if _fixed(model) else model.card.multiple
    padded = _pad(_pad(planes, 1, multiple), 2, multiple)
    results = model(padded[None])
    for name in names:
        if results[name].shape[2:] != padded.shape[1:]:
            raise ModelError(
                f"{model.card.name}: the output {name!r} has the shape {results[name].shape} for "
                f"an input of {padded.shape[1:]}; a map must have the size of its input."
            )
        if not np.isfinite(results[name]).all():
            raise ModelError(
                f"{model.card.name}: the output {name!r} is not finite on this picture."
            )
    return {name: results[name][0, :, :height, :width] for name in names}


def _pad(planes: Floats, axis: int, multiple: int) -> Floats:
    """Pad the end of an axis to a multiple, by reflection, or by its last line if too short."""
    length = planes.shape[axis]
    missing = -length % multiple
    if not missing:
        return planes
    widths = [(0, missing if i == axis else 0) for i in range(planes.ndim)]
    return np.pad(planes, widths, "reflect" if missing < length else "edge")


def _carry(band: dict[str, Floats], done: int, following: _Span) -> dict[str, Floats]:
    """Start the next band with what this one holds beyond its first `done` rows, if anything."""
    if not any(values[:, done:].any() for values in band.values()):
        return {}
    carried = {}
    for name, values in band.items():
        shape = (len(values), following.stop - following.start, values.shape[2])
        carried[name] = np.zeros(shape, np.float32)
        carried[name][:, : values.shape[1] - done] = values[:, done:]
    return carried


def _outlines(canvas: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Return left, top, width and height of the outermost connected parts (8-connected)."""
    contours, _ = cv2.findContours(canvas, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = [cv2.boundingRect(contour) for contour in contours]
    return [(int(left), int(top), int(w), int(h)) for left, top, w, h in found]


def _check_inside(box: Box, size: tuple[int, int]) -> None:
    if not (0 <= box.top < box.bottom <= size[0] and 0 <= box.left < box.right <= size[1]):
        raise ValueError(f"{box} does not lie in a picture of {size[0]}x{size[1]} pixels")
