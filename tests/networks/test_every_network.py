"""One test for every registered network: what its card says is what it does."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cleanplate.errors import UsageError  # noqa: E402
from cleanplate.training import networks  # noqa: E402
from cleanplate.training.networks.deploy import Deployable  # noqa: E402

OPTIONS: dict[str, dict[str, Any]] = {  # the longest key that starts the name counts
    "": {"width": 0.125},
    "nafnet": {"width": 4, "middle": 2},
    "deepfill-v2": {"width": 8},
    "deepfill-v2-twin": {"width": 4},
    "hrnet": {"width": 0.25},
    "u2net-p": {"width": 0.5},
}
EXPORTED_QUICKLY = {
    "convnext-unet-raw",
    "deepfill-v2",
    "deepfill-v2-twin",
    "deepfill-v2-twin-discriminator",
    "erasenet",
    "erasenet-discriminator",
    "fcn-8s",
    "nafnet-slim-16",
    "residual-unet-rgb",
    "segnet-bilinear",
    "segnet-unpool",
    "sn-patchgan",
    "unet",
}


def small(name: str) -> torch.nn.Module:
    """The network at a width that a test can afford, with no parameter left at 0."""
    key = max((key for key in OPTIONS if name.startswith(key)), key=len)
    torch.manual_seed(0)
    network = networks.create(name, **OPTIONS[key])
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    return network


def planes(name: str, height: int, width: int, count: int = 1) -> torch.Tensor:
    """Noise; a mask is a rectangle."""
    card = networks.card(name)
    torch.manual_seed(1)
    x = torch.rand(count, card.planes, height, width)
    if card.role in ("filler", "discriminator"):
        x[:, 3:] = 0
        x[:, 3:, 8:20, 12:24] = 1
    return x


def outputs_of(name: str, training: bool) -> set[str]:
    card = networks.card(name)
    return {*card.outputs, *(card.training_outputs if training else ())}


@cache
def frozen(name: str) -> torch.nn.Module:
    """One small network in evaluation mode for all tests that do not train it."""
    return small(name).eval()


@pytest.mark.parametrize("name", networks.names())
def test_odd_sizes_and_no_memory(name: str) -> None:
    network, x = frozen(name), planes(name, 37, 59)
    with torch.no_grad():
        first, _, again = network(x), network(planes(name, 48, 33)), network(x)
    assert set(first) == outputs_of(name, training=False)
    for key, y in first.items():
        assert y.isfinite().all(), key
        assert torch.equal(y, again[key]), key
        if networks.card(name).role != "discriminator":
            assert y.shape[-2:] == x.shape[-2:], key


@pytest.mark.parametrize("name", networks.names())
def test_gradient_reaches_every_parameter(name: str) -> None:
    network = small(name).train()
    found = network(planes(name, 40, 64, count=2))
    assert set(found) == outputs_of(name, training=True)
    sum((y * torch.randn_like(y)).sum() for y in found.values()).backward()
    without = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("name", networks.names())
def test_parameters_at_full_width(name: str) -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in networks.create(name).parameters())
    assert count == pytest.approx(networks.card(name).parameters, rel=5e-3)


@pytest.mark.parametrize("name", networks.names())
def test_width_scales(name: str) -> None:
    count = sum(p.numel() for p in frozen(name).parameters())
    assert count < 0.9 * networks.card(name).parameters


def export(network: torch.nn.Module, x: torch.Tensor, path: Path, dynamic: bool = False) -> None:
    sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        network,
        (x,),
        path,
        input_names=["planes"],
        output_names=list(network.outputs),
        dynamic_shapes=(sides,) if dynamic else None,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def assert_parity(network: torch.nn.Module, session: Any, x: torch.Tensor) -> None:
    with torch.no_grad():
        expected = network(x)
    found = session.run(None, {"planes": x.numpy()})
    for name, a, b in zip(network.outputs, expected, found, strict=True):
        np.testing.assert_allclose(b, a.numpy(), atol=1e-4, rtol=0, err_msg=name)


def session(path: Path) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_export_candidates_are_registered() -> None:
    assert set(networks.names()) >= EXPORTED_QUICKLY


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in EXPORTED_QUICKLY else pytest.mark.slow)
        for name in networks.names()
    ],
)
def test_onnx_parity(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    network = Deployable(frozen(name), networks.card(name).outputs)
    x = planes(name, 64, 64)
    export(network, x, tmp_path / "network.onnx")
    assert_parity(network, session(tmp_path / "network.onnx"), x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["erasenet", "residual-unet-raw", "deepfill-v2-twin", "unet"])
def test_onnx_takes_any_size(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    network = Deployable(frozen(name), networks.card(name).outputs)
    export(network, planes(name, 64, 96), tmp_path / "network.onnx", dynamic=True)
    runtime = session(tmp_path / "network.onnx")
    for size in ((64, 96), (90, 77), (33, 128)):
        assert_parity(network, runtime, planes(name, *size))


@pytest.mark.filterwarnings("ignore")
def test_onnx_parity_with_tlc(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    network = Deployable(small("nafnet-slim-16"), ("picture",))
    x = planes("nafnet-slim-16", 64, 80)
    before = network(x)[0]
    network.network.use_tlc((32, 32))
    assert (network(x)[0] - before).abs().max() > 1e-5
    export(network, x, tmp_path / "network.onnx")
    assert_parity(network, session(tmp_path / "network.onnx"), x)


def test_deployable_squashes_what_it_is_told() -> None:
    network = small("erasenet").train()
    x = planes("erasenet", 32, 32)
    plain, squashed = (
        Deployable(network, ("mask", "picture")),
        Deployable(network, ("mask", "picture"), squash=("mask",)),
    )
    with torch.no_grad():
        a, b = plain(x), squashed(x)
    torch.testing.assert_close(a[0].sigmoid(), b[0])
    assert torch.equal(a[1], b[1])
    assert network.training
    network(planes("erasenet", 32, 32, count=2))["picture"].mean().backward()
    assert not any("parametrizations" in key for key, _ in plain.named_parameters())


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="erasenet"):
        networks.create("erasnet")


def test_two_networks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two networks"):
        networks.register(networks.card("erasenet"))(torch.nn.Identity)
