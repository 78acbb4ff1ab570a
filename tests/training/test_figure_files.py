"""A run's figures without TensorBoard, its best epochs, its early end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from cleanplate.training.cli import main
from cleanplate.training.curves import curves
from cleanplate.training.figure_files import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run


def test_a_row_an_epoch_and_a_row_a_picture(whole: Run) -> None:
    rows = read_table(whole.folder / "metrics.csv")
    assert [(row["epoch"], row["step"]) for row in rows] == [("0", "2"), ("1", "4"), ("2", "6")]
    assert all(float(row["val/psnr"]) > 0 and float(row["train/loss"]) > 0 for row in rows)
    pictures = read_table(whole.folder / "pictures.csv")
    assert len(pictures) == 2 and all(row["picture"].startswith("input/") for row in pictures)
    mean = np.mean([float(row["psnr"]) for row in pictures])
    assert mean == pytest.approx(float(rows[-1]["val/psnr"]), abs=1e-3)
    assert np.asarray(Image.open(whole.folder / "curves.png")).std() > 0


def test_a_small_run_is_small(whole: Run) -> None:
    size = sum(path.stat().st_size for path in whole.folder.rglob("*") if path.is_file())
    assert size < 2e6


def test_the_best_epochs_are_kept_and_rows_replaced(whole: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = [str(whole.recipe), "--data", str(whole.data), "--run", str(run), "--keep", "2"]
    assert main("train", [*given, "--trainer.max_epochs=2"]) == 0
    assert main("train", [*given, "--trainer.max_epochs=3", "--resume"]) == 0
    kept = [path.name for path in (run / "checkpoints").glob("epoch-*")]
    found = [re.fullmatch(r"epoch-(\d{3})-psnr-(\d+\.\d\d)\.ckpt", name) for name in kept]
    assert len(found) == 2 and all(found)
    rows = read_table(run / "metrics.csv")
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    told = sorted(f"{float(row['val/psnr']):.2f}" for row in rows)[-2:]
    assert sorted(match[2] for match in found if match) == told


def test_a_run_that_gets_no_better_ends_early(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    given = [str(whole.recipe), "--data", str(whole.data), "--run", str(run), "--patience", "2"]
    still = "--model.init_args.optimizer.init_args.lr=0.0"
    assert main("train", [*given, still, "--trainer.max_epochs=9"]) == 0
    assert len(read_table(run / "metrics.csv")) < 9
    assert "was not bettered in 2 validations" in capsys.readouterr().out
    assert "EarlyStopping" in (run / "config.yaml").read_text()


@pytest.mark.parametrize("more", [(), ("--patience", "9")])
def test_a_run_past_its_steps_keeps_its_rows(
    more: tuple[str, ...], whole: Run, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    given = [str(whole.recipe), "--data", str(whole.data), "--run", str(run)]
    assert main("train", [*given, *more, "--trainer.max_steps=2"]) == 0
    first = read_table(run / "metrics.csv")
    assert main("train", [*given, "--trainer.max_steps=4", "--resume"]) == 0
    rows = read_table(run / "metrics.csv")
    assert rows[:-1] == first and [row["step"] for row in rows] == ["2", "4"]
    assert all(float(row["val/psnr"]) > 0 for row in rows)


def test_a_curve_rises_to_the_right() -> None:
    drawn = curves([1, 2, 3], {"psnr": [1.0, float("nan"), 3.0], "none": [float("nan")] * 3})
    blue = np.argwhere((drawn == (60, 90, 160)).all(-1))
    first, last = blue[blue[:, 1].argmin()], blue[blue[:, 1].argmax()]
    assert first[0] > last[0] and drawn.shape == (160, 3 * 480, 3)
