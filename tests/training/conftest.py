"""A tiny training set on disk, made anew for each test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_makers import save
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cleanplate.training import networks

RECIPE = """
seed_everything: 0
model:
  class_path: cleanplate.training.modules.restoration.Restoration
  init_args:
    network: test-eraser
    network_options: {channels: 6}
    loss: {bce_l1: 0.5, l1_inside: 0.5, l1_outside: 0.5, l1: 1.5}
    optimizer: {class_path: torch.optim.Adam, init_args: {lr: 2.0e-3}}
    schedule:
      class_path: cleanplate.training.schedules.WarmRestarts
      init_args: {period: 2, factor: 0.1}
data:
  class_path: cleanplate.training.data.pairs.Pairs
  init_args:
    crop: 32
    batch_size: 2
    workers: 0
    cache_gigabytes: 0.001
    validation_share: 0.34
trainer:
  accelerator: cpu
  max_epochs: 3
  log_every_n_steps: 1
  num_sanity_val_steps: 0
  use_distributed_sampler: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: cleanplate.training.callbacks.AveragedWeights
    - class_path: cleanplate.training.callbacks.ValidationSheet
    - class_path: cleanplate.training.callbacks.DataWait
    - class_path: cleanplate.training.callbacks.StopOnNan
"""


@networks.register(
    networks.NetworkCard(
        name="test-eraser",
        planes=3,
        multiple=4,
        outputs=("mask", "picture"),
        parameters=200,
        source="none",
        logits=("mask",),
    )
)
class Eraser(nn.Module):
    """What makes EraseNet hard to average, to resume and to export, in little."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            spectral_norm(nn.Conv2d(3, channels, 4, 2, 1)),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout2d(0.2),
            nn.Upsample(scale_factor=2),
        )
        self.mask = nn.Conv2d(channels, 1, 1)
        self.picture = nn.Conv2d(channels, 3, 1)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        maps = self.stem(picture)[..., : picture.shape[-2], : picture.shape[-1]]
        if maps.shape[-2:] != picture.shape[-2:]:  # an odd side lost its last row or column
            maps = nn.functional.interpolate(maps, picture.shape[-2:])
        return {"mask": self.mask(maps), "picture": picture + self.picture(maps)}


def draw(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A smooth picture, so that JPEG changes little."""
    small = Image.fromarray(rng.integers(0, 200, (4, 4, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def marked(clean: np.ndarray, place: int) -> np.ndarray:
    """With a bright square of 8 pixels at (place, place)."""
    dirty = clean.copy()
    dirty[place : place + 8, place : place + 8] = 255
    return dirty


def make_plain(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(6):
        clean = draw(rng, 40 + 3 * number, 50 - 4 * number)
        save(folder / f"target/p{number}.png", clean)
        save(folder / f"input/p{number}.png", marked(clean, 2 + number))
    return folder


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """input/ and target/ with six pairs of different sizes; the masks are to be made."""
    return make_plain(tmp_path / "pairs")


@pytest.fixture
def competition(tmp_path: Path) -> Path:
    """Three clean pictures with six versions each."""
    rng = np.random.default_rng(1)
    for picture in range(3):
        clean = draw(rng, 40, 48)
        save(tmp_path / f"set/bg_images/bg_image_{picture:05d}.png", clean)
        for version in range(6):
            name = f"set/watermarked_images/bg_image_{picture:05d}_{version:04d}.png"
            save(tmp_path / name, marked(clean, 4 * version))
    return tmp_path / "set"


@dataclass(frozen=True)
class Run:
    recipe: Path
    data: Path
    folder: Path
    steps: list[tuple[float, int]]  # rate and size of the optimiser's state before each step

    @property
    def last(self) -> Path:
        return self.folder / "checkpoints/last.ckpt"

    @property
    def best(self) -> Path:
        return self.folder / "checkpoints/best.ckpt"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run: 4 pairs to train on, batches of 2, so two steps an epoch; three epochs."""
    from lightning.pytorch.callbacks import Callback

    from cleanplate.training import train

    steps: list[tuple[float, int]] = []

    class Watch(Callback):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            optimizer = trainer.optimizers[0]
            steps.append((optimizer.param_groups[0]["lr"], len(optimizer.state)))

    folder = tmp_path_factory.mktemp("whole")
    data = make_plain(folder / "pairs")
    recipe = folder / "tiny.yaml"
    recipe.write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        kept = train.checkpoints
        patch.setattr(train, "checkpoints", lambda *given: [Watch(), *kept(*given)])
        train.train(str(recipe), data=str(data), run=str(folder / "run"))
    return Run(recipe, data, folder / "run", steps)
