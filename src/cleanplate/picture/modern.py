"""AVIF and HEIC: edited, coded again as a whole; how their colours are named stays."""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import arrays, boxes, coded, container, pillow
from cleanplate.picture.raster import Mask, Raster, damaged, eight_bits

# The whole picture is coded again, so rather too well than too badly.
_QUALITY = 95
_BT601 = 6  # how luma is mixed, in the numbers of ITU-T H.273
_NOT_UNDERSTOOD = (ValueError, LookupError, struct.error)
_LIGHT = {b"clli", b"mdcv", b"cclv", b"amve", b"ndwt"}

_Writer = Callable[[Any, dict[str, Any], tuple[int, int] | None, bool], bytes]


class Modern:
    """AVIF or HEIC, written without chroma subsampling; what was lossless stays so."""

    def __init__(self, format_: str, opener: Callable[[], Any], writer: _Writer) -> None:
        self.format = format_
        self._opener = opener
        self._writer = writer

    def decode(self, data: bytes, name: str) -> Raster:
        """Return samples and metadata.

        Raises:
            PictureError: damaged, an animation, more than 8 bits a sample, or shown in part.
        """
        try:
            plugin = self._opener()
        except UnsupportedError as error:
            raise UnsupportedError(f"{name}: {error}") from error
        outer, _ = boxes.outer(data)
        if b"moov" in outer and b"meta" not in outer:
            raise UnsupportedError(
                f"{name}: it is an animation; Cleanplate cleans single pictures."
            )
        with pillow.decoding(name, f"{self.format} file"):
            found = _coded(data)
            if found:
                self._check(found, name)
            image = pillow.load(plugin, self._shown(plugin, data), name)
            if found is None:
                raise self._refused(name, f"{self.format} whose boxes are not understood")
            self._refuse_depth(image.info.get("bit_depth", 8), name)
            metadata = replace(pillow.metadata(image.info), cicp=found.colours)
            return Raster(*pillow.split(image, name), metadata)

    def encode(self, raster: Raster, name: str, *, lossless: bool = False) -> bytes:
        """Return a new file, of quality 95 unless it is lossless."""
        eight_bits(raster, self.format, name)
        self._opener()
        options = pillow.save_options(raster.metadata)
        options.pop("dpi", None)
        image = pillow.join(raster.pixels, raster.alpha, name)
        return self._writer(image, options, raster.metadata.cicp, lossless)

    def rewrite(
        self, source: bytes, raster: Raster, edited: Mask | None, strip: bool, name: str
    ) -> bytes:
        """Return the file coded again, or, with nothing edited, its coded samples in a new
        container.

        Raises:
            PictureError: it was lossless, and cannot be so again; or its words cannot be left out
                without coding it again.
        """
        if edited is None:
            return self._without_words(source, raster, name)
        metadata = raster.metadata.stripped() if strip else raster.metadata
        new, found = Raster(raster.pixels, raster.alpha, metadata), _coded(source)
        if not (found and found.lossless):
            return self.encode(new, name)
        result = self.encode(new, name, lossless=True)
        if not _alike(raster, self.decode(result, name), edited):
            raise PictureError(
                f"{name}: a lossless {self.format} in colours cannot be written as such here; "
                "write PNG, TIFF or WebP."
            )
        return result

    def losses(self, source: bytes, *, same: bool) -> dict[str, str]:
        """Return what does not come along; see `Codec`."""
        said, found = coded.losses(source), _coded(source)
        if self._shown(self._opener(), source) is not source:
            said["words-left-out"] = "EXIF or XMP that cannot be read are left out"
        if found and _LIGHT & found.properties.keys():
            said["light-levels-left-out"] = "what the file says of its brightest light is left out"
        if same and not (found and found.lossless):
            said |= pillow.coded_again(self.format, _QUALITY)
        return said

    def _shown(self, plugin: Any, data: bytes) -> bytes:
        """Return the file, or, where its words hinder the decoder, the file without them."""
        try:
            with pillow.quiet():
                plugin(io.BytesIO(data))
        except Exception:  # whatever decoders raise: it is looked at once more without the words
            with suppress(*_NOT_UNDERSTOOD):
                return container.without_words(data)
        return data

    def _check(self, found: coded.Coded, name: str) -> None:
        """Refuse what could not be written back, before it is decoded."""
        if not found.whole:  # decoders would enlarge what there is
            raise damaged(name, f"{self.format} file", "its samples are not of the size it states")
        kinds = found.properties
        self._refuse_depth(_depth(kinds.get(b"av1C", b"")), name)
        aspect = kinds.get(b"pasp", b"")
        if b"clap" in kinds and self.format == "AVIF":
            raise self._refused(name, "an AVIF of which a part alone is shown")
        if aspect[:4] != aspect[4:8]:
            raise self._refused(name, f"a {self.format} whose pixels are no squares")

    def _refuse_depth(self, bits: int, name: str) -> None:
        if bits > 8:
            raise self._refused(name, f"a {bits}-bit {self.format}")

    @staticmethod
    def _refused(name: str, what: str) -> PictureError:
        return PictureError(
            f"{name}: {what} cannot be written back; convert it to PNG or TIFF first."
        )

    def _without_words(self, source: bytes, raster: Raster, name: str) -> bytes:
        """Return the file without EXIF and XMP, which decodes to the same picture."""
        with suppress(PictureError, *_NOT_UNDERSTOOD):
            bare = container.without_words(source)
            again = self.decode(bare, name)
            same = again.metadata.stripped() == raster.metadata.stripped()
            if same and _alike(raster, again, None):
                return bare
        raise PictureError(
            f"{name}: EXIF and the like cannot be left out of this {self.format} without coding "
            "the picture again; leave --strip-metadata out."
        )


