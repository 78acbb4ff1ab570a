"""XMP that claims what a file no longer has: gain maps and videos behind the picture."""

from __future__ import annotations

import re
from xml.parsers import expat

_CAMERA = "http://ns.google.com/photos/1.0/camera/"
# Namespaces that speak of nothing but what lay behind the picture.
_GONE = {
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.google.com/photos/dd/1.0/container/",
    "http://ns.google.com/photos/dd/1.0/item/",
}
# Of this one, only what begins so.
_VIDEO = ("MotionPhoto", "MicroVideo")

_GAIN_MAP = re.compile(rb"hdr-?gain-?map|:ts:21496|semantic\W+gainmap", re.IGNORECASE)
_TAG = re.compile(rb"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")


def tells_of_gain_map(data: bytes) -> bool:
    """Return whether metadata of any kind speak of an HDR gain map."""
    return _GAIN_MAP.search(data) is not None


def without_claims(packet: bytes) -> bytes:
    """Return an XMP packet without what it says of parts of the file that are left out.

    All else stays byte for byte. A packet that speaks of such parts and cannot be parsed is left
    out as a whole.
    """
    if not any(uri.encode() in packet for uri in (*_GONE, _CAMERA)):
        return packet
    try:
        cuts = _Claims(packet).cuts
    except expat.ExpatError:
        return b""
    kept, at = [], 0
    for start, end in sorted(cuts):
        if start >= at:  # not within what went already
            kept.append(packet[at:start])
            at = end
    return b"".join([*kept, packet[at:]])


class _Claims:
    """Finds the claims: `cuts` has where each begins and ends."""

    def __init__(self, packet: bytes) -> None:
        self.cuts: list[tuple[int, int]] = []
        self._packet = packet
        self._known: dict[str, str] = {}
        self._open: list[int] = []
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.Parse(packet.rstrip(b"\0"), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        start = self._parser.CurrentByteIndex
        for attribute, value in attributes.items():
            if attribute.startswith("xmlns:"):
                self._known[attribute[6:]] = value
        self._open.append(start if self._gone(name) else -1)
        end = self._end_of_tag(start)
        for attribute, value in attributes.items():
            declares = attribute.startswith("xmlns:") and value in _GONE
            if declares or self._gone(attribute):
                pattern = rb"\s+%s\s*=\s*(\"[^\"]*\"|'[^']*')" % re.escape(attribute.encode())
                found = re.compile(pattern).search(self._packet, start, end)
                self.cuts += [found.span()] if found else []

    def _end(self, name: str) -> None:
        start = self._open.pop()
        if start >= 0:
            self.cuts.append((start, self._end_of_tag(self._parser.CurrentByteIndex)))

    def _gone(self, name: str) -> bool:
        prefix, _, local = name.rpartition(":")
        uri = self._known.get(prefix)
        return uri in _GONE or (uri == _CAMERA and local.startswith(_VIDEO))

    def _end_of_tag(self, start: int) -> int:
        found = _TAG.match(self._packet, start)
        return found.end() if found else len(self._packet)
