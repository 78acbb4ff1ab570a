"""The settings of a recipe: its own, laid over those of its bases.

A recipe may begin with `base: NAME`, or a list of names or paths: it then holds only what differs.
Mappings are merged key by key, anything else replaces what was there, and so does a mapping with a
`class_path` of another class: the arguments of one class are not those of another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from cleanplate.errors import UsageError
from cleanplate.training.former import Settings, with_arguments, with_classes


def resolved(path: Path, find: Callable[[str], Path], above: tuple[Path, ...] = ()) -> Settings:
    """Return the settings of a recipe with those of its bases, later bases over earlier ones.

    Args:
        path: the recipe's YAML file.
        find: the file of a base by its name.
        above: the recipes that led here.

    Raises:
        UsageError: a file cannot be read or is no mapping, there is no such base, or a recipe is
            its own base.
    """
    if path in above:
        raise UsageError(f"{path} is its own base; take a `base` line out.")
    own = _read(path)
    names = own.pop("base", [])
    settings: Settings = {}
    for name in [names] if isinstance(names, str) else names:
        settings = merged(settings, resolved(find(name), find, (*above, path)))
    own, granted = with_classes(own, lambda name: resolved(find(name), find)["model"])
    return with_arguments(merged(merged(settings, granted), own))


def merged(below: Settings, upper: Settings) -> Settings:
    """Lay `upper` over `below`; neither is changed."""
    both = dict(below)
    for key, value in upper.items():
        there = both.get(key)
        if isinstance(there, dict) and isinstance(value, dict) and _alike(there, value):
            value = merged(there, value)
        both[key] = value
    return both


def _alike(there: Settings, value: Settings) -> bool:
    return value.get("class_path", there.get("class_path")) == there.get("class_path")


def _read(path: Path) -> Settings:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} cannot be read as a recipe: {reason}.") from error
    if not isinstance(settings, dict):
        raise UsageError(f"{path} is not a recipe: it must hold a mapping.")
    return settings
