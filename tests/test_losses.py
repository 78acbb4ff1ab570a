from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from cleanplate.errors import ModelError, UsageError  # noqa: E402
from cleanplate.training import losses, perceptual  # noqa: E402

PICTURE_LOSSES = ("l1", "l2", "charbonnier", "psnr", "ssim", "ms_ssim")
MASK_LOSSES = (
    "bce",
    "balanced_bce",
    "hard_negative_bce",
    "focal",
    "mask_l1",
    "dice",
    "iou",
    "bce_l1",
    "bce_dice",
    "bce_iou",
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(3)


def _pair(side: int = 12, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 1, side, side, dtype=dtype), torch.rand(2, 1, side, side, dtype=dtype)


def _mask(side: int = 6) -> torch.Tensor:
    return (torch.rand(2, 1, side, side, dtype=torch.float64) > 0.6).double()


@pytest.mark.parametrize("name", [name for name in PICTURE_LOSSES if name != "ms_ssim"])
def test_picture_losses_have_true_gradients(name: str) -> None:
    a, b = _pair()
    assert torch.autograd.gradcheck(
        lambda x: getattr(losses, name)(x, b), a.requires_grad_(), fast_mode=True
    )


def test_ms_ssim_has_a_true_gradient() -> None:
    a, b = _pair(176)
    a = (b + 0.05 * a).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: losses.ms_ssim(x, b), a, fast_mode=True, atol=1e-4)


def test_ms_ssim_gradient_survives_the_opposite_picture() -> None:
    a = torch.rand(1, 3, 176, 176)
    b = (1 - a).requires_grad_()
    losses.ms_ssim(b, a).backward()
    assert b.grad.isfinite().all()


