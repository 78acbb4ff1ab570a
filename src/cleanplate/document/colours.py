"""What the samples of an image look like, and which samples look like given colours.

Codes are samples as the image holds them, (..., N) for N components; what they look like is grey
or RGB, (..., 1 or 3), of the same depth, 8 bits for codes of fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pikepdf import Array, Name, Object, Stream, String

from cleanplate.document.leaving import LeftAlone
from cleanplate.document.opening import unpacks_to_more

Codes = NDArray[Any]
_LONGEST = 4096  # bytes of a palette
_GREY = {"/DeviceGray", "/G", "/CalGray"}
_RGB = {"/DeviceRGB", "/RGB", "/CalRGB"}
_CMYK = {"/DeviceCMYK", "/CMYK"}


@dataclass(frozen=True)
class Colours:
    """A colour space with the range that an image gives its samples.

    Attributes:
        kind: grey, rgb, cmyk or palette.
        components: samples a pixel.
        bits: of a sample.
        decode: for each component what the least and the greatest code mean, in [0, 1].
        palette: (K, 1 or 3) uint8, what each code looks like; of a palette alone.
    """

    kind: str
    components: int
    bits: int
    decode: tuple[tuple[float, float], ...]
    palette: NDArray[np.uint8] | None = None

    @property
    def plain(self) -> bool:
        """Whether codes are what is seen."""
        same = all(one == (0.0, 1.0) for one in self.decode)
        return self.kind in ("grey", "rgb") and self.bits >= 8 and same

    def shown(self, codes: Codes) -> Codes:
        """Return what codes (..., N) look like."""
        if self.plain:
            return codes
        if self.palette is not None:
            seen: Codes = self.palette[np.minimum(codes[..., 0], len(self.palette) - 1)]
            return seen
        values = self._values(codes)
        if self.kind == "cmyk":
            values = (1 - values[..., :3]) * (1 - values[..., 3:])
        return self._rounded(values)

    def codes(self, seen: Codes, black_share: float = 1.0) -> Codes:
        """Return the codes (..., N) that look like `seen` (..., 1 or 3), or are nearest to it.

        Args:
            seen: as `shown` gives it.
            black_share: how much of what is dark in a colour is black ink, of CMYK alone.
        """
        if self.plain:
            return seen
        if self.palette is not None:
            return _nearest(self.palette, seen)
        values = seen.astype(np.float64) / np.iinfo(seen.dtype).max
        if self.kind == "cmyk":
            values = _inks(values, black_share)
        low, high = (np.array([one[i] for one in self.decode]) for i in (0, 1))
        most = (1 << self.bits) - 1
        dtype = np.uint16 if self.bits > 8 else np.uint8
        codes: Codes = np.rint(np.clip((values - low) / (high - low), 0, 1) * most).astype(dtype)
        return codes

    def black_share(self, codes: Codes) -> float:
        """Return how much of what is dark in codes (M, 4) of CMYK is black ink, 0 to 1."""
        values = self._values(codes)
        black = values[:, 3]
        dark = 1 - (1 - values[:, :3].min(1)) * (1 - black)
        known = dark > 0.1
        return float(np.median(black[known] / dark[known])) if known.any() else 1.0

    def _values(self, codes: Codes) -> NDArray[np.float32]:
        low, high = (np.array([one[i] for one in self.decode], np.float32) for i in (0, 1))
        most = np.float32((1 << self.bits) - 1)
        values = low + codes.astype(np.float32) * ((high - low) / most)
        return np.asarray(np.clip(values, 0, 1), np.float32)

    def _rounded(self, values: NDArray[np.float32]) -> Codes:
        most = 65535 if self.bits > 8 else 255
        return np.rint(values * most).astype(np.uint16 if self.bits > 8 else np.uint8)


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


def _inks(values: NDArray[np.float64], black_share: float) -> NDArray[np.float64]:
    """Return CMYK (..., 4) of RGB (..., 3) in [0, 1]; the inverse of what `shown` computes."""
    black = (1 - values.max(-1, keepdims=True)) * black_share
    inks = 1 - values / np.maximum(1 - black, 1e-6)
    return np.concatenate([np.clip(inks, 0, 1), black], -1)


def _nearest(palette: NDArray[np.uint8], seen: Codes) -> Codes:
    flat = seen.reshape(-1, seen.shape[-1])
    if flat.shape[1] != palette.shape[1]:
        raise ValueError(f"colours {flat.shape} for a palette {palette.shape}")
    unique, back = np.unique(flat, axis=0, return_inverse=True)
    nearest = np.empty(len(unique), np.uint8)
    entries = palette.astype(np.int32)
    for start in range(0, len(unique), 4096):
        some = unique[start : start + 4096].astype(np.int32)
        distance = ((some[:, None] - entries) ** 2).sum(2)
        nearest[start : start + 4096] = distance.argmin(1)
    return nearest[back.reshape(-1)].reshape(*seen.shape[:-1], 1)
