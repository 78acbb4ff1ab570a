"""Pages decoded to pictures, and coded as they were, with new samples where edited."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleanplate.document.leaving import LeftAlone
from cleanplate.document.samples import packed, row_bytes, unpacked
from cleanplate.document.tiff.container import Container
from cleanplate.document.tiff.forms import (
    FAX_4_OPTIONS,
    FAX_OPTIONS,
    FILL_ORDER,
    TABLES,
    Block,
    Form,
)
from cleanplate.errors import PictureError
from cleanplate.picture import Picture, directory
from cleanplate.picture.embedded import from_jpeg, from_samples
from cleanplate.picture.jpeg import huffman_tables
from cleanplate.picture.tiff_blocks import FAX, JPEG, NONE, decode, encode, whole_jpeg
from cleanplate.tasks.base import Remark

Mask: TypeAlias = NDArray[np.bool_]
_FAX_3 = 3


@dataclass(frozen=True)
class CodedPage:
    """The strips or tiles of a page that are others now, by their numbers.

    `one_dimensional`: those of a fax, all of them, are coded in one dimension now.
    """

    blocks: dict[int, bytes]
    one_dimensional: bool = False
    remarks: tuple[Remark, ...] = ()


class _Samples:
    """A page whose samples are coded without loss."""

    def __init__(self, container: Container, form: Form, name: str) -> None:
        self._form = form
        self.two_tone = form.bits == 1 and form.samples == 1
        height, width = form.size
        dtype = np.uint16 if form.bits == 16 else np.uint8
        self._codes: NDArray[Any] = np.empty((height, width, form.samples), dtype)
        for block in form.blocks:
            coded = container.read(block.place, block.length)
            target = self._part(block)
            target[:] = self._decoded(block, coded, name)[: target.shape[0], : target.shape[1]]
        shown = form.colours.shown(self._codes[..., : form.colours.components])
        self.picture = from_samples(shown, form.orientation, name)

    def reach(self, mask: Mask) -> Mask:
        """Return what changes, upright, when some pixels do: these alone."""
        return mask

    def coded(self, edited: Mask) -> CodedPage:
        """Code the strips or tiles anew in which samples become others, where `edited`, upright."""
        form = self._form
        where = self.picture.lying(edited)
        colours = self._codes[..., : form.colours.components]
        changed, remarks = form.colours.put(colours, where, self.picture.lying(self.picture.pixels))
        touched = {number for number, one in enumerate(form.blocks) if changed[one.part].any()}
        # Rows of a fax of kind 3 may refer to those above, which its encoder here does not do.
        flat = bool(touched) and form.compression == _FAX_3 and self._two_dimensional()
        numbers = range(len(form.blocks)) if flat else sorted(touched)
        blocks = {number: self._encoded(form.blocks[number]) for number in numbers}
        return CodedPage(blocks, flat, remarks)

    def _two_dimensional(self) -> bool:
        return bool(directory.number(self._form.options, FAX_OPTIONS, self._form.order, 0))

    def _part(self, block: Block) -> NDArray[Any]:
        """Return the view of the samples that a block holds."""
        planes = slice(None) if self._form.planes == 1 else slice(block.plane, block.plane + 1)
        rows, columns = block.part
        part: NDArray[Any] = self._codes[rows, columns, planes]
        return part

    def _decoded(self, block: Block, coded: bytes, name: str) -> NDArray[Any]:
        form = self._form
        size, together = (block.rows, block.columns), form.together
        wide = row_bytes(block.columns, together, form.bits)
        shape = size if form.compression in FAX else (block.rows, wide)
        data = decode(coded, form.compression, shape, name, _options(form))
        if form.bits == 16 and form.order == "<":
            data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
        codes = unpacked(data, size, together, form.bits)
        if form.predicted:
            np.cumsum(codes, axis=1, dtype=codes.dtype, out=codes)
        return codes

    def _encoded(self, block: Block) -> bytes:
        form, part = self._form, self._part(block)
        size = (block.rows, block.columns)
        beyond = [(0, whole - there) for whole, there in zip(size, part.shape, strict=False)]
        codes = np.pad(part, (*beyond, (0, 0)), mode="edge")
        if form.predicted:
            codes[:, 1:] -= codes[:, :-1].copy()
        data = packed(codes, form.bits)
        if form.bits == 16 and form.order == "<":
            data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
        wide = row_bytes(block.columns, form.together, form.bits)
        shape = size if form.compression in FAX else (block.rows, wide)
        coded = encode(data, form.compression, shape, _options(form))
        # As long as it was: of strips that differ in length, libtiff takes none for what it says.
        return coded.ljust(block.length, b"\0") if form.compression == NONE else coded


class _Jpeg:
    """A page of JPEG data; 8x8 blocks of it that are not edited keep their coefficients."""

    two_tone = False

    def __init__(self, container: Container, form: Form, name: str) -> None:
        self._form, self._container, self._name = form, container, name
        tables = form.options.get(TABLES)
        self._tables = tables.data if tables else b""
        pixels = np.empty((*form.size, form.samples), np.uint8)
        for block in form.blocks:
            target = pixels[block.part]
            target[:] = self._decoded(block).pixels[: target.shape[0], : target.shape[1]]
        self.picture = from_samples(form.colours.shown(pixels), form.orientation, name)

    def reach(self, mask: Mask) -> Mask:
        """Return what changes, upright, when some pixels do: the 8x8 blocks that hold them."""
        where = self.picture.lying(mask)
        for block in self._form.blocks:
            here = where[block.part]
            if here.any():
                stored = self._decoded(block)
                here[:] = stored.reach(_over(stored, here))[: here.shape[0], : here.shape[1]]
        return self.picture.upright(where)

    def coded(self, edited: Mask) -> CodedPage:
        """Code the strips or tiles anew that are edited, upright."""
        where = self.picture.lying(edited)
        pixels = self.picture.lying(self.picture.pixels)
        blocks = {}
        for number, block in enumerate(self._form.blocks):
            here = where[block.part]
            if not here.any():
                continue
            stored = self._decoded(block)
            inside = _over(stored, here)
            stored.pixels[inside] = self._form.colours.codes(pixels[block.part][here])
            blocks[number] = stored.encode(inside)
        if self._tables and not all(self._fits(data) for data in blocks.values()):
            # With tables of their own in some, libtiff decodes the others by those it read last.
            for number, block in enumerate(self._form.blocks):
                if number not in blocks:
                    blocks[number] = self._whole(block)
        return CodedPage(blocks)

    def _fits(self, data: bytes) -> bool:
        """Return whether a strip leaves the Huffman tables that all share as they are."""
        shared, own = huffman_tables(self._tables), huffman_tables(data)
        return all(own.get(key, table) == table for key, table in shared.items())

    def _whole(self, block: Block) -> bytes:
        coded = self._container.read(block.place, block.length)
        return whole_jpeg(coded, self._tables, self._form.photometric)

    def _decoded(self, block: Block) -> Picture:
        picture = from_jpeg(self._whole(block), 1, self._name)
        if picture.pixels.shape != (block.rows, block.columns, self._form.samples):
            raise LeftAlone("its JPEG data are of another size than it is said to be")
        return picture


PageImage: TypeAlias = _Samples | _Jpeg
"""A page: its `picture`, whether it is `two_tone`, `coded(edited)`, which gives it back, and the
`reach` of an edit.
"""


def image_of(container: Container, form: Form, name: str) -> PageImage:
    """Return a page as a picture, and what codes it again.

    Raises:
        LeftAlone: it is damaged, or of a kind that cannot be written back faithfully.
    """
    try:
        kind = _Jpeg if form.compression == JPEG else _Samples
        return kind(container, form, name)
    except PictureError as error:
        raise LeftAlone(str(error).removeprefix(f"{name}: ").removesuffix(".")) from error
    except (ValueError, struct.error) as error:
        raise LeftAlone(f"it is damaged ({error})") from error


def _over(stored: Picture, here: Mask) -> Mask:
    """Return a mask of the part of a page that a strip or tile holds as one of all its pixels."""
    whole = np.zeros(stored.pixels.shape[:2], bool)
    whole[: here.shape[0], : here.shape[1]] = here
    return whole


def _options(form: Form) -> directory.Directory:
    """Return the tags of a page that its decoder needs, in little-endian bytes."""
    tags = (FILL_ORDER, FAX_OPTIONS, FAX_4_OPTIONS)
    known = {tag: directory.integers(form.options, tag, form.order, ()) for tag in tags}
    return {tag: directory.longs("<", *values) for tag, values in known.items() if values}
