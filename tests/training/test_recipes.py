"""Every recipe's small variant from files on disk to an ONNX model that runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cleanplate.batch import Run, plan
from cleanplate.cli import make_app
from cleanplate.models import cards, load
from cleanplate.tasks.exported import Exported
from cleanplate.training.cli import main
from cleanplate.training.data.files import read_rgb
from cleanplate.training.settings import resolved
from cleanplate.training.train import find_recipe, recipes

OWN = {"denoise-raw-cpu"}  # has a test of its own, in test_raw_training.py
SMALL = [name for name in recipes() if name.endswith("-cpu") and name not in OWN]
QUICK = ("occlusion-nafnet-cpu", "raw-unet-cpu")  # the others are of minutes together
TINY = {  # settings by the data module
    "Pairs": ["crop=32", "batch_size=2", "validation_side=64"],
    "Cutouts": ["size=[64,64]", "batch_size=2"],
    "Holes": ["factor=2", "crop=64", "batch_size=2"],
    "RawPairs": ["crop=32", "batch_size=2", "validation_side=32"],
}
LENGTH = ["max_steps=-1", "limit_train_batches=2"]  # counted in epochs
OPTIONS = {  # of networks that are still large in the small variants
    "nafnet-slim-32": "{width: 4, encoder: [1, 1], middle: 1, decoder: [1, 1]}",
    "erasenet": "{width: 0.125}",
}


def draw(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A smooth picture."""
    small = Image.fromarray(rng.integers(0, 200, (4, 4, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pages with a white square on each, and the masks of these."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    for number in range(6):
        clean = draw(rng, 180 + number, 200 - number)
        mask = np.zeros(clean.shape[:2], np.uint8)
        mask[60 : 90 + number, 70:110] = 255
        dirty = np.where(mask[..., None] > 0, np.uint8(255), clean)
        for kind, pixels in (("input", dirty), ("target", clean), ("mask", mask)):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"p{number}.png")
    return folder


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six noisy and clean RAW pictures, as planes in the sensor's numbers."""
    folder = tmp_path_factory.mktemp("mosaics")
    rng = np.random.default_rng(0)
    for number in range(6):
        clean = draw(rng, 48, 40 + number)[..., [0, 1, 1, 2]].astype(float) * 50 + 1024
        noisy = clean + rng.normal(0, 300, clean.shape)
        for kind, planes in (("input", noisy), ("target", clean)):
            (folder / kind).mkdir(exist_ok=True)
            np.save(folder / kind / f"p{number}.npy", planes.clip(0, 16383).astype(np.uint16))
    return folder


def tiny(name: str) -> list[str]:
    """Arguments that make a few small steps of a recipe."""
    settings = resolved(find_recipe(name), find_recipe)
    model, data = (settings[part]["init_args"] for part in ("model", "data"))
    kind = settings["data"]["class_path"].rpartition(".")[2]
    chosen = [f"--data.init_args.{setting}" for setting in TINY[kind]]
    chosen += ["--data.init_args.workers=0", "--data.init_args.validation_share=0.3"]
    if "progressive" in data:
        large = model["loss"] == "charbonnier-ms-ssim"
        phases = [[3, 2, 176], [9, 1, 180]] if large else [[3, 2, 32], [9, 1, 48]]
        chosen += [f"--data.init_args.progressive={phases}", "--data.init_args.steps=2"]
    if "init_from" in model:
        chosen.append("--model.init_args.init_from=null")
    if model["network"] in OPTIONS:
        chosen.append(f"--model.init_args.network_options={OPTIONS[model['network']]}")
    if "tlc" in model:
        chosen.append("--model.init_args.tlc=32")
    quiet = ["enable_progress_bar=false", "enable_model_summary=false", "log_every_n_steps=1"]
    return [*chosen, *(f"--trainer.{one}" for one in [*quiet, *LENGTH])]


def clean(name: str, model: Path, folder: Path, out: Path) -> None:
    """Clean a folder by the verb of the recipe's task; where none is, by the model alone."""
    if name.startswith("occlusion") or "erasenet" in name:
        verb = "occlusion" if name.startswith("occlusion") else "watermark"
        asked = [verb, str(folder / "input"), "-o", str(out), "--model", str(model)]
        if "fill" in name or "nafnet" in name:
            asked += ["--mask", str(folder / "mask")]
        result = CliRunner().invoke(make_app(), asked)
        assert result.exit_code == 0, result.output
    else:
        planned = plan([folder / "input"], out, out.with_name("masks"))
        alone = Run(planned, lambda threads: Exported(model, device="cpu", threads=1))
        assert {outcome.status for outcome in alone.outcomes()} == {"done"}
        changed = [
            (read_rgb(path) != read_rgb(folder / "input" / path.name)).any()
            for path in out.glob("*.png")
        ]
        assert all(changed) if name.startswith("noise") else not any(changed)
        assert len(list(out.with_name("masks").glob("*.png"))) == 6
    assert len(list(out.glob("*.png"))) == 6


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in SMALL]
)
def test_from_files_to_a_model(name: str, pages: Path, mosaics: Path, tmp_path: Path) -> None:
    folder = mosaics if name.startswith("raw") else pages
    run = tmp_path / "run"
    given = [name, "--data", str(folder), "--run", str(run), *tiny(name)]
    assert main("train", [*given, "--trainer.max_epochs=1"]) == 0
    last = run / "checkpoints/last.ckpt"
    steps = torch.load(last, weights_only=True)["global_step"]
    assert main("train", [*given, "--trainer.max_epochs=2", "--resume"]) == 0
    content = torch.load(last, weights_only=True)
    assert content["global_step"] > steps
    assert all(torch.isfinite(x).all() for x in content["state_dict"].values())
    assert (run / "checkpoints/best.ckpt").is_file()
    assert list((run / "sheets").glob("*.jpg"))
    model = tmp_path / "mine.onnx"
    assert main("export", [str(last), "-o", str(model), "--tile", "64"]) == 0
    card = load(model, device="cpu", threads=1).card
    assert card.recipe == name
    assert card.task == resolved(find_recipe(name), find_recipe)["card"]["task"]
    table = tmp_path / "figures.csv"
    assert main("evaluate", [str(folder), "--model", str(model), "--csv", str(table)]) == 0
    assert len(table.read_text().splitlines()) == 1 + 6 + 1
    if folder is pages:  # evaluating has cleaned the mosaics
        clean(name, model, folder, tmp_path / "cleaned")


def test_every_recipe_has_a_small_variant() -> None:
    shipped = {card.recipe for card in cards()} - {"denoise-raw"}  # has a small variant, too
    shipped |= {"watermark-locator", "watermark-filler", "denoiser-2", "photo-filler"}
    shipped |= {"occlusion-locator", "occlusion-filler", "watermark-locator-3"}  # other stages
    shipped |= {"handwriting", "handwriting-2", "handwriting-locator", "cutout-locator"}
    shipped |= {"cutout-locator-2"}
    large = {name for name in recipes() if not name.endswith("-cpu")} - shipped
    assert {f"{name}-cpu" for name in large} == set(SMALL) | OWN
