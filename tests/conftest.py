from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from fakes import Blot

# Machines differ in speed; a deadline would make their tests differ too.
settings.register_profile("cleanplate", deadline=None)
settings.load_profile("cleanplate")


def required(name: str, *args: Any, **kwargs: Any) -> Any:
    """Import what a test needs; an error where it is missing."""
    return import_module(name)


if os.environ.get("CI"):  # there a missing package is a fault, not a reason to skip
    pytest.importorskip = required


@pytest.fixture
def blot() -> Iterator[type[Blot]]:
    """The fake task, in the place of the watermark task."""
    from fakes import Blot, stand_in

    from cleanplate import tasks

    known = dict(tasks._TABLE)
    stand_in(Blot)
    Blot.made.clear()
    yield Blot
    tasks._TABLE.clear()
    tasks._TABLE.update(known)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three pictures, one of them in a folder below."""
    from fakes import draw

    folder = tmp_path / "photos"
    for name in ("a.png", "b.jpg", "sub/c.png"):
        draw(folder / name)
    return folder
