"""What a PDF says of the colours of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pikepdf import Array, Name, Object, Stream, String

from cleanplate.document.colours import Colours
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.pdf.opening import unpacks_to_more

_LONGEST = 4096  # bytes of a palette
_GREY = {"/DeviceGray", "/G", "/CalGray"}
_RGB = {"/DeviceRGB", "/RGB", "/CalRGB"}
_CMYK = {"/DeviceCMYK", "/CMYK"}


def is_stencil(stream: Stream) -> bool:
    """Return whether an image is a stencil that its page's colour is painted through."""
    said: Any = stream.get(Name.ImageMask)
    return said is True


def colours_of(stream: Stream, *, bits: int, components: int | None = None) -> Colours:
    """Return the colours of an image.

    Args:
        stream: the image.
        bits: of its samples.
        components: of its coded data, where these tell.

    Raises:
        LeftAlone: its colour space is not one whose colours can be written back.
    """
    if is_stencil(stream):
        return Colours("grey", 1, 1, _decode(stream, 1, 1, (0, 1)))
    space = stream.get(Name.ColorSpace)
    if space is None and components is not None:
        space = {1: Name.DeviceGray, 3: Name.DeviceRGB, 4: Name.DeviceCMYK}.get(components)
    palette = None
    if isinstance(space, Array) and len(space) == 4 and str(space[0]) in ("/Indexed", "/I"):
        if bits > 8:
            raise LeftAlone("its palette has more than 256 colours")
        palette = _palette(space)
        kind, count = "palette", 1
    else:
        kind, count = _kind(space)
    if components is not None and count != components:
        raise LeftAlone(f"its colour space has {count} components, its data {components}")
    black_is_one = kind == "black"
    usual = (0, (1 << bits) - 1) if palette is not None else (1, 0) if black_is_one else (0, 1)
    decode = _decode(stream, count, bits, usual)
    if palette is not None and decode[0] != usual:
        raise LeftAlone("the numbers of its palette's colours are shifted")
    if black_is_one and Name.Decode in stream:
        decode = tuple((1 - low, 1 - high) for low, high in decode)
    if any(low == high for low, high in decode):
        raise LeftAlone("all its samples mean the same")
    return Colours("grey" if black_is_one else kind, count, bits, decode, palette)


def _kind(space: Object | None) -> tuple[str, int]:
    """Return the kind of a colour space, and how many components it has."""
    if isinstance(space, Array) and len(space):
        head = str(space[0])
        if head == "/ICCBased" and isinstance(space[1], Stream):
            count = int(space[1].get(Name.N, 0))
            known = {1: "grey", 3: "rgb", 4: "cmyk"}.get(count)
            if known and str(space[1].get(Name.Alternate, "")) != "/Lab":
                return known, count
        elif head == "/Separation" and len(space) > 1 and str(space[1]) in ("/Black", "/All"):
            return "black", 1
    else:
        head = str(space)
    for kind, names, count in (("grey", _GREY, 1), ("rgb", _RGB, 3), ("cmyk", _CMYK, 4)):
        if head in names:
            return kind, count
    raise LeftAlone(f"colours of the kind {head.removeprefix('/')} are not edited")


def _decode(
    stream: Stream, count: int, bits: int, usual: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    given = stream.get(Name.Decode)
    if given is None:
        return (usual,) * count
    numbers = [float(one) for one in given]
    if len(numbers) < 2 * count:
        raise LeftAlone("its /Decode is too short")
    return tuple(zip(numbers[0 : 2 * count : 2], numbers[1 : 2 * count : 2], strict=True))


def _palette(space: Array) -> NDArray[np.uint8]:
    """Return what the codes of an indexed colour space look like, (K, 1 or 3)."""
    kind, count = _kind(space[1])
    table = space[3]
    if isinstance(table, Stream) and unpacks_to_more(table, _LONGEST):
        raise LeftAlone("its palette unpacks to more than it can hold")
    data = table.read_bytes() if isinstance(table, Stream) else bytes(_string(table))
    size = min(int(space[2]) + 1, 256)
    entries = np.zeros((size, count), np.uint8)
    known = np.frombuffer(data[: size * count], np.uint8)
    entries.reshape(-1)[: len(known)] = known
    decode = ((1.0, 0.0) if kind == "black" else (0.0, 1.0),) * count
    base = Colours("grey" if kind == "black" else kind, count, 8, decode)
    seen: NDArray[np.uint8] = base.shown(entries)
    if seen.shape[1] == 3 and (seen == seen[:, :1]).all():
        return seen[:, :1]
    return seen


def _string(table: Object) -> bytes:
    if not isinstance(table, String):
        raise LeftAlone("its palette is damaged")
    return bytes(table)
