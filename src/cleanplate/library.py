"""Cleanplate as a library: a picture of any kind in, the same kind out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleanplate import tasks
from cleanplate.batch import (
    CleanedDocument,
    DocumentOptions,
    Maker,
    check_kind,
    clean_document,
    format_by,
    format_of,
    without_metadata,
)
from cleanplate.document import CleanedPage, kind_of
from cleanplate.errors import PictureError
from cleanplate.picture import MarkFile, Picture, encode_mark_file, read_any
from cleanplate.tasks.base import Cleaned, Remark, Report
from cleanplate.tasks.limits import NONE, clean_with, limits_of
from cleanplate.tasks.marks.learning import learn
from cleanplate.tasks.masks import Masks
from cleanplate.writing import write_all

if TYPE_CHECKING:
    from PIL.Image import Image

    Source: TypeAlias = str | Path | bytes | bytearray | memoryview | NDArray[Any] | Image
    Mask: TypeAlias = Source

_BYTES = (bytes, bytearray, memoryview)


class Result:
    """A cleaned picture.

    Attributes:
        mask: (H, W) uint8, upright: above 127 what was found, exactly 0 where nothing changed.
        report: what there is to tell, such as the share of the picture that was filled in.
        remarks: what the user should know, each with a `code` and a `text`.
        doubt: 0 to 1, how unsure the task is of what it found and did; None where it cannot tell.
    """

    def __init__(self, cleaned: Cleaned, kind: type, form: str) -> None:
        self.mask = cleaned.mask
        self.report: Report = cleaned.report
        self.remarks: list[Remark] = [*cleaned.remarks, *cleaned.losses(format=form)]
        self.doubt: float | None = cleaned.doubt
        self._cleaned = cleaned
        self._kind = kind
        self._form = form

    @cached_property
    def picture(self) -> Any:
        """The picture, of the kind that was given.

        For an array, an array of the same shape, dtype and range, with alpha where a task has cut
        something out; for bytes, the bytes of a file in the same format, or in that of the task's
        results; for a path or a Pillow image, a Pillow image.

        Raises:
            PictureError: Pillow does not hold it, as 16-bit colour; `to_array` and `save` do.
        """
        if issubclass(self._kind, _BYTES):
            return self._cleaned.picture.encode(self._cleaned.edited, format=self._form)
        if issubclass(self._kind, np.ndarray):
            return self.to_array()
        return self._cleaned.picture.to_pil()

    def to_array(self) -> NDArray[Any]:
        """Return the picture as an array: of the kind that was given, for anything else upright,
        uint8 or uint16, (H, W) grey or (H, W, 2 | 3 | 4) with alpha, RGB or both.
        """
        return self._cleaned.picture.to_array()

    def save(self, path: str | Path, *, strip_metadata: bool = False) -> None:
        """Write the picture as a file, whole or not at all; the suffix names the format.

        Args:
            path: where to; a file that is there is replaced.
            strip_metadata: leave out EXIF and the like.

        Raises:
            PictureError: it cannot be written, or not in this format.
            UsageError: no format has this suffix.
        """
        path = Path(path)
        content = self._cleaned.picture.encode(
            self._cleaned.edited, strip_metadata=strip_metadata, format=format_of(path)
        )
        try:
            write_all({path: content})
        except OSError as error:
            raise PictureError(f"{path} cannot be written: {error.strerror}.") from error


class DocumentResult(Result):
    """A cleaned PDF, or TIFF of several pages.

    Attributes:
        pages: those that were cleaned, each with its `number`, `mask` (H, W) as it is seen,
            `report`, `remarks`, `doubt`, and whether it is `unchanged`.
        mask: that of the first of these pages.
        report: how many `pages` were looked at, and how many of them `edited`.
        remarks: what the user should know of the document as a whole.
        doubt: that of the most doubtful page.
    """

    def __init__(self, done: CleanedDocument) -> None:
        self.pages: list[CleanedPage] = done.pages
        self.mask = done.pages[0].mask
        self.report = done.report
        self.remarks = done.remarks
        self.doubt = done.doubt
        self._kind_of_document = done.kind
        self._content = done.content

    @property
    def picture(self) -> bytes:
        """The bytes of the document's file; those that were given, where nothing is changed."""
        return self._content

    def to_array(self) -> NDArray[Any]:
        """Refuse: a document is no array.

        Raises:
            PictureError: always; `cleanplate.Document` gives pages as pictures.
        """
        raise PictureError("A document is no array; cleanplate.Document gives its pages.")

    def save(self, path: str | Path, *, strip_metadata: bool = False) -> None:
        """Write the document as a file, whole or not at all.

        Args:
            path: where to, with an ending of its own kind; a file that is there is replaced.
            strip_metadata: leave out title, author, EXIF, XMP and the like.

        Raises:
            PictureError: it cannot be written.
            UsageError: the name ends otherwise.
        """
        path = Path(path)
        check_kind(path, self._kind_of_document)
        content = without_metadata(self._content) if strip_metadata else self._content
        try:
            write_all({path: content})
        except OSError as error:
            raise PictureError(f"{path} cannot be written: {error.strerror}.") from error


