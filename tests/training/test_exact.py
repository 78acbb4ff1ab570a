"""Runs that were cut, staged or spread over processes come out as they should."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from cleanplate.errors import CleanplateError, UsageError
from cleanplate.training import losses
from cleanplate.training import train as training
from cleanplate.training.callbacks import origin
from cleanplate.training.cli import main
from cleanplate.training.export import load_checkpoint
from cleanplate.training.modules.adversarial import CRITICS
from cleanplate.training.modules.erasing import Erasing
from cleanplate.training.modules.watermark_filling import WatermarkFilling
from cleanplate.training.perceptual import VggPools

QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
COMMON = [*QUIET, "--data.init_args.workers=0", "--data.init_args.validation_share=0.34"]
NAFNET = "--model.init_args.network_options={width: 4, encoder: [1], middle: 1, decoder: [1]}"
PLAIN = [
    "occlusion-nafnet-cpu",
    *COMMON,
    NAFNET,
    "--model.init_args.tlc=16",
    "--data.init_args.progressive=null",
    "--data.init_args.crop=16",
    "--trainer.max_steps=-1",
]
PROGRESSIVE = [
    *PLAIN,
    "--data.init_args.progressive=[[2, 3, 8], [1, 2, 16], [3, 1, 24]]",
    "--data.init_args.steps=3",
    "--model.init_args.schedule.init_args.periods=[2, 4]",
    "--trainer.max_epochs=2",
]
ADVERSARIAL = [
    "occlusion-fill-2-cpu",
    *COMMON,
    "--model.init_args.init_from=null",
    "--model.init_args.network_options.width=8",
    "--model.init_args.discriminator_options.width=0.05",
    "--model.init_args.schedule.init_args.period=2",
    "--data.init_args.factor=1",
    "--data.init_args.crop=16",
    "--data.init_args.batch_size=1",
    "--trainer.limit_train_batches=3",
    "--trainer.max_epochs=2",
]
PUBLISHED = [
    "watermark-erasenet-published-cpu",
    *COMMON,
    "--model.init_args.network_options.width=0.0625",
    "--model.init_args.discriminator_options.width=0.0625",
    "--data.init_args.crop=64",
    "--data.init_args.batch_size=1",
    "--trainer.limit_train_batches=3",
    "--trainer.max_epochs=2",
]


COUNTED = [*PROGRESSIVE, "--trainer.max_epochs=-1", "--trainer.max_steps=6"]


class Crash(Callback):
    """Ends a run in the middle of its second epoch, with or without a checkpoint just before."""

    def __init__(self, saves_to: Path | None) -> None:
        self.saves_to = saves_to

    def on_train_batch_end(self, trainer: Any, module: Any, out: Any, batch: Any, i: int) -> None:
        if trainer.current_epoch == 1 and i == 0:
            if self.saves_to:
                trainer.save_checkpoint(self.saves_to)
            raise RuntimeError("crash")


def run(arguments: list[str], data: Path, folder: Path, *more: str) -> dict[str, Any]:
    name, *others = arguments
    given = [name, "--data", str(data), "--run", str(folder), *others, *more]
    assert main("train", given) == 0
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)


@pytest.mark.parametrize(
    ("arguments", "saves"),
    [(PROGRESSIVE, True), (COUNTED, False), (ADVERSARIAL, True), (PUBLISHED, True)],
    ids=["progressive", "steps", "adversarial", "published"],
)
def test_a_cut_run_equals_a_whole_one(
    arguments: list[str],
    saves: bool,
    plain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = run(arguments, plain, tmp_path / "whole")
    kept = training.checkpoints
    crash = Crash(tmp_path / "cut/checkpoints/last.ckpt" if saves else None)
    with monkeypatch.context() as patch:
        patch.setattr(training, "checkpoints", lambda *given: [*kept(*given), crash])
        with pytest.raises(RuntimeError, match="crash"):
            run(arguments, plain, tmp_path / "cut")
    two = run(arguments, plain, tmp_path / "cut", "--resume")
    assert one["global_step"] == two["global_step"]
    for part in ("state_dict", "current_model_state"):
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=0, atol=1e-6)
    assert one["place"]["served"] == two["place"]["served"] == 6
    rates = [[o["param_groups"][0]["lr"] for o in c["optimizer_states"]] for c in (one, two)]
    assert rates[0] == rates[1]
    counts = [[s["last_epoch"] for s in c["lr_schedulers"]] for c in (one, two)]
    assert counts[0] == counts[1] == [6] * len(counts[0])


def test_the_discriminator_learns_on_every_third_batch(plain: Path, tmp_path: Path) -> None:
    content = run(ADVERSARIAL, plain, tmp_path / "run")
    network, critic = content["optimizer_states"]
    assert {int(state["step"]) for state in network["state"].values()} == {6}
    assert {int(state["step"]) for state in critic["state"].values()} == {2}


def test_accumulated_batches_are_one_of_their_size(plain: Path, tmp_path: Path) -> None:
    """Two batches of one picture teach the network what one of two does, also at an epoch's end."""
    alone = [*BOTH, "--model.init_args.loss={both_l1: 100, hinge: 0}", "--trainer.max_epochs=1"]
    pairs = ["--data.init_args.batch_size=2", "--trainer.limit_train_batches=2"]
    one = run(alone, plain, tmp_path / "one", *pairs)
    more = ["--model.init_args.accumulate=2", "--trainer.limit_train_batches=4"]
    two = run(alone, plain, tmp_path / "two", *more)
    weights = [
        {name: w for name, w in made["current_model_state"].items() if name.startswith("network.")}
        for made in (one, two)
    ]
    assert weights[0]
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=1e-6)
    more = ["--model.init_args.accumulate=2", "--model.init_args.ratio=2"]
    counted = run([*ADVERSARIAL, *more], plain, tmp_path / "counted")
    network, critic = counted["optimizer_states"]
    assert {int(state["step"]) for state in network["state"].values()} == {4}
    assert {int(state["step"]) for state in critic["state"].values()} == {2}
    assert [schedule["last_epoch"] for schedule in counted["lr_schedulers"]] == [4, 4]


