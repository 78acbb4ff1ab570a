"""Which pictures a run is about, and where the result of each one goes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cleanplate.errors import UsageError
from cleanplate.picture import BY_SUFFIX, SUFFIXES


@dataclass(frozen=True)
class Job:
    """One picture to clean: where it comes from and where its result (mask, sheet) goes."""

    source: Path
    result: Path
    mask: Path | None = None
    sheet: Path | None = None

    def places(self) -> list[Path]:
        """Give every file that the job writes, the result last: where it is, the others are too."""
        return [path for path in (self.sheet, self.mask, self.result) if path is not None]


class Trouble(NamedTuple):
    """A path that gives no job, and why; `status` is "failed" or "skipped", as of an outcome."""

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


class _Found(NamedTuple):
    path: Path
    below: Path  # where it lies under the folder that was named; the result mirrors it


def plan(
    arguments: Sequence[Path],
    out: Path,
    mask_out: Path | None = None,
    explain: Path | None = None,
) -> Plan:
    """Find the pictures that `arguments` name and say where each one's result and mask go.

    In the folder `explain` each gets a sheet of the steps that the task took.

    A folder is walked and its tree mirrored under `out`; a pattern that the shell left alone is
    expanded here, and the tree below its part without wildcards mirrored. Hidden files, and `out`,
    `mask_out` and `explain` where a walk meets them, are passed over. When one file comes in and
    `out` has a picture's suffix, `out` is the file for its result, and so for a mask with
    `mask_out`.

    Raises UsageError when there is no picture, or when `out` names one file for several.
    """
    results = {_entry(folder) for folder in (out, mask_out, explain) if folder is not None}
    found: dict[str, _Found] = {}
    troubles: list[Trouble] = []
    for argument in arguments:
        for item in _find(argument, results):
            if isinstance(item, Trouble):
                troubles.append(item)
            else:
                found.setdefault(_entry(item.path), item)
    if not found and not troubles:
        names = ", ".join(str(argument) for argument in arguments)
        raise UsageError(f"Nothing to do: no picture in {names}.")
    to_file = _is_file_name(out)
    if to_file and (len(found) > 1 or any(argument.is_dir() for argument in arguments)):
        raise UsageError(f"{out} names one picture; give a folder for the results of several.")
    planned = Plan(None if to_file else out, troubles=troubles)
    _assign(planned, found, out, mask_out, explain)
    return planned


def format_of(path: Path) -> str:
    """Give the format that a file's name asks for, as `Picture.encode` names it.

    Raises UsageError when its suffix is none of a picture.
    """
    form = BY_SUFFIX.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"{path}: no picture format has the suffix {path.suffix!r}.")
    return form


def _find(argument: Path, leave_out: set[str]) -> Iterator[_Found | Trouble]:
    """Give the pictures that one argument names: a file, a folder, or a pattern."""
    if argument.is_dir():
        yield from _walk(argument, argument, leave_out)
    elif argument.exists():
        yield _Found(argument, Path(argument.name))
    elif glob.has_magic(str(argument)):
        fixed = _fixed_part(argument)
        for match in sorted(map(Path, glob.glob(str(argument), recursive=True))):
            if match.is_dir():
                yield from _walk(match, fixed, leave_out)
            elif match.suffix.lower() in SUFFIXES:
                yield _Found(match, match.relative_to(fixed))
    else:
        yield Trouble(argument, "failed", "there is no such file or folder")


def _walk(folder: Path, root: Path, leave_out: set[str]) -> Iterator[_Found | Trouble]:
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
        for name in sorted(names):
            path = here / name
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield _Found(path, path.relative_to(root))
    for error in unreadable:
        yield Trouble(
            Path(error.filename), "failed", f"the folder cannot be read: {error.strerror}"
        )


def _assign(
    planned: Plan,
    found: dict[str, _Found],
    out: Path,
    mask_out: Path | None,
    explain: Path | None,
) -> None:
    """Give every picture the paths of its result, mask and sheet; none may be another's."""
    owner = {entry: item.path for entry, item in found.items()}
    for item in found.values():
        job = Job(
            item.path,
            out / item.below if planned.folder is not None else out,
            mask_out and _mask_path(mask_out, item.below, to_file=planned.folder is None),
            explain and (explain / item.below).with_suffix(".png"),
        )
        result = _entry(job.result)
        taken = [owner[result]] if owner.get(result, item.path) != item.path else []
        owner.setdefault(result, item.path)
        for path in filter(None, (job.mask, job.sheet)):
            taken += [owner[entry] for entry in [_entry(path)] if entry in owner]
            owner.setdefault(_entry(path), item.path)
        if taken:
            reason = f"its result or mask would lie where {taken[0]} or its result lies"
            planned.troubles.append(Trouble(item.path, "skipped", reason))
        else:
            planned.jobs.append(job)


def _mask_path(mask_out: Path, below: Path, *, to_file: bool) -> Path:
    if to_file and _is_file_name(mask_out):
        return mask_out
    return (mask_out / below).with_suffix(".png")


def _is_file_name(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


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
