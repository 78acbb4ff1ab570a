"""One test for every registered network: what its card says is what it does."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from cleanplate.errors import UsageError  # noqa: E402
from cleanplate.training import networks  # noqa: E402
from cleanplate.training.networks.deploy import Deployable  # noqa: E402

OPTIONS: dict[str, dict[str, Any]] = {  # here and below, the longest key that starts a name counts
    "": {"width": 0.125},
    "nafnet": {"width": 4, "middle": 2},
    "deepfill-v2": {"width": 8},
    "deepfill-v2-twin": {"width": 4},
    "hrnet": {"width": 0.25},
    "u2net-p": {"width": 0.5},
}
WIDER = {"": 1.5, "nafnet": 80, "deepfill-v2": 60, "deepfill-v2-twin": 80}
NAMES = [name for name in networks.names() if not name.startswith("test-")]
MAPS = ("mask", "cover", "seen", "level", "print")  # outputs of one channel
EXPORTED_QUICKLY = (  # in five seconds of one core, or about that
    "deepfill-v2-twin-discriminator",
    "erasenet-discriminator",
    "fcn-8s",
    "filler",
    "handwriting-eraser",
    "lean-raw",
    "occlusion-filler",
    "residual-unet-raw",
    "residual-unet-rgb",
    "sn-patchgan",
    "unet",
    "watermark-filler",
)


def longest(name: str, keys: Iterable[str]) -> str:
    return max((key for key in keys if name.startswith(key)), key=len)


def small(name: str) -> torch.nn.Module:
    """The network at a width that a test can afford, with no parameter left at 0."""
    torch.manual_seed(0)
    network = networks.create(name, **OPTIONS[longest(name, OPTIONS)])
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


@cache
def frozen(name: str) -> torch.nn.Module:
    """One small network in evaluation mode for all tests that do not train it."""
    return small(name).eval()


def assert_whole(name: str, x: torch.Tensor, found: dict[str, torch.Tensor]) -> None:
    """Every output that the card names, and no other, as large as the input."""
    card = networks.card(name)
    assert set(found) == set(card.outputs)
    for key, y in found.items():
        assert y.shape[0] == x.shape[0], key
        if card.role != "discriminator":
            picture = 4 if name.endswith("raw") else 3
            count = 1 if key in MAPS else picture
            assert y.shape[1:] == (count, *x.shape[2:]), key


@pytest.mark.parametrize("name", NAMES)
def test_any_size(name: str) -> None:
    for size in ((37, 59), (5, 3)):
        x = planes(name, *size)
        with torch.no_grad():
            found = frozen(name)(x)
        assert_whole(name, x, found)
        assert all(y.isfinite().all() for y in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_no_memory(name: str) -> None:
    network, x, other = frozen(name), planes(name, 37, 59), planes(name, 37, 59).flip(-1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        first, _, again = network(x), network(planes(name, 48, 33)), network(x)
        beside = network(torch.cat([other, x]))
    for key, y in first.items():
        assert torch.equal(y, again[key]), key
        torch.testing.assert_close(beside[key][1:], y, atol=1e-4, rtol=1e-4)
    after = network.state_dict()
    assert [key for key, value in before.items() if not torch.equal(value, after[key])] == []


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_parameter(name: str) -> None:
    network = small(name).train()
    found = network(planes(name, 37, 59, count=2))
    assert set(found) == {*networks.card(name).outputs, *networks.card(name).training_outputs}
    sum((y * torch.randn_like(y)).sum() for y in found.values()).backward()
    gradients = {key: p.grad for key, p in network.named_parameters()}
    assert [key for key, g in gradients.items() if g is None or not g.any()] == []
    assert [key for key, g in gradients.items() if not g.isfinite().all()] == []


def count_on_paper(name: str, **options: Any) -> int:
    """Parameters of a network, whose outputs are checked on the way; nothing is computed."""
    with torch.device("meta"):
        network = networks.create(name, **options).eval()
        x = torch.empty(1, networks.card(name).planes, 37, 59)
        assert_whole(name, x, network(x))
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_parameters_at_full_width(name: str) -> None:
    assert count_on_paper(name) == pytest.approx(networks.card(name).parameters, rel=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_any_width(name: str) -> None:
    full = networks.card(name).parameters
    assert sum(p.numel() for p in frozen(name).parameters()) < 0.9 * full
    assert count_on_paper(name, width=WIDER[longest(name, WIDER)]) > 1.1 * full


def assert_parity(network: torch.nn.Module, name: str, multiple: int, fixed: bool = False) -> None:
    """ONNX Runtime gives what PyTorch gives on sides that are multiples, or on just that side."""
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    from cleanplate.training.graphs import disagreement, fix_same_padding, to_onnx

    card = networks.card(name)
    network = Deployable(network, card.outputs)
    fix_same_padding(network)
    content = to_onnx(network, card.planes, card.outputs, multiple, fixed).SerializeToString()
    assert disagreement(network, content, card.planes, multiple, fixed) <= 1e-4
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    side = -(-64 // multiple) * multiple
    x = planes(name, side, side, count=3)
    with torch.no_grad():
        expected = network(x)
    for key, a, b in zip(
        card.outputs, expected, session.run(None, {"planes": x.numpy()}), strict=True
    ):
        error = (torch.from_numpy(b) - a).abs().max()
        assert error <= min(1e-4, 0.01 * a.std()), key


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in EXPORTED_QUICKLY else pytest.mark.slow)
        for name in NAMES
    ],
)
def test_onnx_parity(name: str) -> None:
    assert_parity(frozen(name), name, networks.card(name).multiple)


@pytest.mark.parametrize(
    "name",
    [
        "residual-unet-raw",
        "unet",
        pytest.param("erasenet", marks=pytest.mark.slow),
        pytest.param("deepfill-v2-twin", marks=pytest.mark.slow),
    ],
)
def test_onnx_takes_odd_sizes(name: str) -> None:
    assert_parity(frozen(name), name, 1)


@pytest.mark.slow
def test_onnx_parity_with_tlc() -> None:
    network, x = small("nafnet-slim-16").eval(), planes("nafnet-slim-16", 64, 64)
    before = network(x)["picture"]
    network.use_tlc((32, 32))
    assert (network(x)["picture"] - before).abs().max() > 1e-5
    assert_parity(network, "nafnet-slim-16", 64, fixed=True)


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