@pytest.mark.parametrize("name", [*MASK_LOSSES, "mask_tv"])
def test_mask_losses_have_true_gradients(name: str) -> None:
    logits = torch.randn(2, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    truth = _mask()
    assert torch.autograd.gradcheck(
        lambda x: getattr(losses, name)(x, truth), logits, fast_mode=True
    )


def _pyramid(dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    """EraseNet's three side outputs of a picture of 8x8."""
    sides = {"coarse": 8, "half": 4, "quarter": 2}
    return {key: torch.rand(2, 3, side, side, dtype=dtype) for key, side in sides.items()}


@pytest.mark.parametrize("name", ["l1_inside", "l1_outside"])
def test_masked_losses_have_true_gradients(name: str) -> None:
    a, b = (torch.rand(2, 3, 6, 6, dtype=torch.float64) for _ in "ab")
    mask = torch.rand(2, 1, 6, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: getattr(losses, name)(x, b, mask), a.requires_grad_(), fast_mode=True
    )


def test_variation_and_labels_have_true_gradients() -> None:
    logits = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(3, (2, 4, 4))
    assert torch.autograd.gradcheck(losses.tv, logits)
    assert torch.autograd.gradcheck(lambda x: losses.cross_entropy(x, labels), logits)


def test_losses_on_several_maps_have_true_gradients() -> None:
    truth = {"picture": torch.rand(2, 3, 8, 8, dtype=torch.float64), "mask": _mask(8)}
    sides, maps = _pyramid(), {key: torch.randn_like(truth["mask"]) for key in ("mask", "side1")}
    for found, term in ((sides, "erasenet_sides"), (maps, "deep_dice")):
        loss = losses.Composed({term: 1.0})

        def total(*tensors: torch.Tensor) -> torch.Tensor:
            return loss(dict(zip(found, tensors, strict=True)), truth)[0]  # noqa: B023

        given = [x.requires_grad_() for x in found.values()]
        assert torch.autograd.gradcheck(total, given, fast_mode=True), term


@pytest.mark.parametrize("name", ["perceptual", "style"])
def test_losses_on_features_have_true_gradients(name: str) -> None:
    loss, b = getattr(perceptual, name), torch.rand(1, 3, 6, 6, dtype=torch.float64)
    pools = _Pools()
    a = torch.rand(1, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss(pools(x), pools(b)), a)
    assert loss(pools(a), pools(b)).item() == pytest.approx(loss(pools(b), pools(a)).item())
    assert loss(pools(b), pools(b)).item() == 0
    with pytest.raises(UsageError, match=f"{name}: features"):
        loss(pools(a), pools(b[..., :4]))


@pytest.mark.parametrize("weights", ["watermark", "watermark-mask-l1", "erasenet"])
def test_composites_have_true_gradients(weights: str) -> None:
    truth = {"picture": torch.rand(2, 3, 8, 8, dtype=torch.float64), "mask": _mask(8)}
    found = {"picture": torch.rand_like(truth["picture"]), "mask": torch.randn_like(truth["mask"])}
    found |= _pyramid() | {"score": torch.randn(2, 1, dtype=torch.float64)}
    loss = losses.Composed(weights, features=_Pools())
    assert torch.autograd.gradcheck(
        lambda *x: loss(dict(zip(found, x, strict=True)), truth)[0],
        [x.requires_grad_() for x in found.values()],
        fast_mode=True,
    )


@pytest.mark.parametrize(
    "name",
    [
        "hinge_discriminator",
        "hinge_generator",
        "least_squares_discriminator",
        "least_squares_generator",
        "wasserstein_discriminator",
    ],
)
def test_adversarial_losses_have_true_gradients(name: str) -> None:
    count = 2 if name.endswith("discriminator") else 1
    scores = [
        torch.randn(3, 1, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(count)
    ]
    assert torch.autograd.gradcheck(getattr(losses, name), scores)


@pytest.mark.parametrize("name", PICTURE_LOSSES)
def test_picture_losses_are_symmetric_and_least_when_equal(name: str) -> None:
    a, b = _pair(176 if name == "ms_ssim" else 16)
    loss = getattr(losses, name)
    assert loss(a, b).item() == pytest.approx(loss(b, a).item(), rel=1e-9)
    best = loss(a, a).item()
    floor = {"charbonnier": 1e-3, "psnr": -80.0}.get(name, 0.0)
    assert best == pytest.approx(floor, abs=1e-9)
    assert loss(a, b).item() > best + 1e-3


def test_masked_l1_is_symmetric_and_least_when_equal() -> None:
    a, b = (torch.rand(2, 3, 6, 6) for _ in "ab")
    mask = torch.rand(2, 1, 6, 6)
    for loss in (losses.l1_inside, losses.l1_outside):
        assert loss(a, b, mask).item() == pytest.approx(loss(b, a, mask).item())
        assert loss(a, b, mask).item() > loss(a, a, mask).item() == 0
    parts = losses.l1_inside(a, b, mask) + losses.l1_outside(a, b, mask)
    assert parts.item() == pytest.approx(losses.l1(a, b).item())


@pytest.mark.parametrize("name", ["mask_l1", "dice", "iou"])
def test_overlaps_are_symmetric(name: str) -> None:
    loss, a, b = getattr(losses, name), *_pair(6)
    assert loss(a.logit(), b).item() == pytest.approx(loss(b.logit(), a).item(), rel=1e-9)


def test_other_losses_are_least_when_perfect() -> None:
    labels = torch.randint(3, (2, 4, 4))
    sure = 40 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    assert losses.cross_entropy(sure, labels).item() == pytest.approx(0, abs=1e-6)
    truth = _mask()
    maps = dict.fromkeys(("mask", "side1", "side2"), 40 * (2 * truth - 1))
    assert losses.deep_supervision(losses.bce, maps, truth).item() == pytest.approx(0, abs=1e-6)
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert losses.tv(flat).item() == 0
    sides = {"coarse": flat, "half": flat[..., ::2, ::2], "quarter": flat[..., ::4, ::4]}
    whole = {"picture": flat, "mask": _mask(8)[:1].float()}
    assert losses.erasenet_sides(sides, whole).item() == pytest.approx(0, abs=1e-6)


def test_adversarial_losses_are_least_when_won() -> None:
    one, two = torch.ones(3), torch.full((3,), 2.0)
    assert losses.hinge_discriminator(two, -two).item() == 0
    assert losses.hinge_discriminator(two, 0 * two).item() == 1
    assert losses.least_squares_discriminator(one, 0 * one).item() == 0
    assert losses.least_squares_discriminator(two, 0 * one).item() == 0.5
    assert losses.least_squares_generator(one).item() == 0
    assert losses.hinge_generator(two).item() < losses.hinge_generator(one).item()
    won, lost = (losses.wasserstein_discriminator(x, -x).item() for x in (two, -two))
    assert won < lost


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_a_perfect_mask_is_the_minimum(name: str) -> None:
    truth, loss = _mask(), getattr(losses, name)
    perfect = loss(40 * (2 * truth - 1), truth).item()
    assert perfect == pytest.approx(0, abs=1e-6)
    assert loss(torch.zeros_like(truth), truth).item() > perfect
    assert loss(40 * (1 - 2 * truth), truth).item() > loss(torch.zeros_like(truth), truth).item()


def test_picture_values_by_hand() -> None:
    a, b = torch.full((1, 1, 2, 2), 0.5), torch.tensor([[[[0.5, 0.7], [0.1, 0.5]]]])
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert losses.l1(a, b).item() == pytest.approx(0.15)
    assert losses.l2(a, b).item() == pytest.approx(0.05)
    assert losses.psnr(a, b).item() == pytest.approx(-10 * math.log10(1 / 0.05), abs=1e-4)
    assert losses.charbonnier(a, a, eps=0.25).item() == pytest.approx(0.25)
    assert losses.l1_inside(a, b, mask).item() == pytest.approx(0.05)
    assert losses.l1_outside(a, b, mask).item() == pytest.approx(0.1)
    assert losses.tv(b).item() == pytest.approx((0.4 + 0.2) / 2 + (0.2 + 0.4) / 2)


def test_mask_values_by_hand() -> None:
    zero, truth = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    log2 = math.log(2)
    assert losses.bce(zero, truth).item() == pytest.approx(log2)
    assert losses.mask_l1(zero, truth).item() == pytest.approx(0.5)
    assert losses.bce_l1(zero, truth).item() == pytest.approx(log2 + 0.5)
    assert losses.dice(zero, truth).item() == pytest.approx(1 - (1 + 1) / (3 + 1))
    assert losses.iou(zero, truth).item() == pytest.approx(1 - (0.5 + 1) / (2.5 + 1))
    assert losses.bce_dice(zero, truth).item() == pytest.approx(log2 + 3 * 0.5)
    assert losses.bce_iou(zero, truth).item() == pytest.approx(log2 + 2 / 3.5)
    assert losses.balanced_bce(zero, truth).item() == pytest.approx(log2 * (0.75 + 3 * 0.25) / 4)
    assert losses.focal(zero, truth).item() == pytest.approx(log2 * 0.25 * (0.25 + 3 * 0.75) / 4)


def test_cross_entropy_by_hand() -> None:
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 1] = math.log(2)
    labels = torch.ones(1, 2, 2, dtype=torch.int64)
    assert losses.cross_entropy(logits, labels).item() == pytest.approx(math.log(2))
    with pytest.raises(UsageError, match=r"cross_entropy.*labels"):
        losses.cross_entropy(logits, labels + 2)
    with pytest.raises(UsageError, match="cross_entropy"):
        losses.cross_entropy(logits, labels.float())


def test_adversarial_values_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.5])
    assert losses.hinge_discriminator(real, fake).item() == pytest.approx(0.25 + 0.75)
    assert losses.hinge_generator(fake).item() == pytest.approx(0.75)
    assert losses.least_squares_discriminator(real, fake).item() == pytest.approx(
        0.5 * ((1 + 0.25) / 2 + (4 + 0.25) / 2)
    )
    assert losses.least_squares_generator(fake).item() == pytest.approx(0.5 * (9 + 0.25) / 2)
    assert losses.wasserstein_discriminator(real, fake).item() == pytest.approx(-0.75 - 1.25)


