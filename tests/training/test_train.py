"""A tiny run from files on disk: what it leaves, cut and resumed, and what stops it."""

from __future__ import annotations

import re
import signal
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback

from cleanplate import models
from cleanplate.errors import CleanplateError, PictureError, UsageError
from cleanplate.training import train as training
from cleanplate.training.callbacks import TO_RESUME, WorseThanNothing
from cleanplate.training.cli import main
from cleanplate.training.train import recipes

if TYPE_CHECKING:
    from conftest import Run


class Crash(Callback):
    """Ends a run after a step, with or without a checkpoint just before."""

    def __init__(self, step: int, saves_to: Path | None) -> None:
        self.step, self.saves_to = step, saves_to

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self.step:
            if self.saves_to:
                trainer.save_checkpoint(self.saves_to)
            raise RuntimeError("crash")


def start(run: Run, folder: Path, *more: str) -> int:
    given = [str(run.recipe), "--data", str(run.data), "--run", str(folder), *more]
    return main("train", given)


def last_of(folder: Path) -> Path:
    return folder / "checkpoints/last.ckpt"


def settings_of(folder: Path) -> Any:
    return yaml.safe_load((folder / "config.yaml").read_text())


def test_run_leaves_what_it_should(whole: Run) -> None:
    kept = {path.name for path in (whole.folder / "checkpoints").iterdir()}
    assert kept == {"best.ckpt", "last.ckpt"}
    assert len(list((whole.folder / "sheets").glob("*.jpg"))) == 3
    assert (whole.folder / "config.yaml").is_file()
    [events] = whole.folder.glob("events.out.tfevents*")
    curves = events.read_bytes()
    for name in ("val/psnr", "train/bce_l1", "train/l1_inside", "data/wait_share"):
        assert name.encode() in curves


def test_only_the_last_checkpoint_holds_what_resuming_needs(whole: Run) -> None:
    best, last = (torch.load(path, weights_only=True) for path in (whole.best, whole.last))
    assert set(last) - set(best) == set(TO_RESUME)
    assert set(best["state_dict"]) == set(last["state_dict"])


def test_a_run_that_ends_in_its_first_epoch_leaves_what_export_takes(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert start(whole, folder, "--trainer.max_steps=1") == 0
    assert f"`cleanplate export` takes {last_of(folder)}" in capsys.readouterr().out
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["last.ckpt"]
    assert main("export", [str(last_of(folder)), "-o", str(tmp_path / "mine.onnx")]) == 0
    assert models.load(tmp_path / "mine.onnx", device="cpu").card.outputs == ("mask", "picture")


def test_warm_restart_divides_the_rate_and_empties_the_state(whole: Run) -> None:
    parameters = whole.steps[1][1]
    assert parameters > 0
    rates = [rate for rate, _ in whole.steps]
    assert rates == pytest.approx([2e-3] * 4 + [2e-4] * 2)
    assert [state for _, state in whole.steps] == [0, *[parameters] * 3, 0, parameters]


@pytest.mark.parametrize(
    ("step", "saves"), [(1, True), (3, False), (3, True), (4, True), (5, False)]
)
def test_a_cut_run_equals_a_whole_one(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, saves: bool
) -> None:
    last = tmp_path / "run/checkpoints/last.ckpt"
    kept = training.checkpoints
    crash = Crash(step, last if saves else None)
    with monkeypatch.context() as patch:
        patch.setattr(training, "checkpoints", lambda *given: [*kept(*given), crash])
        with pytest.raises(RuntimeError, match="crash"):
            start(whole, tmp_path / "run")
    assert start(whole, tmp_path / "run", "--resume") == 0
    one, two = (torch.load(path, weights_only=True) for path in (whole.last, last))
    assert one["global_step"] == two["global_step"] == 6
    for kind in ("state_dict", "current_model_state"):
        for name, value in one[kind].items():
            torch.testing.assert_close(two[kind][name], value, rtol=0, atol=1e-6)
    assert torch.equal(one["place"]["cpu"], two["place"]["cpu"])
    assert one["place"]["served"] == two["place"]["served"] == 6
    optimizers = [content["optimizer_states"][0] for content in (one, two)]
    assert optimizers[0]["param_groups"] == optimizers[1]["param_groups"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    last = last_of(tmp_path / "run")

    class Send(Callback):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            assert last.is_file()  # from the start on
            if trainer.global_step == 2:
                signal.raise_signal(number)

    kept, before = training.checkpoints, signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(training, "checkpoints", lambda *given: [*kept(*given), Send()])
        with pytest.raises(CleanplateError, match=r"step 3, .*--run .*run --resume$"):
            start(whole, tmp_path / "run")
    assert signal.getsignal(number) is before
    assert torch.load(last, weights_only=True)["global_step"] == 3
    assert start(whole, tmp_path / "run", "--resume") == 0
    one, two = (torch.load(path, weights_only=True) for path in (whole.last, last))
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][name], value, rtol=0, atol=1e-6)


