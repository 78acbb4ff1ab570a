"""The denoiser's training: its crops, its loss, and that it is told and tells how noisy it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import cleanplate  # noqa: E402
from cleanplate.training import networks  # noqa: E402
from cleanplate.training.data.noisy import NoisyCrops, measured, with_noise  # noqa: E402
from cleanplate.training.export import export_checkpoint  # noqa: E402
from cleanplate.training.train import train  # noqa: E402


def scene(side: int = 200) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(20, 230, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def test_crops_tell_how_noisy_they_are() -> None:
    errors = []
    for seed in range(40):
        noisy, clean, level = with_noise(np.random.default_rng(seed), scene(), 64)
        assert noisy.shape == clean.shape == (64, 64, 3) and level.shape == (64, 64)
        spread = np.sqrt(((noisy.astype(float) - clean) ** 2).mean())
        errors.append(abs(255 * level.mean() - spread) / (1 + spread))
    assert np.median(errors) < 0.1


def test_some_crops_are_clean() -> None:
    crops = NoisyCrops([[scene()]], [1.0], 32, 0, 200)
    clean = [item for n in range(200) if not (item := crops[(0, n)])["level"].any()]
    assert 3 <= len(clean) <= 20
    assert all(torch.equal(item["input"], item["target"]) for item in clean)


def test_an_item_is_always_the_same() -> None:
    crops = NoisyCrops([[scene()]], [1.0], 32, 0, 8)
    assert all(torch.equal(crops[(1, 3)][name], crops[(1, 3)][name]) for name in crops[(0, 0)])
    assert not torch.equal(crops[(1, 3)]["input"], crops[(2, 3)]["input"])


def test_the_level_is_local() -> None:
    clean = np.full((64, 128, 3), 128, np.uint8)
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    noise *= np.where(np.arange(128) < 64, 2, 20)[None, :, None]
    level = 255 * measured((clean + noise).clip(0, 255).astype(np.uint8), clean)
    assert level[:, :32].mean() == pytest.approx(2, rel=0.2)
    assert level[:, 96:].mean() == pytest.approx(20, rel=0.1)


def test_strength_is_what_the_level_is_multiplied_by() -> None:
    network = networks.create("denoiser", width=0.25).eval()
    torch.nn.init.normal_(network.body.head.weight, std=0.1)
    picture = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        level = network.estimate(picture)
        for strength in (0.0, 0.5, 2.0):
            planes = torch.cat([picture, torch.full((1, 1, 32, 48), strength)], 1)
            found = network(planes)
            assert torch.equal(found["level"], level) and (level > 0).all()
            expected = network.denoise(picture, strength * level)
            torch.testing.assert_close(found["picture"], expected)


def test_the_recipe_trains_and_exports(tmp_path: Path) -> None:
    (tmp_path / "data" / "some").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "some" / "scene.png"), scene())
    run = train(
        "denoiser",
        [
            "--model.init_args.network_options={width: 0.125}",
            "--model.init_args.square_after=1",
            "--data.init_args.backgrounds={some: 1.0}",
            "--data.init_args.validation=[some]",
            "--data.init_args.progressive=[[1,2,32],[1,1,48]]",
            "--data.init_args.steps=2",
            "--data.init_args.validation_pictures=2",
            "--data.init_args.workers=0",
            "--trainer.max_steps=2",
            "--trainer.accelerator=cpu",
        ],
        data=str(tmp_path / "data"),
        run=str(tmp_path / "run"),
    )
    assert run is not None
    export_checkpoint(run / "checkpoints" / "last.ckpt", tmp_path / "mine.onnx")
    card = (tmp_path / "mine.json").read_text()
    picture = np.full((70, 90, 3), 90, np.uint8)
    cleaned = cleanplate.clean(picture, "denoise", restorer=str(tmp_path / "mine.onnx"))
    assert cleaned.to_array().shape == picture.shape
    assert '"denoise"' in card and '"strength"' in card and '"level"' in card
