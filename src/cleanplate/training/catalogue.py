"""The recipes that ship, and which system each belongs to. Needs no torch."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

FOLDER = Path(str(files("cleanplate.training") / "recipes"))
SYSTEMS = {  # what the names of a system's recipes begin with
    "watermarks and handwriting": ("watermark-", "handwriting"),
    "what lies before a page": ("occlusion-",),
    "noise, RAW files": ("denoise", "noise-", "raw-"),
    "cut-outs": ("cutout-",),
    "holes in photographs": ("photo-",),
}


def recipes() -> dict[str, Path]:
    """Return the recipes that ship, by name; those with `_` before it are only bases of others."""
    return {path.stem: path for path in sorted(FOLDER.glob("[!_]*.yaml"))}


def by_system() -> dict[str, list[str]]:
    """Return the names of the recipes by system; `NAME[-cpu]` stands for both variants of one."""
    names = list(recipes())
    shown = {
        name: f"{name}[-cpu]" if f"{name}-cpu" in names else name
        for name in names
        if not (name.endswith("-cpu") and name.removesuffix("-cpu") in names)
    }
    return {
        system: [text for name, text in shown.items() if name.startswith(begins)]
        for system, begins in SYSTEMS.items()
    }