def test_the_gradient_of_either_network_is_clipped(plain: Path, tmp_path: Path) -> None:
    moved: dict[str, float] = {}

    class Watch(Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            self.before = {name: p.detach().clone() for name, p in module.named_parameters()}

        def on_train_end(self, trainer: Any, module: Any) -> None:
            for part in ("network", "discriminator"):
                steps = [
                    (p.detach() - self.before[name]).square().sum()
                    for name, p in module.named_parameters()
                    if name.startswith(f"{part}.")
                ]
                moved[part] = float(torch.stack(steps).sum().sqrt())

    kept = training.checkpoints
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "checkpoints", lambda *given: [*kept(*given), Watch()])
        more = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]
        for optimizer in ("optimizer", "discriminator_optimizer"):
            more.append(f"--model.init_args.{optimizer}.init_args.lr=100")
        run([*BOTH, *more], plain, tmp_path / "run", "--model.init_args.clip=1.0e-4")
    assert moved == pytest.approx({"network": 0.01, "discriminator": 0.01}, rel=0.01)


def test_erasenet_learns_by_all_published_terms(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "VggPools", partial(VggPools, pretrained=None))
    name, *others = PUBLISHED
    more = ["--trainer.accelerator=cpu", "--trainer.log_every_n_steps=1", "--trainer.max_epochs=1"]
    content = run([name.removesuffix("-cpu"), *others], plain, tmp_path / "run", *more)
    assert all(torch.isfinite(value).all() for value in content["state_dict"].values())
    [events] = (tmp_path / "run").glob("events.out.tfevents*")
    curves = events.read_bytes()
    for term in (*losses.COMPOSITES["erasenet"], "discriminator"):
        assert f"train/{term}".encode() in curves


def test_steps_of_the_discriminator_are_not_counted(plain: Path, tmp_path: Path) -> None:
    limits = ["--trainer.max_steps=2", "--trainer.max_epochs=-1", "--model.init_args.ratio=1"]
    content = run([*ADVERSARIAL, *limits], plain, tmp_path / "run")
    assert content["global_step"] == 2
    for optimizer in content["optimizer_states"]:
        assert {int(state["step"]) for state in optimizer["state"].values()} == {2}


@pytest.mark.parametrize("term", CRITICS)
def test_the_discriminator_learns_by_the_counterpart_of_the_term(term: str) -> None:
    options = {"width": 0.0625}
    module = Erasing(
        network_options=options, discriminator_options=options, loss={"l1": 1.0, term: 0.1}
    )
    assert module.critic_loss.__name__ == f"{term}_discriminator"
    for wrong in ({"l1": 1.0}, dict.fromkeys(("hinge", "wasserstein"), 1.0)):
        with pytest.raises(UsageError, match="hinge, least_squares, wasserstein"):
            Erasing(network_options=options, discriminator_options=options, loss=wrong)


