"""Which files of a folder belong together: a picture, its clean truth and perhaps its mask.

Two layouts are known:

- the competition's: `bg_images/NAME.jpg` are clean, every other folder with files `NAME_VERSION.*`
  holds watermarked versions of them, `masks/NAME_VERSION.*` are optional;
- the plain one: `input/`, `target/` and optionally `mask/` with files of the same stems.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from cleanplate.errors import CleanplateError, UsageError
from cleanplate.picture import SUFFIXES

CLEAN = "bg_images"
MASKS = "masks"


@dataclass(frozen=True)
class Pair:
    """One training example on disk."""

    name: str  # the input's path below the folder, with forward slashes; what list files hold
    input: Path
    target: Path
    mask: Path | None  # None: made from the difference of the two pictures
    group: str  # the same for all versions of one clean picture


@dataclass(frozen=True)
class Survey:
    """What a folder holds: the pairs in the order of their names, and what has no partner."""

    folder: Path
    pairs: list[Pair]
    orphans: list[Path]


def survey(folder: str | Path, versions: str | None = None) -> Survey:
    """Look through `folder`; nothing is opened but plain targets of equal size (see `_groups`).

    `versions` names the competition layout's folder of versions where it is not to be found by
    its file names. Raises UsageError when the folder holds neither layout, or nothing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of training pairs.")
    if (folder / CLEAN).is_dir():
        found = _competition(folder, versions)
    elif (folder / "input").is_dir() and (folder / "target").is_dir():
        found = _plain(folder)
    else:
        raise UsageError(
            f"{folder} holds no training pairs: it needs input/ and target/ (mask/ is optional) "
            f"with files of the same names, or {CLEAN}/ and a folder of watermarked versions."
        )
    if not found.pairs:
        raise UsageError(f"{folder} holds no pair: no picture in it has a partner.")
    return found


def select(found: Survey, listing: str | Path | None) -> list[Pair]:
    """The pairs that a list file names (a line each), or all of them without one.

    `listing` is looked for below the surveyed folder, then as a path of its own. Raises
    CleanplateError for a name without a pair, and for orphans when there is no list.
    """
    if listing is None:
        if found.orphans:
            raise CleanplateError(
                f"{len(found.orphans)} files in {found.folder} have no partner, the first is "
                f"{found.orphans[0]}; `cleanplate prepare check {found.folder} --list sound.txt` "
                "names them all and lists the sound pairs."
            )
        return found.pairs
    by_name = {pair.name: pair for pair in found.pairs}
    wanted = read_list(_locate(found.folder, listing))
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise CleanplateError(
            f"{listing} names {len(missing)} pairs that {found.folder} does not hold, "
            f"the first is {missing[0]}."
        )
    if not wanted:
        raise UsageError(f"{listing} names no pair.")
    return [by_name[name] for name in wanted]


def read_list(path: Path) -> list[str]:
    """The lines of a list file, without blank ones."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def mask_path(pair: Pair) -> Path:
    """Where a mask made for `pair` belongs: where `survey` will find it."""
    top = pair.target.parent.parent
    folder = MASKS if pair.target.parent.name == CLEAN else "mask"
    return top / folder / f"{pair.input.stem}.png"


def _locate(folder: Path, listing: str | Path) -> Path:
    for candidate in (folder / listing, Path(listing)):
        if candidate.is_file():
            return candidate
    raise UsageError(f"{listing} is not a list file, neither below {folder} nor as a path.")


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures directly in `folder` by stem, in the order of their names."""
    if not folder.is_dir():
        return {}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    by_stem: dict[str, Path] = {}
    for path in files:
        if path.stem in by_stem:
            raise UsageError(f"{by_stem[path.stem]} and {path} have one name; keep one of them.")
        by_stem[path.stem] = path
    return by_stem


def _competition(folder: Path, versions: str | None) -> Survey:
    clean = _pictures(folder / CLEAN)
    masks = _pictures(folder / MASKS)
    pairs, orphans = [], []
    used = set()
    for place in _version_folders(folder, versions, clean):
        for stem, path in _pictures(place).items():
            group = stem.rpartition("_")[0]
            if group not in clean:
                orphans.append(path)
                continue
            used.add(group)
            name = path.relative_to(folder).as_posix()
            pairs.append(Pair(name, path, clean[group], masks.get(stem), group))
    orphans += [path for stem, path in clean.items() if stem not in used]
    return Survey(folder, pairs, orphans)


def _version_folders(folder: Path, versions: str | None, clean: dict[str, Path]) -> list[Path]:
    """The configured folder, or every one in which some file is a version of a clean picture."""
    if versions is not None:
        if not (folder / versions).is_dir():
            raise UsageError(f"{folder / versions} is not a folder of watermarked versions.")
        return [folder / versions]
    others = sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in (CLEAN, MASKS))
    return [p for p in others if any(s.rpartition("_")[0] in clean for s in _pictures(p))]


def _plain(folder: Path) -> Survey:
    inputs, targets = _pictures(folder / "input"), _pictures(folder / "target")
    masks = _pictures(folder / "mask")
    shared = [stem for stem in inputs if stem in targets]
    groups = _groups([targets[stem] for stem in shared])
    pairs = [
        Pair(f"input/{inputs[stem].name}", inputs[stem], targets[stem], masks.get(stem), group)
        for stem, group in zip(shared, groups, strict=True)
    ]
    orphans = [path for stem, path in inputs.items() if stem not in targets]
    orphans += [path for stem, path in targets.items() if stem not in inputs]
    orphans += [path for stem, path in masks.items() if stem not in inputs]
    return Survey(folder, pairs, orphans)


def _groups(targets: list[Path]) -> list[str]:
    """A group for each target: the first stem with the very same bytes.

    Only files of equal size are read. A clean picture that was encoded anew is another one here.
    """
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in targets:
        by_size[path.stat().st_size].append(path)
    first: dict[str, str] = {}
    group = {}
    for alike in by_size.values():
        for path in alike:
            if len(alike) == 1:
                group[path] = path.stem
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            group[path] = first.setdefault(digest, path.stem)
    return [group[path] for path in targets]
