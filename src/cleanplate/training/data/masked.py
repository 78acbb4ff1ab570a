"""Folders of pictures with masks and no clean partners: what a cut-out is learnt from.

`input/` and `mask/` hold files of the same stems. As a pair each picture is its own target: nothing
is to be taken off it, the mask alone is to be found. So `layouts.survey`, which finds what to learn
cleaning from, refuses such a folder.
"""

from __future__ import annotations

from pathlib import Path

from cleanplate.errors import UsageError
from cleanplate.training.data.layouts import CLEAN, Pair, Survey, groups_of, pictures, survey
from cleanplate.training.data.triples import ANNOTATION


def survey_any(folder: str | Path, versions: str | None = None) -> Survey:
    """As `layouts.survey`, for folders of pictures with masks, too."""
    folder = Path(folder)
    bare = all((folder / name).is_dir() for name in ("input", "mask"))
    paired = any((folder / name).exists() for name in ("target", CLEAN, ANNOTATION))
    return _survey(folder) if bare and not paired else survey(folder, versions)


def _survey(folder: Path) -> Survey:
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