class Cleaner:
    """Cleans pictures, one call each, and keeps its models between them."""

    def __init__(
        self,
        task: str = "watermark",
        *,
        mask: Mask | None = None,
        device: str = "auto",
        threads: int = 0,
        **options: Any,
    ) -> None:
        """Set a task up.

        Args:
            task: one of `cleanplate.tasks.names()`.
            mask: for every call that gives none: a file, a folder with a mask for each picture, or
                an array, see `__call__`.
            device: `auto`, `cpu`, `cuda`, `coreml`, `directml` or `openvino`.
            threads: CPU threads of a model; 0 takes every core that this process may use.
            options: of the task, see `cleanplate.tasks.info(task)`: other models by role, such as
                `locator="mine.onnx"`, and its own `options`, such as `threshold=0.4`.

        Raises:
            UsageError: there is no such task, model or device, a model does not fit the task, or
                the task has no such option, takes no mask, or not this value.
            ModelError: its models or the device cannot be used.
            PictureError: the mask, or a mark that is named, cannot be read.
        """
        self._info = tasks.info(task)
        self._options = self._info.checked(options)
        self._masks = self._read_mask(mask)
        self._task = self._info.create(device=device, threads=threads, **options)

    def __call__(
        self,
        picture: Source,
        *,
        mask: Mask | None = None,
        region: tuple[int, int, int, int] | None = None,
        protect: Mask | None = None,
        pages: str | None = None,
        password: str = "",
        break_signature: bool = False,
        remove_repeated: bool = False,
    ) -> Result:
        """Clean a picture, or the pages of a document; what was given is left as it is.

        Args:
            picture: the path of a file; the bytes of one; a Pillow image; or an array (H, W) or
                (H, W, C), C from 1 to 4, RGB order, uint8, uint16 or float in [0, 1]. Of a
                document, which is a PDF or a TIFF of several pages, path or bytes; it gives a
                `DocumentResult`.
            mask: what is to be worked on, as large as the picture, white (above half) where it is:
                a path, or an array (H, W) or (H, W, C) of the same kinds, or bool. None: what was
                given to the cleaner, or else what the task finds.
            region: x, y, width and height, in pixels, upright: the task is given that part of the
                picture alone, and the rest stays as it is. Of a document, in pixels of each page's
                mask.
            protect: what is never touched, given like `mask`.
            pages: of a document, which ones, as `1-3,7-`; None for all. Its masks are a folder with
                `page-001.png` and so on, or one for every page.
            password: of an encrypted PDF.
            break_signature: clean a signed PDF, too, which breaks its signature.
            remove_repeated: of a PDF, remove what most pages repeat and is translucent or turned.

        Raises:
            PictureError: the picture or its mask cannot be read faithfully, is none of these, or
                they differ in size, or the region lies beside the picture.
            UsageError: the task takes no mask, or there is none and it needs one; or a region is no
                region.
            ModelError: a model failed.
        """
        masks = self._masks if mask is None else self._read_mask(mask)
        self._info.check_mask(masks is not None)
        limits = limits_of(region, None if protect is None else _mask(protect))
        if self._info.documents and (document := _document_of(picture)) is not None:
            source, name = document
            whole, marks = self._info.whole, self._info.marks
            options = DocumentOptions(
                pages, password, break_signature, whole, marks, remove_repeated
            )
            options.check(limited=limits != NONE)
            return DocumentResult(
                clean_document(source, name, Maker(self._task, masks, limits), options)
            )
        read = _read(picture, self._info.raw)
        cleaned = clean_with(self._task, read, masks, limits)
        return Result(cleaned, type(picture), format_by(self._output, read.format))

    def _output(self, suffix: str) -> str:
        return self._info.output(suffix, self._options)

    def _read_mask(self, mask: Mask | None) -> Masks | None:
        if mask is None:
            return None
        self._info.check_mask(True)
        return Masks(_mask(mask))


