"""Which pictures a run is about, and where the result of each one goes."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cleanplate.batch.volume import Volume, spellings
from cleanplate.document import Kind, kind_of
from cleanplate.document.kinds import PDF
from cleanplate.errors import UsageError
from cleanplate.picture import (
    ARRAY_SUFFIX,
    BY_SUFFIX,
    RAW_REFUSED,
    RAW_SUFFIXES,
    SUFFIXES,
    UNSUPPORTED,
    refusal,
    suffix_of,
)

# What RAW files and arrays can be written as, beside what pictures can.
_RAW_RESULTS = {".dng": "dng", ARRAY_SUFFIX: "npy"}


RAW = RAW_SUFFIXES | {ARRAY_SUFFIX}
"""Endings of RAW files and of arrays of mosaics."""


@dataclass(frozen=True)
class Job:
    """One picture to clean: where it comes from and where its result (mask, sheet) goes.

    `name` is its path below the folder that was named; a mask of the user's own is looked for by
    it. Of a `document`, `mask` and `sheet` are folders with a file for each page. `format` is what
    the result is written as, None for the source's own. `found`: the file was found in a folder or
    by a pattern; one that turns out to be of a kind that is not taken, such as an animation, is
    then ignored.
    """

    source: Path
    name: str
    result: Path
    format: str | None = None
    mask: Path | None = None
    sheet: Path | None = None
    found: bool = False
    document: bool = False

    def places(self) -> dict[str, Path]:
        """Give every file that the job writes, by its role."""
        roles = {"sheet": self.sheet, "mask": self.mask, "result": self.result}
        return {role: path for role, path in roles.items() if path is not None}


class Trouble(NamedTuple):
    """A path that gives no job, and why; `status` is "failed", "skipped" or "ignored"."""

    source: Path
    status: str
    reason: str


@dataclass
class Plan:
    """All jobs of a run in a fixed order, and the paths that gave none.

    `folder` is where the manifest lies; None when a single picture goes to a file of its own.
    """

    folder: Path | None
    jobs: list[Job] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.jobs) + len(self.troubles)

    def all_ignored(self) -> bool:
        """Say whether nothing was found but files of kinds that are not taken."""
        return not self.jobs and all(one.status == "ignored" for one in self.troubles)

    def of_document(self) -> bool:
        """Say whether it is about a single document."""
        return len(self.jobs) == 1 and self.jobs[0].document


class _Found(NamedTuple):
    path: Path
    below: Path  # where it lies under the folder that was named; the result mirrors it
    named: bool = False  # by itself
    kind: Kind | None = None  # of document


def same_suffix(suffix: str) -> str:
    """Give a result the suffix of its source."""
    return suffix


def plan(
    arguments: Sequence[Path],
    out: Path,
    mask_out: Path | None = None,
    explain: Path | None = None,
    mask: Path | None = None,
    *,
    protect: Path | None = None,
    output: Callable[[str], str] = same_suffix,
    raw: bool = False,
    documents: bool = False,
    follow: bool = True,
) -> Plan:
    """Find the pictures that `arguments` name and say where each one's result and mask go.

    In the folder `explain` each gets a sheet of the steps that the task took; `mask` and
    `protect` are what the user gives as masks.

    A folder is walked and its tree mirrored under `out`; a pattern that the shell left alone is
    expanded here, and the tree below its part without wildcards mirrored. What looks like a picture
    there and is of a kind that is not taken is ignored, and said so. Passed over are hidden files,
    pipes and devices, and `out`, `mask_out`, `explain` and masks where a walk or a pattern meets
    them, or where they are one of several arguments, as the shell's own `*` makes them. When one
    file comes in and `out` has a picture's suffix, `out` is the file for its result, and so for a
    mask with `mask_out`.

    With `raw`, RAW files and NumPy arrays are pictures, too, with `documents`, PDF files are taken,
    and TIFF files of several pages.
    `output` gives the suffix of a result from the source's, in lower case; where it is another, the
    result of a.jpg is a.png, or a.jpg.png where a.png is another picture or its result. In place, a
    link stays one and the file that it leads to gets the result; without `follow`, the result takes
    the link's place.

    Raises:
        UsageError: there is no picture, or `out` names one file for several, or one of a format
            that is not written or cannot hold the result.
    """
    pdf_file = documents and out.suffix.lower() in PDF.suffixes
    if _means_a_file(out, arguments) and not pdf_file:
        format_of(out, raw=any(one.suffix.lower() in RAW for one in arguments))
    given = (path for path in (out, mask_out, explain, mask, protect) if path is not None)
    no_sources = {_entry(one) for path in given for one in spellings(path)}
    suffixes = SUFFIXES | (RAW if raw else frozenset()) | (PDF.suffixes if documents else set())
    found, troubles = _named_by(arguments, no_sources, suffixes)
    if documents:
        found = {entry: item._replace(kind=kind_of(item.path)) for entry, item in found.items()}
    to_file = _is_file_name(out) or (pdf_file and not out.is_dir())
    if to_file and (len(found) > 1 or any(argument.is_dir() for argument in arguments)):
        raise UsageError(f"{out} names one picture; give a folder for the results of several.")
    if to_file:
        check_suffix(out, output)
        for item in found.values():
            check_kind(out, item.kind)
    mask_file = to_file and mask_out is not None and _is_file_name(mask_out)
    for folder in (None if to_file else out, None if mask_file else mask_out, explain):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; give a folder.")
    planned = Plan(None if to_file else out, troubles=troubles)
    _assign(planned, found, out, mask_out, explain, output, follow)
    return planned


def pictures_in(arguments: Sequence[Path], out: Path) -> tuple[list[Path], list[Trouble]]:
    """Find the pictures that `arguments` name, as `plan` does, for one result of all, `out`.

    Raises:
        UsageError: there is no picture.
    """
    found, troubles = _named_by(arguments, {_entry(out)}, SUFFIXES)
    return [item.path for item in found.values()], troubles


def documents_in(arguments: Sequence[Path]) -> list[Path]:
    """Find the documents that `arguments` name, as `plan` does.

    Raises:
        UsageError: there is none, or a file is named that is none.
    """
    found, _ = _named_by(arguments, set(), PDF.suffixes)
    for item in found.values():
        if item.path.suffix.lower() not in PDF.suffixes:
            raise UsageError(f"{item.path}: marks are listed of PDFs alone.")
    if not found:
        names = ", ".join(str(argument) for argument in arguments)
        raise UsageError(f"Nothing to do: no PDF in {names}.")
    return [item.path for item in found.values()]


def check_kind(path: Path, kind: Kind | None) -> None:
    """Check that a document of this kind, or with None a picture, can be written under a name.

    Raises:
        UsageError: it cannot.
    """
    suffix = path.suffix.lower()
    if kind is not None and suffix not in kind.suffixes:
        endings = " or ".join(sorted(kind.suffixes))
        raise UsageError(f"{path}: a {kind.name} is written as {endings}, and as nothing else.")
    if kind is None and suffix in PDF.suffixes:
        raise UsageError(f"{path}: a PDF is made of a PDF, and of nothing else.")


def check_suffix(path: Path, output: Callable[[str], str]) -> None:
    """Check that a result can be written under this name; `output` as in `plan`.

    Raises:
        UsageError: it cannot.
    """
    suffix = path.suffix.lower()
    if output(suffix) != suffix:
        raise UsageError(f"{path}: the result is {output(suffix)}, which {suffix} cannot hold.")


def format_of(path: Path, *, raw: bool = False) -> str:
    """Give the format that a file's name asks for, as `Picture.encode` names it.

    `raw`: it is the result of a RAW file or an array; what such become is listed, too.

    Raises:
        UsageError: its suffix is none of a picture.
    """
    form = (BY_SUFFIX | _RAW_RESULTS).get(path.suffix.lower())
    if form is None:
        suffixes = {suffix_of(form) for form in BY_SUFFIX.values()}
        known = ", ".join(sorted(suffixes | set(_RAW_RESULTS) if raw else suffixes))
        if not path.suffix:
            raise UsageError(f"{path}: the name must end in what names a format: {known}.")
        raise UsageError(f"{path}: no picture is written as {path.suffix}, but: {known}.")
    return form


def format_by(output: Callable[[str], str], form: str) -> str:
    """Give the format of the result of a picture of the format `form`; `output` as in `plan`."""
    raw = {known: suffix for suffix, known in _RAW_RESULTS.items()}
    suffix = raw.get(form) or suffix_of(form)
    wanted = output(suffix)
    return form if wanted == suffix else format_of(Path(f"result{wanted}"))


def _named_by(
    arguments: Sequence[Path], no_sources: set[str], suffixes: frozenset[str]
) -> tuple[dict[str, _Found], list[Trouble]]:
    """Give the pictures that arguments name, each once, and the paths that give none."""
    found: dict[str, _Found] = {}
    troubles: list[Trouble] = []
    for argument in arguments:
        if len(arguments) > 1 and _entry(argument) in no_sources:
            continue
        for item in _find(argument, no_sources, suffixes):
            if isinstance(item, Trouble):
                troubles.append(item)
            else:
                found.setdefault(_entry(item.path), item)
    if not found:
        missing = [one for one in arguments if not (one.exists() or glob.has_magic(str(one)))]
        if missing:
            raise UsageError(f"{missing[0]}: there is no such file or folder.")
        if not troubles:
            names = ", ".join(str(argument) for argument in arguments)
            raise UsageError(f"Nothing to do: no picture in {names}.")
    return found, troubles


def _find(
    argument: Path, leave_out: set[str], suffixes: frozenset[str]
) -> Iterator[_Found | Trouble]:
    """Give the pictures that one argument names: a file, a folder, or a pattern."""
    if argument.is_dir():
        yield from _walk(argument, argument, leave_out, suffixes)
    elif argument.exists():
        yield _Found(argument, Path(argument.name), named=True)
    elif glob.has_magic(str(argument)):
        fixed = _fixed_part(argument)
        for match in sorted(map(Path, glob.glob(str(argument), recursive=True))):
            below = match.relative_to(fixed)
            if any(_entry(fixed / part) in leave_out for part in [below, *below.parents[:-1]]):
                continue
            if match.is_dir():
                yield from _walk(match, fixed, leave_out, suffixes)
            elif item := _looked_at(match, below, suffixes):
                yield item
    else:
        yield Trouble(argument, "failed", "there is no such file or folder")


def _walk(
    folder: Path, root: Path, leave_out: set[str], suffixes: frozenset[str]
) -> Iterator[_Found | Trouble]:
    """Give the pictures under `folder`, sorted; each real folder once, so links never loop."""
    unreadable: list[OSError] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=unreadable.append, followlinks=True):
        here = Path(place)
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and _entry(here / name) not in leave_out
        )
        for path in (here / name for name in sorted(names) if not name.startswith(".")):
            item = _looked_at(path, path.relative_to(root), suffixes)
            if item and _entry(path) not in leave_out:
                yield item
    for error in unreadable:
        yield Trouble(
            Path(error.filename), "failed", f"the folder cannot be read: {error.strerror}"
        )


def _looked_at(path: Path, below: Path, suffixes: frozenset[str]) -> _Found | Trouble | None:
    """Give what a file in a folder is by its name; None where it is no picture at all."""
    suffix = path.suffix.lower()
    if suffix in suffixes:
        return _Found(path, below) if _is_regular(path) else None
    if suffix in RAW_SUFFIXES:
        reason = RAW_REFUSED
    elif suffix in UNSUPPORTED:
        reason = refusal(UNSUPPORTED[suffix])
    else:
        return None
    return Trouble(path, "ignored", reason) if _is_regular(path) else None


def _is_regular(path: Path) -> bool:
    """Say whether a file may be read; a pipe would never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # the attempt to read it will say why not


