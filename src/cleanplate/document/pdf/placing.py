"""Where the images of a page lie on it: content streams read for `Do`, forms in forms as well."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Array, ContentStreamInlineImage, Dictionary, Name, Object, Stream

from cleanplate.document.finished import Key
from cleanplate.document.pdf.inline import InlineImages, image_in
from cleanplate.document.pdf.opening import unpacks_to_more

Matrix: TypeAlias = NDArray[np.float64]
"""(3, 3), for columns (x, y, 1)."""

LEAST = 32
"""Pixels of the shorter side of an image that is looked at."""

_DEEPEST = 32  # forms in forms
_MOST = 20_000  # images, and forms, that a page draws
_LONGEST = 1 << 26  # bytes of a content stream
_DEFAULT_BOX = (0.0, 0.0, 612.0, 792.0)


class Placement(NamedTuple):
    """An image on a page; `matrix` takes its unit square to the page's user space."""

    key: Key
    matrix: Matrix


@dataclass(frozen=True)
class Shape:
    """What of a page is seen: `size`, width and height in points as it is looked at, and
    `matrix`, from user space to points from the upper left, down.
    """

    size: tuple[float, float]
    matrix: Matrix


class Placer:
    """Finds the images of a document's pages; keeps what it read of forms that pages share."""

    def __init__(self, images: InlineImages) -> None:
        """Take what makes objects of the images that are written into content."""
        self._images = images
        self._read: dict[Key, list[tuple[str, Any]]] = {}
        self.inline = 0
        self._forms_left = 0

    def placements(self, page: pikepdf.Page) -> list[Placement]:
        """Return the images that a page shows, in the order in which it draws them.

        Sets `inline` to the number of images in its content of which no objects can be made.

        Raises:
            pikepdf.PdfError: its content cannot be read.
            ValueError: it is a bomb: of bytes, or of forms that draw forms.
        """
        self.inline, self._forms_left = 0, _MOST
        resources = page.obj.get(Name.Resources, Dictionary())
        found: list[Placement] = []
        for placement in self._walk(page.obj, resources, np.eye(3), ()):
            found.append(placement)
            if len(found) >= _MOST:
                break
        return found

    def _walk(
        self, content: Object, resources: Object, matrix: Matrix, above: tuple[Key, ...]
    ) -> Iterator[Placement]:
        stack: list[Matrix] = []
        forms = resources.get(Name.XObject, Dictionary()) if _is_dict(resources) else Dictionary()
        for operator, operand in self._instructions(content, resources):
            if operator == "q":
                stack.append(matrix)
            elif operator == "Q":
                matrix = stack.pop() if stack else matrix
            elif operator == "cm":
                matrix = matrix @ operand
            elif operator == "Do":
                drawn = forms.get(operand) if _is_dict(forms) else None
                if isinstance(drawn, Stream):
                    yield from self._drawn(drawn, resources, matrix, above)
            elif operand is None:
                self.inline += 1
            else:
                yield Placement(operand, matrix)

    def _drawn(
        self, drawn: Stream, resources: Object, matrix: Matrix, above: tuple[Key, ...]
    ) -> Iterator[Placement]:
        kind = drawn.get(Name.Subtype)
        if kind == Name.Image:
            yield Placement(drawn.objgen, matrix)
        elif kind == Name.Form and drawn.objgen not in above and len(above) < _DEEPEST:
            self._forms_left -= 1
            if self._forms_left < 0:
                raise ValueError(f"it draws more than {_MOST} forms")
            own = matrix @ matrix_of(drawn.get(Name.Matrix))
            inner = drawn.get(Name.Resources, resources)
            yield from self._walk(drawn, inner, own, (*above, drawn.objgen))

    def _instructions(self, content: Object, resources: Object) -> list[tuple[str, Any]]:
        """Return what of a page's or form's content says where images lie: inline images as `BI`
        with their objects.
        """
        key, inline = content.objgen, 0
        if content.is_indirect and key in self._read:
            return self._read[key]
        read: list[tuple[str, Any]] = []
        _check_length(content)
        for one in pikepdf.parse_content_stream(content, "q Q cm Do BI ID EI"):
            operator = str(one.operator)
            if operator == "cm":
                read.append((operator, matrix_of(one.operands)))
            elif operator == "Do":
                if len(one.operands) == 1 and isinstance(one.operands[0], Name):
                    read.append((operator, str(one.operands[0])))
            elif isinstance(one, ContentStreamInlineImage):
                image = image_in(one, LEAST)
                if image is not None:
                    read.append(("BI", self._images.key_of(content, inline, image, resources)))
                inline += 1
            else:
                read.append((operator, None))
        if content.get(Name.Subtype) == Name.Form:
            self._read[key] = read
        return read