def test_two_signals_end_at_once(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Send(Callback):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    kept, before = training.checkpoints, signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(training, "checkpoints", lambda *given: [*kept(*given), Send()])
        with pytest.raises(CleanplateError, match=r"Stopped.*--resume"):
            start(whole, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("found", "said"), [(20.0, True), (31.0, False)])
def test_a_run_that_ends_worse_than_doing_nothing_says_so(found: float, said: bool) -> None:
    figures = {"val/psnr": found, "val/psnr_input": 30.0}
    trainer = SimpleNamespace(callback_metrics=figures, sanity_checking=False)
    watch = WorseThanNothing()
    watch.on_validation_end(trainer, None)
    figures["val/psnr"] = found - 5  # the best counts
    watch.on_validation_end(trainer, None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watch.on_fit_end(trainer, None)
    assert any("no better: 20.00 dB" in str(one.message) for one in caught) is said


def test_a_resumed_run_keeps_its_settings(whole: Run, plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    loss = "--model.init_args.loss={mask_l1: 1.0, l1: 2.5}"
    elsewhere = ["--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={tmp_path / 'curves'}"]
    first = ["--data.init_args.batch_size=1", "--trainer.max_epochs=1", loss, *elsewhere]
    start(whole, folder, *first, "--from", str(whole.best))
    assert settings_of(folder)["model"]["init_args"]["init_from"] == str(whole.best)
    again = [str(whole.recipe), "--run", str(folder), "--resume", "--trainer.max_epochs=2"]
    assert main("train", again) == 0
    kept = settings_of(folder)
    model, data = kept["model"]["init_args"], kept["data"]["init_args"]
    assert model["loss"] == {"mask_l1": 1.0, "l1": 2.5} and model["init_from"] is None
    assert (data["batch_size"], data["folder"]) == (1, str(whole.data))
    assert (kept["trainer"]["max_epochs"], kept["ckpt_path"]) == (2, str(last_of(folder)))
    content = torch.load(last_of(folder), weights_only=True)
    assert content["global_step"] == 2 * 4
    assert main("train", [*again, "--trainer.max_epochs=3", "--data", str(plain)]) == 0
    assert settings_of(folder)["data"]["init_args"]["folder"] == str(plain)


def test_average_is_not_the_weights(whole: Run) -> None:
    content = torch.load(whole.last, weights_only=True)
    name = "network.picture.weight"
    assert not torch.equal(content["state_dict"][name], content["current_model_state"][name])


def test_a_run_is_not_overwritten(whole: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--resume"):
        start(whole, whole.folder)
    with pytest.raises(UsageError, match="no checkpoint"):
        start(whole, tmp_path, "--resume")


def test_losses_need_their_module(whole: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hinge"):
        start(whole, tmp_path, "--model.init_args.loss=erasenet")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_picture_ends_the_run_with_its_name(
    whole: Run, plain: Path, tmp_path: Path, workers: int
) -> None:
    for path in (plain / "target").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    given = [str(whole.recipe), "--data", str(plain), "--run", str(tmp_path / "run")]
    with pytest.raises(PictureError) as error:
        main("train", [*given, f"--data.init_args.workers={workers}"])
    assert re.search(r"p\d\.png", str(error.value))
    assert "\n" not in str(error.value)


def test_nan_names_the_batch(whole: Run, tmp_path: Path) -> None:
    rate = "--model.init_args.optimizer.init_args.lr=1e30"
    with pytest.raises(CleanplateError, match=r"step \d .*input/p\d\.png"):
        start(whole, tmp_path / "run", rate)


OURS = [name for name in recipes() if name.endswith(("erasenet", "erasenet-cpu"))]


@pytest.mark.parametrize("name", OURS)
def test_shipped_recipes_print_as_recipes(
    name: str, plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("train", [name, "--data", str(plain), "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["data"]["init_args"]["folder"] == str(plain)
    assert printed["model"]["init_args"]["loss"]["l1"] == 1.5


@pytest.mark.parametrize("has", [False, True])
def test_bfloat16_is_not_emulated(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert (
        training.in_vain("bf16-mixed", "cpu") == training.in_vain("bf16-mixed", "auto") == (not has)
    )
    assert not training.in_vain("32-true", "cpu") and not training.in_vain("bf16-mixed", "gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not training.in_vain("bf16-mixed", "auto")


def test_a_run_without_bfloat16_is_trained_in_float32(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    monkeypatch.setattr(training, "in_vain", lambda precision, _: precision == "bf16-mixed")
    monkeypatch.setattr(
        training.pl.Trainer, "fit", lambda self, *_, **__: seen.append(self.precision)
    )
    assert start(whole, tmp_path, "--trainer.precision=bf16-mixed") == 0
    assert "no bfloat16" in capsys.readouterr().out and seen == ["32-true"]