def _coded(data: bytes) -> coded.Coded | None:
    """Return how a file is coded; None where that is not understood."""
    try:
        return coded.coded_picture(data)
    except _NOT_UNDERSTOOD:
        return None


def _alike(one: Raster, other: Raster, edited: Mask | None) -> bool:
    """Return whether two pictures have the same samples, but for those that were edited."""
    first, second = (arrays.join(each.pixels, each.alpha, None) for each in (one, other))
    if first.shape != second.shape:
        return False
    equal = (first == second).reshape(*first.shape[:2], -1).all(axis=2)
    return bool((equal if edited is None else equal | edited).all())


def _depth(record: bytes) -> int:
    """Return bits a sample by the AV1 configuration record; 8 where there is none (HEIC)."""
    if len(record) < 3 or not record[2] & 0x40:
        return 8
    return 12 if record[2] & 0x20 else 10


def _open_avif() -> Any:
    from PIL import features
    from PIL.AvifImagePlugin import AvifImageFile

    if not features.check("avif"):
        raise UnsupportedError("AVIF needs a Pillow built with it: pip install --upgrade pillow")
    return AvifImageFile


def _write_avif(
    image: Any, options: dict[str, Any], colours: tuple[int, int] | None, lossless: bool
) -> bytes:
    from PIL.AvifImagePlugin import get_codec_version

    options["subsampling"] = "4:0:0" if image.mode in ("L", "LA") else "4:4:4"
    options["quality"] = 100 if lossless else _QUALITY
    # Only libaom has an option for alpha alone; Pillow is built with it as a rule.
    if image.has_transparency_data and get_codec_version("aom"):
        options |= {"codec": "aom", "advanced": {"alpha:lossless": "1"}}
    data = pillow.save(image, "AVIF", **options)
    # Pillow names the colours of sRGB, whatever they are.
    return coded.with_colours(data, colours) if colours else data


def _heif() -> Any:
    try:
        return importlib.import_module("pillow_heif")
    except ImportError as error:
        raise UnsupportedError(
            "HEIC needs one more package: pip install cleanplate[heif]"
        ) from error


def _open_heic() -> Any:
    return _heif().HeifImageFile


def _write_heic(
    image: Any, options: dict[str, Any], colours: tuple[int, int] | None, lossless: bool
) -> bytes:
    options["quality"] = -1 if lossless else _QUALITY
    if colours:
        primaries, transfer = colours
        options |= {"color_primaries": primaries, "transfer_characteristics": transfer}
        options |= {"matrix_coefficients": _BT601, "full_range_flag": 1}
    if lossless:  # red, green and blue as they are
        options["matrix_coefficients"] = 0
    heif = _heif()
    out = io.BytesIO()
    heif.from_pillow(image).save(out, chroma=444, **options)
    return out.getvalue()


AVIF = Modern("AVIF", _open_avif, _write_avif)
HEIC = Modern("HEIC", _open_heic, _write_heic)
