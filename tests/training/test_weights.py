"""Starting from the weights of exported models: those that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate import models
from cleanplate.errors import UsageError
from cleanplate.training import networks
from cleanplate.training.weights import average_with, start_from


def test_a_network_goes_on_from_a_model_that_ships() -> None:
    network = networks.create("locator")
    start_from(network, "watermark-locator")
    planes = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    with torch.no_grad():
        ours = network.eval()(torch.from_numpy(planes))["mask"].sigmoid().numpy()
    theirs = models.load("watermark-locator", device="cpu", threads=1)(planes)["mask"]
    assert theirs.std() > 1e-4
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_network_goes_on_from_a_file(tmp_path: Path) -> None:
    card, content = models.read("watermark-filler")
    (tmp_path / card.file).write_bytes(content)
    (tmp_path / f"{card.name}.json").write_text(card.to_json(), encoding="utf-8")
    options = {"planes": 8, "heads": {"cover": 1, "mask": 1}}
    named, read = (networks.create("filler", **options) for _ in range(2))
    start_from(named, card.name)
    start_from(read, tmp_path / card.file)
    assert all(map(torch.equal, named.state_dict().values(), read.state_dict().values()))


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="watermark-filler holds another network's weights"):
        start_from(networks.create("filler", planes=4), "watermark-filler")
    with pytest.raises(UsageError, match="missing"):
        start_from(networks.create("locator"), "nowhere.ckpt")


def test_weights_go_half_way_back() -> None:
    network = networks.create("locator")
    own = {name: value.clone() for name, value in network.state_dict().items()}
    average_with(network, "watermark-locator")
    shipped = networks.create("locator")
    start_from(shipped, "watermark-locator")
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, (own[name] + shipped.state_dict()[name]) / 2, atol=1e-6)
