"""How the watermark models learn: what they are shown, and what their losses ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models
import pytest
import torch

from cleanplate import models
from cleanplate.tasks.overlay import NOTHING
from cleanplate.training.modules.marks import (
    FillerModule,
    LocatorModule,
    about,
    located,
    mark_losses,
    second_look,
    softened,
)

COLOUR, OPACITY = (0.9, 0.2, 0.1), 0.6


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Two smooth pictures of 64 pixels, the first under a square of half its side."""
    rng = torch.Generator().manual_seed(0)
    small = torch.rand(2, 3, 6, 6, generator=rng)
    clean = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear")
    alpha = torch.zeros(2, 1, 64, 64)
    alpha[0, :, 16:48, 16:48] = OPACITY
    colour = torch.tensor([COLOUR, (0.0, 0.0, 0.0)])
    return {
        "clean": clean,
        "picture": clean * (1 - alpha) + alpha * colour[..., None, None],
        "alpha": alpha,
        "rough": (alpha > 0).float(),
        "colour": colour,
        "opacity": torch.tensor([[OPACITY], [0.0]]),
    }


def perfect(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    marked = (batch["alpha"] > 0).float() * 40 - 20
    return {"fill": batch["clean"], "cover": marked, "mask": marked}


def test_losses_ask_for_the_clean_picture_the_cover_and_the_mask(
    batch: dict[str, torch.Tensor],
) -> None:
    best = mark_losses(perfect(batch), batch)
    assert all(value < 1e-3 for value in best.values())
    spoilt = {"fill": batch["picture"], "cover": torch.zeros_like(batch["alpha"])}
    spoilt["mask"] = spoilt["cover"]
    for name, parts in (("fill", {"under", "whole"}), ("cover", {"cover"}), ("mask", {"mask"})):
        worse = mark_losses(perfect(batch) | {name: spoilt[name]}, batch)
        assert {part for part in worse if worse[part] > best[part] + 0.01} == parts


def test_both_looks_reach_every_weight(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    module = FillerModule(options={"widths": [4, 8]})
    torch.nn.init.normal_(module.network.head.weight, std=0.01)
    parts = module.losses(batch, 0)
    for look in ("1", "2"):
        module.zero_grad()
        total = torch.stack([value for name, value in parts.items() if name.endswith(look)]).sum()
        total.backward(retain_graph=True)
        assert all(p.grad is not None and p.grad.any() for p in module.parameters())


def test_the_true_make_of_a_mark_solves_for_the_picture(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(1)
    cover = (batch["alpha"] > 0).float()
    empty = torch.zeros_like(cover)
    assert torch.equal(second_look(batch["picture"], empty)[:, :3], batch["picture"])
    before = (batch["picture"] - batch["clean"])[0].abs().mean()
    guesses = [second_look(batch["picture"], cover, batch)[:, :3] for _ in range(20)]
    errors = [float((guess - batch["clean"])[0].abs().mean()) for guess in guesses]
    assert max(errors) < 0.6 * before
    assert len(set(errors)) > 5  # give or take a little
    assert about(0.0, batch["colour"][1]) == NOTHING


def test_softened_covers_keep_their_mean() -> None:
    torch.manual_seed(0)
    cover = torch.nn.functional.interpolate(torch.rand(1, 1, 9, 9), (64, 64), mode="nearest")
    made = [softened(cover) for _ in range(20)]
    assert all(one.shape == cover.shape for one in made)
    assert all(float(one.mean()) == pytest.approx(float(cover.mean()), abs=0.02) for one in made)
    sharp = sum(torch.equal(one, cover) for one in made)
    assert 4 <= sharp <= 16


def test_a_locator_is_shown_what_the_task_shows_it(tmp_path: Path) -> None:
    path = onnx_models.write(
        tmp_path, "bright", onnx_models.threshold(0.5), parameters={"zoom": 1.5}, multiple=32
    )
    picture = torch.zeros(1, 3, 64, 64)
    picture[..., 16:48] = 1
    found = located(models.load(path, device="cpu"), picture)
    assert found.shape == (1, 1, 64, 64)
    assert (found[..., 18:46] == 1).all()
    assert (found[..., :14] == 0).all()


@pytest.mark.parametrize("settled", [True, False])
def test_settled_batch_normalisation_keeps_its_statistics(
    batch: dict[str, torch.Tensor], settled: bool
) -> None:
    module = LocatorModule(options={"frozen": 2, "settled": settled}, init_from="watermark-locator")
    before = {n: b.clone() for n, b in module.named_buffers() if "running" in n}
    module.train()
    torch.stack(list(module.losses(batch, 0).values())).sum().backward()
    after = dict(module.named_buffers())
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert bool(changed) is not settled
