"""BMP, WebP, AVIF and HEIC: formats that Pillow (and pillow-heif) read and write well enough."""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cleanplate.errors import PictureError
from cleanplate.picture import arrays, container, directory, pillow
from cleanplate.picture.planes import Mask, Planes, damaged

# The lossy formats code the whole picture again, so rather too well than too badly.
_QUALITY = 95


def _eight_bits(planes: Planes, format_: str, name: str) -> None:
    if planes.deep():
        raise PictureError(f"{name}: {format_} holds 8 bits, this picture 16; write PNG or TIFF.")


class Bmp:
    """Windows bitmaps, written as 8-bit grey, 24-bit RGB or, with alpha, 32 bits."""

    @staticmethod
    def decode(data: bytes, name: str) -> Planes:
        """Samples and resolution of a bitmap."""
        from PIL.BmpImagePlugin import BmpImageFile

        with pillow.decoding(name, "BMP file"):
            image = pillow.load(BmpImageFile, data, name)
            return Planes(*pillow.split(image, name), pillow.metadata(image.info))

    @staticmethod
    def encode(planes: Planes, name: str) -> bytes:
        """Return a new bitmap; it has no room for EXIF and ICC."""
        _eight_bits(planes, "BMP", name)
        dpi = planes.metadata.dpi or (96.0, 96.0)
        if planes.alpha is None:
            return pillow.save(pillow.join(planes.pixels, None, name), "BMP", dpi=dpi)
        return Bmp._with_alpha(planes, dpi)

    @staticmethod
    def _with_alpha(planes: Planes, dpi: tuple[float, float]) -> bytes:
        """Return the header that names an alpha mask (BITMAPV3INFOHEADER), which Pillow does not
        write.
        """
        height, width = planes.pixels.shape[:2]
        assert planes.alpha is not None
        colours = np.broadcast_to(planes.pixels, (height, width, 3))[::-1, :, ::-1]
        body = np.dstack([colours, planes.alpha[::-1]]).tobytes()
        across, down = (round(value / 0.0254) for value in dpi)
        masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        info = struct.pack(
            "<IiiHHIIiiII4I", 56, width, height, 1, 32, 3, len(body), across, down, 0, 0, *masks
        )
        return struct.pack("<2sIII", b"BM", 14 + len(info) + len(body), 0, 70) + info + body

    @staticmethod
    def rewrite(
        source: bytes, planes: Planes, edited: Mask | None, strip: bool, name: str
    ) -> bytes:
        """Return the same as ``encode``: a bitmap has nothing else to keep or to strip."""
        return Bmp.encode(planes, name)


