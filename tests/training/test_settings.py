"""Recipes that hold only what differs from others."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanplate.errors import UsageError
from cleanplate.training.settings import merged, resolved


def write(folder: Path, **recipes: str) -> dict[str, Path]:
    paths = {name: folder / f"{name}.yaml" for name in recipes}
    for name, text in recipes.items():
        paths[name].write_text(text)
    return paths


def test_only_what_differs_is_replaced(tmp_path: Path) -> None:
    paths = write(
        tmp_path,
        first="model: {network: a, options: {width: 1, depth: 2}}\nsteps: [1, 2]\n",
        small="model: {options: {width: 0.5}}\nsteps: [3]\nworkers: 1\n",
        last="base: [first, small]\nmodel: {network: b}\n",
    )
    assert resolved(paths["last"], paths.__getitem__) == {
        "model": {"network": "b", "options": {"width": 0.5, "depth": 2}},
        "steps": [3],
        "workers": 1,
    }


def test_arguments_of_another_class_are_dropped() -> None:
    below = {"class_path": "Adam", "init_args": {"lr": 1, "betas": [0, 1]}}
    same = {"init_args": {"lr": 2}}
    other = {"class_path": "SGD", "init_args": {"lr": 2}}
    assert merged({"o": below}, {"o": same})["o"]["init_args"] == {"lr": 2, "betas": [0, 1]}
    assert merged({"o": below}, {"o": other})["o"] == other
    assert below["init_args"] == {"lr": 1, "betas": [0, 1]}


def test_faulty_recipes_are_named(tmp_path: Path) -> None:
    paths = write(tmp_path, a="base: b\n", b="base: a\n", c="[1]\n", d="{")
    for name, what in (("a", "its own base"), ("c", "mapping"), ("d", "cannot be read")):
        with pytest.raises(UsageError, match=what):
            resolved(paths[name], paths.__getitem__)
