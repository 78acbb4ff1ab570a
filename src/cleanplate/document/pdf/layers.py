"""The images of a page that lie over each other, drawn together, and what each of them shows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pikepdf import Name, Object, Pdf, Stream

from cleanplate.document.finished import Key
from cleanplate.document.pdf import rendering
from cleanplate.document.pdf.images import Coded
from cleanplate.document.pdf.inline import InlineImages
from cleanplate.document.pdf.placing import Placer
from cleanplate.document.pdf.spaces import is_stencil
from cleanplate.document.pdf.spots import Spot
from cleanplate.document.samples import row_bytes
from cleanplate.picture import Box

Seen = NDArray[np.uint8]
_MOST = 50_000_000  # pixels that are drawn of a page
_FAINT = 16  # levels of 255 under which an image does not show
_SAMPLES = {
    "/BitsPerComponent",
    "/ColorSpace",
    "/Decode",
    "/DecodeParms",
    "/Filter",
    "/Length",
    "/SMaskInData",
}


class Layers:
    """A page of which nothing but the images is drawn.

    Attributes:
        size: height and width of what is drawn.
    """

    def __init__(
        self, pdf: Pdf, number: int, keys: Sequence[Key], size: tuple[int, int], name: str
    ) -> None:
        """Copy a page.

        Args:
            pdf: the document.
            number: of the page, from 1.
            keys: of the images on it, in the order in which it draws them.
            size: height and width of what is to be drawn; less where that is very large.
            name: of the page, for messages.
        """
        scale = min(1.0, (_MOST / (size[0] * size[1])) ** 0.5)
        self.size = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self._name = name
        self._pdf = Pdf.new()
        self._pdf.pages.append(pdf.pages[number - 1])
        images = InlineImages(self._pdf)
        copies = [one.key for one in Placer(images).placements(self._pdf.pages[0])]
        images.write(copies)
        self._copies = dict(zip(keys, copies, strict=True))
        for key, copy in [*self._copies.items()]:
            old, new = pdf.get_object(key), self._pdf.get_object(copy)
            for kind in (Name.Mask, Name.SMask):
                if isinstance(old.get(kind), Stream):
                    self._copies[old[kind].objgen] = new[kind].objgen

    def put(self, key: Key, coded: Coded) -> None:
        """Have an image drawn as it is coded anew."""
        coded.put(self._stream(key))

    def seen(self, box: Box) -> Seen:
        """Return what is seen in a box, (h, w, 3) RGB on white.

        Raises:
            PictureError: it cannot be drawn.
        """
        return rendering.images_drawn(self._pdf, self.size, box, self._name)

    def without(self, masks: Iterable[Spot], box: Box) -> Seen:
        """Return what is seen where nothing is painted through some stencils and masks."""
        bare = {one.key: self._plain(one.key, white=bool(one.bare)) for one in masks}
        return self._with(bare, box)

    def share(self, key: Key, box: Box) -> Seen:
        """Return how much of an image shows at each place of a box, (h, w): 255 is all.

        That is by how much what is seen gets lighter when the image turns from black to white.
        """
        light, dark = (self._with({key: self._plain(key, white=one)}, box) for one in (True, False))
        shows = np.where(light > dark, light - dark, 0).mean(2)
        return np.where(shows < _FAINT, 0, shows).astype(np.uint8)

    def _with(self, others: dict[Key, Stream], box: Box) -> Seen:
        """Return what is seen with other images in the place of some."""
        places = [
            (self._copies[key], self._pdf.make_indirect(one).objgen) for key, one in others.items()
        ]
        for place in places:
            self._pdf._swap_objects(*place)
        try:
            return self.seen(box)
        finally:
            for place in places:
                self._pdf._swap_objects(*place)

    def _stream(self, key: Key) -> Stream:
        stream = self._pdf.get_object(self._copies[key])
        assert isinstance(stream, Stream)
        return stream

    def _plain(self, key: Key, *, white: bool) -> Stream:
        """Return an image, a stencil or a mask of the same size and transparency, white or black
        throughout.
        """
        stream = self._stream(key)
        length = int(stream.Height) * row_bytes(int(stream.Width), 1, 1)
        plain = Stream(self._pdf, zlib.compress(bytes([255 * white]) * length))
        entries: Iterable[tuple[str, Object]] = stream.items()
        for name, value in entries:
            if name not in _SAMPLES:
                plain[name] = value
        plain.Filter, plain.BitsPerComponent = Name.FlateDecode, 1
        if not is_stencil(stream):
            plain.ColorSpace = Name.DeviceGray
        return plain
