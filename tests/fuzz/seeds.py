"""Small sound files of every format, many kinds of each."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from cleanplate.picture import Picture

ICC = b"\0\0\0\x80test" + bytes(120)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syn'
    b'tax-ns#"><rdf:Description xmlns:C="http://ns.google.com/photos/1.0/container/"><C:Directory/>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
WORDS = {"icc_profile": ICC, "xmp": XMP}


def seeds() -> Iterator[tuple[str, bytes]]:
    """Give each file and what it is, the format first."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 180, 31)[None, :, None] + rng.random((22, 31, 4)) * 70
    whole = slope.astype(np.uint8)
    whole[5:9, 3:20, 3] = 0
    rgb, grey = Image.fromarray(whole[..., :3]), Image.fromarray(whole[..., 0])
    rgba = Image.fromarray(whole)
    yield from _jpegs(rgb, grey)
    yield from _pngs(rgb, grey, rgba)
    yield from _tiffs(rgb, grey, rgba)
    for name, image, options in (
        ("lossy", rgb, {"exif": _exif(6), **WORDS}),
        ("lossless", rgba, {"lossless": True, "exact": True}),
        ("alpha", rgba, {"exif": _exif(1)}),
    ):
        yield f"webp {name}", _saved(image, "WEBP", **options)
    yield "webp one frame", _one_frame(_saved(rgba, "WEBP", lossless=True, exact=True))
    for name, image in (("rgb", rgb), ("grey", grey), ("bits", grey.convert("1"))):
        yield f"bmp {name}", _saved(image, "BMP", dpi=(200, 200))
    nowhere = np.zeros((22, 31), bool)
    yield "bmp alpha", Picture.from_array(whole).encode(nowhere, format="bmp")
    yield from _modern(rgb, grey, rgba)


def _jpegs(rgb: Image.Image, grey: Image.Image) -> Iterator[tuple[str, bytes]]:
    words: dict[str, Any] = {"exif": _exif(6), "comment": b"words", "dpi": (300, 300), **WORDS}
    yield "jpeg words", _saved(rgb, "JPEG", **words)
    yield "jpeg progressive", _saved(rgb, "JPEG", progressive=True, subsampling=0)
    yield "jpeg grey", _saved(grey, "JPEG", restart_marker_blocks=2)
    yield "jpeg keep rgb", _saved(rgb, "JPEG", keep_rgb=True)
    yield "jpeg gain map", _saved(rgb, "JPEG", xmp=XMP) + _saved(grey, "JPEG", xmp=XMP)
    yield "jpeg pictures", _saved(rgb, "MPO", save_all=True, append_images=[rgb])


def _pngs(rgb: Image.Image, grey: Image.Image, rgba: Image.Image) -> Iterator[tuple[str, bytes]]:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("word", "text")
    texts.add_text("word", "text", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "<x/>")
    words: dict[str, Any] = {"exif": _exif(8), "icc_profile": ICC, "dpi": (300, 300)}
    yield "png words", _saved(rgb, "PNG", pnginfo=texts, **words)
    yield "png key", _saved(rgb, "PNG", transparency=(10, 20, 30))
    palette = rgb.quantize(16)
    yield "png palette", _saved(palette, "PNG", transparency=bytes(range(0, 160, 10)))
    yield "png bits", _saved(grey.convert("1"), "PNG")
    yield "png alpha", _saved(rgba, "PNG")
    nowhere = np.zeros((22, 31), bool)
    for name, channels in (("deep", 3), ("deep alpha", 4), ("deep grey", 1)):
        deep = np.asarray(rgba)[..., :channels].astype(np.uint16) * 257
        yield f"png {name}", Picture.from_array(deep).encode(nowhere, format="png")
    yield "png one frame", _saved(rgb, "PNG", save_all=True, append_images=[])


def _tiffs(rgb: Image.Image, grey: Image.Image, rgba: Image.Image) -> Iterator[tuple[str, bytes]]:
    codecs = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    for codec in codecs:
        yield f"tiff {codec}", _saved(rgb, "TIFF", compression=codec)
    yield "tiff alpha", _saved(rgba, "TIFF", exif=_exif(3), icc_profile=ICC, dpi=(300, 300))
    yield "tiff fax", _saved(grey.convert("1"), "TIFF", compression="group4")
    yield "tiff palette", _saved(rgb.quantize(16), "TIFF")
    nowhere = np.zeros((22, 31), bool)
    deep = np.asarray(rgba).astype(np.uint16) * 257
    yield "tiff deep", Picture.from_array(deep).encode(nowhere, format="tiff")
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    small = rgb.resize((8, 6))
    small.encoderinfo = {"tiffinfo": tags}  # type: ignore[attr-defined]
    yield "tiff copy", _saved(rgb, "TIFF", save_all=True, append_images=[small])
    turned = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(turned, True) as file:
        rgb.save(file, "TIFF")
    yield "tiff appended", turned.getvalue()


def _modern(rgb: Image.Image, grey: Image.Image, rgba: Image.Image) -> Iterator[tuple[str, bytes]]:
    words: dict[str, Any] = {"exif": _exif(6), **WORDS}
    for name, image, options in (
        ("words", rgb, words),
        ("grey", grey, {"quality": 100}),
        ("alpha", rgba, {"exif": _exif(1)}),
    ):
        yield f"avif {name}", _saved(image, "AVIF", speed=9, **options)
    try:
        import pillow_heif
    except ImportError:
        return
    for name, image, options in (
        ("words", rgb, words),
        ("lossless", grey, {"quality": -1}),
        ("alpha", rgba, {"thumbnails": [16]}),
    ):
        out = io.BytesIO()
        pillow_heif.from_pillow(image).save(out, **options)
        yield f"heic {name}", out.getvalue()


def _saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def _exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[271] = "camera"
    block[274] = orientation
    block.get_ifd(34665)[33434] = (1, 250)
    return block.tobytes()


def _one_frame(still: bytes) -> bytes:
    """An animated WebP of a single frame."""
    at = still.index(b"VP8X") + 18 if b"VP8X" in still else 12
    size = struct.pack("<I", 30)[:3] + struct.pack("<I", 21)[:3]
    frame = bytes(6) + size + bytes(4) + still[at:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([0x12, 0, 0, 0]) + size
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body
