"""What is finished of a document: its parts coded anew, in memory or in a folder that outlives a
stopped run.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import Picture, encode_mask
from cleanplate.writing import write_all

_STATE = "state.json"

Key = tuple[int, int]
"""Names a part within its document: object and generation of an image, page and 0 of a TIFF."""


@dataclass
class Part:
    """What became of a part of a document that was cleaned.

    Attributes:
        data: its bytes anew; None: it stays as it is.
        how: what more says how these are coded, as JSON.
        mask: its mask as PNG, (h, w) as an image is stored in a PDF, upright of a page of a TIFF;
            None where nothing was found.
    """

    data: bytes | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    mask: bytes | None = None

    def found(self) -> NDArray[np.uint8] | None:
        """Return its mask (h, w)."""
        return None if self.mask is None else Picture.read(self.mask).pixels[..., 0]


@dataclass
class PageDone:
    """What became of a page: the parts that were cleaned for it, and what is to be told."""

    parts: dict[Key, Part] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)


class Finished:
    """The finished pages of a document, kept in memory.

    Attributes:
        folder: where the data of parts lie as files; None: in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._told: dict[int, dict[str, Any]] = {}
        self._parts: dict[Key, Part] = {}

    def page(self, number: int) -> dict[str, Any] | None:
        """Return what is told of a page; None where it is not finished."""
        return self._told.get(number)

    def part(self, key: Key) -> Part | None:
        """Return what became of a part; None where it is not finished."""
        return self._parts.get(key)

    def changed(self) -> list[Key]:
        """Return the parts that are others now, in order."""
        return sorted(key for key, part in self._parts.items() if part.data is not None)

    def models(self) -> list[dict[str, str]]:
        """Return the models that ran on each finished page, sha256 by name."""
        return [told["models"] for told in self._told.values()]

    def add(self, number: int, page: PageDone) -> None:
        """Keep a page.

        Raises:
            OSError: it cannot be written.
        """
        self._told[number] = page.told
        self._parts.update(page.parts)

    def remove(self) -> None:
        """Forget it all."""
        self._told.clear()
        self._parts.clear()


class FinishedIn(Finished):
    """The finished pages of a document in a folder, where a later run finds them."""

    folder: Path

    def __init__(self, folder: Path, state: Mapping[str, Any], *, resume: bool) -> None:
        """Open the folder.

        Args:
            folder: is made where there is none.
            state: what must be the same for the pages in it to be of use, as JSON.
            resume: keep what is there, where its state is the same.

        Raises:
            OSError: it cannot be written.
        """
        super().__init__(folder)
        self._places: dict[Key, tuple[int, dict[str, Any]]] = {}
        wanted = json.loads(json.dumps(dict(state)))
        if not (resume and self._state() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)  # the document may be private
        if not (folder / _STATE).exists():
            write_all({folder / _STATE: json.dumps(wanted).encode()})
        for path in sorted(folder.glob("page-*.json")):
            line = json.loads(path.read_bytes())
            self._note(int(path.stem.removeprefix("page-")), line)

    def part(self, key: Key) -> Part | None:
        """Return what became of a part; None where it is not finished."""
        if key not in self._places:
            return None
        number, line = self._places[key]
        data = self._file(number, key, "bin").read_bytes() if line["data"] else None
        mask = self._file(number, key, "png").read_bytes() if line["mask"] else None
        return Part(data, line["how"], mask)

    def changed(self) -> list[Key]:
        """Return the parts that are others now, in order."""
        return sorted(key for key, (_, line) in self._places.items() if line["data"])

    def files(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Give the file of each part that is another, and how that is coded, in order."""
        for key in self.changed():
            number, line = self._places[key]
            yield self._file(number, key, "bin"), line["how"]

    def add(self, number: int, page: PageDone) -> None:
        """Write a page, its line last.

        Raises:
            OSError: it cannot be written.
        """
        files: dict[Path, bytes] = {}
        lines = {}
        for key, part in page.parts.items():
            given = {"data": part.data is not None, "mask": part.mask is not None}
            lines["{} {}".format(*key)] = {**given, "how": dict(part.how)}
            for ending, content in (("bin", part.data), ("png", part.mask)):
                if content is not None:
                    files[self._file(number, key, ending)] = content
        whole = {"told": page.told, "parts": lines}
        files[self.folder / f"page-{number}.json"] = json.dumps(whole).encode()
        write_all(files)
        self._note(number, json.loads(json.dumps(whole)))

    def remove(self) -> None:
        """Remove the folder; the result is in its place."""
        super().remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _note(self, number: int, line: dict[str, Any]) -> None:
        self._told[number] = line["told"]
        for text, part in line["parts"].items():
            one, other = (int(number) for number in text.split())
            self._places[one, other] = (number, part)

    def _file(self, number: int, key: Key, ending: str) -> Path:
        return self.folder / f"page-{number}-{key[0]}-{key[1]}.{ending}"

    def _state(self) -> Any:
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.folder / _STATE).read_bytes())
        return None


def mask_png(mask: NDArray[np.uint8]) -> bytes | None:
    """Return a mask as PNG; None where it is 0 throughout."""
    return encode_mask(mask) if mask.any() else None
