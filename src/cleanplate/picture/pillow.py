"""Decoding with Pillow, whose plug-ins are called directly so that no global of it is touched."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import directory
from cleanplate.picture.raster import (
    DEEP_MAX,
    Metadata,
    Samples,
    check_size,
    damaged,
    resolution,
)

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

CODED_AGAIN = "coded-again"
WORDS_LEFT_OUT = {
    "metadata-left-out": "comments, texts or tags that the new format does not take are left out"
}
"""Said where a picture changes its format; see `Codec.losses`."""

_STRIP_PIXELS = 4_000_000

# What each Pillow mode is expanded to, without and with a transparent colour or palette entry.
_EXPANDED = {
    "1": ("L", "LA"),
    "L": ("L", "LA"),
    "LA": ("LA", "LA"),
    "P": ("RGB", "RGBA"),
    "PA": ("RGBA", "RGBA"),
    "RGB": ("RGB", "RGBA"),
    "RGBA": ("RGBA", "RGBA"),
    "RGBX": ("RGBX", "RGBX"),
}
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's remarks about odd metadata off the user's screen."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def decoding(name: str, kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises over bad bytes into one ``PictureError``."""
    from PIL import Image

    try:
        with quiet():
            yield
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError(f"{name}: not enough memory to hold this {kind}.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{name}: it is larger than Pillow decodes a {kind}: {error}") from error
    except Exception as error:  # decoders raise anything from SyntaxError to struct.error
        # Some libraries end or break their messages with newlines.
        raise damaged(name, kind, " ".join(str(error).split()) or type(error).__name__) from error


def load(
    plugin: Callable[[Any], ImageFile],
    data: bytes | io.RawIOBase,
    name: str,
    *,
    sized: bool = False,
) -> ImageFile:
    """Open and decode a file or its bytes; the size is checked in between, or was before.

    Raises:
        PictureError: the picture is too large or animated.
    """
    file = io.BytesIO(data) if isinstance(data, bytes) else io.BufferedReader(data)
    image = plugin(file)
    if not sized:
        check_size(*image.size, name)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise several(name, frames)
    image.load()
    return image


def behind(count: int) -> dict[str, str]:
    """Say that so many bytes behind a picture's end are left out; see `Codec.losses`."""
    if count <= 0:
        return {}
    return {"trailer-left-out": f"{count} bytes behind the picture's end are left out"}


def coded_again(what: str, quality: int) -> dict[str, str]:
    """Say that a format cannot be edited in part; see `Codec.losses`."""
    text = f"{what} cannot be edited in part; it is coded again as a whole, at quality {quality}"
    return {CODED_AGAIN: text}


def several(name: str, count: int) -> UnsupportedError:
    """Return the refusal of an animation or a collection."""
    return UnsupportedError(f"{name}: it holds {count} pictures; Cleanplate cleans single ones.")


def split(image: Image.Image, name: str) -> tuple[Samples, Samples | None]:
    """Return pixels (H, W, 1 or 3) and alpha (H, W) or None of a Pillow image.

    Palettes are expanded to their exact colours, one-bit pictures to 0 and 255, a transparent
    colour to alpha. Goes strip by strip: Pillow keeps four bytes for each RGB pixel, and whole
    copies of a large picture would add up.

    Raises:
        PictureError: the mode is not grey, RGB or palette of 8 bits, or grey of 16 bits.
    """
    if image.mode in _DEEP:
        return _split_deep(image)
    pair = _EXPANDED.get(image.mode)
    if pair is None:
        raise unsupported_mode(name, image.mode)
    mode = pair[image.has_transparency_data]
    width, height = image.size
    channels = 3 if mode.startswith("RGB") else 1
    pixels = np.empty((height, width, channels), np.uint8)
    alpha = np.empty((height, width), np.uint8) if mode in ("LA", "RGBA", "RGBX") else None
    step = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(height, top + step)))
        samples = np.asarray(strip if strip.mode == mode else strip.convert(mode))
        samples = samples.reshape(samples.shape[0], width, -1)
        pixels[top : top + step] = samples[..., :channels]
        if alpha is not None:
            alpha[top : top + step] = samples[..., channels]
    return pixels, alpha


def _split_deep(image: Image.Image) -> tuple[Samples, Samples | None]:
    pixels = np.asarray(image).astype(np.uint16)[..., None]
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return pixels, None
    return pixels, np.where(pixels[..., 0] == key, 0, DEEP_MAX).astype(np.uint16)


def join(pixels: Samples, alpha: Samples | None, name: str) -> Image.Image:
    """Return the inverse of ``split``, for modes that Pillow has.

    Raises:
        PictureError: 16-bit samples that are not plain grey.
    """
    from PIL import Image

    grey = pixels.shape[2] == 1
    if pixels.dtype == np.uint16 and not (grey and alpha is None):
        raise PictureError(
            f"{name}: Pillow holds no 16-bit colour or alpha; take the array or a PNG or TIFF file."
        )
    if alpha is None:
        return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    return Image.fromarray(np.dstack([pixels, alpha]))


def unsupported_mode(name: str, mode: str) -> PictureError:
    """Return the refusal of a colour model or depth, with what to do."""
    words = {
        "CMYK": "CMYK",
        "YCbCr": "YCbCr",
        "LAB": "Lab colour",
        "HSV": "HSV colour",
        "F": "floating-point samples",
        "I": "32-bit samples",
        "RGBa": "premultiplied alpha",
        "La": "premultiplied alpha",
    }
    return PictureError(
        f"{name}: {words.get(mode, f'mode {mode}')} cannot be cleaned without loss; "
        "convert it to 8- or 16-bit RGB or grey first."
    )


def metadata(info: dict[Any, Any]) -> Metadata:
    """Return what Pillow's plug-ins put into ``image.info``, in one form for all formats."""
    exif = directory.bare(info.get("exif") or b"")
    xmp = info.get("xmp") or b""
    dpi = info.get("dpi")
    return Metadata(
        exif=exif,
        icc=info.get("icc_profile") or b"",
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=resolution(float(dpi[0]), float(dpi[1])) if dpi else None,
        orientation=directory.orientation(exif),
    )


def save_options(metadata_: Metadata) -> dict[str, Any]:
    """Return the same as keyword arguments of ``Image.save``."""
    options = {
        "exif": b"Exif\0\0" + metadata_.exif if metadata_.exif else b"",
        "icc_profile": metadata_.icc,
        "xmp": metadata_.xmp,
        "dpi": metadata_.dpi,
    }
    return {key: value for key, value in options.items() if value}


def save(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Save an image into memory."""
    out = io.BytesIO()
    with quiet():
        image.save(out, format_, **options)
    return out.getvalue()
