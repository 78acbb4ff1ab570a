"""Marks that a document itself says are such: annotations, artifacts, forms and layers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream

from cleanplate.document.finished import Key
from cleanplate.document.pdf.content import (
    Holder,
    Operation,
    content_of,
    name_in,
    operations,
    without,
)

_DEEPEST = 32
# What a layer of marks is called, in the languages of common programs.
_CALLED = re.compile(
    r"\s*(water\s?marks?|wasserzeichen|filigranes?|filigran[ae]|marcas? de agua|marca d.água"
    r"|watermerk|vattenstämpel|водяной знак|水印|浮水印|透かし|워터마크)[\s\d_.:#()-]*",
    re.IGNORECASE,
)
# What sets the graphics or the text state, and so matters to all that follows.
_STATE = {
    *("cm", "gs", "w", "J", "j", "M", "d", "ri", "i"),
    *("CS", "cs", "SC", "SCN", "sc", "scn", "G", "g", "RG", "rg", "K", "k"),
    *("Tc", "Tw", "Tz", "TL", "Tf", "Tr", "Ts"),
}
_PLACE = {"Td", "TD", "Tm", "T*"}  # of text, and so until its object ends
BROKEN = (pikepdf.PdfError, RuntimeError, ValueError, TypeError, AttributeError, KeyError)


class Mark(NamedTuple):
    """A mark of a page.

    Attributes:
        kind: annotation, artifact, form, layer or repeated.
        name: what it is, such as `annotation 12`.
    """

    kind: str
    name: str


class TaggedMarks:
    """The tagged marks of a document."""

    def __init__(self, pdf: Pdf) -> None:
        self._pdf = pdf
        self._forms: dict[Key, list[Mark]] = {}
        self._layers = {key: name for key, name in _layers(pdf) if _CALLED.fullmatch(name)}

    def find(self, page: pikepdf.Page) -> list[Mark]:
        """Return the marks of a page; a page that cannot be read has none."""
        return self._of_page(page, remove=False, deep=True)

    def remove(self, page: pikepdf.Page, *, deep: bool) -> list[Mark]:
        """Take the marks off a page, and return what was removed.

        Args:
            page: is changed, where there are any.
            deep: forms that it draws may be changed, too: no other page has to stay as it is.
        """
        return self._of_page(page, remove=True, deep=deep)

    def remove_layers(self) -> None:
        """Remove the layers of marks from the document's list: nothing is on them any more."""
        properties = self._pdf.Root.get(Name.OCProperties)
        if self._layers and isinstance(properties, Dictionary):
            _strike(properties, set(self._layers), 0)

    def _of_page(self, page: pikepdf.Page, *, remove: bool, deep: bool) -> list[Mark]:
        try:
            marks = self._annotations(page.obj, remove)
            own = Holder(page.obj, page.obj.get(Name.Resources, Dictionary()))
            return marks + self._of_content(own, remove, deep, ())
        except BROKEN:
            return []

    def _annotations(self, page: Object, remove: bool) -> list[Mark]:
        marks, kept = [], []
        given = page.get(Name.Annots)
        for one in given if isinstance(given, Array) else []:
            if isinstance(one, Dictionary) and (
                one.get(Name.Subtype) == Name.Watermark or self._layer_of(one.get(Name.OC))
            ):
                marks.append(Mark("annotation", f"annotation {one.objgen[0]}"))
            else:
                kept.append(one)
        if marks and remove:
            page.Annots = Array(kept)
        return marks

    def _of_content(
        self, holder: Holder, remove: bool, deep: bool, above: tuple[Key, ...]
    ) -> list[Mark]:
        """Return the marks in the content of a page or a form, and in the forms that it draws."""
        objects = holder.objects()
        named = {name: self._named(one) for name, one in objects.items()}
        drawn = {name: mark for name, mark in named.items() if mark}
        marks: list[Mark] = []
        if drawn or self._may_have_tags(holder):
            content = content_of(holder.obj)
            every = operations(content)
            gone, marks = self._marked(every, holder, drawn)
            if gone and remove:
                holder.write(self._pdf, without(content, gone), gone, every)
        if deep:
            for name, one in objects.items():
                is_form = isinstance(one, Stream) and one.get(Name.Subtype) == Name.Form
                if not is_form or name in drawn or one.objgen in above or len(above) > _DEEPEST:
                    continue
                if one.objgen not in self._forms:
                    inner = Holder(one, one.get(Name.Resources, holder.resources))
                    found = self._of_content(inner, remove, deep, (*above, one.objgen))
                    self._forms[one.objgen] = found
                marks += self._forms[one.objgen]
        return marks

    def _may_have_tags(self, holder: Holder) -> bool:
        content = content_of(holder.obj)
        if b"BDC" not in content:
            return False
        tagged = b"Watermark" in content or holder.properties()
        return bool(tagged) and (b"/Artifact" in content or b"/OC" in content)

    def _named(self, drawn: Object) -> Mark | None:
        """Return the mark that an image or a form is, by its own dictionary."""
        if not isinstance(drawn, Stream):
            return None
        if layer := self._layer_of(drawn.get(Name.OC)):
            return Mark("layer", f"layer {layer!r}, object {drawn.objgen[0]}")
        private: Any = drawn.get(Name.PieceInfo, Dictionary())
        compound = private.get(Name.ADBE_CompoundType, Dictionary())
        if compound.get(Name.Private) == Name.Watermark:
            return Mark("form", f"form {drawn.objgen[0]}")
        return None

    def _layer_of(self, group: Object | None) -> str | None:
        """Return the name of the mark's layer that something is on; it must be on no other."""
        if not isinstance(group, Dictionary):
            return None
        if group.objgen in self._layers:
            return self._layers[group.objgen]
        given = group.get(Name.OCGs)
        members: list[Any] = list(given) if isinstance(given, Array) else [given]
        names = [self._layers.get(one.objgen) for one in members if isinstance(one, Dictionary)]
        return names[0] if names and all(names) else None

    def _marked(
        self, every: list[Operation], holder: Holder, drawn: dict[str, Mark]
    ) -> tuple[list[Operation], list[Mark]]:
        """Return the operations that draw marks, and these marks."""
        gone: list[Operation] = []
        marks: list[Mark] = []
        open_tags: list[tuple[int, Mark | None]] = []
        for place, one in enumerate(every):
            if one.name in ("BDC", "BMC"):
                inside = any(mark for _, mark in open_tags)
                open_tags.append((place, None if inside else self._tagged(one, holder)))
            elif one.name == "EMC" and open_tags:
                begin, mark = open_tags.pop()
                part = every[begin : place + 1]
                if mark and _is_closed(part):
                    marks.append(mark)
                    gone += _painting(part)
            elif one.name == "Do" and one.operands:
                known = drawn.get(name_in(one.operands[-1]))
                if known and not any(mark for _, mark in open_tags):
                    marks.append(known)
                    gone.append(one)
        return gone, marks

    def _tagged(self, tag: Operation, holder: Holder) -> Mark | None:
        """Return the mark that a tag begins."""
        if tag.name != "BDC" or len(tag.operands) < 2:
            return None
        kind = tag.operands[0]
        if kind == b"/Artifact":
            if tag.operands[1] == b"<<":
                said = {*zip(tag.operands[2:], tag.operands[3:], strict=False)}
                return (
                    Mark("artifact", "artifact") if (b"/Subtype", b"/Watermark") in said else None
                )
            entry = holder.properties().get(name_in(tag.operands[1]))
            named = isinstance(entry, Dictionary) and entry.get(Name.Subtype) == Name.Watermark
            return Mark("artifact", "artifact") if named else None
        if kind == b"/OC":
            layer = self._layer_of(holder.properties().get(name_in(tag.operands[1])))
            return Mark("layer", f"layer {layer!r}") if layer else None
        return None


