from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from cleanplate.training import networks  # noqa: E402
from cleanplate.training.networks.nafnet import Pool, sliding_mean  # noqa: E402


def naive(x: torch.Tensor, window: tuple[int, int]) -> torch.Tensor:
    """The mean over the whole window nearest to each position, one position at a time."""
    height, width = x.shape[-2:]
    rows, columns = min(window[0], height), min(window[1], width)
    out = torch.empty_like(x)
    for y in range(height):
        for z in range(width):
            top = min(max(y - (rows - 1) // 2, 0), height - rows)
            left = min(max(z - (columns - 1) // 2, 0), width - columns)
            part = x[..., top : top + rows, left : left + columns]
            out[..., y, z] = part.double().mean((-2, -1))
    return out


@pytest.mark.parametrize("window", [(3, 3), (4, 7), (1, 5), (13, 2), (40, 6), (12, 40)])
def test_sliding_mean_equals_the_naive_one(window: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 14, 17) + 3
    torch.testing.assert_close(sliding_mean(x, window), naive(x, window), atol=1e-5, rtol=0)


def test_a_window_over_everything_is_the_global_mean() -> None:
    x = torch.randn(2, 3, 14, 17)
    expected = x.mean((-2, -1), keepdim=True)
    torch.testing.assert_close(sliding_mean(x, (14, 17)), expected)
    torch.testing.assert_close(sliding_mean(x, (99, 99)), expected)


def test_half_precision_is_summed_in_single() -> None:
    x = torch.rand(1, 1, 96, 96) + 4
    half = sliding_mean(x.half(), (48, 48))
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), sliding_mean(x, (48, 48)), atol=5e-3, rtol=0)


def test_tlc_changes_nothing_at_the_training_size() -> None:
    torch.manual_seed(0)
    network = networks.create("nafnet-slim-16", width=4, middle=1).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    small, large = torch.rand(1, 3, 32, 48), torch.rand(1, 3, 96, 80)
    with torch.no_grad():
        before, before_large = network(small)["picture"], network(large)["picture"]
        network.use_tlc((32, 48))
        after, after_large = network(small)["picture"], network(large)["picture"]
    assert torch.equal(before, after)
    assert (before_large - after_large).abs().max() > 1e-4


def test_windows_follow_the_levels_and_training_ignores_them() -> None:
    network = networks.create("nafnet-slim-16", width=2, middle=1)
    network.use_tlc((192, 128))
    windows = [pool.window for pool in network.modules() if isinstance(pool, Pool)]
    assert windows[:5] == [(288, 192), (144, 96), (72, 48), (36, 24), (18, 12)]
    assert windows[5:] == [(36, 24), (72, 48), (144, 96), (288, 192)]
    pool = next(module for module in network.modules() if isinstance(module, Pool)).train()
    pool.window = (2, 2)
    assert pool(torch.rand(1, 2, 8, 8)).shape[-2:] == (1, 1)


def test_a_new_nafnet_is_nearly_the_identity() -> None:
    network = networks.create("nafnet-slim-16", width=4)
    torch.nn.init.zeros_(network.ending.weight)
    torch.nn.init.zeros_(network.ending.bias)
    x = torch.rand(1, 3, 20, 20)
    assert torch.equal(network(x)["picture"], x)