class WebP:
    """WebP; what was lossless stays so, what was lossy is coded again as a whole, at quality 95."""

    @staticmethod
    def decode(data: bytes, name: str) -> Planes:
        """Samples and metadata of a WebP file."""
        from PIL.WebPImagePlugin import WebPImageFile

        for _ in WebP._chunks(data, name):
            pass
        with pillow.decoding(name, "WebP file"):
            image = pillow.load(WebPImageFile, data, name)
            return Planes(*pillow.split(image, name), pillow.metadata(image.info))

    @staticmethod
    def encode(planes: Planes, name: str, *, lossless: bool = True) -> bytes:
        """Return a new WebP file, lossless unless said otherwise."""
        _eight_bits(planes, "WebP", name)
        options = pillow.save_options(planes.metadata)
        options.pop("dpi", None)
        # Of a lossless file "quality" is the effort; "exact" keeps colours under transparency.
        options |= (
            {"lossless": True, "exact": True, "quality": 50} if lossless else {"quality": _QUALITY}
        )
        with pillow.decoding(name, "picture"):
            image = pillow.join(planes.pixels, planes.alpha, name)
            mode = "RGB" if planes.alpha is None else "RGBA"
            return pillow.save(image.convert(mode), "WEBP", method=4, **options)

    @staticmethod
    def rewrite(
        source: bytes, planes: Planes, edited: Mask | None, strip: bool, name: str
    ) -> bytes:
        """Return the file again with these samples; ``edited`` None: with its own, still
        compressed.
        """
        if edited is None:
            return WebP._without_words(source, planes.metadata.orientation, name)
        lossless = any(kind == b"VP8L" for kind, _ in WebP._chunks(source, name))
        metadata = planes.metadata.stripped() if strip else planes.metadata
        return WebP.encode(Planes(planes.pixels, planes.alpha, metadata), name, lossless=lossless)

    @staticmethod
    def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
        (size,) = struct.unpack_from("<I", data, 4)
        if 8 + size > len(data):
            raise damaged(name, "WebP file", "it ends within its data")
        at = 12
        while at + 8 <= 8 + size:
            kind, length = struct.unpack_from("<4sI", data, at)
            yield kind, data[at + 8 : at + 8 + length]
            at += 8 + length + length % 2

    @staticmethod
    def _without_words(source: bytes, orientation: int, name: str) -> bytes:
        body = b"WEBP"
        exif = directory.orientation_block(orientation) if orientation != 1 else b""
        for kind, data in WebP._chunks(source, name):
            if kind in (b"EXIF", b"XMP "):
                continue
            # The first byte of the extended header says which chunks are there: 8 EXIF, 4 XMP.
            flags = data[:1] and bytes([data[0] & ~12 | (8 if exif else 0)])
            body += WebP._chunk(kind, flags + data[1:] if kind == b"VP8X" else data)
        body += WebP._chunk(b"EXIF", exif) if exif else b""
        return b"RIFF" + struct.pack("<I", len(body)) + body

    @staticmethod
    def _chunk(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


class Modern:
    """AVIF and HEIC: edited, coded again as a whole, at quality 95 without chroma subsampling."""

    def __init__(
        self,
        format_: str,
        opener: Callable[[], Any],
        writer: Callable[[Any, dict[str, Any]], bytes],
    ) -> None:
        self.format = format_
        self._opener = opener
        self._writer = writer

    def decode(self, data: bytes, name: str) -> Planes:
        """Samples and metadata.

        Raises:
            PictureError: damaged, an animation, or more than 8 bits a sample.
        """
        try:
            plugin = self._opener()
        except PictureError as error:
            raise PictureError(f"{name}: {error}") from error
        with pillow.decoding(name, f"{self.format} file"):
            image = pillow.load(plugin, data, name)
            bits = max(_depth(data), image.info.get("bit_depth", 8))
            if bits > 8:
                raise PictureError(
                    f"{name}: a {bits}-bit {self.format} cannot be written back; "
                    "convert it to a 16-bit PNG or TIFF first."
                )
            return Planes(*pillow.split(image, name), pillow.metadata(image.info))

    def encode(self, planes: Planes, name: str) -> bytes:
        """Return a new file."""
        _eight_bits(planes, self.format, name)
        self._opener()
        options = {**pillow.save_options(planes.metadata), "quality": _QUALITY}
        options.pop("dpi", None)
        with pillow.decoding(name, "picture"):
            return self._writer(pillow.join(planes.pixels, planes.alpha, name), options)

    def rewrite(
        self, source: bytes, planes: Planes, edited: Mask | None, strip: bool, name: str
    ) -> bytes:
        """Return the file coded again, or, with nothing edited, its coded samples in a new
        container.
        """
        if edited is None and (bare := self._without_words(source, planes, name)):
            return bare
        metadata = planes.metadata.stripped() if strip else planes.metadata
        return self.encode(Planes(planes.pixels, planes.alpha, metadata), name)

    def _without_words(self, source: bytes, planes: Planes, name: str) -> bytes | None:
        """Return the file without EXIF and XMP; None if it then decodes to another picture."""
        try:
            bare = container.without_words(source)
            again = self.decode(bare, name)
        except (PictureError, ValueError, LookupError, struct.error):
            return None
        old, new = (arrays.join(one.pixels, one.alpha, None) for one in (planes, again))
        same = again.metadata.stripped() == planes.metadata.stripped() and np.array_equal(old, new)
        return bare if same else None


def _depth(data: bytes) -> int:
    """Bits a sample by the AV1 configuration record; 8 where there is none (HEIC)."""
    at = data.find(b"av1C")
    if at < 0 or at + 7 > len(data):
        return 8
    flags = data[at + 6]
    if not flags & 0x40:
        return 8
    return 12 if flags & 0x20 else 10


def _open_avif() -> Any:
    from PIL import features
    from PIL.AvifImagePlugin import AvifImageFile

    if not features.check("avif"):
        raise PictureError("AVIF needs a Pillow built with it: pip install --upgrade pillow")
    return AvifImageFile


def _write_avif(image: Any, options: dict[str, Any]) -> bytes:
    from PIL.AvifImagePlugin import get_codec_version

    subsampling = "4:0:0" if image.mode == "L" else "4:4:4"
    # Only libaom has an option for alpha alone; Pillow is built with it as a rule.
    if image.has_transparency_data and get_codec_version("aom"):
        options |= {"codec": "aom", "advanced": {"alpha:lossless": "1"}}
    return pillow.save(image, "AVIF", subsampling=subsampling, **options)


def _heif() -> Any:
    try:
        return importlib.import_module("pillow_heif")
    except ImportError as error:
        raise PictureError("HEIC needs one more package: pip install cleanplate[heif]") from error


def _open_heic() -> Any:
    return _heif().HeifImageFile


def _write_heic(image: Any, options: dict[str, Any]) -> bytes:
    heif = _heif()
    out = io.BytesIO()
    heif.from_pillow(image).save(out, chroma=444, **options)
    return out.getvalue()


BMP = Bmp()
WEBP = WebP()
AVIF = Modern("AVIF", _open_avif, _write_avif)
HEIC = Modern("HEIC", _open_heic, _write_heic)
