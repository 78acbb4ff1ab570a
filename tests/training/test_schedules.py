"""Rates, batches and crops at given steps, against the figures of the write-ups."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cleanplate.errors import UsageError
from cleanplate.training.data.loading import Phase, Progressive, ResumableLoader
from cleanplate.training.data.pairs import Pairs
from cleanplate.training.losses import COMPOSITES
from cleanplate.training.schedules import CosinePeriods, Cyclic, StepDecay, WarmRestarts
from cleanplate.training.settings import resolved
from cleanplate.training.train import find_recipe, recipes


def init_args(recipe: str, part: str) -> dict[str, Any]:
    return resolved(find_recipe(recipe), find_recipe)[part]["init_args"]


def rates(make: Any, rate: float, steps: list[int]) -> list[float]:
    """The rate before each of the steps, reached by that many calls of `step`."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = make(optimizer)
    found = {}
    for step in range(max(steps) + 1):
        found[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()
    return [found[step] for step in steps]


def at(make: Any, rate: float, step: int) -> float:
    """The rate at a step that would take long to reach by counting."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = make(optimizer)
    schedule.last_epoch = step
    [value] = schedule.get_lr()
    return value


def test_cosine_in_two_periods_as_in_the_nafnet_recipe() -> None:
    given = init_args("occlusion-nafnet", "model")
    rate, periods = given["optimizer"]["init_args"]["lr"], given["schedule"]["init_args"]["periods"]
    assert (rate, periods) == (2e-4, [184_000, 416_000])

    def make(optimizer: Any) -> CosinePeriods:
        return CosinePeriods(optimizer, periods)

    middle = (2e-4 + 1e-6) / 2
    assert at(make, rate, 0) == pytest.approx(2e-4)
    assert at(make, rate, 92_000) == pytest.approx(middle)
    assert at(make, rate, 183_999) == pytest.approx(1e-6, rel=1e-3)
    assert at(make, rate, 184_000) == pytest.approx(2e-4)
    assert at(make, rate, 184_000 + 208_000) == pytest.approx(middle)
    assert at(make, rate, 599_999) == pytest.approx(1e-6, rel=1e-3)
    assert at(make, rate, 700_000) == pytest.approx(1e-6)


def test_cosine_counts_steps() -> None:
    found = rates(lambda o: CosinePeriods(o, [4, 8], lowest=0.0), 1.0, [0, 2, 3, 4, 8, 12])
    expected = [1, 0.5, (1 + math.cos(math.pi * 3 / 4)) / 2, 1, 0.5, 0]
    assert found == pytest.approx(expected)
    assert CosinePeriods.interval == "step"


def test_progressive_batches_and_crops_as_in_the_nafnet_recipe() -> None:
    phases = [Phase(*phase) for phase in init_args("occlusion-nafnet", "data")["progressive"]]
    assert sum(phase.steps for phase in phases) == 600_000
    stream = Progressive(14_400, phases, steps=4000, seed=0)
    expected = {
        0: (8, 192),
        183_999: (8, 192),
        184_000: (5, 256),
        311_999: (5, 256),
        312_000: (4, 320),
        408_000: (2, 384),
        480_000: (1, 512),
        552_000: (1, 1024),
        599_999: (1, 1024),
        650_000: (1, 1024),
    }
    for number, (size, crop) in expected.items():
        keys = stream.batch(number)
        assert (len(keys), {key[2] for key in keys}) == (size, {crop})


def test_progressive_rounds_hold_every_sample_once() -> None:
    stream = Progressive(7, [Phase(2, 3, 8), Phase(9, 2, 16)], steps=4, seed=1)
    keys = [key for number in range(6) for key in stream.batch(number)]
    assert len(keys) == 2 * 3 + 4 * 2
    for turn in (0, 1):
        counted = Counter(index for t, index, _ in keys if t == turn)
        assert counted == dict.fromkeys(range(7), 1)
    both = [Progressive(7, [Phase(9, 2, 8)], 4, 1, rank, 2) for rank in (0, 1)]
    together = Progressive(7, [Phase(9, 4, 8)], 4, 1)
    for number in range(3):
        parts = [key for stream in both for key in stream.batch(number)]
        assert parts == together.batch(number)


def test_progressive_loader_goes_on_where_it_was(plain: Path) -> None:
    phases = [(2, 3, 8), (2, 2, 16), (2, 1, 24)]
    data = Pairs(str(plain), progressive=phases, steps=3, workers=0, validation_share=0.34)
    data.setup("fit")
    whole = data.train_dataloader()
    expected = [batch for _ in range(2) for batch in whole]
    shapes = [tuple(batch["input"].shape) for batch in expected]
    assert shapes == [(n, 3, c, c) for n, c in [(3, 8)] * 2 + [(2, 16)] * 2 + [(1, 24)] * 2]
    again: ResumableLoader = data.train_dataloader()
    again.load_state_dict({"served": 3})
    found = [batch for _ in range(1) for batch in again]
    for batch, wanted in zip(found, expected[3:], strict=True):
        assert batch["name"] == wanted["name"]
        assert torch.equal(batch["input"], wanted["input"])


def test_phases_are_checked(plain: Path) -> None:
    with pytest.raises(UsageError, match="progressive"):
        Pairs(str(plain), progressive=[(2, 0, 8)])


def test_step_decay_as_in_the_occlusion_recipes() -> None:
    given = init_args("occlusion-fill", "model")
    generator, critic = (
        given[name]["init_args"]["lr"] for name in ("optimizer", "discriminator_optimizer")
    )
    decay = given["schedule"]["init_args"]
    assert (generator, critic) == (1e-4, 4e-4)
    assert init_args("occlusion-locate", "model")["schedule"]["init_args"] == decay
    found = rates(lambda o: StepDecay(o, **decay), generator, [0, 99, 100, 199, 200, 250])
    expected = [1e-4, 1e-4, 0.95e-4, 0.95e-4, 0.95**2 * 1e-4, 0.95**2 * 1e-4]
    assert found == pytest.approx(expected)


def test_cyclic_as_in_the_cutout_recipes() -> None:
    given = init_args("cutout-u2net", "model")
    assert given["optimizer"]["init_args"] == {"lr": 5e-4, "weight_decay": 1e-2}
    schedule = given["schedule"]["init_args"]
    assert schedule == {"period": 20, "lowest": 1e-4}
    found = rates(lambda o: Cyclic(o, **schedule), 5e-4, [0, 1, 10, 19, 20, 21, 299])
    assert found == pytest.approx([1e-4, 5e-4, 3e-4, 1e-4, 1e-4, 5e-4, 1e-4])


@pytest.mark.parametrize(("epochs", "cycles"), [(24, 3), (20, 2), (29, 4), (3, 1), (1, 1)])
def test_cycles_end_low_with_the_training(epochs: int, cycles: int) -> None:
    def make(optimizer: Any) -> Cyclic:
        made = Cyclic(optimizer, period=8, lowest=0.1)
        made.fit(SimpleNamespace(max_epochs=epochs))
        return made

    found = rates(make, 1.0, list(range(epochs)))
    assert found[-1] == pytest.approx(0.1 if epochs > 1 else 1.0)
    assert sum(rate == pytest.approx(1.0) for rate in found) == cycles


def test_one_cosine_over_the_whole_training_after_a_warm_up() -> None:
    """As PyTorch's own, one after the other."""
    kinds = torch.optim.lr_scheduler

    def ours(optimizer: Any) -> CosinePeriods:
        made = CosinePeriods(optimizer, warm_up=10, lowest=0.01)
        made.fit(SimpleNamespace(estimated_stepping_batches=100))
        return made

    def theirs(optimizer: Any) -> Any:
        first = kinds.LinearLR(optimizer, 0.02, 1.0, 10)
        second = kinds.CosineAnnealingLR(optimizer, 90, 0.01)
        return kinds.SequentialLR(optimizer, [first, second], [10])

    steps = list(range(100))
    assert rates(ours, 1.0, steps) == pytest.approx(rates(theirs, 1.0, steps))
    endless = SimpleNamespace(estimated_stepping_batches=math.inf)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(UsageError, match="max_steps"):
        CosinePeriods(optimizer).fit(endless)


def test_warm_restarts_as_in_the_watermark_recipes() -> None:
    given = init_args("watermark-swin-erasenet", "model")
    assert given["optimizer"]["init_args"]["lr"] == 2e-3
    schedule = given["schedule"]["init_args"]
    assert schedule == {"period": 8, "factor": 0.1}
    found = rates(lambda o: WarmRestarts(o, **schedule), 2e-3, [0, 7, 8, 15, 16, 23])
    assert found == pytest.approx([2e-3, 2e-3, 2e-4, 2e-4, 2e-5, 2e-5])


def test_optimisers_as_published_for_erasenet() -> None:
    given = init_args("watermark-erasenet-published", "model")
    assert given["loss"] == "erasenet"
    assert given["optimizer"]["init_args"] == {"lr": 1e-4, "betas": [0.5, 0.9]}
    assert given["discriminator_optimizer"]["init_args"] == {"lr": 1e-5, "betas": [0.0, 0.9]}
    small = init_args("watermark-erasenet-published-cpu", "model")["loss"]
    terms = COMPOSITES["erasenet"].items()
    assert small == {name: weight for name, weight in terms if name not in ("perceptual", "style")}


def test_resolution_stages_start_from_the_last() -> None:
    for name, side, before in (
        ("cutout-u2net-640", 640, "cutout-u2net"),
        ("cutout-u2net-800", 800, "cutout-u2net-640"),
    ):
        assert init_args(name, "data")["size"] == [side, side]
        assert init_args(name, "model")["init_from"] == f"runs/{before}/checkpoints/best.ckpt"
    assert init_args("cutout-u2net", "data")["size"] == [320, 320]
    assert init_args("occlusion-fill-2", "model")["ratio"] == 3


def test_masks_are_sought_at_the_size_of_the_training() -> None:
    """A locator sees a picture whose longer side is its card's tile, or the side it names."""
    found = 0
    for name, path in recipes().items():
        settings = resolved(path, find_recipe)
        if settings["data"]["class_path"].endswith(".Cutouts"):
            card, longer = settings["card"], max(settings["data"]["init_args"]["size"])
            side = card.get("parameters", {}).get("side", card["tile"])
            assert card["tile"] == side == longer, name
            found += 1
    assert found >= 22