def test_similarities_agree_with_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.functional.image")
    a, b = torch.rand(2, 3, 192, 180), torch.rand(2, 3, 192, 180)
    b = (a + 0.3 * b).clamp(0, 1)
    expected = image.multiscale_structural_similarity_index_measure(b, a, data_range=1.0).item()
    assert 1 - losses.ms_ssim(b, a).item() == pytest.approx(expected, abs=1e-5)
    # torchmetrics counts reflected borders as well; inside them both are the same map
    _, full = image.structural_similarity_index_measure(
        b, a, data_range=1.0, return_full_image=True
    )
    inside = full[..., 5:-5, 5:-5].mean().item()
    assert 1 - losses.ssim(b, a).item() == pytest.approx(inside, abs=1e-5)


def test_the_loss_and_the_metric_agree() -> None:
    from cleanplate import metrics

    a = torch.rand(1, 3, 180, 190)
    b = (a + 0.2 * torch.rand_like(a)).clamp(0, 1)
    first, second = (x[0].permute(1, 2, 0).double().numpy() for x in (a, b))
    assert 1 - losses.ssim(b, a).item() == pytest.approx(metrics.ssim(first, second), abs=1e-4)
    assert 1 - losses.ms_ssim(b, a).item() == pytest.approx(
        metrics.ms_ssim(first, second), abs=1e-4
    )
    assert -losses.psnr(b, a).item() == pytest.approx(metrics.psnr(first, second), abs=1e-3)


