from __future__ import annotations

import math

import onnx
import pytest
import torch

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.models.catalogue import FOLDER
from cleanplate.training import networks
from cleanplate.training.cli.networks import run
from cleanplate.training.networks.deploy import Deployable
from cleanplate.training.networks.table import count_macs, rows
from cleanplate.training.weights import start_from


def test_macs_of_one_convolution_by_hand() -> None:
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, device="meta")
    with torch.device("meta"):
        assert count_macs(conv, 3, 16) == 16 * 16 * 3 * 8 * 9


@pytest.mark.parametrize(
    ("name", "side", "giga"),
    [("nafnet-slim-16", 256, 2.2), ("nafnet-slim-32", 256, 8.6), ("nafnet-sidd-32", 256, 16.0)],
)
def test_published_costs(name: str, side: int, giga: float) -> None:
    (row,) = rows([name], side)
    assert row.macs_per_pixel * side**2 / 1e9 == pytest.approx(giga, rel=0.02)
    assert row.outputs == ("picture",)
    assert row.seconds_per_megapixel is None


def test_erasenet_costs_what_was_counted_on_the_reference() -> None:
    (row,) = rows(["erasenet"], 256)
    assert row.macs_per_pixel * 512**2 / 1e9 == pytest.approx(72.7, rel=0.005)


def test_time_is_measured_when_asked() -> None:
    threads = torch.get_num_threads()
    (row,) = rows(["sn-patchgan"], 64, measure=True)
    assert row.seconds_per_megapixel is not None
    assert row.seconds_per_megapixel > 0
    assert torch.get_num_threads() == threads


SHIPPED = {  # the network of each model that ships
    "watermark-locator": "locator",
    "watermark-filler": "watermark-filler",
    "occlusion-locator": "locator",
    "occlusion-filler": "occlusion-filler",
    "cutout-locator": "locator",
    "denoiser": "denoiser",
    "denoiser-raw": "lean-raw",
    "handwriting-eraser": "handwriting-eraser",
    "handwriting-locator": "handwriting-locator",
    "photo-filler": "photo-filler",
}


def shipped(card: models.Card) -> torch.nn.Module:
    """The network of a model that ships, with its weights still to come; heads beside the mask."""
    heads = [name for name in card.outputs if card.name == "cutout-locator" and name != "mask"]
    return networks.create(SHIPPED[card.name], **({"heads": heads} if heads else {}))


def test_what_ships_is_registered() -> None:
    assert set(SHIPPED) == {card.name for card in models.cards()}
    for card in models.cards():
        (row,) = rows([SHIPPED[card.name]], 64)
        network = shipped(card)
        assert getattr(network, "outputs", row.outputs) == card.outputs
        shapes = [p.shape for p in network.parameters()]
        stored = [t.dims for t in onnx.load(FOLDER / card.file).graph.initializer]
        assert sum(math.prod(dims) for dims in stored if len(dims) > 1) == sum(
            shape.numel() for shape in shapes if len(shape) > 1
        )


@pytest.mark.parametrize("card", models.cards(), ids=lambda card: card.name)
def test_training_goes_on_from_what_ships(card: models.Card) -> None:
    network = shipped(card)
    start_from(network, card.name)
    x = torch.rand(1, len(card.inputs), 64, 96)
    heads = card.outputs[1:] if card.name == "cutout-locator" else ()
    squashed = (*networks.card(SHIPPED[card.name]).logits, *heads)
    with torch.no_grad():
        ours = Deployable(network, card.outputs, squashed)(x)
    theirs = models.load(card.name, device="cpu", threads=1)(x.numpy())
    for name, mine in zip(card.outputs, ours, strict=True):
        assert torch.allclose(mine, torch.from_numpy(theirs[name]), atol=1e-4), name


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="locater"):
        next(rows(["locater"]))


def test_the_verb_prints_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sn-patchgan", "watermark-filler", "--side", "64"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["network", "million", "kMAC/px", "s/MP", "outputs"]
    assert lines[0].split()[:2] == ["sn-patchgan", "5.95"]
    assert lines[1].split()[3:] == ["-", "fill,", "mask,", "cover"]
    with pytest.raises(UsageError, match="0 is less than 32"):
        run(["--side", "0"])
