from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from cleanplate.training.networks.contextual_attention import contextual_attention  # noqa: E402


def patch(x: torch.Tensor, top: int, left: int, side: int) -> torch.Tensor:
    """A patch of (C, H, W), zero outside."""
    out = torch.zeros(x.shape[0], side, side)
    for i in range(side):
        for j in range(side):
            y, z = top + i, left + j
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                out[:, i, j] = x[:, y, z]
    return out


def diagonals(scores: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(scores)
    count = scores.shape[0]
    for b in range(count):
        for f in range(count):
            for step in (-1, 0, 1):
                if 0 <= b + step < count and 0 <= f + step < count:
                    total[b, f] += scores[b + step, f + step]
    return total


def slow(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One patch at a time, for one picture (C, H, W) and (H, W)."""
    height, width = features.shape[1] // 2, features.shape[2] // 2
    cells = [(y, x) for y in range(height) for x in range(width)]
    small = features[:, ::2, ::2]
    threes = [patch(small, y - 1, x - 1, 3) for y, x in cells]
    scores = torch.stack(
        [torch.stack([(b / b.norm().clamp_min(1e-4) * f).sum() for f in threes]) for b in threes]
    )
    by_columns = [y * width + x for x in range(width) for y in range(height)]
    scores = diagonals(scores)
    fused = torch.empty_like(scores)
    order = torch.tensor(by_columns)
    fused[order[:, None], order[None]] = diagonals(scores[order][:, order])
    usable = [not patch(mask[None], 2 * y - 2, 2 * x - 2, 6).any() for y, x in cells]
    out, count = torch.zeros_like(features), torch.zeros(features.shape[1:])
    for f, (top, left) in enumerate(cells):
        weights = [
            math.exp(10 * float(fused[b, f])) if usable[b] else 0.0 for b in range(len(cells))
        ]
        mixed = sum(
            w / max(sum(weights), 1e-30) * patch(features, 2 * y - 1, 2 * x - 1, 4)
            for w, (y, x) in zip(weights, cells, strict=True)
        )
        for i in range(4):
            for j in range(4):
                y, x = 2 * top - 1 + i, 2 * left - 1 + j
                if 0 <= y < features.shape[1] and 0 <= x < features.shape[2]:
                    out[:, y, x] += mixed[:, i, j]
                    count[y, x] += 1
    return out / count


def test_it_equals_the_slow_one() -> None:
    torch.manual_seed(0)
    features = 0.3 * torch.rand(2, 3, 8, 12)
    mask = torch.zeros(2, 1, 8, 12)
    mask[0, :, 3:5, 6:9] = 1
    mask[1, :, :4, :3] = 1
    found = contextual_attention(features, mask)
    for index in range(2):
        expected = slow(features[index], mask[index, 0])
        torch.testing.assert_close(found[index], expected, atol=1e-4, rtol=0)


def test_it_repeats_a_texture_in_the_hole() -> None:
    torch.manual_seed(0)
    period = torch.rand(4, 8, 8)
    texture = period.repeat(1, 8, 8)[None]
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 24:40] = 1
    blurred = torch.nn.functional.avg_pool2d(texture, 3, 1, 1)
    guess = torch.where(mask > 0, blurred, texture)
    found = contextual_attention(guess, mask)
    inside = (mask > 0).expand_as(texture)

    def correlation(a: torch.Tensor) -> float:
        return torch.corrcoef(torch.stack([a[inside], texture[inside]]))[0, 1].item()

    assert correlation(guess) < 0.8
    assert correlation(found) > 0.9


def test_nothing_to_copy_from_gives_nothing() -> None:
    features = torch.rand(1, 2, 8, 8)
    found = contextual_attention(features, torch.ones(1, 1, 8, 8))
    assert torch.equal(found, torch.zeros_like(found))