def test_a_stage_starts_from_the_averaged_weights(plain: Path, tmp_path: Path) -> None:
    first = run(PLAIN, plain, tmp_path / "first", "--trainer.max_epochs=1")
    best = tmp_path / "first/checkpoints/best.ckpt"
    started: dict[str, torch.Tensor] = {}

    class Look(Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            started.update({k: v.clone() for k, v in module.network.state_dict().items()})
            assert not trainer.optimizers[0].state

    with pytest.MonkeyPatch.context() as patch:
        kept = training.checkpoints
        patch.setattr(training, "checkpoints", lambda *given: [*kept(*given), Look()])
        more = ["--trainer.max_epochs=1", "--from", str(best)]
        run(PLAIN, plain, tmp_path / "second", *more)
    for name, value in started.items():
        assert torch.equal(value, first["state_dict"][f"network.{name}"])
    with pytest.raises(UsageError, match="another network"):
        run(PLAIN, plain, tmp_path / "third", "--from", str(best), f"{NAFNET[:-1]}, planes: 4}}")
    with pytest.raises(UsageError, match=r"none\.ckpt is missing"):
        run(PLAIN, plain, tmp_path / "third", "--from", str(tmp_path / "none.ckpt"))


def test_tlc_goes_with_the_checkpoint(plain: Path, tmp_path: Path) -> None:
    run(PLAIN, plain, tmp_path / "run", "--trainer.max_epochs=1")
    network, info = load_checkpoint(tmp_path / "run/checkpoints/best.ckpt")
    assert info["tlc"] == 16
    assert network.middle[0].pool.window == (12, 12)
    assert info["card"]["task"] == "occlusion"


def test_nan_names_the_layer(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Spoil(Callback):
        """One layer gives no numbers from the second batch on."""

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            if index == 1:
                layer = module.network.middle[0].expand
                layer.register_forward_hook(lambda layer, given, found: found * float("nan"))

    kept = training.checkpoints
    monkeypatch.setattr(training, "checkpoints", lambda *given: [Spoil(), *kept(*given)])
    more = ["--trainer.max_epochs=1", "--data.init_args.batch_size=2"]
    expected = r"step 1 .*input/p\d\.png.*begins in the layer network\.middle\.0\.expand"
    with pytest.raises(CleanplateError, match=expected):
        run(PLAIN, plain, tmp_path / "run", *more)


def test_nan_names_the_layer_of_a_module_that_draws_its_batches() -> None:
    module = WatermarkFilling(network_options={"widths": [8, 8]})
    layer = module.network.bottom[0].second
    layer.register_forward_hook(lambda layer, given, found: found * float("nan"))
    batch = {"input": torch.rand(2, 3, 16, 16), "rough": torch.ones(2, 1, 16, 16)}
    assert origin(module, batch) == "it begins in the layer network.bottom.0.second"


def test_waiting_is_told(plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(PLAIN, plain, tmp_path / "run", "--trainer.max_epochs=2")
    assert "% of the time of training was spent waiting for data" in caplog.text


SGD = "{class_path: torch.optim.SGD, init_args: {lr: 1.0e-2}}"
BOTH = [  # without Adam, which makes much of the least difference between two sums
    *ADVERSARIAL,
    f"--model.init_args.optimizer={SGD}",
    f"--model.init_args.discriminator_optimizer={SGD}",
    "--model.init_args.loss={both_l1: 100, hinge: 1}",
]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [PLAIN, BOTH], ids=["plain", "adversarial"])
def test_two_processes_learn_as_one(arguments: list[str], plain: Path, tmp_path: Path) -> None:
    arguments = [*arguments, "--trainer.max_epochs=3", "--trainer.limit_train_batches=1"]
    one = run(arguments, plain, tmp_path / "one", "--data.init_args.batch_size=4")
    spread = ["--trainer.devices=2", "--trainer.strategy=ddp_find_unused_parameters_true"]
    command = [str(Path(sys.executable).with_name("cleanplate")), "train", *arguments, *spread]
    command += ["--data", str(plain), "--run", str(tmp_path / "two")]
    subprocess.run([*command, "--data.init_args.batch_size=2"], check=True, timeout=600)
    two = torch.load(tmp_path / "two/checkpoints/last.ckpt", weights_only=True)
    assert one["provenance"]["figures"] == pytest.approx(two["provenance"]["figures"], abs=1e-3)
    for part in ("state_dict", "current_model_state"):
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=0, atol=1e-6)