class _Owners:
    """Which picture each file belongs to: its own, and those that will be made of it."""

    def __init__(self, sources: Iterable[Path]) -> None:
        self._volume = Volume()
        self._sources: dict[str, Path] = {}
        for source in sources:
            self.take(source, source)

    def of(self, place: Path) -> Path | None:
        return self._sources.get(self._volume.entry(place))

    def take(self, place: Path, source: Path) -> Path:
        """Give a place to a picture unless it is another's; return whose it is."""
        return self._sources.setdefault(self._volume.entry(place), source)


def _assign(
    planned: Plan,
    found: dict[str, _Found],
    out: Path,
    mask_out: Path | None,
    explain: Path | None,
    output: Callable[[str], str],
    follow: bool,
) -> None:
    """Give every picture the paths of its result, mask and sheet; none may be another's.

    Results that keep their source's name come first, then those of another suffix, then masks and
    sheets: these can give way by a longer name.
    """
    to_file = planned.folder is None
    owners = _Owners(item.path for item in found.values())
    suffixes = {entry: _other_suffix(item.path, output) for entry, item in found.items()}
    results: dict[str, Path] = {}
    for entry, item in sorted(found.items(), key=lambda one: suffixes[one[0]] is not None):
        result, suffix = out if to_file else out / item.below, suffixes[entry]
        if to_file or suffix is None:
            if follow and result.is_symlink() and owners.of(result) == item.path:
                result = Path(os.path.realpath(result))
            first = owners.take(result, item.path)
            place = result if first == item.path else _taken(item, "result", first)
        else:
            place = _claim(_names(result, suffix), item, owners, "result")
        if isinstance(place, Path):
            results[entry] = place
        else:
            planned.troubles.append(place)
    for entry in (entry for entry in found if entry in results):
        item, result = found[entry], results[entry]
        mask = _beside(mask_out, item, owners, to_file=to_file)
        sheet = _beside(explain, item, owners)
        if isinstance(mask, Trouble):
            planned.troubles.append(mask)
        elif isinstance(sheet, Trouble):
            planned.troubles.append(sheet)
        else:
            # What the user or the task has named gets the format of its name.
            given = (to_file or suffixes[entry]) and item.kind is None
            form = format_of(result) if given else None
            told = {"found": not item.named, "document": item.kind is not None}
            planned.jobs.append(Job(item.path, str(item.below), result, form, mask, sheet, **told))


