"""Trainings that are tried for some steps: what they tell, and that they leave nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from cleanplate.errors import CleanplateError, UsageError
from cleanplate.training import dry_run, rate_finder
from cleanplate.training.cli import main
from cleanplate.training.dry_run import Part
from cleanplate.training.memory import Memory

if TYPE_CHECKING:
    from conftest import Run

PROGRESSIVE = "--data.init_args.progressive=[[6, 2, 16], [4, 1, 32]]"


def told(run: Run, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main("train", [str(run.recipe), "--data", str(run.data), *more]) == 0
    return capsys.readouterr().out


def test_a_dry_run_tells_what_a_run_would_do(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = told(whole, capsys, "--dry-run", "--trainer.accumulate_grad_batches=2")
    assert "4 pairs to train on, 2 to validate on" in said
    assert re.search(r"training +6 batches, 3 updates", said)  # 3 epochs of 4 pairs in twos
    assert re.search(r"validation .* 2 batches, 3 times", said)
    assert "a batch of 2 fits" in said and "Nothing was written." in said
    assert not list(tmp_path.iterdir())


def test_a_dry_run_measures_every_phase(whole: Run, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(whole, capsys, "--dry-run", PROGRESSIVE, "--data.init_args.steps=5")
    assert "6 x 2 of 16 pixels" in said and "9 x 1 of 32 pixels" in said  # the last goes on
    assert re.search(r"training +15 batches", said)


def test_a_dry_run_ends_in_one_line(whole: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        main("train", [str(whole.recipe), "--data", str(tmp_path / "none"), "--dry-run"])
    with pytest.raises(UsageError, match="leave out --resume"):
        main("train", [str(whole.recipe), "--dry-run", "--resume"])
    with pytest.raises(UsageError, match="not allowed with"):
        main("train", [str(whole.recipe), "--dry-run", "--find-rate"])
    with pytest.raises(UsageError, match=r"mean --data\.init_args\.batch_size"):
        given = [str(whole.recipe), "--data", str(whole.data), "--dry-run"]
        main("train", [*given, "--data.init_args.bach_size=3"])


def test_what_does_not_fit_is_accumulated(
    whole: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Small(Memory):
        """Each sample takes a gigabyte beside two; there are eight, of which 90 % may be used."""

        def peak(self) -> int:
            return 1_000_000_000 * (2 + self.samples)

        def there(self) -> int:
            return 8_000_000_000

    class Watch(dry_run.Steps):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, n: int):  # type: ignore[override]
            self.memory.samples = len(batch["input"])
            super().on_train_batch_end(trainer, module, outputs, batch, n)

    monkeypatch.setattr(dry_run, "Memory", Small)
    monkeypatch.setattr(dry_run, "Steps", Watch)
    size = ["--data.init_args.batch_size=12", "--data.init_args.epoch_size=24"]
    said = told(whole, capsys, "--dry-run", *size)
    assert "a batch of 12 does not fit, one of 5 does" in said
    assert "--data.init_args.batch_size=4 --trainer.accumulate_grad_batches=3" in said
    assert "1.000 GB a sample; 7.2 GB may be used" in said and "of 5 samples" in said


def test_memory_of_a_part_is_foretold() -> None:
    part = Part(10, 64, None, {2: 300, 4: 500})
    part.foretell(1000)
    assert (part.fits, part.tried, part.accumulated) == (9, 9, 8)
    flat = Part(10, 64, None, {2: 300, 4: 300})
    flat.foretell(1000)
    assert flat.fits is None and flat.tried == 64


def test_memory_of_this_process_is_told() -> None:
    if not Memory(torch.device("cpu")).peak():
        pytest.skip("the system does not tell")
    # In a small process: of a large one the system may take as much away meanwhile.
    code = """
from types import SimpleNamespace
import numpy as np
from cleanplate.training.memory import Memory
memory = Memory(SimpleNamespace(type="cpu"))
memory.forget()
before = memory.peak()
np.ones(50_000_000, np.uint8)
print(before, memory.peak(), memory.there())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after, there = map(int, done.stdout.split())
    assert 40e6 < after - before < 200e6 and there > before


def test_the_rate_is_where_the_loss_falls_fastest() -> None:
    place = np.arange(100)
    losses = 1 / (1 + np.exp((place - 50) / 4)) + np.where(place > 80, (place - 80) / 10, 0)
    found = rate_finder.read(losses.tolist())
    assert 47 <= found.steepest <= 53
    assert 60 < found.least < 90
    with pytest.raises(CleanplateError, match="fell at no rate"):
        rate_finder.read(np.linspace(1, 2, 60).tolist())
    with pytest.raises(CleanplateError, match="after 3 steps"):
        rate_finder.read([1.0, 2.0, 3.0])


def test_a_sweep_suggests_a_rate_and_draws_only_what_is_asked(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    long = ["--data.init_args.epoch_size=400"]
    said = told(whole, capsys, "--find-rate", *long)
    rate = float(re.search(r"Suggested rate: (\S+); the recipe has 2.0e-03", said)[1])  # type: ignore[index]
    assert 1e-6 < rate < 1 and not list(tmp_path.iterdir())
    told(whole, capsys, "--find-rate", "--rate-curve", "curve.png", *long)
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
    with pytest.raises(UsageError, match="goes with --find-rate"):
        main("train", [str(whole.recipe), "--rate-curve", "x.png"])


def test_a_sweep_keeps_the_proportions_of_rates() -> None:
    one, two = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    groups = [{"params": one.parameters(), "lr": 1e-3}, {"params": two.parameters(), "lr": 3e-4}]
    optimizer = torch.optim.Adam(groups)
    sweep = rate_finder.Sweep()
    trainer: Any = type("Trainer", (), {"optimizers": [optimizer]})
    sweep.on_train_start(trainer, None)  # type: ignore[arg-type]
    sweep.on_train_batch_start(trainer, None)  # type: ignore[arg-type]
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([1e-6, 3e-7])
