"""TIFF files of several pages for tests, written by tifffile and Pillow, and read by them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from cleanplate.document import CleanedPage, Document, Ways
from cleanplate.document.tiff.container import Container
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned

SIZE = (48, 64)
SPOT = np.zeros(SIZE, bool)
SPOT[16:32, 16:32] = True
FILL = 128


class Spot:
    """A task that fills `SPOT`, turned or not, with grey where it is darkest or reddest."""

    def clean(self, picture: Picture, *, mask: NDArray[np.float32] | None = None) -> Cleaned:
        pixels = picture.pixels.astype(int) * 255 // picture.max_value
        found = pixels.max(2) < 40
        if pixels.shape[2] == 3:
            found = (pixels[..., 0] > 180) & (pixels[..., 1:] < 80).all(2)
        picture.pixels[found] = FILL * (picture.max_value // 255)
        return Cleaned(picture, np.where(found, 255, 0).astype(np.uint8), {})


def coloured(*, spot: bool = True, seed: int = 0, size: tuple[int, int] = SIZE) -> NDArray[Any]:
    """A greenish page (H, W, 3) with a red spot of 16x16 pixels."""
    pixels = np.full((*size, 3), (20, 160, 60), np.uint8)
    pixels[..., 2] += (np.arange(size[1]) % 90).astype(np.uint8)
    pixels[0, 0] = (90, 200, seed)
    if spot:
        pixels[16:32, 16:32] = (255, 0, 0)
    return pixels


def grey(*, spot: bool = True, seed: int = 0) -> NDArray[Any]:
    """A light page (H, W) with a black spot."""
    pixels = np.full(SIZE, 200, np.uint8)
    pixels[0, 0] = 150 + seed
    if spot:
        pixels[SPOT] = 0
    return pixels


def written(
    *pages: NDArray[Any] | tuple[NDArray[Any], dict[str, Any]],
    bigtiff: bool = False,
    byteorder: str = "<",
    **options: Any,
) -> bytes:
    """A file of these pages, each with options of its own where it has some."""
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=bigtiff, byteorder=byteorder) as file:
        for page in pages:
            array, own = page if isinstance(page, tuple) else (page, {})
            file.write(array, metadata=None, software=False, **(options | own))
    return out.getvalue()


def by_pillow(pages: Sequence[NDArray[Any]], mode: str, **options: Any) -> bytes:
    """A file of pages of a Pillow mode."""
    out = io.BytesIO()
    images = [Image.fromarray(page).convert(mode, dither=Image.Dither.NONE) for page in pages]
    images[0].save(out, "TIFF", save_all=True, append_images=images[1:], **options)
    return out.getvalue()


def read(content: bytes) -> list[NDArray[Any]]:
    """The pages as tifffile reads them."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        return [page.asarray() for page in file.pages]


def shown(content: bytes) -> list[NDArray[Any]]:
    """The pages as Pillow reads them, of 8 bits."""
    image = Image.open(io.BytesIO(content))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append(np.asarray(image.convert("L" if image.mode == "1" else image.mode)))
    return found


def tags(content: bytes, number: int) -> dict[int, Any]:
    """The tags of a page but for where its strips are."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[number]
        return {one.code: one.value for one in page.tags if one.code not in (273, 279, 324, 325)}


def coded(content: bytes, number: int) -> list[bytes]:
    """The strips or tiles of a page as they are coded."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[number]
        pairs = zip(page.dataoffsets, page.databytecounts, strict=True)
        return [content[at : at + length] for at, length in pairs]


def cleaned(
    content: bytes | Path, task: Any = None, **ways: Any
) -> tuple[bytes, list[CleanedPage], list[str]]:
    """A document after a task: its file, its pages, and the codes of its remarks."""
    with Document(content) as document:
        cleaning = document.cleaning(task or Spot(), Ways(**ways))
        pages = [cleaning.clean_page(number) for number in cleaning.pages]
        out = io.BytesIO()
        changed = cleaning.save(out)
        codes = [one.code for one in cleaning.remarks()]
        return (out.getvalue() if changed else document.unchanged()), pages, codes


def scan(path: Path, *, pages: int = 3, blots: Sequence[int] = (1,), **options: Any) -> Path:
    """Write a file of coloured pages, those of `blots` with a spot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = [coloured(spot=one in blots, seed=one) for one in range(1, pages + 1)]
    path.write_bytes(written(*drawn, photometric="rgb", compression="zlib", **options))
    return path


def starts(content: bytes) -> list[int]:
    """Where the directories of a file lie."""
    return [node.start for node in Container(io.BytesIO(content)).chain()]


def with_tag(content: bytes, number: int, tag: int, kind: int, value: int) -> bytes:
    """A little-endian classic file in which a tag of a page is one number of another type."""
    start, new = starts(content)[number], bytearray(content)
    (count,) = struct.unpack_from("<H", content, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, at)[0] == tag:
            struct.pack_into("<HII", new, at + 2, kind, 1, value)
            return bytes(new)
    raise KeyError(tag)


def linked(content: bytes, number: int, to: int) -> bytes:
    """A little-endian classic file in which a directory is followed by another one."""
    start, new = starts(content)[number], bytearray(content)
    (count,) = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", new, start + 2 + 12 * count, to)
    return bytes(new)
