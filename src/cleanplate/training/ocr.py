"""Whether print can still be read: optical character recognition of a page against that of another.

Needs the packages rapidocr, which brings its models, and rapidfuzz.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.errors import UsageError

SHARED = 0.5  # of the lower line's height, from which two lines lie in one row
QUALITY = 95  # of the JPEG that the recognition's own noise is measured by


class Line(NamedTuple):
    """What was read in a line of print, and where: pixels from the top left."""

    left: float
    top: float
    bottom: float
    text: str


class Reader:
    """Reads pages, on one thread."""

    def __init__(self) -> None:
        """Load the models.

        Raises:
            UsageError: a package is missing.
        """
        try:
            import rapidfuzz  # noqa: F401
            from rapidocr import RapidOCR
        except ModuleNotFoundError as error:
            raise UsageError(
                f"--ocr needs the package {error.name}: pip install rapidocr rapidfuzz"
            ) from None
        settings = {"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
        self._engine = RapidOCR(params=settings)

    def read(self, page: NDArray[np.uint8]) -> list[Line]:
        """Return the lines of print on a page (H, W, 1 or 3) of RGB."""
        found = self._engine(np.ascontiguousarray(_three(page)[..., ::-1]))
        if found.boxes is None:
            return []
        lines = []
        for corners, text in zip(found.boxes, found.txts, strict=True):
            (left, top), bottom = corners.min(0), corners[:, 1].max()
            lines.append(Line(float(left), float(top), float(bottom), "".join(text.split())))
        return lines

    def errors(self, cleaned: NDArray[np.uint8], truth: NDArray[np.uint8]) -> tuple[float, float]:
        """Return what reading costs a cleaned page, in characters.

        Args:
            cleaned: (H, W, 1 or 3).
            truth: the page as it was, of the same shape.

        Returns:
            The share of the true page's characters that are read otherwise on the cleaned page, and
            the same of a JPEG copy of the true page, which is the recognition's own noise; nan
            where it has none.
        """
        wanted = self.read(truth)
        return (
            character_error(self.read(cleaned), wanted),
            character_error(self.read(_copied(truth)), wanted),
        )


def character_error(found: Sequence[Line], wanted: Sequence[Line]) -> float:
    """Return the edit distance of what was found to what was wanted, by wanted characters.

    Lines are compared row by row of the page, so that a line that is read in two, or a change of
    the order in which lines are found, costs nothing. Blanks do not count.
    """
    from rapidfuzz.distance import Levenshtein

    rows = _rows(wanted)
    total = sum(len(line.text) for line in wanted)
    if not total:
        return float("nan")
    given: list[list[Line]] = [[] for _ in rows]
    distance = 0
    for line in found:
        shares = [max(_shared(line, other) for other in row) for row in rows]
        best = int(np.argmax(shares))
        if shares[best] > SHARED:
            given[best].append(line)
        else:
            distance += len(line.text)
    for row, read in zip(rows, given, strict=True):
        distance += Levenshtein.distance(_joined(row), _joined(read))
    return distance / total


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Put lines that lie beside each other into one row."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.top + line.bottom):
        if rows and _shared(line, rows[-1][0]) > SHARED:
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def _shared(line: Line, other: Line) -> float:
    """Return the height that two lines share, as a share of the lower one's."""
    common = min(line.bottom, other.bottom) - max(line.top, other.top)
    return common / max(1e-6, min(line.bottom - line.top, other.bottom - other.top))


def _joined(row: Sequence[Line]) -> str:
    return "".join(line.text for line in sorted(row))


def _three(page: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(page, 3, 2) if page.shape[2] == 1 else page


def _copied(page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a page after a trip through JPEG."""
    _, file = cv2.imencode(".jpg", page[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    copy = cv2.imdecode(file, cv2.IMREAD_UNCHANGED)
    return np.asarray(copy).reshape(page.shape)[..., ::-1]
