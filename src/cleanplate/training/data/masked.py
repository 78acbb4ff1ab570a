"""Folders of pictures with masks and no clean partners: what a cut-out is learnt from.

`input/` and `mask/` hold files of the same stems. As a pair each picture is its own target: nothing
is to be taken off it, the mask alone is to be found.
"""

from __future__ import annotations

from pathlib import Path

from cleanplate.errors import UsageError
from cleanplate.picture import SUFFIXES
from cleanplate.training.data.layouts import Pair, Survey, survey


def survey_any(folder: str | Path, versions: str | None = None) -> Survey:
    """As `layouts.survey`, for folders of pictures with masks, too."""
    folder = Path(folder)
    bare = (folder / "mask").is_dir() and not (folder / "target").is_dir()
    return _survey(folder) if bare and (folder / "input").is_dir() else survey(folder, versions)


def _survey(folder: Path) -> Survey:
    inputs, masks = _by_stem(folder / "input"), _by_stem(folder / "mask")
    pairs = [
        Pair(f"input/{path.name}", path, path, masks[stem], stem)
        for stem, path in inputs.items()
        if stem in masks
    ]
    if not pairs:
        raise UsageError(f"{folder} holds no picture with a mask: none in it has a partner.")
    orphans = [path for stem, path in inputs.items() if stem not in masks]
    orphans += [path for stem, path in masks.items() if stem not in inputs]
    return Survey(folder, pairs, orphans)


def _by_stem(folder: Path) -> dict[str, Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return {path.stem: path for path in found}
