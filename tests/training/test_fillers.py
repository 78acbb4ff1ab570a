"""How the shipped models learn: what they are shown, and what their losses ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models
import pytest
import torch

from cleanplate import models
from cleanplate.tasks.watermark.overlay import NOTHING
from cleanplate.training.modules.locating import Locating
from cleanplate.training.modules.occlusion_filling import OcclusionFilling
from cleanplate.training.modules.watermark_filling import (
    WatermarkFilling,
    located,
    perturbed,
    second_look,
    softened,
)

TINY = {"widths": [4, 8]}
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
        "target": clean,
        "input": clean * (1 - alpha) + alpha * colour[..., None, None],
        "alpha": alpha,
        "mask": (alpha > 0).float(),
        "rough": (alpha > 0).float(),
        "colour": colour,
        "opacity": torch.tensor([[OPACITY], [0.0]]),
    }


def perfect(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    marked = batch["mask"] * 40 - 20
    return {"picture": batch["target"], "cover": marked, "mask": marked}


def test_losses_ask_for_the_clean_picture_the_cover_and_the_mask(
    batch: dict[str, torch.Tensor],
) -> None:
    module = WatermarkFilling(network_options=TINY)
    _, truth = module.unpack(batch)
    _, best = module.total(perfect(batch), truth)
    assert all(value < 1e-3 for value in best.values())
    nothing = torch.zeros_like(batch["alpha"])
    spoilt = {"picture": batch["input"], "cover": nothing, "mask": nothing}
    asked = {
        "picture": {"l1_hole", "l1"},
        "cover": {"cover_bce", "cover_dice"},
        "mask": {"bce", "smooth_iou"},
    }
    for name, parts in asked.items():
        _, worse = module.total(perfect(batch) | {name: spoilt[name]}, truth)
        assert {part for part in worse if worse[part] > best[part] + 0.01} == parts


def test_both_looks_reach_every_weight(batch: dict[str, torch.Tensor]) -> None:
    for look in (1, 2):
        torch.manual_seed(0)
        module = WatermarkFilling(network_options=TINY)
        torch.nn.init.normal_(module.network.head.weight, std=0.01)
        kept, seen = module.total, []
        module.total = lambda *given, kept=kept, seen=seen: seen.append(kept(*given)) or seen[-1]
        total, parts = module.losses(batch)
        assert {f"l1 {number}" for number in (1, 2)} <= set(parts)
        assert float(total) == pytest.approx(float(seen[0][0] + seen[1][0]))
        seen[look - 1][0].backward()
        assert all(p.grad is not None and p.grad.any() for p in module.parameters())


def test_validation_measures_marked_pictures_alone(batch: dict[str, torch.Tensor]) -> None:
    module = WatermarkFilling(network_options=TINY).eval()
    with torch.no_grad():
        figures, columns = module.measure(module.predict(batch), batch)
    assert set(figures) >= {"psnr_mask_input", "psnr_mask_solved", "psnr_mask_filled", "iou_first"}
    for values in figures.values():
        assert values[0].isfinite() and values[1].isnan()
    assert all(column.shape[2:] == (64, 64) for column in columns.values())


def test_a_hole_is_filled_by_three_terms(batch: dict[str, torch.Tensor]) -> None:
    module = OcclusionFilling(network_options={"widths": [4, 8]})
    batch = batch | {"hole": batch["mask"], "guess": batch["input"], "seen": 1 - batch["mask"]}
    _, truth = module.unpack(batch)
    perfect = {"picture": batch["target"], "seen": batch["seen"] * 40 - 20}
    total, best = module.total(perfect, truth)
    assert set(best) == {"l2_hole", "l1_hole", "seen"} and total < 1e-3
    total, worse = module.total(perfect | {"picture": batch["input"]}, truth)
    assert worse["seen"] == best["seen"] and worse["l1_hole"] > 0.05
    assert total == pytest.approx(
        float(10 * worse["l2_hole"] + 0.5 * worse["l1_hole"] + 0.1 * worse["seen"])
    )


def test_a_locator_is_measured_on_crops_that_bear_something_and_on_clean_ones(
    batch: dict[str, torch.Tensor],
) -> None:
    module = Locating()
    for logits, iou, alarm in (
        (batch["mask"] * 40 - 20, 1, 0),
        (torch.ones(2, 1, 64, 64), 0.25, 1),
    ):
        figures, _ = module.measure({"mask": logits}, batch)
        assert figures["iou"][0] == pytest.approx(iou) and figures["iou"][1].isnan()
        assert figures["alarm"][1] == alarm and figures["alarm"][0].isnan()


def test_the_encoder_learns_at_its_own_rate() -> None:
    module = Locating(network_options={"frozen": 2}, encoder_rate=3e-4)
    encoder, rest = module.make_optimizer(module.parameter_groups()).param_groups
    assert (encoder["lr"], rest["lr"]) == (3e-4, 2e-3)
    assert all(p.requires_grad for p in encoder["params"])
    learning = sum(p.requires_grad for p in module.network.parameters())
    assert len(encoder["params"]) + len(rest["params"]) == learning


def test_the_true_make_of_a_mark_solves_for_the_picture(batch: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(1)
    cover = (batch["alpha"] > 0).float()
    empty = torch.zeros_like(cover)
    assert torch.equal(second_look(batch["input"], empty)[:, :3], batch["input"])
    before = (batch["input"] - batch["target"])[0].abs().mean()
    guesses = [second_look(batch["input"], cover, batch)[:, :3] for _ in range(20)]
    errors = [float((guess - batch["target"])[0].abs().mean()) for guess in guesses]
    assert max(errors) < 0.6 * before
    assert len(set(errors)) > 5  # give or take a little
    assert perturbed(0.0, batch["colour"][1]) == NOTHING


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
    options = {"frozen": 2, "settled": settled}
    module = Locating(network_options=options, init_from="watermark-locator")
    before = {n: b.clone() for n, b in module.named_buffers() if "running" in n}
    module.train()
    module.losses(batch)[0].backward()
    after = dict(module.named_buffers())
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert bool(changed) is not settled
