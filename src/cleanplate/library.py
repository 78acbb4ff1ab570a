"""Cleanplate as a library: a picture of any kind in, the same kind out."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleanplate import tasks
from cleanplate.batch import format_of, write_all
from cleanplate.errors import PictureError
from cleanplate.picture import Picture
from cleanplate.tasks.base import Cleaned, Report

if TYPE_CHECKING:
    from PIL.Image import Image

    Source: TypeAlias = str | Path | bytes | bytearray | memoryview | NDArray[Any] | Image

_BYTES = (bytes, bytearray, memoryview)


class Result:
    """A cleaned picture.

    Attributes:
        mask: (H, W) uint8, upright: above 127 what was found, exactly 0 where nothing changed.
        report: what there is to tell, such as the share of the picture that was filled in.
    """

    def __init__(self, cleaned: Cleaned, kind: type) -> None:
        self.mask = cleaned.mask
        self.report: Report = cleaned.report
        self._cleaned = cleaned
        self._kind = kind

    @cached_property
    def picture(self) -> Any:
        """The picture, of the kind that was given.

        For an array, an array of the same shape, dtype and range; for bytes, the bytes of a file in
        the same format; for a path or a Pillow image, a Pillow image.

        Raises:
            PictureError: Pillow does not hold it, as 16-bit colour; `to_array` and `save` do.
        """
        if issubclass(self._kind, _BYTES):
            return self._cleaned.picture.encode(self._cleaned.edited)
        if issubclass(self._kind, np.ndarray):
            return self.to_array()
        return self._cleaned.picture.to_pil()

    def to_array(self) -> NDArray[Any]:
        """The picture as an array: of the kind that was given, for anything else upright, uint8 or
        uint16, (H, W) grey or (H, W, 2 | 3 | 4) with alpha, RGB or both.
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


class Cleaner:
    """Cleans pictures, one call each, and keeps its models between them."""

    def __init__(self, task: str = "watermark", **options: Any) -> None:
        """Set a task up.

        Args:
            task: one of `cleanplate.tasks.names()`.
            options: of the task; every task takes `device` and `threads`.

        Raises:
            UsageError: there is no such task or model, or the task has no such option.
            ModelError: its models or the device cannot be used.
        """
        self._task = tasks.create(task, **options)

    def __call__(self, picture: Source) -> Result:
        """Clean a picture; what was given is left as it is.

        Args:
            picture: the path of a file; the bytes of one; a Pillow image; or an array (H, W) or
                (H, W, C), C from 1 to 4, RGB order, uint8, uint16 or float in [0, 1].

        Raises:
            PictureError: it cannot be read faithfully, or is none of these.
            ModelError: a model failed.
        """
        return Result(self._task.clean(_read(picture)), type(picture))


def clean(picture: Source, task: str = "watermark", **options: Any) -> Result:
    """Clean one picture; for many, a `Cleaner` starts the models only once.

    Takes what `Cleaner(task, **options)(picture)` takes, gives what it gives and raises the same.
    """
    return Cleaner(task, **options)(picture)


def _read(picture: Source) -> Picture:
    from PIL.Image import Image

    if isinstance(picture, str | Path | bytes | bytearray | memoryview):
        return Picture.read(bytes(picture) if isinstance(picture, _BYTES) else picture)
    if isinstance(picture, np.ndarray):
        return Picture.from_array(picture)
    if isinstance(picture, Image):
        return Picture.from_pil(picture)
    raise PictureError(
        f"A {type(picture).__name__} is no picture; taken are the path of a file, the bytes of "
        "one, a Pillow image or a NumPy array."
    )
