"""How the samples of a page lie in a TIFF file, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.document.colours import Colours
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.tiff.container import (
    COUNTS,
    OFFSETS,
    PHOTOMETRIC,
    TILE_COUNTS,
    TILE_OFFSETS,
    Container,
    Table,
)
from cleanplate.errors import PictureError
from cleanplate.picture import directory
from cleanplate.picture.directory import Directory, integers, number
from cleanplate.picture.raster import check_size
from cleanplate.picture.tiff_blocks import BYTEWISE, FAX, JPEG, NONE, PREDICTED

WIDTH, HEIGHT, BITS, COMPRESSION, FILL_ORDER = 256, 257, 258, 259, 266
SAMPLES, ROWS, PLANAR, FAX_OPTIONS, FAX_4_OPTIONS, PREDICTOR = 277, 278, 284, 292, 293, 317
COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, INK_SET, EXTRA, FORMAT, TABLES = (
    320,
    322,
    323,
    332,
    338,
    339,
    347,
)
_READ = (
    *(WIDTH, HEIGHT, BITS, COMPRESSION, FILL_ORDER, SAMPLES, ROWS, PLANAR, FAX_OPTIONS),
    *(FAX_4_OPTIONS, PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, INK_SET, EXTRA, FORMAT),
    *(TABLES, PHOTOMETRIC, OFFSETS, COUNTS, TILE_OFFSETS, TILE_COUNTS, directory.ORIENTATION),
)
_BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCC = (0, 1), 2, 3, 5, 6
_PREMULTIPLIED = 1
_LARGE_TILE = 1 << 22  # pixels that a tile may have, however small its page is
_MOST_BYTES = 1 << 31  # of a page's samples


class Block(NamedTuple):
    """A strip or tile: its bytes in the file, its plane, and the part of the page that it holds.

    `rows` and `columns` are those that are coded: tiles reach beyond the edges of a page.
    """

    place: int
    length: int
    plane: int
    top: int
    left: int
    rows: int
    columns: int

    @property
    def part(self) -> tuple[slice, slice]:
        """The rows and columns of the page that it holds; slices end at its edges by themselves."""
        return slice(self.top, self.top + self.rows), slice(self.left, self.left + self.columns)


@dataclass(frozen=True)
class Form:
    """How a page is stored.

    Attributes:
        order: of the bytes in the file.
        size: rows and columns, as they are stored.
        bits: of a sample.
        samples: of a pixel, of which those behind its colours are kept as they are.
        planes: 1, or as many as samples where each lies in blocks of its own.
        compression: as TIFF numbers it.
        predicted: whether samples are stored as differences.
        photometric: as TIFF numbers it.
        orientation: how the page is to be looked at, 1..8.
        blocks: the strips or tiles, plane by plane.
        colours: what samples look like.
        options: tags that the decoders of blocks need, in `order`.
    """

    order: str
    size: tuple[int, int]
    bits: int
    samples: int
    planes: int
    compression: int
    predicted: bool
    photometric: int
    orientation: int
    blocks: tuple[Block, ...]
    colours: Colours
    options: Directory

    @property
    def together(self) -> int:
        """How many samples of a pixel lie together."""
        return self.samples if self.planes == 1 else 1

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width of the page as it is seen."""
        return self.size if self.orientation < 5 else self.size[::-1]


def form_of(container: Container, table: Table, name: str) -> Form:
    """Return how a page is stored.

    Raises:
        LeftAlone: it is damaged, too large, or of a kind that cannot be written back faithfully.
    """
    order = container.order
    try:
        tags = container.entries(table, *_READ)
        size = number(tags, HEIGHT, order, 0), number(tags, WIDTH, order, 0)
        check_size(size[1], size[0], name)
    except PictureError as error:
        raise LeftAlone(str(error).removeprefix(f"{name}: ").removesuffix(".")) from error
    except ValueError as error:
        raise LeftAlone(f"it is damaged ({error})") from error
    samples, bits = number(tags, SAMPLES, order, 1), integers(tags, BITS, order, (1,))
    _refuse(tags, order, samples, bits)
    if size[0] * size[1] * samples * bits[0] > 8 * _MOST_BYTES:
        raise LeftAlone("its samples take more than 2 GB")
    photometric, compression = number(tags, PHOTOMETRIC, order, 1), _compression(tags, order)
    turn = number(tags, directory.ORIENTATION, order, 1)
    planes = samples if number(tags, PLANAR, order, 1) == 2 else 1
    return Form(
        order,
        size,
        bits[0],
        samples,
        planes,
        compression,
        compression in PREDICTED and number(tags, PREDICTOR, order, 1) == 2,
        photometric,
        turn if turn in range(1, 9) else 1,
        tuple(_blocks(tags, order, size, planes)),
        _colours(tags, order, photometric, bits[0], samples, compression),
        tags,
    )


