"""What tests of runs make and look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fakes import draw

FORMATS = ("png", "jpg", "tif", "webp", "bmp", "avif")


def draw_album(folder: Path) -> Path:
    """Twenty pictures of six formats in three folders, and one that is none."""
    for number in range(20):
        suffix = FORMATS[number % len(FORMATS)]
        draw(folder / f"{number % 3}" / f"{number:02}.{suffix}", (16 + number, 8))
    (folder / "bad.png").write_bytes(b"no picture")
    return folder


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of a manifest by the names of their sources, of which each has one."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert len({line["source"] for line in lines}) == len(lines)
    return {Path(line["source"]).name: line for line in lines}


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, but for the manifest."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
