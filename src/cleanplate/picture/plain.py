"""BMP, AVIF and HEIC: formats that Pillow (and pillow-heif) read and write well enough."""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import arrays, container, pillow
from cleanplate.picture.planes import Mask, Planes, eight_bits

# The lossy formats code the whole picture again, so rather too well than too badly.
_QUALITY = 95
_FIFTH, _EMBEDDED = 124, b"DEBM"  # a header's length, and what it says of a profile in the file


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
        eight_bits(planes, "BMP", name)
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

    @staticmethod
    def losses(source: bytes, *, same: bool) -> dict[str, str]:
        """Return what does not come along; see `Codec`."""
        # Where a header of the fifth version says what its colours are.
        if source[14] == _FIFTH and source[70:74] == _EMBEDDED:
            return {"profile-left-out": "the colour profile of the BMP is left out"}
        return {}


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
        except UnsupportedError as error:
            raise UnsupportedError(f"{name}: {error}") from error
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
        eight_bits(planes, self.format, name)
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

    def losses(self, source: bytes, *, same: bool) -> dict[str, str]:
        """Return what does not come along; see `Codec`."""
        said = container.losses(source)
        return said | (pillow.coded_again(self.format, _QUALITY) if same else {})

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
        raise UnsupportedError("AVIF needs a Pillow built with it: pip install --upgrade pillow")
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
        raise UnsupportedError(
            "HEIC needs one more package: pip install cleanplate[heif]"
        ) from error


def _open_heic() -> Any:
    return _heif().HeifImageFile


def _write_heic(image: Any, options: dict[str, Any]) -> bytes:
    heif = _heif()
    out = io.BytesIO()
    heif.from_pillow(image).save(out, chroma=444, **options)
    return out.getvalue()


BMP = Bmp()
AVIF = Modern("AVIF", _open_avif, _write_avif)
HEIC = Modern("HEIC", _open_heic, _write_heic)
