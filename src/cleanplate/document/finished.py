"""What is finished of a document: its images coded anew, in memory or in a folder that outlives a
stopped run.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Pdf, Stream

from cleanplate.document.images import Coded
from cleanplate.document.placing import Key
from cleanplate.picture import Picture, encode_mask
from cleanplate.writing import write_all

_STATE, _CARRIER = "state.json", "parts.pdf"
_NO_PAGES = b"<< /Type /Pages /Kids [] /Count 0 >>"


@dataclass
class ImageDone:
    """What became of an image.

    Attributes:
        coded: the image anew; None: it stays as it is.
        mask: its mask (h, w) as it is stored, as PNG; None where nothing was found.
    """

    coded: Coded | None
    mask: bytes | None

    def found(self) -> NDArray[np.uint8] | None:
        """Return its mask (h, w) as it is stored."""
        return None if self.mask is None else Picture.read(self.mask).pixels[..., 0]


@dataclass
class PageDone:
    """What became of a page: the images that were cleaned for it, and what is to be told."""

    images: dict[Key, ImageDone] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)


class Finished:
    """The finished pages of a document, kept in memory."""

    def __init__(self) -> None:
        self._told: dict[int, dict[str, Any]] = {}
        self._images: dict[Key, ImageDone] = {}

    def page(self, number: int) -> dict[str, Any] | None:
        """Return what is told of a page; None where it is not finished."""
        return self._told.get(number)

    def image(self, key: Key) -> ImageDone | None:
        """Return what became of an image; None where it is not finished."""
        return self._images.get(key)

    def put(self, pdf: Pdf) -> bool:
        """Put all images into their document; return whether any is another."""
        changed = [(key, done.coded) for key, done in self._images.items() if done.coded]
        for key, coded in changed:
            stream = pdf.get_object(key)
            assert isinstance(stream, Stream)
            coded.put(stream)
        return bool(changed)

    def models(self) -> list[dict[str, str]]:
        """Return the models that ran on each finished page, sha256 by name."""
        return [told["models"] for told in self._told.values()]

    def add(self, number: int, page: PageDone) -> None:
        """Keep a page.

        Raises:
            OSError: it cannot be written.
        """
        self._told[number] = page.told
        self._images.update(page.images)

    def remove(self) -> None:
        """Forget it all."""
        self._told.clear()
        self._images.clear()


class FinishedIn(Finished):
    """The finished pages of a document in a folder, where a later run finds them."""

    def __init__(self, folder: Path, state: Mapping[str, Any], *, resume: bool) -> None:
        """Open the folder.

        Args:
            folder: is made where there is none.
            state: what must be the same for the pages in it to be of use, as JSON.
            resume: keep what is there, where its state is the same.

        Raises:
            OSError: it cannot be written.
        """
        super().__init__()
        self._folder = folder
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

    def image(self, key: Key) -> ImageDone | None:
        """Return what became of an image; None where it is not finished."""
        if key not in self._places:
            return None
        number, line = self._places[key]
        coded = None
        if line["coded"] is not None:
            coded = Coded(self._file(number, key, "bin").read_bytes(), **line["coded"])
        mask = self._file(number, key, "png").read_bytes() if line["mask"] else None
        return ImageDone(coded, mask)

    def put(self, pdf: Pdf) -> bool:
        """Put all images into their document; return whether any is another.

        Their data stay in a file until the document is written, as there may be very many.
        """
        keys = sorted(key for key, (_, line) in self._places.items() if line["coded"] is not None)
        if not keys:
            return False
        carrier = self._folder / _CARRIER
        _carry(carrier, (self._file(self._places[key][0], key, "bin") for key in keys))
        with pikepdf.open(carrier) as carried:
            for number, key in enumerate(keys, 1):
                old, new = pdf.get_object(key), pdf.copy_foreign(carried.get_object(number, 0))
                assert isinstance(old, Stream) and isinstance(new, Stream)
                for name, value in old.items():
                    if name != "/Length":
                        new[name] = value
                Coded(b"", **self._places[key][1]["coded"]).describe(new)
                pdf._swap_objects(key, new.objgen)  # so the image keeps its number
        return True

    def add(self, number: int, page: PageDone) -> None:
        """Write a page, its line last.

        Raises:
            OSError: it cannot be written.
        """
        files: dict[Path, bytes] = {}
        images = {}
        for key, done in page.images.items():
            line: dict[str, Any] = {"mask": done.mask is not None, "coded": None}
            if done.coded is not None:
                how = ("filter", "parms", "entries")
                line["coded"] = {one: getattr(done.coded, one) for one in how}
                files[self._file(number, key, "bin")] = done.coded.data
            if done.mask is not None:
                files[self._file(number, key, "png")] = done.mask
            images["{} {}".format(*key)] = line
        whole = {"told": page.told, "images": images}
        files[self._folder / f"page-{number}.json"] = json.dumps(whole).encode()
        write_all(files)
        self._note(number, json.loads(json.dumps(whole)))

    def remove(self) -> None:
        """Remove the folder; the result is in its place."""
        super().remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _note(self, number: int, line: dict[str, Any]) -> None:
        self._told[number] = line["told"]
        for text, image in line["images"].items():
            one, generation = (int(part) for part in text.split())
            self._places[one, generation] = (number, image)

    def _file(self, number: int, key: Key, ending: str) -> Path:
        return self._folder / f"page-{number}-{key[0]}-{key[1]}.{ending}"

    def _state(self) -> Any:
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self._folder / _STATE).read_bytes())
        return None


def _carry(path: Path, parts: Iterable[Path]) -> None:
    """Write a PDF whose objects from 1 on are streams of the bytes of these files."""
    places = []
    with path.open("wb") as file:
        file.write(b"%PDF-1.5\n")
        for number, part in enumerate(parts, 1):
            places.append(file.tell())
            file.write(b"%d 0 obj\n<< /Length %d >>\nstream\n" % (number, part.stat().st_size))
            with part.open("rb") as content:
                shutil.copyfileobj(content, file)
            file.write(b"\nendstream\nendobj\n")
        count = len(places)
        for words in (b"<< /Type /Catalog /Pages %d 0 R >>" % (count + 2), _NO_PAGES):
            places.append(file.tell())
            file.write(b"%d 0 obj\n%b\nendobj\n" % (len(places), words))
        start = file.tell()
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (count + 3))
        file.writelines(b"%010d 00000 n \n" % place for place in places)
        trailer = b"<< /Size %d /Root %d 0 R >>" % (count + 3, count + 1)
        file.write(b"trailer %b\nstartxref\n%d\n%%%%EOF\n" % (trailer, start))


def mask_png(mask: NDArray[np.uint8]) -> bytes | None:
    """Return a mask as PNG; None where it is 0 throughout."""
    return encode_mask(mask) if mask.any() else None