def _layers(pdf: Pdf) -> Iterable[tuple[Key, str]]:
    """Return the optional-content groups of a document with their names."""
    properties: Any = pdf.Root.get(Name.OCProperties)
    groups = properties.get(Name.OCGs) if isinstance(properties, Dictionary) else None
    for group in groups if isinstance(groups, Array) else []:
        if isinstance(group, Dictionary) and group.is_indirect:
            yield group.objgen, str(group.get(Name.Name, ""))


def _strike(holder: Object, keys: set[Key], depth: int) -> None:
    """Remove objects from all arrays in a tree of direct objects."""
    if depth > _DEEPEST:
        return
    if isinstance(holder, Array):
        kept = [one for one in holder if getattr(one, "objgen", (0, 0)) not in keys]
        if len(kept) < len(holder):
            del holder[:]
            holder.extend(kept)
        children = list(holder)
    else:
        children = list(holder.values()) if isinstance(holder, Dictionary) else []
    for one in children:
        if isinstance(one, (Array, Dictionary)) and not (
            isinstance(one, Dictionary) and one.get(Name.Type) == Name.OCG
        ):
            _strike(one, keys, depth + 1)


def _is_closed(part: list[Operation]) -> bool:
    """Return whether a tag's content restores every state that it saves, and ends its text."""
    for begin, end in (("q", "Q"), ("BT", "ET")):
        depth = 0
        for one in part:
            depth += (one.name == begin) - (one.name == end)
            if depth < 0:
                return False
        if depth:
            return False
    return True


def _painting(part: list[Operation]) -> list[Operation]:
    """Return what goes of a tag's content: all but what sets a state for what follows it."""
    gone, saved, in_text = [], 0, 0
    for one in part:
        saved += one.name == "q"
        in_text += one.name == "BT"
        if saved or not (one.name in _STATE or (one.name in _PLACE and not in_text)):
            gone.append(one)
        saved -= one.name == "Q"
        in_text -= one.name == "ET"
    return gone
