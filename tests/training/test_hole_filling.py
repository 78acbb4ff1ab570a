"""The filler of photographs: its holes, what it is shown, and what its loss asks for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cleanplate.tasks.pull_push import pull_push_fill  # noqa: E402
from cleanplate.training.data.holed import HoledCrops  # noqa: E402
from cleanplate.training.data.synthesis.holes import MOST, holes  # noqa: E402
from cleanplate.training.export import export_checkpoint  # noqa: E402
from cleanplate.training.modules.hole_filling import HoleFilling, texture_loss  # noqa: E402
from cleanplate.training.train import train  # noqa: E402


def scene(seed: int = 0, side: int = 96) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def test_holes_are_there_and_leave_something() -> None:
    shares = [holes(np.random.default_rng(seed), 64, 80).mean() for seed in range(60)]
    assert min(shares) > 0 and max(shares) <= MOST
    assert np.ptp(shares) > 0.1


def test_nothing_of_a_hole_is_shown() -> None:
    items = [HoledCrops([[scene(0)]], [1.0], 64, 0, 8)[(0, n)] for n in range(8)]
    for item in items:
        known = item["hole"] == 0
        where = known.expand_as(item["guess"])
        assert torch.equal(item["guess"][where], item["target"][where])
        assert not torch.equal(item["guess"], item["target"])
        rgb, hole = item["target"].numpy().transpose(1, 2, 0), item["hole"][0].numpy() > 0
        other = np.where(hole[..., None], 1 - rgb, rgb)
        assert np.array_equal(pull_push_fill(other, hole), item["guess"].numpy().transpose(1, 2, 0))


def test_the_own_guess_is_a_coarse_one_of_the_hole_alone() -> None:
    module = HoleFilling(network_options={"width": 0.125})
    torch.manual_seed(0)
    fine, hole = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    hole[..., 16:48, 16:48] = 1
    own = module.own_guess(fine, hole)  # a new network gives its guess back
    where = hole.expand_as(own) == 0
    assert torch.equal(own[where], fine[where])
    assert 0 < own[~where].std() < 0.7 * fine[~where].std()
    assert not own.requires_grad


def test_texture_asks_for_detail_wherever_it_lies() -> None:
    torch.manual_seed(0)
    grain = 0.5 + 0.1 * torch.randn(1, 3, 64, 64)
    truth = {"picture": grain, "mask": torch.ones(1, 1, 64, 64)}
    other = texture_loss({"picture": 0.5 + 0.1 * torch.randn(1, 3, 64, 64)}, truth)
    fog = texture_loss({"picture": torch.full_like(grain, 0.5)}, truth)
    assert texture_loss({"picture": grain}, truth) == 0
    assert fog > 5 * other


def test_the_recipe_trains_and_exports(tmp_path: Path) -> None:
    (tmp_path / "data" / "some").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "some" / "scene.png"), scene(side=128))
    run = train(
        "photo-filler",
        [
            "--model.init_args.network_options={width: 0.125, heads: {}}",
            "--data.init_args.backgrounds={some: 1.0}",
            "--data.init_args.validation=[some]",
            "--data.init_args.crop=64",
            "--data.init_args.batch_size=2",
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
    assert '"inpaint"' in card and '"guess red"' in card and '"hole"' in card
