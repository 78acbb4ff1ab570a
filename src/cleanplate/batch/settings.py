"""What decides how a result looks, as JSON: where it has changed, a resumed run cleans anew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cleanplate.models import is_current, read_card
from cleanplate.tasks.taskinfo import TaskInfo

Settings = dict[str, Any]


def settings_of(
    info: TaskInfo,
    given: Mapping[str, Any],
    *,
    strip_metadata: bool,
    region: Sequence[int] | None = None,
) -> Settings:
    """Give the settings of a run.

    Files count by what they hold, so that they may be moved.

    Args:
        info: the task.
        given: models by role and options by name, as `TaskInfo.checked` takes them.
        strip_metadata: as in `Run`.
        region: as in `Run`.

    Raises:
        ModelError: the card of a model cannot be read.
        OSError: another file that is named cannot be read.
    """
    texts = {option.name for option in info.options if option.kind in ("text", "path")}
    seen: Settings = {}
    for name, value in given.items():
        path = Path(str(value))
        if name in info.roles and path.suffix == ".onnx" and path.is_file():
            card = path.with_suffix(".json")
            seen[name] = {"sha256": read_card(card).sha256, "card": _digest(card)}
        elif name in texts and path.is_file():
            seen[name] = {"file": _digest(path)}
        else:
            seen[name] = str(value) if isinstance(value, Path) else value
    seen |= {} if region is None else {"region": list(region)}
    return {"task": info.name, "strip_metadata": strip_metadata, **seen}


def are_same(before: Mapping[str, Any], now: Settings) -> bool:
    """Compare the settings of a line of the manifest, which may be of an older version."""
    kept = dict(before)
    if kept.get("models") == []:  # no files of the user's own
        del kept["models"]
    kept.pop("mask", None)  # each picture's own is compared
    return kept == now


def would_run(models: Mapping[str, str] | None, now: Settings) -> bool:
    """Say whether the models that once ran are still those that would run.

    Args:
        models: sha256 by name; None where an older version noted none, and nothing is known.
        now: the settings, which tell of models that the user brings.

    Raises:
        ModelError: the card of a model that ships cannot be read.
    """
    own = {one.get("sha256") for one in now.values() if isinstance(one, dict)}
    return all(sha256 in own or is_current(name, sha256) for name, sha256 in (models or {}).items())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
