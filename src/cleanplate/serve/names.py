"""Names that clients give to files, made harmless on every system, and each another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

_MOST = 180  # bytes of a part of a path; systems take 255, and others add to it
_DEPTH = 16
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows


def safe_name(given: str, number: int) -> str:
    r"""Return a path below a folder, with `/`, that means nothing else anywhere.

    Args:
        given: what a client calls its file.
        number: of the file, for one without a name.

    >>> safe_name("..\\..\\etc/passwd", 1), safe_name("/a/./b.png", 1), safe_name("", 7)
    ('etc/passwd', 'a/b.png', 'file-7')
    """
    parts = [_safe(part) for part in given.replace("\\", "/").split("/")]
    return "/".join([part for part in parts if part][-_DEPTH:]) or f"file-{number}"


def other_than(name: str, taken: Collection[str]) -> str:
    """Return a name that is none of those that are taken, however letters are written.

    >>> other_than("a/B.png", {"a/b.png"})
    'a/B (2).png'
    """
    path, number, chosen = PurePosixPath(name), 1, name
    while chosen.casefold() in taken:
        number += 1
        chosen = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
    return chosen


def _safe(part: str) -> str:
    """Return a part of a path; empty where nothing is left of it."""
    shown = "".join(one for one in part if unicodedata.category(one)[0] != "C")
    bare = _FORBIDDEN.sub("_", shown).strip(" .")
    if _DEVICES.fullmatch(bare):
        bare = f"_{bare}"
    stem, dot, suffix = bare.rpartition(".")
    if len(bare.encode()) > _MOST and dot and len(suffix) < 10:
        return f"{_cut(stem, _MOST - len(suffix.encode()) - 1)}.{suffix}"
    return _cut(bare, _MOST)


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode("utf-8", "ignore").strip(" .")
