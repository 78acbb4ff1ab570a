"""Images within the content of pages and forms: looked at as objects of their own, and drawn as
such once they are edited (ISO 32000-2, 8.9.7).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import pikepdf
from pikepdf import (
    ContentStreamInlineImage,
    ContentStreamInstruction,
    Dictionary,
    Name,
    Object,
    Operator,
    Pdf,
    PdfInlineImage,
    Stream,
)

from cleanplate.document.finished import Key
from cleanplate.document.pdf.opening import MAX_BYTES

_PLAIN = {"/DeviceGray", "/DeviceRGB", "/DeviceCMYK"}


_DAMAGED = (pikepdf.PdfError, RuntimeError, ValueError, TypeError, AttributeError, LookupError)


class _Place(NamedTuple):
    """Where an image stands: in whose content, as which of its inline images, from 0."""

    holder: Key
    nth: int


def image_in(one: ContentStreamInlineImage, least: int) -> PdfInlineImage | None:
    """Return the inline image of an instruction; None where it is damaged, or one of its sides has
    fewer pixels than `least`.
    """
    try:
        image = one.iimage
        return image if min(int(image.obj.Width), int(image.obj.Height)) >= least else None
    except _DAMAGED:
        return None


class InlineImages:
    """The inline images of a document as objects; nothing refers to one before it is edited."""

    def __init__(self, pdf: Pdf) -> None:
        self._pdf = pdf
        self._keys: dict[_Place, Key] = {}
        self._places: dict[Key, _Place] = {}
        self._resources: dict[Key, Object] = {}
        self._bytes = 0

    def key_of(
        self, holder: Object, index: int, image: PdfInlineImage, resources: Object
    ) -> Key | None:
        """Return the object of an image; None where it cannot be one: it is damaged, or there are
        more than memory should hold.

        Documents of the same bytes, looked through in the same order, have the same objects.

        Args:
            holder: the page or form in whose content it stands.
            index: as which of the inline images there, from 0.
            image: itself.
            resources: what names in that content mean.
        """
        place = _Place(holder.objgen, index)
        if place not in self._keys:
            try:
                stream = self._stream_of(image, resources)
            except _DAMAGED:
                return None
            key = self._pdf.make_indirect(stream).objgen
            self._keys[place], self._places[key] = key, place
            self._resources[place.holder] = resources
        return self._keys[place]

    def write(self, edited: Collection[Key]) -> None:
        """Have the edited ones among these objects drawn in the place of their inline images."""
        holders: dict[Key, dict[int, Key]] = {}
        for key in edited:
            if (place := self._places.get(key)) is not None:
                holders.setdefault(place.holder, {})[place.nth] = key
        for holder, images in holders.items():
            self._rewrite(holder, images)

    def _stream_of(self, image: PdfInlineImage, resources: Object) -> Stream:
        data = image.read_raw_bytes()
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise ValueError("the images within content take too much memory")
        stream = Stream(self._pdf, data)
        for key, value in image.obj.items():
            if key not in ("/Length", "/L"):
                stream[key] = value
        space = stream.get(Name.ColorSpace)
        if isinstance(space, Name) and str(space) not in _PLAIN:
            stream.ColorSpace = resources[Name.ColorSpace][str(space)]
        stream.Type, stream.Subtype = Name.XObject, Name.Image
        return stream

    def _rewrite(self, key: Key, images: dict[int, Key]) -> None:
        """Write the content of a page or a form anew, with objects for some of its images."""
        holder, index = self._pdf.get_object(key), -1
        known = self._resources[key]
        objects = dict(known.get(Name.XObject, Dictionary()).items())
        written: list[ContentStreamInstruction | ContentStreamInlineImage] = []
        for one in pikepdf.parse_content_stream(holder):
            if isinstance(one, ContentStreamInlineImage):
                index += 1
                if index in images:
                    name = _free_name(objects)
                    objects[name] = self._pdf.get_object(images[index])
                    one = ContentStreamInstruction([Name(name)], Operator("Do"))
            written.append(one)
        content = pikepdf.unparse_content_stream(written)
        if isinstance(holder, Stream):
            holder.write(content)
        else:
            holder.Contents = self._pdf.make_stream(content)
        # New dictionaries, as others may share the old ones.
        holder.Resources = Dictionary({**dict(known.items()), "/XObject": Dictionary(objects)})


def _free_name(objects: Collection[str]) -> str:
    number = len(objects)
    while f"/Inline{number}" in objects:
        number += 1
    return f"/Inline{number}"
