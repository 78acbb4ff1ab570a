"""Which files of a folder belong together: a picture, its clean truth and perhaps its mask.

Three layouts are known:

- triples: `annotation.txt` names a clean page, an occluded one and a mask a line (see `triples`);
  it comes before the others;
- the competition's: `bg_images/NAME.jpg` are clean, every other folder with files `NAME_VERSION.*`
  holds watermarked versions of them, `masks/FOLDER/NAME_VERSION.*` are optional, or directly in
  `masks/` where no other folder has a version of that name;
- the plain one: `input/`, `target/` and optionally `mask/` with files of the same stems, pictures
  or planes (.npy); or `input/` and `mask/` alone, where only masks are learnt (`survey_any`).

`groups.txt`, where it is, says which pairs of a plain layout come from one clean picture.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cleanplate.errors import CleanplateError, UsageError
from cleanplate.picture import SUFFIXES
from cleanplate.training.data.triples import ANNOTATION, read_triples

CLEAN = "bg_images"
MASKS = "masks"
GROUPS = "groups.txt"
NPY = ".npy"  # suffix of what is no picture: RAW planes


@dataclass(frozen=True)
class Pair:
    """One training example on disk."""

    name: str  # the input's path below the folder, with forward slashes; what list files hold
    input: Path
    target: Path
    mask: Path | None  # None: made from the difference of the two pictures
    group: str  # the same for all versions of one clean picture

    @property
    def own_target(self) -> bool:
        """Whether nothing is to be taken off the picture: its mask alone is learnt from."""
        return self.target == self.input


@dataclass(frozen=True)
class Survey:
    """What a folder holds: the pairs in their order, and what has no partner or is missing."""

    folder: Path
    pairs: list[Pair]
    orphans: list[Path]


def survey(folder: str | Path, versions: str | None = None) -> Survey:
    """Look through `folder`; nothing is opened but plain targets of equal size (see `_groups`).

    `versions` names the competition layout's folder of versions where it is not to be found by its
    file names.

    Raises:
        UsageError: the folder holds neither layout, or nothing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of training pairs.")
    if (folder / ANNOTATION).is_file():
        found = _triples(folder)
    elif (folder / CLEAN).is_dir():
        found = _competition(folder, versions)
    elif (folder / "input").is_dir() and (folder / "target").is_dir():
        found = _plain(folder)
    else:
        raise UsageError(
            f"{folder} holds no training pairs: it needs input/ and target/ (mask/ is optional) "
            f"with files of the same names, {CLEAN}/ and a folder of watermarked versions, or "
            f"{ANNOTATION}."
        )
    if not found.pairs:
        raise UsageError(f"{folder} holds no pair: no picture in it has a partner.")
    return found


def survey_any(folder: str | Path, versions: str | None = None) -> Survey:
    """Look through a folder as `survey` does, or through one of pictures with masks.

    Such a folder has `input/` and `mask/` with files of the same stems, and no clean pictures: a
    network learns from it where something is. As a pair each picture is its own target, so that
    `survey`, which finds what cleaning is learnt from, refuses the folder.

    Raises:
        UsageError: the folder holds no layout that is known, or nothing in it.
    """
    folder = Path(folder)
    bare = all((folder / name).is_dir() for name in ("input", "mask"))
    paired = any((folder / name).exists() for name in ("target", CLEAN, ANNOTATION))
    return _masks_alone(folder) if bare and not paired else survey(folder, versions)


def select(found: Survey, listing: str | Path | None) -> list[Pair]:
    """Return the pairs that a list file names, a line each, or all of them without one.

    Args:
        found: what the folder holds.
        listing: looked for below that folder, then as a path of its own.

    Raises:
        CleanplateError: a name has no pair, or, without a list, a file has no partner.
        UsageError: there is no such list, or nothing in it.
    """
    pairs, absent = available(found, listing)
    if absent:
        raise CleanplateError(
            f"{absent} `cleanplate prepare check {found.folder} --list sound.txt` names all faults "
            "and lists the sound pairs."
        )
    return pairs


def available(found: Survey, listing: str | Path | None) -> tuple[list[Pair], str]:
    """Return what there is of the pairs that `select` is to give, and a sentence on what is absent,
    or "".

    Raises:
        UsageError: there is no such list, or nothing in it.
    """
    what = f"files in {found.folder} have no partner or are missing"
    if listing is not None:
        found = listed(found, listing)
        what = f"pairs that {listing} names are not in {found.folder}"
    absent = found.orphans
    return found.pairs, f"{len(absent)} {what}, the first is {absent[0]}." if absent else ""


def listed(found: Survey, listing: str | Path) -> Survey:
    """Return the pairs that a list file names; what it names in vain is an orphan.

    Raises:
        UsageError: there is no such list, or nothing in it.
    """
    by_name = {pair.name: pair for pair in found.pairs}
    wanted = read_list(_locate(found.folder, listing))
    if not wanted:
        raise UsageError(f"{listing} names no pair.")
    missing = [found.folder / name for name in wanted if name not in by_name]
    return Survey(found.folder, [by_name[name] for name in wanted if name in by_name], missing)


