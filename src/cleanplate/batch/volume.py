"""Which paths are one file on the volume that they lie on: the file system itself is asked.

Volumes differ in whether `a.png` and `A.PNG`, or an umlaut of one and of two code points, are one
name, and folders of one volume may differ in it, too.
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
from pathlib import Path


class Volume:
    """Names directory entries, each by one name, however its path is written.

    Answers hold for as long as nobody makes or removes a file.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}
        self._alike: dict[str, list[str]] = {}

    def entry(self, path: Path) -> str:
        """Name what a rename onto `path` would replace, which need not be there."""
        folder, name = os.path.split(os.path.abspath(path))
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        place = os.path.join(self._folders[folder], name)
        known = self._alike.setdefault(_loosely(place), [])
        for other in known:
            if other == place or are_one(Path(other), Path(place)):
                return other
        known.append(place)
        return place


def spellings(path: Path) -> list[Path]:
    """Give a path, and how its folder lists what lies there, if it writes the name otherwise."""
    try:
        listed = [name for name in os.listdir(path.parent) if _loosely(name) == _loosely(path.name)]
    except OSError:
        listed = []
    others = (path.with_name(name) for name in listed if name != path.name)
    return [path, *(other for other in others if are_one(path, other))]


def are_one(one: Path, other: Path) -> bool:
    """Say whether two paths that differ in their spelling are of one directory entry.

    Where neither is there, the first is made, below a folder for the purpose that is removed again,
    and the second looked for. Where nothing can be made, they count as two.
    """
    try:
        if os.path.lexists(one) and os.path.lexists(other):
            return _are_listed_as_one(one, other)
        base, rest = _there(one)
        other_base, other_rest = _there(other)
        if len(rest) != len(other_rest) or not os.path.samefile(base, other_base):
            return False
        with tempfile.TemporaryDirectory(prefix=".cleanplate-", dir=base) as trial:
            os.makedirs(os.path.join(trial, *rest))
            return os.path.lexists(os.path.join(trial, *other_rest))
    except OSError:
        return False


def _are_listed_as_one(one: Path, other: Path) -> bool:
    """Tell one entry from two hard links, which their folder lists both."""
    if not os.path.samestat(os.lstat(one), os.lstat(other)):
        return False
    if not os.path.samefile(one.parent, other.parent):
        return False
    return not {one.name, other.name} <= set(os.listdir(one.parent))


def _there(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Split a path into the deepest folder that is there, and the names below it."""
    names: list[str] = []
    while not os.path.isdir(path):
        names.insert(0, path.name)
        path = path.parent
    return path, tuple(names)


def _loosely(place: str) -> str:
    """Give the same for all spellings that any volume could take for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", place).casefold())
