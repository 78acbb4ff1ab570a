"""Contextual attention (Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR
2018), written with unfold, matmul and fold so that it batches and exports."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

RATE = 2
SCALE = 10.0


def contextual_attention(features: Tensor, mask: Tensor) -> Tensor:
    """Rebuild features (N, C, H, W) from patches that lie outside the mask.

    `mask` is (N, 1, H, W), 1 in the hole; H and W even. 3x3 patches at half size are compared by
    their product with the normalised background patch, the scores are fused along both
    diagonals, and the softmax over the patches that do not touch the hole mixes 4x4 patches at
    full size. Where they overlap their mean is taken.
    """
    size = features.shape[-2:]
    small, hole = features[..., ::RATE, ::RATE], functional.max_pool2d(mask, RATE)
    height, width = small.shape[-2:]
    queries = functional.unfold(small, 3, padding=1)
    keys = queries / queries.square().sum(1, keepdim=True).sqrt().clamp_min(1e-4)
    valid = functional.max_pool2d(hole, 3, 1, padding=1).flatten(2) == 0
    scores = fuse(keys.transpose(1, 2) @ queries, height, width)
    scores = (SCALE * scores).masked_fill(~valid.transpose(1, 2), -1e4)
    weights = scores.softmax(1) * valid.transpose(1, 2)
    patches = functional.unfold(features, 2 * RATE, padding=1, stride=RATE)
    count = functional.unfold(torch.ones_like(features[:1, :1]), 2 * RATE, padding=1, stride=RATE)
    filled = functional.fold(patches @ weights, size, 2 * RATE, padding=1, stride=RATE)
    return filled / functional.fold(count, size, 2 * RATE, padding=1, stride=RATE)


def fuse(scores: Tensor, height: int, width: int) -> Tensor:
    """Add to each pair of patches (background, foreground) the pairs one step along, first by
    rows and then by columns, so that neighbours are copied from neighbours; (N, P, P)."""
    shape = scores.shape
    by_rows = _diagonal(scores).reshape(-1, height, width, height, width)
    by_columns = _diagonal(by_rows.permute(0, 2, 1, 4, 3).reshape(shape))
    grid = by_columns.reshape(-1, width, height, width, height)
    return grid.permute(0, 2, 1, 4, 3).reshape(shape)


def _diagonal(x: Tensor) -> Tensor:
    around = functional.pad(x, (1, 1, 1, 1))
    return around[..., :-2, :-2] + x + around[..., 2:, 2:]