@pytest.mark.parametrize("name", [*PICTURE_LOSSES, *MASK_LOSSES])
def test_wrong_shapes_and_types_are_refused_by_name(name: str) -> None:
    loss = getattr(losses, name)
    a = torch.rand(1, 1, 176, 176)
    with pytest.raises(UsageError, match=f"^{name}: two tensors"):
        loss(a, a[..., :-1])
    with pytest.raises(UsageError, match=f"^{name}: float"):
        loss(a, (a > 0.5).long())


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_a_mask_of_255_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: values in \[0, 1\]"):
        getattr(losses, name)(torch.zeros(1, 1, 4, 4), 255 * torch.ones(1, 1, 4, 4))


@pytest.mark.parametrize("name", ["ssim", "ms_ssim"])
def test_the_data_range_must_match(name: str) -> None:
    loss, a = getattr(losses, name), torch.rand(1, 1, 176, 176)
    with pytest.raises(UsageError, match=f"{name}: values in"):
        loss(255 * a, 255 * a)
    with pytest.raises(UsageError, match=f"{name}: sides"):
        loss(a[..., :10], a[..., :10])


def test_psnr_wants_a_peak_of_1() -> None:
    a = torch.rand(1, 3, 4, 4)
    with pytest.raises(UsageError, match="psnr: values in"):
        losses.psnr(a, 255 * a)


@pytest.mark.parametrize("name", ["l1_inside", "l1_outside"])
def test_masked_l1_refuses_by_name(name: str) -> None:
    loss, a, mask = getattr(losses, name), torch.rand(2, 3, 4, 4), torch.ones(2, 1, 4, 4)
    with pytest.raises(UsageError, match=f"{name}: a mask"):
        loss(a, a, a)
    with pytest.raises(UsageError, match=f"{name}: two tensors"):
        loss(a, a[:1], mask)
    with pytest.raises(UsageError, match=f"{name}: values in"):
        loss(a, a, 255 * mask)


def test_other_wrong_shapes_are_refused_by_name() -> None:
    a = torch.rand(1, 3, 8, 8)
    with pytest.raises(UsageError, match="tv: "):
        losses.tv(a[0])
    with pytest.raises(UsageError, match="mask_tv: "):
        losses.mask_tv(a[:, :1], a)
    sides = _pyramid(torch.float32)
    truth = {"picture": a.expand(2, -1, -1, -1), "mask": a[:, :1].expand(2, -1, -1, -1)}
    with pytest.raises(UsageError, match="erasenet_sides: half: two tensors"):
        losses.erasenet_sides(sides | {"half": sides["half"][:, :1]}, truth)
    with pytest.raises(UsageError, match="erasenet_sides: coarse: values"):
        losses.erasenet_sides(sides, truth | {"mask": 255 * truth["mask"]})


def test_deep_supervision_sums_mask_and_sides() -> None:
    truth = _mask()
    outputs = {
        "mask": torch.randn_like(truth),
        "side1": torch.randn_like(truth),
        "side2": torch.randn_like(truth),
        "picture": truth,
    }
    expected = sum(losses.bce(outputs[name], truth) for name in ("mask", "side1", "side2"))
    total, _ = losses.Composed({"deep_bce": 1.0})(outputs, {"mask": truth})
    assert total.item() == pytest.approx(expected.item())


def test_composed_adds_by_weight_and_logs_each_term() -> None:
    a, b = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    mask, logits = (torch.rand(2, 1, 8, 8) > 0.5).float(), torch.randn(2, 1, 8, 8)
    logits.requires_grad_()
    total, parts = losses.Composed("watermark")(
        {"picture": a, "mask": logits}, {"picture": b, "mask": mask}
    )
    expected = 0.5 * losses.bce_l1(logits, mask) + 2.0 * losses.l1(a, b)
    assert total.item() == pytest.approx(expected.item())
    assert set(parts) == {"bce_l1", "l1_inside", "l1_outside", "l1"}
    assert not any(part.requires_grad for part in parts.values())
    total.backward()
    assert logits.grad.abs().sum() > 0


