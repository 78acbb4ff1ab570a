"""Content streams cut into operations by their places, so that some can be taken out, and every
other byte stays (ISO 32000-2, 7.8.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream

from cleanplate.document.pdf.opening import unpacks_to_more

LONGEST = 1 << 26
"""Bytes of a content stream; what unpacks to more is a bomb."""

_TOKEN = re.compile(
    rb"[\0\t\n\f\r ]+|%[^\r\n]*|<<|>>|<[^>]*>|/[^\0\t\n\f\r ()<>\[\]{}/%]*|[\[\]{}]"
    rb"|[^\0\t\n\f\r ()<>\[\]{}/%]+|\(|[)>]"
)
_IN_STRING = re.compile(rb"\\.|[()]", re.DOTALL)
_NUMBER = re.compile(rb"[+-]*\d*\.?\d*(?:-\d*)?")
_END_OF_IMAGE = re.compile(rb"(?<=[\0\t\n\f\r ])EI(?=[\0\t\n\f\r ]|$)")
_SPACE = b"\0\t\n\f\r %"


class Operation(NamedTuple):
    """An operator with its operands, as they are written.

    Attributes:
        name: the operator; `BI` for an inline image as a whole.
        operands: tokens, strings, arrays and dictionaries in pieces as well.
        start: where its first operand begins.
        end: where its operator ends.
    """

    name: str
    operands: tuple[bytes, ...]
    start: int
    end: int


class Holder:
    """A page or a form: what has content and resources."""

    def __init__(self, obj: Object, resources: Object) -> None:
        self.obj, self.resources = obj, resources

    def objects(self) -> dict[str, Object]:
        """Return the images and forms that it names."""
        return self._of(Name.XObject)

    def properties(self) -> dict[str, Object]:
        """Return the properties that its tags name."""
        return self._of(Name.Properties)

    def write(
        self, pdf: Pdf, content: bytes, gone: Iterable[Operation], every: Iterable[Operation]
    ) -> None:
        """Give it other content; images and forms that nothing draws any more are not named."""
        if isinstance(self.obj, Stream):
            self.obj.write(content)
        else:
            self.obj.Contents = pdf.make_stream(content)
        left = {one.start for one in gone}
        drawn = [one for one in every if one.name == "Do" and one.operands]
        names = {name_in(one.operands[-1]) for one in drawn if one.start in left}
        names -= {name_in(one.operands[-1]) for one in drawn if one.start not in left}
        objects = self.objects()
        # A form without resources of its own takes these.
        borrowed = any(
            one.get(Name.Subtype) == Name.Form and Name.Resources not in one
            for one in objects.values()
            if isinstance(one, Stream)
        )
        if names and not borrowed:
            kept = {name: one for name, one in objects.items() if name not in names}
            # New dictionaries, as other pages may share the old ones.
            resources = dict(self.resources.items())
            resources["/XObject"] = Dictionary(kept)
            self.obj.Resources = Dictionary(resources)
            self.resources = self.obj.Resources

    def _of(self, kind: Name) -> dict[str, Object]:
        known = self.resources.get(kind) if isinstance(self.resources, Dictionary) else None
        return dict(known.items()) if isinstance(known, Dictionary) else {}


def content_of(holder: Object) -> bytes:
    """Return the content of a page or a form, unpacked.

    Raises:
        ValueError: it is a bomb.
        pikepdf.PdfError: it is damaged.
    """
    parts = []
    for stream in streams_of(holder):
        if unpacks_to_more(stream, LONGEST):
            raise ValueError("it unpacks to more than 64 MB")
        parts.append(bytes(stream.read_bytes()))
    return b"\n".join(parts)


def streams_of(holder: Object) -> list[Stream]:
    """Return the streams of which the content of a page or a form consists."""
    if isinstance(holder, Stream):
        return [holder]
    given = holder.get(Name.Contents, Array())
    streams = list(given) if isinstance(given, Array) else [given]
    return [one for one in streams if isinstance(one, Stream)]


def operations(content: bytes) -> list[Operation]:
    """Cut a content stream into operations.

    Raises:
        ValueError: it is damaged.
    """
    found: list[Operation] = []
    operands: list[bytes] = []
    at, start = 0, -1
    while at < len(content):
        match = _TOKEN.match(content, at)
        assert match is not None  # every byte begins a token
        token, begin, at = match[0], at, match.end()
        if token[0] in _SPACE:
            continue
        if token == b"(":
            at = _end_of_string(content, at)
            token = content[begin:at]
        start = begin if start < 0 else start
        if _is_operand(token):
            operands.append(token)
            continue
        if token == b"ID":
            end = _END_OF_IMAGE.search(content, at + 1)
            if end is None:
                raise ValueError("an image in it does not end")
            token, at = b"BI", end.end()
        elif token == b"BI":
            continue
        found.append(Operation(token.decode("latin-1"), tuple(operands), start, at))
        operands, start = [], -1
    if operands:
        raise ValueError("it ends within an operation")
    return found


def without(content: bytes, gone: Iterable[Operation]) -> bytes:
    """Return the content without some of its operations."""
    parts, at = [], 0
    for one in sorted(gone, key=lambda one: one.start):
        parts.append(content[at : one.start])
        at = max(at, one.end)
    return b"".join([*parts, content[at:]])


def name_in(token: bytes) -> str:
    """Return a name, with its slash, as it is meant: `#20` stands for a space."""
    meant = re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), token)
    return meant.decode("utf-8", "surrogateescape")


def numbers_in(operands: Iterable[bytes]) -> list[float]:
    """Return the numbers among operands.

    Raises:
        ValueError: one of them is none.
    """
    return [float(one) for one in operands]


def _is_operand(token: bytes) -> bool:
    if token[:1] in b"/(<>[]{}" or token in (b"true", b"false", b"null"):
        return True
    return _NUMBER.fullmatch(token) is not None


def _end_of_string(content: bytes, at: int) -> int:
    depth = 1
    while depth:
        found = _IN_STRING.search(content, at)
        if found is None:
            raise ValueError("a string in it does not end")
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        at = found.end()
    return at