def read_list(path: Path) -> list[str]:
    """Return the lines of a list file, without blank ones."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def mask_path(pair: Pair) -> Path:
    """Return where a mask made for `pair` belongs: where `survey` will find it."""
    top = pair.target.parent.parent
    plain = pair.target.parent.name != CLEAN
    folder = top / "mask" if plain else top / MASKS / pair.input.parent.name
    return folder / f"{pair.input.stem}.png"


def _locate(folder: Path, listing: str | Path) -> Path:
    for candidate in (folder / listing, Path(listing)):
        if candidate.is_file():
            return candidate
    raise UsageError(f"{listing} is not a list file, neither below {folder} nor as a path.")


def pictures(folder: Path) -> dict[str, Path]:
    """Return the pictures directly in `folder` by stem, in the order of their names.

    Raises:
        UsageError: two have one stem.
    """
    if not folder.is_dir():
        return {}
    suffixes = SUFFIXES | {NPY}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    by_stem: dict[str, Path] = {}
    for path in files:
        if path.stem in by_stem:
            raise UsageError(f"{by_stem[path.stem]} and {path} have one name; keep one of them.")
        by_stem[path.stem] = path
    return by_stem


def _competition(folder: Path, versions: str | None) -> Survey:
    clean = pictures(folder / CLEAN)
    found = {place: pictures(place) for place in _version_folders(folder, versions, clean)}
    shared = Counter(stem for versioned in found.values() for stem in versioned)
    common = {s: path for s, path in pictures(folder / MASKS).items() if shared[s] == 1}
    pairs, orphans = [], []
    used = set()
    for place, versioned in found.items():
        masks = {**common, **pictures(folder / MASKS / place.name)}
        for stem, path in versioned.items():
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
    """Return the configured folder, or every one in which some file is a version of a clean
    picture.
    """
    if versions is not None:
        if not (folder / versions).is_dir():
            raise UsageError(f"{folder / versions} is not a folder of watermarked versions.")
        return [folder / versions]
    others = sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in (CLEAN, MASKS))
    return [p for p in others if any(s.rpartition("_")[0] in clean for s in pictures(p))]


def _triples(folder: Path) -> Survey:
    named = [[folder / name for name in triple] for triple in read_triples(folder)]
    there = [paths for paths in named if all(path.is_file() for path in paths)]
    missing = [path for paths in named for path in paths if not path.is_file()]
    groups = _groups((clean for clean, _, _ in there), lambda path: below(folder, path))
    noted = read_groups(folder)
    pairs = [
        Pair(
            below(folder, occluded),
            occluded,
            clean,
            mask,
            noted.get(occluded.stem, groups[clean]),
        )
        for clean, occluded, mask in there
    ]
    return Survey(folder, pairs, list(dict.fromkeys(missing)))


def below(folder: Path, path: Path) -> str:
    """Return a path as lists and `annotation.txt` name it: below the folder where it lies there."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _plain(folder: Path) -> Survey:
    inputs, targets = pictures(folder / "input"), pictures(folder / "target")
    masks = pictures(folder / "mask")
    groups = groups_of(folder, {stem: targets[stem] for stem in inputs if stem in targets})
    pairs = [
        Pair(f"input/{inputs[stem].name}", inputs[stem], targets[stem], masks.get(stem), group)
        for stem, group in groups.items()
    ]
    orphans = [path for stem, path in inputs.items() if stem not in targets]
    orphans += [path for stem, path in targets.items() if stem not in inputs]
    orphans += [path for stem, path in masks.items() if stem not in inputs]
    return Survey(folder, pairs, orphans)


def _masks_alone(folder: Path) -> Survey:
    inputs, masks = pictures(folder / "input"), pictures(folder / "mask")
    groups = groups_of(folder, {stem: path for stem, path in inputs.items() if stem in masks})
    pairs = [
        Pair(f"input/{inputs[stem].name}", inputs[stem], inputs[stem], masks[stem], group)
        for stem, group in groups.items()
    ]
    if not pairs:
        raise UsageError(f"{folder} holds no picture with a mask: none in it has a partner.")
    orphans = [path for stem, path in inputs.items() if stem not in masks]
    orphans += [path for stem, path in masks.items() if stem not in inputs]
    return Survey(folder, pairs, orphans)


def groups_of(folder: Path, targets: dict[str, Path]) -> dict[str, str]:
    """Return the group of each target by stem: as `groups.txt` notes it, or by its bytes."""
    noted = read_groups(folder)
    alike = _groups((path for s, path in targets.items() if s not in noted), lambda p: p.stem)
    return {stem: noted[stem] if stem in noted else alike[path] for stem, path in targets.items()}


def read_groups(folder: Path) -> dict[str, str]:
    """Return the groups that `groups.txt` notes: a stem, a tab and its group a line; none without
    it.

    Raises:
        UsageError: a line is not of that form.
    """
    path = folder / GROUPS
    if not path.is_file():
        return {}
    lines = [line.split("\t") for line in read_list(path)]
    for number, fields in enumerate(lines, 1):
        if len(fields) != 2:
            raise UsageError(f"{path}, line {number}, is not a stem, a tab and a group.")
    return {stem: group for stem, group in lines}


def _groups(targets: Iterable[Path], name: Callable[[Path], str]) -> dict[Path, str]:
    """Return a group for each target: the name of the first with the very same bytes.

    Only files of equal size are read. A clean picture that was encoded anew is another one here.
    """
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(targets):
        by_size[path.stat().st_size].append(path)
    first: dict[str, str] = {}
    group = {}
    for alike in by_size.values():
        for path in alike:
            if len(alike) == 1:
                group[path] = name(path)
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            group[path] = first.setdefault(digest, name(path))
    return group