def test_unknown_terms_are_refused() -> None:
    with pytest.raises(UsageError, match="l3"):
        losses.Composed({"l1": 1, "l3": 1})
    with pytest.raises(UsageError, match="watermark"):
        losses.Composed("watermarks")
    with pytest.raises(UsageError, match="there are"):
        losses.Composed({})


def test_a_term_without_its_tensors_is_refused() -> None:
    a = torch.rand(1, 3, 8, 8)
    with pytest.raises(UsageError, match="dice: 'mask' is neither"):
        losses.Composed({"l1": 1, "dice": 1})({"picture": a}, {"picture": a})


class _Pools(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [torch.nn.functional.avg_pool2d(x, 2), x.square()]


def test_erasenet_loss_by_hand() -> None:
    truth = {"picture": torch.rand(2, 3, 16, 16), "mask": (torch.rand(2, 1, 16, 16) > 0.5).float()}
    outputs = {
        "picture": torch.rand(2, 3, 16, 16),
        "mask": torch.randn(2, 1, 16, 16),
        "coarse": torch.rand(2, 3, 16, 16),
        "half": torch.rand(2, 3, 8, 8),
        "quarter": torch.rand(2, 3, 4, 4),
        "score": torch.randn(2, 1),
    }
    pools, mask = _Pools(), truth["mask"]
    pasted = outputs["picture"] * mask + truth["picture"] * (1 - mask)
    real = pools(truth["picture"])
    expected = {
        "perceptual": sum(
            perceptual.perceptual(pools(x), real) for x in (outputs["picture"], pasted)
        ),
        "style": sum(perceptual.style(pools(x), real) for x in (outputs["picture"], pasted)),
        "hinge": -outputs["score"].mean(),
        "dice": losses.dice(outputs["mask"], mask),
    }
    total, parts = losses.Composed("erasenet", features=pools)(outputs, truth)
    for name, value in expected.items():
        assert parts[name].item() == pytest.approx(value.item(), rel=1e-5), name
    weights = losses.COMPOSITES["erasenet"]
    assert total.item() == pytest.approx(
        sum(weights[name] * part.item() for name, part in parts.items()), rel=1e-5
    )


def test_erasenet_sides_weigh_the_coarse_mask_most() -> None:
    one, zero = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    outputs = {"coarse": one, "half": zero[..., ::2, ::2], "quarter": zero[..., ::4, ::4]}
    truth = {"picture": zero, "mask": one[:, :1]}
    assert losses.erasenet_sides(outputs, truth).item() == pytest.approx(8)
    truth["mask"] = zero[:, :1]
    assert losses.erasenet_sides(outputs, truth).item() == pytest.approx(0.8)


def test_vgg_pools_have_three_frozen_stages() -> None:
    pools = perceptual.VggPools(pretrained=None).train()
    found = pools(torch.rand(1, 3, 32, 32))
    assert [tuple(x.shape[1:]) for x in found] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]
    assert not any(p.requires_grad for p in pools.parameters())
    assert not pools.training
    for shape in ((1, 1, 32, 32), (3, 32, 32), (1, 3, 32, 7)):
        with pytest.raises(UsageError, match="VGG16: pictures"):
            pools(torch.rand(shape))


def test_weights_that_cannot_be_had_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.error import URLError

    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(ModelError, match="vgg16 cannot be had"):
        perceptual.VggPools()


def test_hard_negatives_are_three_for_each_positive() -> None:
    truth = torch.zeros(1, 1, 2, 5)
    truth[..., 0, 0] = 1
    logits = torch.tensor([[[[0.0, 4, 3, 2, -9], [-9, -9, -9, -9, -9]]]])
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wanted = each.flatten()[[0, 1, 2, 3]].mean()
    assert losses.hard_negative_bce(logits, truth).item() == pytest.approx(wanted.item())
    nothing = losses.hard_negative_bce(logits, torch.zeros_like(truth))
    hardest = torch.nn.functional.softplus(torch.tensor([4.0, 3, 2])).mean()
    assert nothing.item() == pytest.approx(hardest.item())


def test_dice_of_an_empty_pair_is_right() -> None:
    """As a published form of it gives -1."""
    logits, truth = torch.full((2, 1, 64, 64), -40.0), torch.zeros(2, 1, 64, 64)
    assert losses.dice(logits, truth).item() == pytest.approx(0, abs=1e-6)
    assert losses.dice(logits, 1 - truth).item() == pytest.approx(1, abs=1e-3)
