"""The picture that the rest of Cleanplate works on, whatever it came from."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError, UnsupportedError
from cleanplate.picture import arrays, formats, jpeg, pillow, png, previews, xmp
from cleanplate.picture.raster import (
    Box,
    Mask,
    Metadata,
    Raster,
    Samples,
    check_size,
    turn_stored,
    turn_upright,
)

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class _Origin:
    """Where a picture came from: a file's bytes, an array or a Pillow image."""

    format: str
    metadata: Metadata
    source: bytes | None = None
    array: NDArray[Any] | None = None
    image_info: dict[Any, Any] | None = None


class Picture:
    """Pixels, upright and writable, with all that is needed to give them back as they came.

    Attributes:
        pixels: (H, W, C) uint8 or uint16, C = 1 (grey) or 3 (RGB); EXIF orientation is applied.
        alpha: (H, W) of the same dtype, upright, or None; coded without loss in every format but
            HEIC. Only `set_alpha` changes it.
        new_alpha: whether it is another than the picture came with.
        name: for messages.
        format: what ``encode`` writes unless told otherwise: jpeg, png, tiff, webp, bmp, avif,
            heic; png for arrays and Pillow images.
    """

    def __init__(self, raster: Raster, name: str, origin: _Origin) -> None:
        turn = raster.metadata.orientation
        self.pixels: Samples = np.ascontiguousarray(turn_upright(raster.pixels, turn))
        self.alpha: Samples | None = None
        if raster.alpha is not None:
            self.alpha = np.ascontiguousarray(turn_upright(raster.alpha, turn))
        self.new_alpha = False
        self.name = name
        self._origin = origin

    @classmethod
    def read(cls, source: str | Path | bytes, *, name: str | None = None) -> Picture:
        """Return a picture from a path or from a file's bytes.

        Palettes are expanded and 1-bit pictures made 8-bit grey; nothing else is converted.

        Raises:
            PictureError: there is no such file, it cannot be read, is damaged or too large
                (above 500 megapixels), or holds what cannot be given back faithfully: several
                frames or pages, CMYK, floating point, 10 or 12 bits.
        """
        if isinstance(source, (bytes, bytearray, memoryview)):
            name, data = name or "picture", bytes(source)
        elif isinstance(source, (str, Path)):
            name = name or str(source)
            if Path(source).suffix.lower() in formats.RAW_SUFFIXES:  # a TIFF reader would find
                raise UnsupportedError(  # but the preview
                    f"{name}: {formats.RAW_REFUSED}."
                )
            data = read_bytes(Path(source), name)
        else:
            raise PictureError(f"a picture is read from a path or bytes, not {type(source)}.")
        format_ = formats.identify(data, name)
        raster = formats.codec(format_).decode(data, name)
        return cls(raster, name, _Origin(format_, raster.metadata, source=data))

    @classmethod
    def from_array(cls, array: NDArray[Any], *, name: str = "array") -> Picture:
        """Return a picture from (H, W) or (H, W, 1 | 2 | 3 | 4): grey, grey + alpha, RGB, RGBA.

        Integers are uint8 or uint16; floats lie in [0, 1] and are worked on with 16 bits. The
        array is copied.

        >>> Picture.from_array(np.zeros((2, 3, 4), np.uint16)).pixels.shape  # without its alpha
        (2, 3, 3)

        Raises:
            PictureError: another shape, dtype or range.
        """
        pixels, alpha = arrays.split(array, name)
        array = np.asarray(array)  # of whatever class it was
        check_size(pixels.shape[1], pixels.shape[0], name)
        raster = Raster(pixels, alpha, Metadata())
        # Samples that cleaning does not change are given back from the array itself, which for
        # floats is more exact than 16 bits.
        kept = array.copy() if array.dtype.kind == "f" else array[:0]
        return cls(raster, name, _Origin("png", raster.metadata, array=kept))

    @classmethod
    def from_pil(cls, image: Image.Image, *, name: str = "image") -> Picture:
        """Return a picture from a Pillow image; its EXIF orientation is applied, as for a file.

        Raises:
            PictureError: several frames, or a mode other than 1, L, LA, P, PA, RGB, RGBA, RGBX, and
                I;16 in any order of bytes.
        """
        if getattr(image, "is_animated", False) and image.format != "MPO":
            raise UnsupportedError(
                f"{name}: it is an animation; Cleanplate cleans single pictures."
            )
        check_size(*image.size, name)
        with pillow.decoding(name, "Pillow image"):
            image.load()
            pixels, alpha = pillow.split(image, name)
            if image.mode == "RGBX":  # padding, as nobody has said anything of it
                alpha = None
            metadata = pillow.metadata(image.info)
        info = {key: value for key, value in image.info.items() if key != "transparency"}
        origin = _Origin("png", metadata, image_info=info)
        return cls(Raster(pixels, alpha, metadata), name, origin)

    @property
    def height(self) -> int:
        """Rows, upright."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns, upright."""
        return int(self.pixels.shape[1])

    @property
    def max_value(self) -> int:
        """255 or 65535: what full brightness is."""
        return int(np.iinfo(self.pixels.dtype).max)

    @property
    def format(self) -> str:
        """The format that ``encode`` writes unless told otherwise."""
        return self._origin.format

    def set_alpha(self, alpha: Samples) -> None:
        """Give the picture another alpha, (H, W) of its own dtype.

        Raises:
            ValueError: it has another size or dtype.
        """
        if alpha.shape != self.pixels.shape[:2] or alpha.dtype != self.pixels.dtype:
            raise ValueError(f"alpha {alpha.dtype} {alpha.shape} does not fit {self.name}")
        self.alpha, self.new_alpha = np.ascontiguousarray(alpha), True

    def crop(self, box: Box) -> None:
        """Cut the picture down to a box of it, which holds a pixel at least."""
        part = slice(box.top, box.bottom), slice(box.left, box.right)
        self.pixels = np.ascontiguousarray(self.pixels[part])
        if self.alpha is not None:
            self.alpha = np.ascontiguousarray(self.alpha[part])
        given = self._origin.array
        if given is not None and given.dtype.kind == "f":  # as large as the picture
            self._origin = replace(self._origin, array=given[part])

    def part(self, box: Box) -> Picture:
        """Return a copy of a box of the picture, as if it had come as an array."""
        samples = self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])
        return Picture.from_array(box.cut(samples), name=self.name)

    def reach(self, mask: Mask) -> Mask:
        """Return where the picture changes in its file when some pixels do, (H, W) bool, upright.

        In a JPEG these are whole blocks, elsewhere the pixels alone. What is coded again as a whole
        changes everywhere a little; `losses` says so.
        """
        origin = self._origin
        if origin.format != "jpeg" or origin.source is None:
            return mask
        return self.upright(jpeg.reach(origin.source, self.lying(mask), self.name))

    def rgb(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return the picture or a box in it, (h, w, 3) float32 in [0, 1]; grey is replicated."""
        top, left, bottom, right = box or (0, 0, self.height, self.width)
        return self._as_rgb(self.pixels[top:bottom, left:right])

    def shrunk(self, side: int) -> NDArray[np.float32]:
        """Shrink to (h, w, 3) float32 in [0, 1], by areas, the longer side at most ``side``.

        A smaller picture is given as it is. Averages are rounded to the picture's depth.
        """
        longer = max(self.height, self.width)
        if longer <= side:
            return self.rgb()
        import cv2

        # On the integers: a float copy of the whole picture would be four times its size.
        size = (max(1, self.width * side // longer), max(1, self.height * side // longer))
        small = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        return self._as_rgb(small.reshape(size[1], size[0], -1))

    def encode(
        self, edited: Mask, *, strip_metadata: bool = False, format: str | None = None
    ) -> bytes:
        """Return the picture as a file, like the one it was read from.

        Where ``edited`` is false nothing changes: lossless formats (PNG, TIFF, BMP, lossless
        WebP) keep every sample, JPEG keeps the exact coefficients of every block in which nothing
        was edited. Lossy WebP, AVIF and HEIC cannot be edited in part: the whole picture is coded
        again, at quality 95. When nothing was edited and nothing is asked, the file's own bytes
        come back. An edited picture loses the thumbnails in its metadata, which show it as it was.

        Args:
            edited: (H, W) bool, upright: which pixels may differ from the file's.
            strip_metadata: leave out EXIF, XMP, comments and texts. The ICC profile, the
                resolution and the bare orientation tag stay: without them the picture would look
                otherwise.
            format: write this format instead of the picture's own; JPEG is then of quality 95.

        Raises:
            PictureError: the format cannot hold the picture (16 bits, alpha, colours that numbers
                name), or cannot be written here.
        """
        if edited.shape != self.pixels.shape[:2] or edited.dtype != np.bool_:
            raise PictureError(
                f"{self.name}: the mask of edited pixels is {edited.dtype} {edited.shape}, "
                f"not bool {self.pixels.shape[:2]}."
            )
        wanted = formats.named(format) if format else self.format
        if wanted in formats.OPAQUE and self.new_alpha:
            raise PictureError(
                f"{self.name}: {wanted} holds no transparency; write PNG, TIFF or WebP."
            )
        origin, touched = self._origin, bool(edited.any()) or self.new_alpha
        same = origin.source is not None and wanted == origin.format
        if same and not touched and not strip_metadata:
            assert origin.source is not None
            return origin.source
        if wanted not in formats.NUMBERED and origin.metadata.unusual():
            raise PictureError(
                f"{self.name}: its colours are named by numbers (primaries and transfer "
                f"{origin.metadata.cicp}), for which {wanted} has no room; write PNG or AVIF."
            )
        if wanted in formats.UNTURNED:
            raster = Raster(self.pixels, self.alpha, origin.metadata)
        else:
            raster = self._stored()
        raster.metadata = raster.metadata.without_claims()
        if touched:
            raster.metadata = raster.metadata.without_thumbnail()
        codec = formats.codec(wanted)
        with _writing(self.name, wanted):
            if same:
                assert origin.source is not None
                lying = turn_stored(edited, origin.metadata.orientation) if touched else None
                return codec.rewrite(origin.source, raster, lying, strip_metadata, self.name)
            if strip_metadata:
                raster.metadata = raster.metadata.stripped()
            return codec.encode(raster, self.name)

    def losses(
        self, edited: Mask, *, strip_metadata: bool = False, format: str | None = None
    ) -> dict[str, str]:
        """Return what `encode`, asked the same, leaves out of what came with the file.

        A text each, without a full stop, by a word for programs, such as ``gain-map-left-out``.
        """
        origin, wanted = self._origin, formats.named(format) if format else self.format
        if origin.source is None:
            return {}
        touched = bool(edited.any()) or self.new_alpha
        same = wanted == origin.format
        if same and not touched and not strip_metadata:
            return {}
        said = formats.codec(origin.format).losses(origin.source, same=same)
        asked = [pillow.CODED_AGAIN] if not touched or edited.all() else []
        asked += [*pillow.WORDS_LEFT_OUT] if strip_metadata else []
        return {word: text for word, text in said.items() if word not in asked}

    def to_array(self) -> NDArray[Any]:
        """Return an array of the kind given; of a file, upright (H, W) or (H, W, 2 | 3 | 4)."""
        return arrays.join(self.pixels, self.alpha, self._origin.array)

    def to_pil(self) -> Image.Image:
        """Return a Pillow image.

        For a Pillow image that came in: in its own orientation, with its ``info`` but for the
        thumbnail in EXIF, and what XMP says of gain maps and videos; palettes are expanded. For
        anything else: upright, with ICC profile and resolution; where
        numbers name the colours, primaries and transfer function are `info["cicp"]`.

        Raises:
            PictureError: 16-bit colour, which Pillow does not hold.
        """
        origin = self._origin
        if origin.image_info is None:
            image = pillow.join(self.pixels, self.alpha, self.name)
            options = pillow.save_options(origin.metadata)
            image.info.update(
                {key: options[key] for key in ("icc_profile", "dpi") if key in options}
            )
            if origin.metadata.unusual():
                image.info["cicp"] = origin.metadata.cicp
            return image
        raster = self._stored()
        image = pillow.join(raster.pixels, raster.alpha, self.name)
        image.info.update(origin.image_info)
        if "exif" in image.info:
            image.info["exif"] = previews.exif(image.info["exif"])
        if isinstance(image.info.get("xmp"), bytes):
            image.info["xmp"] = xmp.without_claims(image.info["xmp"])
        return image

    def lying(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an upright (H, W, ...) array, such as a mask, turned the way the source was
        stored.
        """
        return np.ascontiguousarray(turn_stored(array, self._origin.metadata.orientation))

    def upright(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a (H, W, ...) array that lies as the source was stored, turned upright."""
        return np.ascontiguousarray(turn_upright(array, self._origin.metadata.orientation))

    def _stored(self) -> Raster:
        metadata = self._origin.metadata
        alpha = self.alpha
        if alpha is not None:
            alpha = turn_stored(alpha, metadata.orientation)
        return Raster(turn_stored(self.pixels, metadata.orientation), alpha, metadata)

    def _as_rgb(self, samples: Samples) -> NDArray[np.float32]:
        scaled = np.multiply(samples, np.float32(1 / self.max_value), dtype=np.float32)
        return scaled if scaled.shape[2] > 1 else np.repeat(scaled, 3, axis=2)


def losses_of(source: Path) -> dict[str, str]:
    """Return what of a file an edited one will not have, as `Picture.losses` does; none where it
    cannot be read.
    """
    try:
        data = read_bytes(source, str(source))
        format_ = formats.identify(data, str(source))
        return formats.codec(format_).losses(data, same=True)
    except (PictureError, ValueError, LookupError, struct.error):
        return {}


def encode_mask(mask: NDArray[np.uint8]) -> bytes:
    """Return an 8-bit grey PNG of a mask, (H, W) uint8."""
    return png.encode(Raster(mask[..., None], None, Metadata()), "mask")


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of an array that `Picture.from_array` takes; it raises the same."""
    return Picture.from_array(pixels).encode(np.ones(pixels.shape[:2], bool))


@contextmanager
def _writing(name: str, format_: str) -> Iterator[None]:
    """Turn what an encoder raises into one ``PictureError``."""
    try:
        with pillow.quiet():
            yield
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError(f"{name}: not enough memory to write this {format_}.") from error
    except (OSError, ValueError, OverflowError, RuntimeError, SystemError, struct.error) as error:
        raise PictureError(f"{name}: it cannot be written as {format_} ({error}).") from error


def read_bytes(path: Path, name: str) -> bytes:
    """Return the bytes of a file, called `name` in messages.

    Raises:
        PictureError: it cannot be read.
    """
    if path.is_dir():
        raise PictureError(f"{name}: this is a folder, not a picture.")
    try:
        if path.exists() and not path.is_file():  # it may never end, or never begin
            raise PictureError(f"{name}: a pipe or a device, not a file; - is standard input.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{name}: there is no such file.") from error
    except PermissionError as error:
        raise PictureError(f"{name}: you may not read this file.") from error
    except (OSError, ValueError) as error:
        raise PictureError(f"{name}: it cannot be read ({error}).") from error