def shape_of(page: pikepdf.Page) -> Shape:
    """Return what of a page is seen: its crop box, turned as it says."""
    left, bottom, right, top = _box(page)
    width, height = right - left, top - bottom
    turn = _turn(page) // 90 % 4
    down = np.array([[1.0, 0, -left], [0, -1, top], [0, 0, 1]])
    turns = {
        0: np.eye(3),
        1: np.array([[0.0, -1, height], [1, 0, 0], [0, 0, 1]]),
        2: np.array([[-1.0, 0, width], [0, -1, height], [0, 0, 1]]),
        3: np.array([[0.0, 1, 0], [-1, 0, width], [0, 0, 1]]),
    }
    size = (height, width) if turn % 2 else (width, height)
    return Shape(size, turns[turn] @ down)


def orientation(matrix: Matrix) -> int:
    """Return the EXIF orientation, 1 to 8, that turns an image upright as it is seen.

    Args:
        matrix: from the image's pixels, (column, row), to what is seen, both down.
    """
    across, down = matrix[:2, 0], matrix[:2, 1]
    if abs(across[0]) * abs(down[1]) >= abs(across[1]) * abs(down[0]):
        return {(1, 1): 1, (-1, 1): 2, (-1, -1): 3, (1, -1): 4}[_sign(across[0]), _sign(down[1])]
    return {(1, 1): 5, (1, -1): 6, (-1, -1): 7, (-1, 1): 8}[_sign(across[1]), _sign(down[0])]


def seen(shape: Shape, placement: Matrix, size: tuple[int, int]) -> Matrix:
    """Return the matrix from an image's pixels (column, row), from the corner of the first one, to
    points on the page as it is seen.

    Args:
        shape: of the page.
        placement: from the unit square to user space.
        size: height and width of the image.
    """
    height, width = size
    unit = np.array([[1 / width, 0, 0], [0, -1 / height, 1], [0, 0, 1]])
    matrix: Matrix = shape.matrix @ placement @ unit
    return matrix


def density(matrix: Matrix) -> float:
    """Return the greater number of pixels a point, along rows or columns, of a matrix of `seen`."""
    across, down = (math.hypot(*matrix[:2, i]) for i in (0, 1))
    return 1 / max(min(across, down), 1e-9)


def _check_length(content: Object) -> None:
    """Refuse the content of a page or a form that is a bomb."""
    streams = [content]
    if not isinstance(content, Stream):
        given = content.get(Name.Contents, Array())
        streams = list(given) if isinstance(given, Array) else [given]
    for stream in streams:
        if isinstance(stream, Stream) and unpacks_to_more(stream, _LONGEST):
            raise ValueError("it unpacks to more than 64 MB")


def matrix_of(numbers: Any) -> Matrix:
    """Return the matrix that six numbers of a PDF mean; that of no change where they are not."""
    try:
        a, b, c, d, e, f = (float(one) for one in numbers)
    except (TypeError, ValueError):
        return np.eye(3)
    return np.array([[a, c, e], [b, d, f], [0, 0, 1]])


def _box(page: pikepdf.Page) -> tuple[float, float, float, float]:
    """Return the crop box within the media box: left, bottom, right, top."""
    media = _rectangle(page.obj.get(Name.MediaBox)) or _DEFAULT_BOX
    crop = _rectangle(page.obj.get(Name.CropBox)) or media
    left, bottom = max(media[0], crop[0]), max(media[1], crop[1])
    right, top = min(media[2], crop[2]), min(media[3], crop[3])
    return (left, bottom, right, top) if left < right and bottom < top else media


def _rectangle(numbers: Any) -> tuple[float, float, float, float] | None:
    try:
        x0, y0, x1, y1 = (float(one) for one in numbers)
    except (TypeError, ValueError):
        return None
    box = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    return box if box[0] < box[2] and box[1] < box[3] else None


def _turn(page: pikepdf.Page) -> int:
    turn = page.obj.get(Name.Rotate, 0)
    return turn if isinstance(turn, int) else 0


def _is_dict(thing: Object) -> bool:
    return isinstance(thing, (Dictionary, Stream))


def _sign(value: float) -> int:
    return 1 if value >= 0 else -1
