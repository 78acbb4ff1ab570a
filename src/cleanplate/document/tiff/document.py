"""A TIFF document: its pages as pictures, and the file written again as it was."""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cleanplate.document.base import Document, Ways
from cleanplate.document.finished import Finished
from cleanplate.document.kinds import TIFF
from cleanplate.document.leaving import LeftAlone
from cleanplate.document.tiff.container import SUBDIRECTORIES, Container, Node
from cleanplate.document.tiff.forms import Form, form_of
from cleanplate.document.tiff.images import PageImage, image_of
from cleanplate.document.tiff.writing import Change, Patch
from cleanplate.errors import PictureError
from cleanplate.picture import Picture, directory
from cleanplate.picture.previews import photoshop
from cleanplate.picture.tiff import LAYERS, RESOURCES, STRUCTURE
from cleanplate.tasks.base import Task

if TYPE_CHECKING:
    from cleanplate.document.tiff.cleaning import TiffCleaning

# What `strip_metadata` keeps: how samples lie and look, resolution, turn, and the page's number.
_KEPT = STRUCTURE | {directory.ORIENTATION, directory.ACROSS, directory.DOWN, directory.UNIT}
_KEPT |= {34675, 297, 301, 318, 319, 332, 333, 334, 336}


class TiffDocument(Document):
    """A TIFF or BigTIFF of several pages that is open until it is closed.

    Attributes:
        container: the open file.
        chain: its directories.
    """

    kind = TIFF

    def __init__(
        self,
        source: str | Path | bytes,
        *,
        password: str = "",
        break_signature: bool = False,
        name: str | None = None,
    ) -> None:
        """Open a TIFF; see `Document`. It has neither a password nor a signature."""
        super().__init__(source, name=name)
        self._strips = False
        given = self._source
        self._file: BinaryIO
        try:
            self._file = io.BytesIO(given) if isinstance(given, bytes) else given.open("rb")
        except OSError as error:
            why = error.strerror or error
            raise PictureError(f"{self.name}: it cannot be read ({why}).") from error
        try:
            self.container = Container(self._file)
            self.chain = list(self.container.chain())
        except (ValueError, struct.error) as error:
            self._file.close()
            raise PictureError(f"{self.name}: this TIFF file is damaged ({error}).") from error
        self._pages = [node for node in self.chain if node.page]
        if not self._pages:
            self._file.close()
            raise PictureError(f"{self.name}: the TIFF file has no pages.")

    def __len__(self) -> int:
        return len(self._pages)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def node(self, number: int) -> Node:
        """Return the link of a page, by its number from 1."""
        return self._pages[number - 1]

    def form(self, number: int) -> Form:
        """Return how a page is stored.

        Raises:
            LeftAlone: it cannot be cleaned.
        """
        table = self.container.table(self.node(number).start)
        return form_of(self.container, table, self.page_name(number))

    def image(self, number: int) -> PageImage:
        """Return a page decoded.

        Raises:
            LeftAlone: it cannot be cleaned.
        """
        return image_of(self.container, self.form(number), self.page_name(number))

    def has(self, number: int, tag: int) -> bool:
        """Return whether a page has a tag."""
        return self.container.table(self.node(number).start).slot(tag) is not None

    def copies_of(self, numbers: list[int]) -> list[Node]:
        """Return the smaller copies that show these pages, or may show them.

        A copy follows its page. Where pages have different numbers of them, that is no more sure:
        all are then returned.
        """
        groups: list[list[Node]] = [[] for _ in self._pages]
        page = -1
        for node in self.chain:
            if node.page:
                page += 1
            elif node.copy:
                groups[max(page, 0)].append(node)
        if not numbers:
            return []
        if len({len(group) for group in groups}) > 1:
            return [node for group in groups for node in group]
        return [node for number in numbers for node in groups[number - 1]]

    def cleaning(
        self, task: Task, ways: Ways | None = None, finished: Finished | None = None
    ) -> TiffCleaning:
        """Return what cleans the document with a task; see `Document`."""
        from cleanplate.document.tiff.cleaning import TiffCleaning

        return TiffCleaning(self, task, ways, finished)

    def strip_metadata(self) -> bool:
        """Leave out texts, EXIF, XMP and private tags; return whether there were any."""
        self._strips = any(self._stripped(node.start) for node in self.chain)
        return self._strips

    def save(self, place: Path | BinaryIO) -> None:
        """Write the document with all that was changed in it, and all else as it was."""
        self.write(place, {})

    def write(self, place: Path | BinaryIO, pages: Mapping[int, Callable[[], Change]]) -> None:
        """Write the document with changed pages, all else as it was.

        Args:
            place: where to.
            pages: by number what gives the strips and tags of a page that are others now; asked
                one at a time.

        Raises:
            PictureError: it cannot be written.
        """
        changes: dict[int, Callable[[], Change]] = {}
        if self._strips:
            changes = {node.start: _nothing for node in self.chain}
        changes |= {self.node(number).start: given for number, given in pages.items()}
        left_out = frozenset(node.start for node in self.copies_of(sorted(pages)))
        whole = {start: self._whole(start, given) for start, given in changes.items()}
        try:
            if isinstance(place, Path):
                with place.open("w+b") as file:
                    self._write(file, whole, left_out)
            else:
                self._write(place, whole, left_out)
        except (ValueError, struct.error) as error:
            raise PictureError(f"{self.name}: the TIFF cannot be written ({error}).") from error

    def _write(
        self, file: BinaryIO, changes: Mapping[int, Callable[[], Change]], left_out: frozenset[int]
    ) -> None:
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)
        Patch(file, self.container, self.chain, self.name).apply(changes, left_out)

    def _whole(self, start: int, given: Callable[[], Change]) -> Callable[[], Change]:
        """Return what gives a change with the tags that go by it."""

        def change() -> Change:
            found = given()
            dropped = self._stripped(start) if self._strips else frozenset()
            return found._replace(dropped=found.dropped | dropped)

        return change

    def _stripped(self, start: int) -> frozenset[int]:
        """Return the tags of a directory that `strip_metadata` leaves out."""
        return frozenset(slot.tag for slot in self.container.table(start).slots) - _KEPT

    def previews_of(self, number: int) -> tuple[frozenset[int], dict[int, bytes]]:
        """Return the tags of a page that show it as it was, and those of which a part does, without
        that part.
        """
        table = self.container.table(self.node(number).start)
        tags = {slot.tag for slot in table.slots}
        dropped, values = tags & {SUBDIRECTORIES, LAYERS}, {}
        resources = self.container.entries(table, RESOURCES).get(RESOURCES)
        if resources is not None:
            lean = photoshop(resources.data)
            if not lean:
                dropped.add(RESOURCES)
            elif len(lean) < len(resources.data):
                values[RESOURCES] = lean
        return frozenset(dropped), values

    def _page(self, number: int, dpi: float) -> Picture:
        try:
            return self.image(number).picture
        except LeftAlone as reason:
            raise PictureError(f"{self.page_name(number)}: {reason}.") from reason


def _nothing() -> Change:
    return Change({}, {}, {}, frozenset())
