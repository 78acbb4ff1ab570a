"""Embedded images: decoded to pictures, and coded as they were, with new samples where edited."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pikepdf import Array, Dictionary, Name, Pdf, PdfError, Stream

from cleanplate.document.finished import Part
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.pdf import rendering
from cleanplate.document.pdf.opening import MAX_BYTES, filters_of, unpacks_to_more
from cleanplate.document.pdf.spaces import colours_of, is_stencil
from cleanplate.document.samples import deflated, packed, row_bytes, unpacked
from cleanplate.errors import PictureError
from cleanplate.picture import MAX_PIXELS
from cleanplate.picture.embedded import (
    decode_jpeg2000,
    encode_fax,
    encode_jpeg,
    from_jpeg,
    from_samples,
)
from cleanplate.picture.tiff_blocks import with_transform
from cleanplate.tasks.base import Remark

Mask: TypeAlias = NDArray[np.bool_]
Value: TypeAlias = str | int | bool
"""Of an entry: a name with its slash, or a number."""

_DCT, _JPX, _FAX, _JBIG2 = "/DCTDecode", "/JPXDecode", "/CCITTFaxDecode", "/JBIG2Decode"
_FLATE = "/FlateDecode"


@dataclass(frozen=True)
class Coded:
    """An image coded anew.

    Attributes:
        data: its stream.
        filter: what the stream is coded with.
        parms: of the filter.
        entries: of the image's dictionary that are set; None: removed.
        remarks: what the user should know.
    """

    data: bytes
    filter: str
    parms: Mapping[str, Value] = field(default_factory=dict)
    entries: Mapping[str, Value | None] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()

    def part(self, mask: bytes | None) -> Part:
        """Return it as what is kept of a finished page, with its mask as PNG."""
        how = {"filter": self.filter, "parms": dict(self.parms), "entries": dict(self.entries)}
        return Part(self.data, how, mask)

    def put(self, stream: Stream) -> None:
        """Write it into the stream of the image, whose other entries stay."""
        stream.write(self.data)
        self.describe(stream)

    def describe(self, stream: Stream) -> None:
        """Have the dictionary of a stream that holds its data say how they are coded."""
        stream.Filter = Name(self.filter)
        if self.parms:
            stream.DecodeParms = Dictionary({key: _object(one) for key, one in self.parms.items()})
        elif Name.DecodeParms in stream:
            del stream.DecodeParms
        for key, value in {"/Alternates": None, **self.entries}.items():
            if value is not None:
                stream[key] = _object(value)
            elif key in stream:
                del stream[key]


class _Jpeg:
    """An image coded by DCT; blocks that are not edited keep their coefficients."""

    two_tone = False

    def __init__(self, stream: Stream, data: bytes, turn: int, name: str) -> None:
        self._stored = from_jpeg(data, turn, name)
        size = self._stored.lying(self._stored.pixels[..., 0]).shape
        if size != _size(stream):
            raise LeftAlone(f"its JPEG has {size[1]}x{size[0]} pixels, not those it is said to")
        self._colours = colours_of(stream, bits=8, components=self._stored.pixels.shape[2])
        self.picture = self._stored
        if not self._colours.plain:
            if self._colours.palette is not None:
                raise LeftAlone("a palette's numbers are coded with loss")
            seen = self._colours.shown(self._stored.lying(self._stored.pixels))
            self.picture = from_samples(seen, turn, name)

    def reach(self, mask: Mask) -> Mask:
        """Return what changes, upright, when some pixels do: the blocks that hold them."""
        return self._stored.reach(mask)

    def coded(self, edited: Mask) -> Coded:
        """Code the picture anew where `edited`, upright."""
        if self.picture is not self._stored:
            self._stored.pixels[edited] = self._colours.codes(self.picture.pixels[edited])
        data = self._stored.encode(edited)
        return Coded(data, _DCT, entries={"/BitsPerComponent": 8})


class _Samples:
    """An image whose samples are coded without loss, or were two-tone."""

    def __init__(self, stream: Stream, turn: int, name: str) -> None:
        self._bits = _bits(stream)
        self.two_tone = self._bits == 1
        self._filters = filters_of(stream)
        self._predicted = _predictor(stream) > 1
        self._colours = colours_of(stream, bits=self._bits)
        self._codes = _codes(stream, self._bits, self._colours.components, self._filters, name)
        self.picture = from_samples(self._colours.shown(self._codes), turn, name)

    def reach(self, mask: Mask) -> Mask:
        """Return what changes, upright, when some pixels do: these alone."""
        return mask

    def coded(self, edited: Mask) -> Coded:
        """Code the picture anew where `edited`, upright; every other sample stays."""
        where = self.picture.lying(edited)
        _, far = self._colours.put(self._codes, where, self.picture.lying(self.picture.pixels))
        remarks = (*self._remarks(), *far)
        data = packed(self._codes, self._bits)
        width, components = self._codes.shape[1:]
        bits = {} if self._bits == 1 else {"/BitsPerComponent": self._bits}
        flate = self._deflated(data, width, components, remarks, bits)
        if self._bits > 1 or components > 1:
            return flate
        fax = _faxed(self._codes[..., 0], remarks)
        kept = {_FAX, _JBIG2} & set(self._filters)
        return fax if kept or len(fax.data) <= len(flate.data) else flate

    def _deflated(
        self,
        data: bytes,
        width: int,
        components: int,
        remarks: tuple[Remark, ...],
        entries: Mapping[str, Value],
    ) -> Coded:
        row = row_bytes(width, components, self._bits)
        pixel = max(1, components * self._bits // 8)
        packed_ = deflated(data, row, pixel, predicted=self._predicted)
        parms: dict[str, Value] = {}
        if self._predicted:
            parms = {
                "/Predictor": 15,
                "/Colors": components,
                "/BitsPerComponent": self._bits,
                "/Columns": width,
            }
        return Coded(packed_, _FLATE, parms, entries, remarks)

    def _remarks(self) -> tuple[Remark, ...]:
        return (_recoded("JBIG2", "CCITT fax (Group 4)"),) if _JBIG2 in self._filters else ()


class _Jpeg2000:
    """A JPEG 2000 image; once edited, it is coded otherwise."""

    two_tone = False

    def __init__(self, stream: Stream, data: bytes, turn: int, name: str, exact: bool) -> None:
        if stream.get(Name.SMaskInData, 0) != 0:
            raise LeftAlone("its transparency lies in its JPEG 2000 data")
        samples, lossless = decode_jpeg2000(data, name)
        self._exact = exact or lossless
        if samples.shape[:2] != _size(stream):
            raise LeftAlone("its JPEG 2000 data have another size than it is said to")
        self._colours = colours_of(stream, bits=8, components=samples.shape[2])
        if not self._colours.plain:
            raise LeftAlone("its JPEG 2000 data are no plain colours")
        self._named = Name.ColorSpace in stream
        self.picture = from_samples(samples, turn, name)

    def reach(self, mask: Mask) -> Mask:
        """Return what changes, upright, when some pixels do, as far as that is for the eye."""
        return mask

    def coded(self, edited: Mask) -> Coded:
        """Code the picture anew as a whole, without loss where it was so coded or has to be."""
        pixels = self.picture.lying(self.picture.pixels)
        width, components = pixels.shape[1:]
        entries: dict[str, Value | None] = {"/BitsPerComponent": 8, "/SMaskInData": None}
        if not self._named:
            entries["/ColorSpace"] = "/DeviceGray" if components == 1 else "/DeviceRGB"
        if self._exact:
            data = deflated(packed(pixels, 8), width * components, components, predicted=True)
            parms = {"/Predictor": 15, "/Colors": components, "/Columns": width}
            return Coded(data, _FLATE, parms, entries, (_recoded("JPEG 2000", "Flate"),))
        data = encode_jpeg(pixels, self.picture.name)
        remark = _recoded("JPEG 2000", "JPEG of quality 95")
        return Coded(data, _DCT, {}, entries, (remark,))


Embedded: TypeAlias = _Jpeg | _Samples | _Jpeg2000
"""An image: its `picture`, whether it is `two_tone`, `coded(edited)`, which gives it back, and the
`reach` of an edit.
"""


def embedded(stream: Stream, turn: int, name: str, *, exact: bool = False) -> Embedded:
    """Return an image of a document as a picture, and what codes it again.

    Args:
        stream: the image.
        turn: how it is to be looked at, as EXIF numbers it.
        name: for messages.
        exact: some of it must stay exactly: what can only be coded again as a whole is coded
            without loss.

    Raises:
        LeftAlone: it is damaged, or of a kind that cannot be written back faithfully.
    """
    height, width = _size(stream)
    if not 0 < height * width <= MAX_PIXELS:
        raise LeftAlone(f"it is said to have {width}x{height} pixels")
    if isinstance(stream.get(Name.Mask), Array):
        raise LeftAlone("one of its colours stands for transparency")
    soft = stream.get(Name.SMask)
    if isinstance(soft, Stream) and Name.Matte in soft:
        raise LeftAlone("its colours are mixed with its transparency")
    try:
        last = (filters_of(stream) or [""])[-1]
        if last == _DCT:
            return _Jpeg(stream, _with_transform(stream, coded_data(stream)), turn, name)
        if last == _JPX:
            return _Jpeg2000(stream, coded_data(stream), turn, name, exact)
        return _Samples(stream, turn, name)
    except PictureError as error:
        raise LeftAlone(str(error).removeprefix(f"{name}: ").removesuffix(".")) from error
    except (
        PdfError,
        zlib.error,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
    ) as error:
        raise LeftAlone(f"it is damaged ({' '.join(str(error).split())})") from error


def coded_data(stream: Stream) -> bytes:
    """Return what the last filter of a stream decodes, all others undone."""
    filters = filters_of(stream)
    raw: bytes = stream.read_raw_bytes()
    if len(filters) == 1:
        return raw
    if unpacks_to_more(stream, MAX_BYTES):
        raise LeftAlone("its data unpack to more than 512 MB")
    parms = stream.get(Name.DecodeParms)
    given = list(parms)[:-1] if isinstance(parms, Array) else []
    with Pdf.new() as alone:
        outer = Stream(alone, raw)
        outer.Filter = Array([Name(one) for one in filters[:-1]])
        if given:
            outer.DecodeParms = Array([rendering.copied(alone, one) for one in given])
        return bytes(outer.read_bytes())


def _size(stream: Stream) -> tuple[int, int]:
    try:
        return int(stream.Height), int(stream.Width)
    except (AttributeError, TypeError, ValueError):
        raise LeftAlone("it does not say how large it is") from None


def _bits(stream: Stream) -> int:
    if is_stencil(stream) or {_FAX, _JBIG2} & set(filters_of(stream)):
        return 1
    bits = int(stream.get(Name.BitsPerComponent, 8))
    if bits not in (1, 2, 4, 8, 16):
        raise LeftAlone(f"it has {bits} bits a sample")
    return bits


def _codes(
    stream: Stream, bits: int, components: int, filters: list[str], name: str
) -> NDArray[Any]:
    """Return the samples of an image (H, W, N), as they are stored."""
    if {_FAX, _JBIG2} & set(filters):
        if components != 1:
            raise LeftAlone("two-tone data are said to be colours")
        return rendering.bits_of(stream, name)[..., None]
    height, width = _size(stream)
    length = height * row_bytes(width, components, bits)
    if length > MAX_BYTES:
        raise LeftAlone("its samples take more than 512 MB")
    if filters == [_FLATE] and _predictor(stream) < 2:
        data = zlib.decompressobj().decompress(stream.read_raw_bytes(), length)
        return unpacked(data, (height, width), components, bits)
    if unpacks_to_more(stream, 2 * length + 4096):  # each row may have a byte for its filter
        raise LeftAlone("its data unpack to more than it is large")
    return unpacked(stream.read_bytes(), (height, width), components, bits)


def _predictor(stream: Stream) -> int:
    parms = stream.get(Name.DecodeParms)
    if isinstance(parms, Array):
        parms = parms[-1] if len(parms) else None
    return int(parms.get(Name.Predictor, 1)) if isinstance(parms, Dictionary) else 1


def _with_transform(stream: Stream, data: bytes) -> bytes:
    """Return a JPEG that says itself what /ColorTransform says of its colours."""
    parms = stream.get(Name.DecodeParms)
    if isinstance(parms, Array):
        parms = parms[-1] if len(parms) else None
    if not isinstance(parms, Dictionary) or Name.ColorTransform not in parms:
        return data
    return with_transform(data, transformed=bool(int(parms.ColorTransform)))


def _faxed(codes: NDArray[np.uint8], remarks: tuple[Remark, ...]) -> Coded:
    """Code bits (H, W); what there is more of is white, which takes less room."""
    height, width = codes.shape
    one_is_black = bool(codes.mean() <= 0.5)
    parms: dict[str, Value] = {
        "/K": -1,
        "/Columns": width,
        "/Rows": height,
        "/BlackIs1": one_is_black,
    }
    data = encode_fax(codes == (1 if one_is_black else 0))
    return Coded(data, _FAX, parms, {"/BitsPerComponent": 1}, remarks)


def _recoded(before: str, after: str) -> Remark:
    return Remark("image-coded-again", f"a {before} image is now {after}")


def _object(value: Value) -> Any:
    return Name(value) if isinstance(value, str) else value