def _compression(tags: Directory, order: str) -> int:
    return number(tags, COMPRESSION, order, NONE)


def _refuse(tags: Directory, order: str, samples: int, bits: tuple[int, ...]) -> None:
    """Refuse by name what cannot be written back as it was."""
    compression, planar = _compression(tags, order), number(tags, PLANAR, order, 1)
    predictor = number(tags, PREDICTOR, order, 1) if compression in PREDICTED else 1
    formats = set(integers(tags, FORMAT, order, (1,)))
    why = None
    if compression not in (*BYTEWISE, *FAX, JPEG):
        why = f"compression {compression} is not written"
    elif 3 in formats or 6 in formats:
        why = "its samples are floating-point numbers"
    elif not formats <= {1, 4}:
        why = "its samples are signed"
    elif not samples or len(set(bits)) > 1 or bits[0] not in (1, 2, 4, 8, 16):
        why = f"it has {'/'.join(map(str, bits))} bits a sample"
    elif predictor not in (1, 2) or (predictor == 2 and bits[0] not in (8, 16)):
        why = "its samples are stored as differences of an odd kind"
    elif (compression in FAX and (samples, bits[0]) != (1, 1)) or planar not in (1, 2):
        why = "its samples do not fit its compression"
    elif compression == JPEG and (bits[0] != 8 or planar != 1 or samples not in (1, 3)):
        why = "its JPEG data are neither grey nor three colours of 8 bits"
    elif _PREMULTIPLIED in integers(tags, EXTRA, order, ()):
        why = "its colours are mixed with its transparency"
    if why:
        raise LeftAlone(why)


def _colours(
    tags: Directory, order: str, photometric: int, bits: int, samples: int, compression: int
) -> Colours:
    """Return what a page's samples look like; those of JPEG data as these decode."""
    if compression == JPEG and photometric in (*_BLACK_IS_ZERO, _RGB, _YCC):
        decode = ((1.0, 0.0),) if photometric == 0 else ((0.0, 1.0),) * samples
        return Colours("grey" if samples == 1 else "rgb", samples, 8, decode)
    count = {0: 1, 1: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4}.get(photometric, 0)
    if compression == JPEG or not count or number(tags, INK_SET, order, 1) != 1:
        what = {_YCC: "YCbCr without JPEG", 8: "Lab"}.get(photometric, f"kind {photometric}")
        raise LeftAlone(f"colours of {what} are not edited")
    if samples < count:
        raise LeftAlone("it has fewer samples than its colours need")
    if photometric == _PALETTE:
        return Colours("palette", 1, bits, ((0.0, 1.0),), _palette(tags, order, bits))
    kind = {_RGB: "rgb", _CMYK: "cmyk"}.get(photometric, "grey")
    decode = ((1.0, 0.0),) if photometric == 0 else ((0.0, 1.0),) * count
    return Colours(kind, count, bits, decode)


def _palette(tags: Directory, order: str, bits: int) -> NDArray[np.uint8]:
    """Return the colours of a palette (K, 3)."""
    values = np.array(integers(tags, COLOUR_MAP, order, ()), np.uint32)
    if bits > 8 or len(values) != 3 << bits:
        raise LeftAlone("its palette is damaged")
    # Some writers put values of 8 bits in the place of 16.
    eight = values if values.max() < 256 else values >> 8
    palette: NDArray[np.uint8] = eight.reshape(3, -1).T.astype(np.uint8)
    return palette


def _blocks(tags: Directory, order: str, size: tuple[int, int], planes: int) -> Iterator[Block]:
    """Give the strips or tiles of a page.

    Raises:
        LeftAlone: it has another number of them than it is large.
    """
    height, width = size
    tiled = TILE_OFFSETS in tags
    columns = number(tags, TILE_WIDTH, order, 0) if tiled else width
    rows = number(tags, TILE_HEIGHT, order, 0) if tiled else number(tags, ROWS, order, height)
    if not columns * rows:
        raise LeftAlone("its strips or tiles have no size")
    if tiled and columns * rows > max(height * width, _LARGE_TILE):
        raise LeftAlone("its tiles are larger than the page")
    rows = rows if tiled else min(rows, height)
    places = integers(tags, TILE_OFFSETS if tiled else OFFSETS, order, ())
    lengths = integers(tags, TILE_COUNTS if TILE_COUNTS in tags else COUNTS, order, ())
    across, down = -(-width // columns), -(-height // rows)
    if not len(places) == len(lengths) == across * down * planes or not all(lengths):
        raise LeftAlone("it lacks some of its strips or tiles")
    for index, (place, length) in enumerate(zip(places, lengths, strict=True)):
        plane, rest = divmod(index, across * down)
        top, left = rest // across * rows, rest % across * columns
        here = rows if tiled else min(rows, height - top)
        yield Block(place, length, plane, top, left, here, columns)