def clean(
    picture: Source,
    task: str = "watermark",
    *,
    mask: Mask | None = None,
    region: tuple[int, int, int, int] | None = None,
    protect: Mask | None = None,
    pages: str | None = None,
    password: str = "",
    break_signature: bool = False,
    remove_repeated: bool = False,
    **options: Any,
) -> Result:
    """Clean one picture or document; for many, a `Cleaner` starts the models only once.

    Takes what `Cleaner(task, **options)` and its call take, gives what it gives and raises the
    same.

    >>> spot = np.full((40, 50), 180, np.uint8)
    >>> spot[10:20, 10:20] = 0
    >>> filled = clean(spot, "inpaint", mask=spot == 0, device="cpu")
    >>> bool(filled.picture[15, 15] > 150), filled.report["filled"]
    (True, 0.05)
    """
    return Cleaner(task, **options)(
        picture,
        mask=mask,
        region=region,
        protect=protect,
        pages=pages,
        password=password,
        break_signature=break_signature,
        remove_repeated=remove_repeated,
    )


@dataclass(frozen=True)
class Mark:
    """A mark by itself, as it was learnt.

    Attributes:
        alpha: (h, w) float32 in [0, 1], its opacity.
        colour: (h, w, 3) float32 in [0, 1], RGB; of no account where alpha is 0.
        certainty: (h, w) float32 in [0, 1], how surely the two are known.
        bearing: the numbers, from 0, of the pictures that bear it.
        others: the numbers of those in which it was not found.
    """

    alpha: NDArray[np.float32]
    colour: NDArray[np.float32]
    certainty: NDArray[np.float32]
    bearing: list[int]
    others: list[int]

    def save(self, path: str | Path) -> None:
        """Write the mark as a PNG of 16 bits with alpha, whole or not at all.

        Its certainty is in a chunk of its own. `Cleaner("watermark", mark=path)` takes it off.

        Raises:
            PictureError: it cannot be written, or the name does not end in `.png`.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise PictureError(f"{path}: a mark is written as PNG; give a name that ends in .png.")
        file = MarkFile(self.colour, self.alpha, self.certainty)
        try:
            write_all({path: encode_mark_file(file)})
        except OSError as error:
            raise PictureError(f"{path} cannot be written: {error.strerror}.") from error


def learn_mark(
    pictures: Iterable[Source], *, progress: Callable[[float], None] | None = None
) -> Mark:
    """Learn the mark that many pictures share: its opacity and colour at every pixel.

    It may lie at one place in all of them, or at places and sizes of its own in each; a fifth of
    the pictures may be without it. Files are read several times, so that memory does not grow with
    their number. After Dekel et al., "On the Effectiveness of Visible Watermarks" (CVPR 2017).

    Args:
        pictures: at least 4 that bear the mark, better 10 or more, of the kinds that a `Cleaner`
            takes.
        progress: is told now and then which share of the work, in [0, 1], is done.

    Raises:
        PictureError: one of them cannot be read, they share no mark, or too few of them bear it.
    """
    learnt = learn([partial(_read, picture, False) for picture in pictures], progress)
    return Mark(*learnt.mark, learnt.bearing, learnt.others)


def _mask(given: Mask) -> str | Path | NDArray[Any] | Picture:
    """Return a mask as `Masks` takes it."""
    if isinstance(given, str | Path | np.ndarray):
        return given
    read: Picture = _read(given, False)
    return read


def _document_of(source: Source) -> tuple[Path | bytes, str] | None:
    """Return a source that is a document, and what it is called; None where it is none."""
    if isinstance(source, str | Path):
        path = Path(source)
        return (path, path.name) if kind_of(path) else None
    if isinstance(source, _BYTES) and kind_of(content := bytes(source)):
        return content, "document"
    return None


def _read(picture: Source, raw: bool) -> Any:
    """Return a picture; a RAW picture where the file is one, and the task takes such."""
    from PIL.Image import Image

    if isinstance(picture, str | Path | bytes | bytearray | memoryview):
        source = bytes(picture) if isinstance(picture, _BYTES) else picture
        return read_any(source) if raw else Picture.read(source)
    if isinstance(picture, np.ndarray):
        return Picture.from_array(picture)
    if isinstance(picture, Image):
        return Picture.from_pil(picture)
    raise PictureError(
        "A picture or mask is the path of a file, the bytes of one, a Pillow image or a NumPy "
        f"array, not {type(picture).__name__}."
    )
