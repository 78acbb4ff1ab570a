"""The recipes of the models that ship: two steps, an export, and a picture cleaned with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from PIL import ImageFont

from cleanplate import models, tasks
from cleanplate.models.catalogue import FOLDER
from cleanplate.picture import Picture
from cleanplate.training.cli import main
from cleanplate.training.settings import resolved
from cleanplate.training.train import find_recipe

if TYPE_CHECKING:
    from conftest import Run

SHIPPED = [card.name for card in models.cards()]
ELSEWHERE = {"denoiser", "denoiser-raw", "photo-filler"}  # tests of their own train these
ELSEWHERE |= {"handwriting-eraser", "handwriting-locator"}
STAGES = [name for name in SHIPPED if name not in ELSEWHERE]
LATER = ["cutout-locator-2", "cutout-locator-3", "occlusion-filler-2", "occlusion-locator-2"]
LATER += ["watermark-filler-2", "watermark-locator-2", "watermark-locator-3"]
FOLDERS = {
    "watermark": {"backgrounds": "{photos: 1.0}", "fonts": "[fonts]", "logos": "[logos]"},
    "occlusion": {
        "backgrounds": "{photos: 1.0}",
        "prints": "[photos]",
        "cutouts": "[cutouts]",
        "validation_cutouts": "[cutouts]",
    },
}
SMALL = {"crop": "64", "sides": "[64, 120]", "batch_size": "2", "validation_pictures": "4"}
DRAWN = {"watermark": {"rendered": "2", "candidates": "2"}, "occlusion": {}}
OWN = {
    "cutout": {
        "labelled": "{people: 0.8}",
        "masked": "{}",
        "empty": "empty.txt",
        "validation": "people",
        "progressive": "[[2, 2, 64]]",
        "validation_pictures": "2",
        "workers": "0",
    },
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, a font, a logo and a hand."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("fonts", "logos", "photos", "cutouts"):
        (folder / name).mkdir()
    (folder / "fonts/own.ttf").write_bytes(ImageFont.load_default(10).font_bytes)
    logo = np.zeros((64, 64), np.uint8)
    cv2.circle(logo, (32, 32), 24, 255, 6)
    cv2.imwrite(str(folder / "logos/ring.png"), logo)
    rng = np.random.default_rng(0)
    for index in range(2):
        coarse = rng.integers(0, 256, (9, 12, 3), np.uint8)
        photo = cv2.resize(coarse, (200, 150), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"photos/{index}.png"), photo)
    label = np.zeros((150, 200), np.uint8)
    cv2.ellipse(label, (100, 80), (40, 60), 0, 0, 360, 1, -1)
    for name, content in (("photos", photo), ("labels", label)):
        (folder / "people" / name).mkdir(parents=True)
        cv2.imwrite(str(folder / "people" / name / "0.png"), content)
    (folder / "people/labels.txt").write_text("0\tnull\n1\tjeans\n")
    (folder / "empty.txt").write_text("photos/0.png\n")
    hand = np.zeros((200, 150, 4), np.uint8)
    cv2.ellipse(hand, (75, 120), (50, 110), 0, 0, 360, (120, 150, 205, 255), -1)
    cv2.imwrite(str(folder / "cutouts/hand.png"), hand)
    return folder


@pytest.mark.parametrize(
    "name", STAGES + [pytest.param(name, marks=pytest.mark.slow) for name in LATER]
)
def test_from_drawn_crops_to_a_clean_picture(name: str, sources: Path, tmp_path: Path) -> None:
    task, role = name.split("-")[:2]
    settings = OWN.get(task) or {
        **FOLDERS[task],
        **SMALL,
        **DRAWN[task],
        "validation": "[photos]",
        "workers": "0",
    }
    given = [f"--data.init_args.{key}={value}" for key, value in settings.items()]
    if role == "locator":
        given.append("--model.init_args.network_options.pretrained=null")
    quiet = {"max_steps": 2, "accelerator": "cpu", "enable_progress_bar": "false"}
    given += [f"--trainer.{key}={value}" for key, value in quiet.items()]
    given += ["--trainer.enable_model_summary=false", "--data.init_args.steps=2"]
    run = tmp_path / "run"
    assert main("train", [name, "--data", str(sources), "--run", str(run), *given]) == 0
    last = run / "checkpoints/last.ckpt"
    content = torch.load(last, weights_only=True)
    assert content["global_step"] == 2
    assert any(figure.startswith("val/") for figure in content["provenance"]["figures"])
    model = tmp_path / "mine.onnx"
    assert main("export", [str(last), "-o", str(model)]) == 0
    shipped = models.load("-".join(name.split("-")[:2]), device="cpu", threads=1).card
    card = models.load(model, device="cpu", threads=1).card
    for field in ("task", "role", "inputs", "outputs", "tile", "multiple"):
        assert getattr(card, field) == getattr(shipped, field), field
    made = tasks.create(task, device="cpu", threads=1, **{role: str(model)})
    picture = Picture.read(sources / "photos/0.png")
    assert made.clean(picture).picture.pixels.shape == (150, 200, 3)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_of_a_recipe_is_that_of_its_model(name: str) -> None:
    others = {"handwriting-eraser": "handwriting", "denoiser-raw": "denoise-raw"}
    recipe = others.get(name, name)
    told = resolved(find_recipe(recipe), find_recipe)["card"]
    [card] = [card for card in models.cards() if card.name == name]
    assert (told["task"], told["tile"]) == (card.task, card.tile)
    given = told.get("parameters", {})
    fitted = {key for key in given if key.startswith(("certainty", "evidence"))}
    assert fitted <= set(card.parameters)  # to the weights that ship
    stated = {key: value for key, value in given.items() if key not in fitted}
    assert stated.items() <= dict(card.parameters).items()


def test_fields_of_another_card_are_taken_but_for_its_own(whole: Run, tmp_path: Path) -> None:
    out, other = tmp_path / "mine.onnx", FOLDER / "watermark-filler.json"
    assert main("export", [str(whole.best), "-o", str(out), "--card", str(other)]) == 0
    mine = models.load(out, device="cpu", threads=1).card
    [theirs] = [card for card in models.cards() if card.name == "watermark-filler"]
    assert (mine.figures, mine.data, mine.licence) == (theirs.figures, theirs.data, theirs.licence)
    assert (mine.name, mine.recipe, len(mine.inputs)) == ("mine", "tiny", 3)