def _other_suffix(source: Path, output: Callable[[str], str]) -> str | None:
    """Give the suffix of a result where it is another than the source's."""
    suffix = source.suffix.lower()
    wanted = output(suffix)
    return None if wanted == suffix else wanted


def _beside(
    folder: Path | None, item: _Found, owners: _Owners, *, to_file: bool = False
) -> Path | Trouble | None:
    """Give a picture a PNG in a further folder, which itself may be the file of a single one."""
    if folder is None:
        return None
    choice = _names(folder / item.below, ".png")
    if item.kind is not None:
        below = folder / item.below
        return _claim([below.with_suffix(""), below], item, owners, "mask or sheet")
    if to_file and _is_file_name(folder):
        choice = [folder]
    return _claim(choice, item, owners, "mask or sheet")


def _names(path: Path, suffix: str) -> list[Path]:
    """Give the names of what is made of a picture: a.png for a.jpg, else a.jpg.png."""
    return [path.with_suffix(suffix), path.with_name(f"{path.name}{suffix}")]


def _claim(choice: list[Path], item: _Found, owners: _Owners, role: str) -> Path | Trouble:
    """Give a picture the first of some places that is nobody's."""
    for place in choice:
        if owners.of(place) is None:
            owners.take(place, item.path)
            return place
    return _taken(item, role, owners.of(choice[0]))


def _taken(item: _Found, role: str, first: Path | None) -> Trouble:
    reason = f"its {role} would lie where {first} or its result lies"
    return Trouble(item.path, "skipped", reason)


def _means_a_file(out: Path, arguments: Sequence[Path]) -> bool:
    """Say whether `out`, which ends like the name of a file, is meant as one and not as a folder.

    Of one picture, any short ending says so; a version or a date, as in `v1.2`, is none.
    """
    if out.is_dir() or _is_file_name(out):
        return False
    ends_like_a_file = re.fullmatch(r"\.[a-z][a-z0-9]{1,3}", out.suffix.lower()) is not None
    one_picture = len(arguments) == 1 and arguments[0].is_file()
    return out.suffix.lower() in UNSUPPORTED or (one_picture and ends_like_a_file)


def _is_file_name(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES | _RAW_RESULTS.keys() and not path.is_dir()


def _fixed_part(pattern: Path) -> Path:
    """Give the folder before the first wildcard of a pattern."""
    fixed = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)


def _entry(path: Path) -> str:
    """Name a directory entry, however it was written: what a rename onto `path` would replace."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.normcase(os.path.join(os.path.realpath(folder), name))
