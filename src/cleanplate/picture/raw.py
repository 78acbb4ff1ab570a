"""RAW files: read by LibRaw (package rawpy), given back as DNG or developed.

Read are sensors behind a Bayer filter of red, green and blue. NumPy arrays (`.npy`) of a mosaic, or
of its four planes, are taken in the place of a file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import PictureError, UnsupportedError, UsageError
from cleanplate.picture import directory, dng, formats
from cleanplate.picture.core import Picture, read_bytes
from cleanplate.picture.mosaic import PATTERNS, Mosaic, by_place, from_places, named_pattern
from cleanplate.picture.raster import Mask, Metadata, Raster, check_size, damaged

DEVELOPED = {"tiff": "TIFF with 16 bits", "jpeg": "JPEG"}
"""What `RawPicture.develop` writes."""

if TYPE_CHECKING:
    from PIL import Image

SMALLEST = 32
"""Least side of a mosaic, in samples: noise is measured in blocks of 16 positions."""

MISFIT = 0.99  # share of samples under black, or above white, from which levels are wrong

_MAGIC = b"\x93NUMPY"
_PREVIEW = 1024  # pixels of a new preview's longer side
_TURNS = {0: 1, 3: 3, 5: 8, 6: 6}  # LibRaw's flips as EXIF numbers them
# CIE XYZ to linear sRGB (IEC 61966-2-1), for cameras whose colours nobody has measured.
_SRGB = (3.2405, -1.5371, -0.4985, -0.9693, 1.876, 0.0416, 0.0556, -0.204, 1.0572)


@dataclass(frozen=True)
class _Frame:
    """What LibRaw says of a file, beside the samples."""

    raw: NDArray[np.uint16]  # (H, W), margins and all
    active: tuple[int, int, int, int]
    crop: tuple[int, int, int, int]
    matrix: tuple[float, ...]
    balance: tuple[float, ...]
    flip: int


@dataclass
class RawPicture:
    """A mosaic and all that came with its file.

    Attributes:
        name: for messages.
        mosaic: the samples that light fell on, to be changed.
        profile: slope and offset of the noise's variance in each colour, or in all, as the file
            states them; empty where it does not.
        format: what `encode` writes unless told otherwise: `dng`, or `npy` for arrays.
        remarks: what is lost on the way, a sentence each, by a word for programs.
        noise_left: share of the noise's variance that is left; compressed DNGs that state their
            noise are told.
    """

    new_alpha: ClassVar[bool] = False

    name: str
    mosaic: Mosaic
    profile: tuple[tuple[float, float], ...] = ()
    format: str = "dng"
    remarks: dict[str, str] = field(default_factory=dict)
    noise_left: float = 1.0
    _source: bytes = b""
    _frame: _Frame | None = None
    _array: NDArray[Any] | None = None

    @classmethod
    def read(cls, source: str | Path | bytes, *, name: str | None = None) -> RawPicture:
        """Return a RAW picture from a path or from a file's bytes.

        Args:
            source: a RAW file, or an array: a mosaic (H, W), or its planes (H/2, W/2, 4) by place:
                upper left, upper right, lower left, lower right. Of an array `tell` says what its
                numbers mean.
            name: for messages; the path where there is one.

        Raises:
            PictureError: it cannot be read, is damaged, is not of a Bayer sensor, or has fewer than
                `SMALLEST` rows or columns.
        """
        if isinstance(source, (str, Path)):
            name, data = name or str(source), read_bytes(Path(source), name or str(source))
        else:
            name, data = name or "picture", bytes(source)
        if not data:
            raise PictureError(f"{name}: the file is empty.")
        array = is_array(data) or Path(name).suffix.lower() == formats.ARRAY_SUFFIX
        return _from_array(cls, data, name) if array else _from_file(cls, data, name)

    def tell(
        self, *, black: float | None = None, white: float | None = None, pattern: str | None = None
    ) -> None:
        """Say what the mosaic's numbers mean, in the place of what its file says.

        Args:
            black: the level of no light. Of an array of whole numbers it must be said; of fractions
                it is 0 unless it is.
            white: the level of full light, likewise; of fractions it is 1 unless it is said.
            pattern: of an array, RGGB unless it is said.

        Raises:
            UsageError: an array of whole numbers without levels, white that is not above black, or
                no such pattern.
            PictureError: hardly a sample lies between the levels of an array, or those told.
        """
        mosaic = self.mosaic
        if self._array is not None and mosaic.samples.dtype.kind != "f" and None in (black, white):
            raise UsageError(
                f"{self.name}: an array does not say which numbers are black and white; "
                "give --black and --white, such as --black 1024 --white 16383."
            )
        mosaic.black = mosaic.black if black is None else (black,) * 4
        mosaic.white = mosaic.white if white is None else white
        mosaic.pattern = mosaic.pattern if pattern is None else named_pattern(pattern)
        if not mosaic.white > max(mosaic.black):
            raise UsageError(
                f"{self.name}: white ({mosaic.white:g}) must be above black "
                f"({max(mosaic.black):g})."
            )
        if self._array is not None or black is not None or white is not None:
            _check_levels(mosaic, self.name)

    @property
    def height(self) -> int:
        """Rows of the mosaic."""
        return int(self.mosaic.samples.shape[0])

    @property
    def width(self) -> int:
        """Columns of the mosaic."""
        return int(self.mosaic.samples.shape[1])

    def encode(
        self,
        edited: Mask | None = None,
        *,
        strip_metadata: bool = False,
        format: str | None = None,
    ) -> bytes:
        """Return the file with the mosaic as it is now; a DNG's own bytes where nothing changed.

        A DNG stays that DNG (see `dng.rewritten`); any other RAW file becomes a new DNG with its
        levels, colours, orientation, EXIF, GPS and XMP. An array stays of its shape and type.

        Args:
            edited: as pictures are told; what changed is seen from the samples.
            strip_metadata: leave out EXIF, of developed pictures alone.
            format: `dng`, `npy`, or `tiff` of 16 bits and `jpeg` of quality 95, which are developed
                by LibRaw, in sRGB, with the white balance as shot; None for `self.format`.

        Raises:
            PictureError: the file cannot be written, or not in this format.
        """
        wanted = format or self.format
        if wanted in DEVELOPED:
            return self._as_picture(wanted, strip_metadata)
        if wanted != self.format:
            raise PictureError(
                f"{self.name}: it can be written as {self.format}, or developed as "
                f"{' or '.join(DEVELOPED.values())}, not as {wanted}."
            )
        if strip_metadata:
            raise PictureError(
                f"{self.name}: metadata cannot be left out of a RAW file; --develop tiff makes a "
                "picture without them."
            )
        return self._as_array() if self._frame is None else self._as_dng(self._frame)

    def losses(self, edited: Mask, **asked: Any) -> dict[str, str]:
        """Return what a new file leaves out, whatever is asked; see `Picture.losses`."""
        return self.remarks

    def shrunk(self, side: int) -> NDArray[np.float32]:
        """Return (h, w, 3) in [0, 1] to be looked at, at most `side` long; an array's light."""
        import cv2

        if self._frame is None:
            light = np.clip(self.mosaic.inner_planes()[..., [0, 1, 3]], 0, 1)
            view: NDArray[Any] = light ** (1 / 2.2)
        else:
            view = self._developed(8, turned=True, half=True).astype(np.float32) / 255
        scale = min(1.0, side / max(view.shape[:2]))
        size = [max(1, round(length * scale)) for length in view.shape[1::-1]]
        small = cv2.resize(view, size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)

    def to_array(self) -> NDArray[Any]:
        """Return the mosaic (H, W), or planes (H, W, 4) where such came in, in the sensor's
        numbers.
        """
        planes = self._array is not None and self._array.ndim == 3
        return by_place(self.mosaic.samples) if planes else self.mosaic.samples.copy()

    def to_pil(self) -> Image.Image:
        """Develop it, as a Pillow image of 8 bits.

        Raises:
            PictureError: an array, which has no colours; or it cannot be developed.
        """
        from PIL import Image

        return Image.fromarray(self._developed(8, turned=True))

    def _as_dng(self, frame: _Frame) -> bytes:
        new = self._full()
        if not dng.is_dng(self._source):
            return dng.composed(self._shot(new))
        if np.array_equal(new, frame.raw):
            return self._source
        share, render = self.noise_left, self._render
        return dng.rewritten(self._source, frame.raw, new, share, render, self.name)

    def _as_picture(self, form: str, strip_metadata: bool) -> bytes:
        pixels = self._developed(16 if form == "tiff" else 8, turned=True)
        exif = b"" if strip_metadata else _upright_exif(dng.carried_block(self._source))
        raster = Raster(pixels, None, Metadata(exif=exif))
        return formats.codec(form).encode(raster, self.name)

    def _full(self) -> NDArray[np.uint16]:
        """Return the mosaic with its margins."""
        assert self._frame is not None
        top, left, bottom, right = self._frame.active
        full: NDArray[np.uint16] = self._frame.raw.copy()
        full[top:bottom, left:right] = self.mosaic.samples
        return full

    def _as_array(self) -> bytes:
        file = io.BytesIO()
        np.save(file, np.ascontiguousarray(self.to_array()), allow_pickle=False)
        return file.getvalue()

    def _developed(self, bits: int, *, turned: bool, half: bool = False) -> NDArray[Any]:
        """Return (H, W, 3) of the active area, upright or as it lies."""
        if self._frame is None:
            raise PictureError(
                f"{self.name}: an array has no camera whose colours could be developed; "
                "leave --develop out."
            )
        with _libraw(self._source, self.name) as raw:
            raw.raw_image[:] = self._full()
            known = min(self._frame.balance[:3]) > 0
            pixels: NDArray[Any] = raw.postprocess(
                use_camera_wb=known,
                output_bps=bits,
                half_size=half,
                user_flip=None if turned else 0,
                adjust_maximum_thr=0.0,  # white is the sensor's, not the brightest sample
            )
        return pixels

    def _render(self, width: int, height: int, full: bool) -> bytes:
        import cv2

        pixels = self._developed(8, turned=False, half=True)
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return _jpeg(np.asarray(small, np.uint8), full)

    def _shot(self, new: NDArray[np.uint16]) -> dng.Shot:
        frame = self._frame
        assert frame is not None
        exif = dng.carried_block(self._source)
        height, width = self.height, self.width
        scale = min(1.0, _PREVIEW / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        balance = frame.balance[:3] if min(frame.balance[:3]) > 0 else (1.0, 1.0, 1.0)
        red, green, blue = (balance[1] / gain for gain in balance)
        return dng.Shot(
            mosaic=new,
            active=frame.active,
            crop=frame.crop,
            pattern=self.mosaic.pattern,
            black=self.mosaic.black,
            white=self.mosaic.white,
            matrix=frame.matrix if any(frame.matrix) else _SRGB,
            neutral=(red, green, blue),
            exif=exif,
            orientation=_TURNS.get(frame.flip, 1),
            preview=(self._render(*size, True), *size),
        )


def read_any(source: str | Path | bytes, *, name: str | None = None) -> Picture | RawPicture:
    """Return a picture or a RAW picture: paths are told by their names, bytes by what they begin
    with.

    Bytes of RAW files other than DNG look like those of TIFF, and are taken for such.

    Raises:
        PictureError: it cannot be read.
    """
    if isinstance(source, (str, Path)):
        raw = Path(source).suffix.lower() in (*formats.RAW_SUFFIXES, formats.ARRAY_SUFFIX)
    else:
        raw = is_array(bytes(source[:8])) or dng.is_dng(bytes(source))
    return RawPicture.read(source, name=name) if raw else Picture.read(source, name=name)


def is_array(data: bytes) -> bool:
    """Return whether bytes are a NumPy array's file."""
    return data.startswith(_MAGIC)


def _from_array(kind: type[RawPicture], data: bytes, name: str) -> RawPicture:
    if not is_array(data):
        raise _other(data, "NumPy array", name)
    try:
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(name, "array", error) from error
    planes = array.ndim == 3 and array.shape[2] == 4
    numbers = array.dtype.kind == "f" or (array.dtype.kind == "u" and array.itemsize <= 2)
    if not (planes or array.ndim == 2) or not numbers:
        raise PictureError(
            f"{name}: an array of shape {array.shape} and dtype {array.dtype} is no mosaic (H, W) "
            "and no planes (H, W, 4) of uint8, uint16 or floats."
        )
    check_size(array.shape[1], array.shape[0], name)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PictureError(f"{name}: some of its values are not finite.")
    samples = from_places(array) if planes else array.copy()
    _check_least(samples, name)
    mosaic = Mosaic(samples, (0.0,) * 4, 1.0, "RGGB")
    return kind(name, mosaic, format="npy", _array=array[:0])


def _from_file(kind: type[RawPicture], data: bytes, name: str) -> RawPicture:
    own = dng.is_dng(data)
    with _libraw(data, name) as raw:
        _refuse(raw, name)
        whole = raw.raw_image.copy()
        check_size(whole.shape[1], whole.shape[0], name)
        says = _stated(data, whole.shape, name) if own else dng.Stated(None, None)
        active = says.active or _active(raw.sizes)
        colours = raw.raw_colors[active[0] : active[0] + 2, active[1] : active[1] + 2].ravel()
        levels = raw.black_level_per_channel
        first, second, third, fourth = (float(levels[colour]) for colour in colours)
        pattern = "".join(chr(raw.color_desc[colour]) for colour in colours)
        white = float(raw.white_level)
        frame = _Frame(
            whole,
            active,
            _crop(raw.sizes, active),
            tuple(float(v) for v in raw.rgb_xyz_matrix[:3].ravel()),
            tuple(float(v) for v in raw.camera_whitebalance),
            int(raw.sizes.flip),
        )
    top, left, bottom, right = active
    samples = whole[top:bottom, left:right].copy()
    _check_least(samples, name)
    black = says.black or (first, second, third, fourth)
    mosaic = Mosaic(samples, black, white, pattern, most=_most(white))
    profile = dng.noise_profile(data) if own else ()
    picture = kind(name, mosaic, profile, _source=data, _frame=frame)
    if not own:
        picture.remarks.update(_lost(data, frame))
    return picture


def _stated(data: bytes, shape: tuple[int, ...], name: str) -> dng.Stated:
    try:
        return dng.stated(data, shape)
    except ValueError as error:
        raise damaged(name, "DNG", error) from error


def _lost(data: bytes, frame: _Frame) -> dict[str, str]:
    """Return what a new DNG does not take over from another RAW file."""
    said = {"makers-notes-left-out": "a DNG is made without the maker's notes"}
    if not dng.carried(dng.carried_block(data))[0]:
        said = {"exif-left-out": "camera, EXIF and maker's notes could not be read"}
    if not any(frame.matrix):
        said["colours-unknown"] = "the camera's colours are not known; a DNG has those of sRGB"
    return said


def _refuse(raw: Any, name: str) -> None:
    """Check that the file is of a sensor behind a Bayer filter of three colours.

    Raises:
        PictureError: it is not.
    """
    what = None
    letters = raw.color_desc.decode("ascii", "replace")
    if raw.raw_type.name != "Flat":
        what = "full colours at every pixel (linear DNG, Foveon, small RAW)"
    elif raw.num_colors == 1 or raw.raw_pattern is None:
        what = "one colour alone (a linear DNG, developed already, or a monochrome sensor)"
    elif raw.raw_pattern.shape == (6, 6):
        what = "an X-Trans sensor's picture"
    elif raw.num_colors != 3 or letters != "RGBG":
        what = f"a sensor's picture in the colours {letters}"
    elif raw.raw_pattern.shape != (2, 2) or _letters(raw) not in PATTERNS:
        what = "a sensor's picture under a filter that is not Bayer's"
    if what:
        raise PictureError(
            f"{name}: it holds {what}; RAW files of Bayer sensors alone are cleaned. "
            "Develop it, and clean the developed picture."
        )


def _check_least(samples: NDArray[Any], name: str) -> None:
    """Check that noise can be measured in a mosaic.

    Raises:
        PictureError: it is too small.
    """
    if min(samples.shape) < SMALLEST:
        height, width = samples.shape
        raise PictureError(
            f"{name}: a mosaic of {width}x{height} samples is too small for its noise to be "
            f"measured; at least {SMALLEST}x{SMALLEST} are needed."
        )


def _check_levels(mosaic: Mosaic, name: str) -> None:
    """Check that black and white can be those of the samples.

    Raises:
        PictureError: (nearly) all lie under black or above white.
    """
    samples, black = mosaic.samples, min(mosaic.black)
    for outside, where in (
        (samples < black, f"under the black level {black:g}"),
        (samples > mosaic.white, f"above the white level {mosaic.white:g}"),
    ):
        if outside.mean() > MISFIT:
            share = "all" if outside.all() else "nearly all"
            raise PictureError(
                f"{name}: {share} samples lie {where}; they reach from {samples.min():g} to "
                f"{samples.max():g}. Give the --black and --white of these numbers."
            )


def _letters(raw: Any) -> str:
    """Return the colours of the first four samples."""
    return "".join(chr(raw.color_desc[colour]) for colour in raw.raw_pattern.ravel())


def _active(sizes: Any) -> tuple[int, int, int, int]:
    top, left = int(sizes.top_margin), int(sizes.left_margin)
    return top, left, top + int(sizes.height), left + int(sizes.width)


def _crop(sizes: Any, active: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the crop to show; the active area where the file names none within it."""
    top, left = int(sizes.crop_top_margin), int(sizes.crop_left_margin)
    box = (top, left, top + int(sizes.crop_height), left + int(sizes.crop_width))
    inside = box[0] >= active[0] and box[1] >= active[1]
    inside = (
        inside and active[0] + 2 <= box[2] <= active[2] and active[1] + 2 <= box[3] <= active[3]
    )
    return box if inside else active


def _most(white: float) -> float:
    """Return the largest number of as many bits as full light takes."""
    return float(2 ** max(8, int(white).bit_length()) - 1)


@contextmanager
def _libraw(data: bytes, name: str) -> Iterator[Any]:
    """Open and decode a file.

    Raises:
        PictureError: rawpy is not installed, or cannot read the file.
    """
    try:
        import rawpy
    except ImportError as error:
        raise UnsupportedError(
            f"{name}: RAW files need the package rawpy: pip install 'cleanplate[raw]'."
        ) from error
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            yield raw
    except rawpy.LibRawError as error:
        if isinstance(error, rawpy.LibRawFileUnsupportedError):
            raise _other(data, "RAW file that LibRaw reads", name) from error
        why = error.args[0]
        said = why.decode("ascii", "replace") if isinstance(why, bytes) else why
        if isinstance(error, (rawpy.LibRawIOError, rawpy.LibRawDataError)):
            raise damaged(name, "RAW file", f"LibRaw: {said}") from error
        raise PictureError(f"{name}: LibRaw cannot read this RAW file ({said}).") from error


def _other(data: bytes, wanted: str, name: str) -> PictureError:
    """Return the error for a file that is not what its name says."""
    try:
        form = formats.identify(data, name)
    except UnsupportedError as error:
        return error
    except PictureError:
        return PictureError(f"{name}: this is no {wanted}, or its beginning is damaged.")
    if form == "tiff":  # most RAW files begin as one
        return PictureError(f"{name}: this is a TIFF, but no {wanted}; its tags may be damaged.")
    suffix = formats.suffix_of(form)
    return PictureError(f"{name}: this is no {wanted}, but a picture; give it the ending {suffix}.")


def _upright_exif(block: bytes) -> bytes:
    """Return the describing tags of a TIFF block, as EXIF of a picture that lies upright."""
    tags, order = dng.carried(block)
    return directory.block(tags, order) if tags else b""


def _jpeg(pixels: NDArray[np.uint8], full: bool) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    subsampling = "4:4:4" if full else "4:2:0"
    Image.fromarray(pixels).save(file, "JPEG", quality=90, subsampling=subsampling)
    return file.getvalue()
