"""The lean filler: the phases of its pixel-shuffle."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from cleanplate.training.networks import create
from cleanplate.training.networks.filler import level_phases


def test_no_phase_is_brighter_than_the_others_nearby() -> None:
    torch.manual_seed(0)
    network = create("photo-filler", width=0.25)
    nn.init.normal_(network.head.bias, std=0.1)  # what drifts apart, seen alone
    planes = torch.zeros(1, 4, 96, 96)
    planes[:, 3, 20:70, 30:80] = 1
    fill = network(planes)["fill"][..., 20:70, 30:80]
    phases = torch.stack([fill[..., y::2, x::2].mean((2, 3)) for y in (0, 1) for x in (0, 1)])
    assert phases.std(0).max() < 1e-4
    assert fill.abs().max() > 0.01


def test_levelled_phases_keep_what_they_are_together() -> None:
    residue, hole = torch.rand(2, 12, 24, 24), torch.ones(2, 4, 24, 24)
    levelled = level_phases(residue, hole)
    before, after = (functional.pixel_shuffle(r, 2).mean((2, 3)) for r in (residue, levelled))
    assert torch.allclose(before, after, atol=1e-3)
    assert torch.equal(level_phases(residue, 0 * hole), residue)
