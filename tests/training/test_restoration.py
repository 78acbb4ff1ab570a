"""What validation of a restoration measures."""

from __future__ import annotations

import pytest
import torch

from cleanplate import metrics
from cleanplate.training.modules.restoration import likeness


def test_ms_ssim_of_each_picture_is_that_of_evaluation() -> None:
    torch.manual_seed(0)
    truth = torch.rand(2, 1, 176, 180)
    picture = (truth + torch.tensor([0.05, 0.3]).view(2, 1, 1, 1) * torch.randn_like(truth)).clamp(
        0, 1
    )
    found = likeness(picture, truth)
    for one, a, b in zip(found, picture, truth, strict=True):
        told = metrics.ms_ssim(a[0].numpy()[..., None], b[0].numpy()[..., None])
        assert one.item() == pytest.approx(told, abs=2e-3)
    assert found[0] > found[1]
    assert likeness(picture[..., :100], truth[..., :100]).isnan().all()
