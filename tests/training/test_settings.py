"""Recipes that hold only what differs from others."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanplate.errors import UsageError
from cleanplate.training.settings import merged, resolved
from cleanplate.training.train import find_recipe


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


def test_former_names_keep_working(tmp_path: Path) -> None:
    over = tmp_path / "over.yaml"
    over.write_text(
        "base: watermark-locator\n"
        "model: {init_args: {rate: 4.0e-4, mark_weight: 3.0, options: {settled: true}}}\n"
        "data: {init_args: {batch: 4, pictures: {mine: 1.0}}}\n"
    )
    today = resolved(find_recipe("watermark-locator"), find_recipe)
    settings = resolved(over, find_recipe)
    model, data = (settings[part]["init_args"] for part in ("model", "data"))
    assert model["optimizer"]["init_args"] == {"lr": 4e-4, "weight_decay": 1e-4}
    assert model["loss"] == {**today["model"]["init_args"]["loss"], "bce_inside": 2.0}
    assert model["network_options"] == {"pretrained": "imagenet", "frozen": 2, "settled": True}
    assert data["batch_size"] == 4 and data["backgrounds"]["mine"] == 1.0
    assert not {"rate", "mark_weight", "options"} & set(model)


def test_former_classes_keep_working(tmp_path: Path) -> None:
    alone = tmp_path / "alone.yaml"
    alone.write_text(
        "model:\n"
        "  class_path: cleanplate.training.modules.holes.HoleModule\n"
        "  init_args: {rate: 1.0e-3, warm_up: 50, square: 5.0}\n"
        "data:\n"
        "  class_path: cleanplate.training.data.occluded.OccludedData\n"
        "  init_args: {pages: {p: 1.0}, validation_pages: [v], prints: [s], occluders: [o],\n"
        "    validation_occluders: [w], batch: 2}\n"
    )
    settings = resolved(alone, find_recipe)
    today = resolved(find_recipe("occlusion-filler"), find_recipe)
    assert settings["model"]["class_path"] == today["model"]["class_path"]
    assert settings["data"]["class_path"] == today["data"]["class_path"]
    model = settings["model"]["init_args"]
    assert model["loss"] == {"l2_hole": 5.0, "l1_hole": 0.5, "seen": 0.1}
    assert model["optimizer"]["init_args"]["lr"] == 1e-3
    assert model["schedule"]["init_args"]["warm_up"] == 50
    assert settings["data"]["init_args"] == {
        "backgrounds": {"p": 1.0}, "validation": ["v"], "prints": ["s"], "cutouts": ["o"],
        "validation_cutouts": ["w"], "batch_size": 2,
    }  # fmt: skip


@pytest.mark.parametrize("data", ["pairs.Pairs", "synthetic.Synthetic"])
def test_former_names_of_flips_keep_working(tmp_path: Path, data: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        f"data:\n  class_path: cleanplate.training.data.{data}\n"
        "  init_args: {flip: 0.1, flop: 0.2, turn: 0.3}\n"
    )
    found = resolved(mine, find_recipe)["data"]["init_args"]
    assert found == {"hflip": 0.1, "vflip": 0.2, "rot90": 0.3}


def test_former_names_of_losses_keep_working(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: handwriting\nmodel: {init_args: {loss: {heeded_l1: 3.0}}}\n")
    today = resolved(find_recipe("handwriting"), find_recipe)["model"]["init_args"]["loss"]
    found = resolved(mine, find_recipe)["model"]["init_args"]["loss"]
    assert found == {**today, "ink_l1": 3.0}
    assert resolved(find_recipe("handwriting"), find_recipe)["model"]["init_args"]["loss"] == today
