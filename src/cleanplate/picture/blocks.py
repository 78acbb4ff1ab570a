"""Quantised DCT coefficients of a JPEG: read, renewed where pixels were edited, written.

Each component is cut into blocks of 8 x 8 samples. A block that no edited pixel falls into keeps
its coefficients. In the others every sample that stands for an edited pixel is computed from the
new pixels; the rest of the block is taken from the old coefficients, unrounded, so that it changes
by no more than the quantisation of the new content brings with it.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.picture.raster import Mask, Samples

_Places = tuple[NDArray[np.intp], NDArray[np.intp]]

_SIDE = 8
_AREA = 64
_AT_ONCE = 4096
_LIMIT = 1023

# jpeglib bundles many libjpegs and switches between them by a global. libjpeg-turbo is the
# fastest; of them all only MozJPEG writes coefficients progressively.
_LOCK = threading.Lock()
_SEQUENTIAL, _PROGRESSIVE = "turbo210", "mozjpeg403"

# RGB to YCbCr as JFIF 1.02 defines it; -128 on luma and none on chroma centre all on zero.
_YCC = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ],
    np.float32,
)


class Grid(NamedTuple):
    """The size of a picture, and its components: sampling factors (down, across) of each.

    ``model`` says what the components are: ``grey``, ``ycc`` or ``rgb``.
    """

    height: int
    width: int
    sampling: list[tuple[int, int]]
    model: str

    def ratios(self) -> list[tuple[int, int]]:
        """Return how many pixels (down, across) one sample of each component stands for."""
        down, across = (max(factors) for factors in zip(*self.sampling, strict=True))
        return [(down // one[0], across // one[1]) for one in self.sampling]

    def shapes(self) -> list[tuple[int, int]]:
        """Return rows and columns of blocks in each component."""
        return [
            (-(-self.height // (_SIDE * down)), -(-self.width // (_SIDE * across)))
            for down, across in self.ratios()
        ]


class Flags(NamedTuple):
    """How a file is written: `progressive`, which takes some ten times as long, and with Huffman
    tables that are `optimised` for it or the usual ones of ITU T.81, annex K.3.
    """

    progressive: bool
    optimised: bool


def renewed(stream: bytes, grid: Grid, flags: Flags, pixels: Samples, edited: Mask) -> bytes:
    """Return a JPEG stream with the coefficients of ``stream`` but for the blocks ``edited``
    reaches.

    Args:
        stream: a JPEG file without metadata.
        grid: what its planes are.
        flags: how the file is written.
        pixels: (H, W, 1 or 3) uint8 in the file's orientation.
        edited: (H, W) which pixels differ from what the file holds.

    Raises:
        OSError: the temporary files that jpeglib needs cannot be written, or libjpeg fails.
    """
    jpeg = _load(stream, grid)
    cells = touched(edited, (_SIDE, _SIDE))
    for index, (name, ratio) in enumerate(zip(("Y", "Cb", "Cr"), grid.ratios(), strict=False)):
        table = np.asarray(jpeg.get_component_qt(index), np.float32)
        weights, level = _weights(grid.model, index)
        rows, columns = np.nonzero(touched(cells, ratio))
        for start in range(0, len(rows), _AT_ONCE):
            at = rows[start : start + _AT_ONCE], columns[start : start + _AT_ONCE]
            window = _window(at, ratio, edited.shape)
            fresh = _pooled(edited[window], ratio) > 0
            new = _pooled(pixels[window] @ weights, ratio) - level
            _renew(getattr(jpeg, name), table, at, new, fresh)
    return _store(jpeg, flags)


def _load(stream: bytes, grid: Grid) -> Any:
    """Return a jpeglib object with all coefficients of a JPEG stream."""
    jpeglib: Any = importlib.import_module("jpeglib")
    model = "JCS_GRAYSCALE" if grid.model == "grey" else "JCS_YCbCr"
    # Built by hand: jpeglib.read_dct decodes the whole picture only to count its scans.
    jpeg = jpeglib.DCTJPEG(
        **dict.fromkeys(("path", "markers", "huffmans", "progressive_mode")),
        **dict.fromkeys(("Y", "Cb", "Cr", "K", "qt", "quant_tbl_no")),
        content=stream,
        height=grid.height,
        width=grid.width,
        block_dims=np.array(grid.shapes()),
        samp_factor=np.array(grid.sampling),
        jpeg_color_space=jpeglib.Colorspace[model],
        num_scans=1,
    )
    with _LOCK, jpeglib.version(_SEQUENTIAL):
        jpeg.load()
    return jpeg


def _store(jpeg: Any, flags: Flags) -> bytes:
    """Return the file jpeglib makes of the coefficients; its tables and identifiers are not the old
    ones.

    The caller takes those from the old file; -1 has jpeglib not bother with them.
    """
    jpeglib: Any = importlib.import_module("jpeglib")
    jpeg.quant_tbl_no = np.full(len(jpeg.samp_factor), -1)
    if not flags.progressive:
        # MozJPEG needs the old stream to begin with, libjpeg-turbo would only read it once more.
        jpeg.content = None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new.jpg"
        with _LOCK, jpeglib.version(_PROGRESSIVE if flags.progressive else _SEQUENTIAL):
            jpeg.write_dct(str(path), flags=["+OPTIMIZE_CODING"] if flags.optimised else [])
        return path.read_bytes()


def _weights(model: str, index: int) -> tuple[NDArray[np.float32], float]:
    """Return how a component is mixed from the channels of a pixel, and what is taken off the
    result.
    """
    if model == "grey":
        return np.ones(1, np.float32), 128.0
    if model == "rgb":
        return np.eye(3, dtype=np.float32)[index], 128.0
    return _YCC[index], 0.0 if index else 128.0


def _renew(
    coefficients: NDArray[np.int16],
    table: NDArray[np.float32],
    at: _Places,
    new: NDArray[np.float32],
    fresh: Mask,
) -> None:
    """Code the blocks ``at`` anew, in place; ``new`` (blocks, 64) counts where ``fresh``."""
    # A step of zero is forbidden, and found in damaged files.
    steps, transform = np.maximum(table.reshape(_AREA), 1), _dct()
    if not fresh.all():
        old = coefficients[at].reshape(-1, _AREA) * steps @ transform
        new = np.where(fresh, new, old)
    coded = np.rint(new @ transform.T / steps).clip(-_LIMIT, _LIMIT)
    coefficients[at] = coded.reshape(-1, _SIDE, _SIDE)


def _dct() -> NDArray[np.float32]:
    """Return the orthonormal DCT of a block as a (64, 64) matrix (ITU T.81, A.3.3)."""
    k = np.arange(_SIDE)
    one = np.cos((2 * k + 1) * k[:, None] * np.pi / 16) / 2
    one[0] /= np.sqrt(2)
    return np.kron(one, one).astype(np.float32)


def touched(edited: Mask, cell: tuple[int, int]) -> Mask:
    """Say which cells of (down, across) hold a true value, (rows, columns) of cells."""
    by_row = np.logical_or.reduceat(edited, np.arange(0, edited.shape[0], cell[0]), axis=0)
    return np.logical_or.reduceat(by_row, np.arange(0, edited.shape[1], cell[1]), axis=1)


def _window(at: _Places, ratio: tuple[int, int], size: tuple[int, ...]) -> _Places:
    """Index the pixels under each block; beyond the edge the last row and column repeat."""
    spans = [_SIDE * ratio[0], _SIDE * ratio[1]]
    ys, xs = (
        np.minimum(place[:, None] * span + np.arange(span), limit - 1)
        for place, span, limit in zip(at, spans, size, strict=True)
    )
    return ys[:, :, None], xs[:, None, :]


def _pooled(window: NDArray[Any], ratio: tuple[int, int]) -> NDArray[np.float32]:
    """Turn (blocks, height, width) into (blocks, 64): the mean of the pixels under each sample."""
    down, across = ratio
    total = np.zeros((len(window), _SIDE, _SIDE), np.float32)
    for row in range(down):
        for column in range(across):
            total += window[:, row::down, column::across]
    total /= down * across
    return total.reshape(-1, _AREA)
