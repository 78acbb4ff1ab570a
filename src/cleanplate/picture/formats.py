"""Which formats there are, how a file is told to be one, and the codec of each."""

from __future__ import annotations

import importlib.util
from typing import Protocol

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import bmp, jpeg, modern, png, tiff, webp
from cleanplate.picture.raster import Mask, Raster

BY_SUFFIX = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".jfi": "jpeg",
    ".jif": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
    ".bmp": "bmp",
    ".dib": "bmp",
    ".avif": "avif",
    ".avifs": "avif",
    ".heic": "heic",
    ".heics": "heic",
    ".heif": "heic",
    ".heifs": "heic",
    ".hif": "heic",
}

SUFFIXES = frozenset(BY_SUFFIX)
"""Lower-case endings, dot included, of the files that ``Picture.read`` may be tried on."""

RAW_SUFFIXES = frozenset(
    {
        *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".srf", ".sr2", ".rw2", ".rwl"),
        *(".orf", ".pef", ".raf", ".srw", ".3fr", ".fff", ".iiq", ".mos", ".mef", ".erf", ".kdc"),
        *(".dcr", ".k25"),
    }
)
"""Lower-case endings of the RAW files that ``RawPicture.read`` may be tried on."""

ARRAY_SUFFIX = ".npy"

UNSUPPORTED = {
    **dict.fromkeys((".gif", ".giff"), "a GIF"),
    **dict.fromkeys((".apng", ".mng", ".jng"), "an animation"),
    **dict.fromkeys((".pdf", ".ai"), "a PDF"),
    **dict.fromkeys((".ps", ".eps", ".epsf"), "PostScript"),
    **dict.fromkeys((".svg", ".svgz"), "an SVG"),
    **dict.fromkeys((".emf", ".wmf"), "a metafile"),
    **dict.fromkeys((".psd", ".psb"), "a Photoshop file"),
    **dict.fromkeys((".kra", ".ora", ".xcf"), "a file of layers"),
    **dict.fromkeys((".jp2", ".j2c", ".j2k", ".jpc", ".jpf", ".jpx", ".jpm"), "a JPEG 2000 file"),
    **dict.fromkeys((".jxl",), "a JPEG XL file"),
    **dict.fromkeys((".jxr", ".hdp", ".wdp"), "a JPEG XR file"),
    **dict.fromkeys((".exr", ".hdr", ".pfm"), "a picture of floating-point samples"),
    **dict.fromkeys((".pbm", ".pgm", ".pnm", ".ppm", ".pam"), "a Netpbm file"),
    **dict.fromkeys((".tga", ".pcx", ".sgi", ".dds", ".qoi"), "a picture of this format"),
    **dict.fromkeys((".djvu", ".djv"), "a DjVu file"),
    **dict.fromkeys((".ico", ".cur", ".icns", ".ani"), "an icon"),
}
"""By lower-case ending: what files are that look like pictures and are not taken."""

RAW_REFUSED = "a RAW file; `cleanplate denoise` takes such; develop it first"

OPAQUE = frozenset({"jpeg"})
"""Formats that hold no alpha."""

UNTURNED = frozenset({"bmp"})
"""Formats that cannot say that a picture is to be turned."""

NUMBERED = frozenset({"avif", "heic", "png"})
"""Formats in which numbers can name the colours."""

_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    png.SIGNATURE: "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"BM": "bmp",
}
_FOREIGN = {
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"\0\0\0\x0cjP": "a JPEG 2000 file",
    b"\0\0\0\x0cJXL ": "a JPEG XL file",
    b"\xff\x0a": "a JPEG XL file",
    b"<svg": "an SVG",
    b"<?xml": "an XML or SVG file",
}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class Codec(Protocol):
    """What each format's module or object offers."""

    def decode(self, data: bytes, name: str) -> Raster:
        """Return samples and metadata of a file's bytes; ``name`` is for messages."""

    def encode(self, raster: Raster, name: str) -> bytes:
        """Return a new file, with the metadata that ``raster`` carries."""

    def rewrite(
        self, source: bytes, raster: Raster, edited: Mask | None, strip: bool, name: str
    ) -> bytes:
        """Return ``source`` again with the samples of ``raster``, other where ``edited`` (H, W).

        ``edited`` None: nowhere; the codec may keep the compressed samples. ``strip``: without
        EXIF, XMP and comments.
        """

    def losses(self, source: bytes, *, same: bool) -> dict[str, str]:
        """Return what a new file does not have of what came with a sound one.

        A text each, without a full stop, by a word for programs. ``same``: the new file has the
        same format. Documented and no word of it: thumbnails, and how the samples were stored.
        """


_CODECS: dict[str, Codec] = {
    "jpeg": jpeg,
    "png": png,
    "tiff": tiff,
    "webp": webp,
    "bmp": bmp,
    "avif": modern.AVIF,
    "heic": modern.HEIC,
}


def codec(format_: str) -> Codec:
    """Return the codec of a format that ``identify`` or ``named`` gave."""
    return _CODECS[format_]


def named(word: str) -> str:
    """Return the format a user's word means: ``PNG``, ``.jpg``, ``tif``.

    Raises:
        PictureError: there is no such format.
    """
    lower = word.lower().removeprefix(".")
    format_ = BY_SUFFIX.get("." + lower)
    if format_ is None:
        raise PictureError(f"{word}: no such format; there are {', '.join(_CODECS)}.")
    return format_


def suffix_of(format_: str) -> str:
    """Return the usual suffix, dot included, of a format as `Picture.format` names it."""
    return next(suffix for suffix, known in BY_SUFFIX.items() if known == format_)


def identify(data: bytes, name: str) -> str:
    """Return the format by a file's first bytes; its name is not trusted.

    Raises:
        PictureError: empty, a known format that Cleanplate does not read, or no picture.
    """
    if not data:
        raise PictureError(f"{name}: the file is empty.")
    for magic, format_ in _MAGIC.items():
        if data.startswith(magic):
            return format_
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        brands = {data[at : at + 4] for at in range(8, min(_length(data), len(data)), 4)}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & _HEIC_BRANDS:
            return "heic"
    for magic, what in _FOREIGN.items():
        if data.startswith(magic):
            raise UnsupportedError(f"{name}: {refusal(what)}.")
    raise PictureError(f"{name}: this is no picture; read are {', '.join(_readable())}.")


def _readable() -> list[str]:
    """Name the formats that can be read here: HEIC needs one more package."""
    return [one for one in _CODECS if one != "heic" or importlib.util.find_spec("pillow_heif")]


def refusal(what: str) -> str:
    """Say that a file of a kind is not taken, and what to do."""
    return f"{what} is not read; save it as PNG, TIFF or JPEG first"


def _length(data: bytes) -> int:
    return int.from_bytes(data[:4], "big")
