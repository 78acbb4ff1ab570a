"""Losses as plain functions, and `Composed`, which adds them up by the names a recipe gives.

Shapes: pictures are (N, C, H, W) in [0, 1]; masks (N, 1, H, W) in [0, 1], 1 where something is to
be taken off; mask predictions are *logits* of that shape, never probabilities. Each function
returns a scalar and raises UsageError, naming itself, for shapes or ranges that do not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from cleanplate.errors import UsageError
from cleanplate.training.perceptual import VggPools, perceptual, style

NamedTensors = Mapping[str, Tensor]
Term = Callable[[NamedTensors, NamedTensors], Tensor]

# ------------------------------------------------------------------ pictures


def l1(picture: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute difference."""
    _same("l1", picture, truth)
    return functional.l1_loss(picture, truth)


def l2(picture: Tensor, truth: Tensor) -> Tensor:
    """Return the mean squared difference."""
    _same("l2", picture, truth)
    return functional.mse_loss(picture, truth)


def charbonnier(picture: Tensor, truth: Tensor, eps: float = 1e-3) -> Tensor:
    """Return the mean of sqrt(d^2 + eps^2) (Charbonnier et al., ICIP 1994)."""
    _same("charbonnier", picture, truth)
    return ((picture - truth).square() + eps**2).sqrt().mean()


def psnr(picture: Tensor, truth: Tensor) -> Tensor:
    """Return minus the PSNR in dB for peak 1, mean over the batch; -80 at best (NAFNet's loss).

    Raises:
        UsageError: `truth` does not live in [0, 1].
    """
    _same("psnr", picture, truth)
    _in_range("psnr", truth)
    error = (picture - truth).square().flatten(1).mean(1)
    return 10 / math.log(10) * (error + 1e-8).log().mean()


def l1_inside(picture: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Return L1 under the mask, as a mean over the whole picture, so that inside + outside = l1."""
    _same("l1_inside", picture, truth)
    _covers("l1_inside", mask, picture)
    return ((picture - truth).abs() * mask).mean()


def l1_outside(picture: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Return L1 outside the mask, as a mean over the whole picture."""
    _same("l1_outside", picture, truth)
    _covers("l1_outside", mask, picture)
    return ((picture - truth).abs() * (1 - mask)).mean()


def l1_hole(picture: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute difference under the masks of a batch, over all their samples."""
    _same("l1_hole", picture, truth)
    _covers("l1_hole", mask, picture)
    return ((picture - truth).abs() * mask).sum() / _samples(picture, mask)


def l2_hole(picture: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared difference under the masks of a batch, over all their samples."""
    _same("l2_hole", picture, truth)
    _covers("l2_hole", mask, picture)
    return ((picture - truth).square() * mask).sum() / _samples(picture, mask)


def _samples(picture: Tensor, mask: Tensor) -> Tensor:
    """Return how many samples lie under the masks; one more, for masks may be blank."""
    return picture.shape[1] * mask.sum() + 1


def tv(picture: Tensor) -> Tensor:
    """Return the anisotropic total variation: the mean absolute steps down and right, added."""
    if picture.ndim != 4 or min(picture.shape[-2:]) < 2:
        raise UsageError(f"tv: (N, C, H, W) of sides 2 or more, not {tuple(picture.shape)}.")
    return picture.diff(dim=-2).abs().mean() + picture.diff(dim=-1).abs().mean()


# ---------------------------------------------------- structural similarity

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
RADIUS = 5


def ssim(picture: Tensor, truth: Tensor) -> Tensor:
    """Return 1 - SSIM (Wang et al., TIP 2004): 11x11 Gaussian window of sigma 1.5, sides >= 11.

    Raises:
        UsageError: `truth` does not live in [0, 1].
    """
    _same("ssim", picture, truth)
    _in_range("ssim", truth)
    if min(truth.shape[-2:]) <= 2 * RADIUS:
        raise UsageError(f"ssim: sides of 11 or more, not {tuple(truth.shape[-2:])}.")
    luminance, structure = _similarity(picture, truth)
    return 1 - (luminance * structure).mean()


def ms_ssim(picture: Tensor, truth: Tensor) -> Tensor:
    """Return 1 - MS-SSIM over five scales (Wang et al., Asilomar 2003, eq. 7), sides >= 176.

    As torchmetrics has it, but the terms stop at 1e-4 instead of 0, where the powers' slope is
    infinite and would make the gradient nan.

    Raises:
        UsageError: `truth` does not live in [0, 1].
    """
    _same("ms_ssim", picture, truth)
    _in_range("ms_ssim", truth)
    if min(truth.shape[-2:]) < 176:
        raise UsageError(f"ms_ssim: sides of 176 or more, not {tuple(truth.shape[-2:])}.")
    product = torch.ones((), dtype=picture.dtype, device=picture.device)
    for scale, weight in enumerate(SCALES):
        last = scale == len(SCALES) - 1
        luminance, structure = _similarity(picture, truth, borders=last)
        term = luminance * structure if last else structure
        product = product * term.flatten(1).mean(1).clamp_min(1e-4) ** weight
        picture, truth = functional.avg_pool2d(picture, 2), functional.avg_pool2d(truth, 2)
    return 1 - product.mean()


def _similarity(a: Tensor, b: Tensor, borders: bool = False) -> tuple[Tensor, Tensor]:
    """Return SSIM's luminance and contrast-structure maps, where the window fits or everywhere."""
    c1, c2 = 0.01**2, 0.03**2
    if borders:
        a, b = (functional.pad(x, (RADIUS,) * 4, mode="reflect") for x in (a, b))
    mean_a, mean_b, squares, product = _blurred(torch.cat([a, b, a * a + b * b, a * b])).chunk(4)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    structure = (2 * (product - mean_a * mean_b) + c2) / (
        squares - mean_a.square() - mean_b.square() + c2
    )
    return luminance, structure


def _blurred(x: Tensor) -> Tensor:
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=x.dtype, device=x.device)
    window = torch.exp(-steps.square() / (2 * 1.5**2))
    window = (window / window.sum()).expand(x.shape[1], 1, 1, -1)
    down = functional.conv2d(x, window.transpose(-1, -2), groups=x.shape[1])
    return functional.conv2d(down, window, groups=x.shape[1])


# --------------------------------------------------------------------- masks

SPECK = 200.0  # pixels


def bce(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the binary cross-entropy of logits."""
    _mask("bce", logits, mask)
    return functional.binary_cross_entropy_with_logits(logits, mask)


def balanced_bce(logits: Tensor, mask: Tensor) -> Tensor:
    """Return BCE whose positives weigh the share of negatives of their picture, and vice versa
    (Xie and Tu, "Holistically-Nested Edge Detection", ICCV 2015, eq. 2)."""
    _mask("balanced_bce", logits, mask)
    share = mask.mean((1, 2, 3), keepdim=True)
    weight = mask * (1 - share) + (1 - mask) * share
    return functional.binary_cross_entropy_with_logits(logits, mask, weight)


def hard_negative_bce(logits: Tensor, mask: Tensor, negatives: int = 3) -> Tensor:
    """Return BCE over each picture's positives and its hardest negatives, `negatives` for each.

    Online hard example mining (Shrivastava et al., CVPR 2016) in the ratio of Liu et al., "SSD",
    ECCV 2016. Of a picture without positives, as many negatives count as one positive has.
    """
    _mask("hard_negative_bce", logits, mask)
    each = functional.binary_cross_entropy_with_logits(logits, mask, reduction="none").flatten(1)
    positive = mask.flatten(1) > 0.5
    count = positive.sum(1, keepdim=True)
    wanted = torch.minimum(negatives * count.clamp_min(1), (~positive).sum(1, keepdim=True))
    # Those of a rank under the count wanted: positives come last, for their BCE counts as -1.
    order = each.detach().masked_fill(positive, -1).argsort(1, descending=True).argsort(1)
    kept = (positive | (order < wanted)).to(each.dtype)
    return ((each * kept).sum(1) / kept.sum(1).clamp_min(1)).mean()


def focal(logits: Tensor, mask: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the focal loss (Lin et al., ICCV 2017, eq. 5)."""
    _mask("focal", logits, mask)
    return sigmoid_focal_loss(logits, mask, alpha, gamma, reduction="mean")


def mask_l1(logits: Tensor, mask: Tensor) -> Tensor:
    """Return L1 between the mask and the probabilities."""
    _mask("mask_l1", logits, mask)
    return functional.l1_loss(logits.sigmoid(), mask)


def dice(logits: Tensor, mask: Tensor, smooth: float = 1.0) -> Tensor:
    """Return 1 - Dice coefficient of each picture, mean over the batch."""
    _mask("dice", logits, mask)
    overlap, total = _overlap(logits, mask)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def iou(logits: Tensor, mask: Tensor, smooth: float = 1.0) -> Tensor:
    """Return 1 - soft intersection over union of each picture, mean over the batch."""
    _mask("iou", logits, mask)
    overlap, total = _overlap(logits, mask)
    return (1 - (overlap + smooth) / (total - overlap + smooth)).mean()


def bce_inside(logits: Tensor, mask: Tensor) -> Tensor:
    """Return BCE under the mask, as a mean over the whole picture; it adds weight to `bce`."""
    _mask("bce_inside", logits, mask)
    return functional.binary_cross_entropy_with_logits(logits, mask, mask)


def batch_dice(logits: Tensor, mask: Tensor) -> Tensor:
    """Return Dice over a batch as if it were one picture: large masks count by their pixels."""
    _mask("batch_dice", logits, mask)
    return dice(*(maps.flatten(0, 2)[None, None] for maps in (logits, mask)))


def smooth_dice(logits: Tensor, mask: Tensor) -> Tensor:
    """Return Dice of each picture, tolerant of misses and false finds far below 200 pixels."""
    _mask("smooth_dice", logits, mask)
    return dice(logits, mask, smooth=SPECK)


def smooth_iou(logits: Tensor, mask: Tensor) -> Tensor:
    """Return IoU of each picture, tolerant of misses and false finds far below 200 pixels."""
    _mask("smooth_iou", logits, mask)
    return iou(logits, mask, smooth=SPECK)


def bce_l1(logits: Tensor, mask: Tensor) -> Tensor:
    """Return BCE + L1 of the probabilities."""
    _mask("bce_l1", logits, mask)
    return bce(logits, mask) + mask_l1(logits, mask)


def bce_dice(logits: Tensor, mask: Tensor) -> Tensor:
    """Return BCE + 3 Dice, which gave the best edges."""
    _mask("bce_dice", logits, mask)
    return bce(logits, mask) + 3 * dice(logits, mask)


def bce_iou(logits: Tensor, mask: Tensor) -> Tensor:
    """Return BCE + IoU, which gave the best figures."""
    _mask("bce_iou", logits, mask)
    return bce(logits, mask) + iou(logits, mask)


def mask_tv(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the total variation of the probabilities; the true mask only checks the shape."""
    _mask("mask_tv", logits, mask)
    return tv(logits.sigmoid())


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the softmax cross-entropy of logits (N, C, H, W) and int64 labels (N, H, W)."""
    if labels.shape != logits.shape[:1] + logits.shape[2:] or labels.dtype != torch.int64:
        raise UsageError(
            f"cross_entropy: int64 labels (N, H, W) for logits {tuple(logits.shape)}, "
            f"not {labels.dtype} {tuple(labels.shape)}."
        )
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= logits.shape[1]:
        raise UsageError(f"cross_entropy: labels 0..{logits.shape[1] - 1}, not {low}..{high}.")
    return functional.cross_entropy(logits, labels)


def deep_supervision(
    loss: Callable[[Tensor, Tensor], Tensor], outputs: NamedTensors, mask: Tensor
) -> Tensor:
    """Sum of `loss` over the output "mask" and every side output ("side...") at full size
    (U2-Net, Qin et al. 2020, eq. 1, all weights 1)."""
    sides = [name for name in outputs if name == "mask" or name.startswith("side")]
    return torch.stack([loss(outputs[name], mask) for name in sides]).sum()


def _overlap(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    found, truth = logits.sigmoid().flatten(1), mask.flatten(1)
    return (found * truth).sum(1), found.sum(1) + truth.sum(1)


# --------------------------------------------------------------- adversarial


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return the hinge loss on raw scores of any shape (Miyato et al., ICLR 2018, eq. 16)."""
    return (1 - real).relu().mean() + (1 + fake).relu().mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """Return minus the mean score (Miyato et al., eq. 17), also Wasserstein's generator loss."""
    return -fake.mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Pull real scores to 1, fake ones to 0 (Mao et al., ICCV 2017, eq. 9)."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def least_squares_generator(fake: Tensor) -> Tensor:
    """Pull fake scores to 1."""
    return 0.5 * (fake - 1).square().mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return minus the estimated distance (Arjovsky et al., ICML 2017).

    The critic must be Lipschitz, as by spectral norms.
    """
    return fake.mean() - real.mean()


# ------------------------------------------------------- EraseNet's published


SIDES = {"coarse": (8, 0.8), "half": (6, 1.0), "quarter": (5, 0.8)}  # weights inside, outside


def erasenet_sides(outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    """Return weighted L1 inside and outside the mask at several scales: of the coarse picture
    and the two smaller side outputs (Liu et al., TIP 2020)."""
    parts = []
    for name, (inside, outside) in SIDES.items():
        found = outputs[name]
        picture, mask = (
            functional.interpolate(truth[key], size=found.shape[-2:], mode="area")
            for key in ("picture", "mask")
        )
        _same(f"erasenet_sides: {name}", found, picture)
        _covers(f"erasenet_sides: {name}", mask, picture)
        parts.append(((found - picture).abs() * (inside * mask + outside * (1 - mask))).mean())
    return torch.stack(parts).sum()


# ------------------------------------------------------------------ composing


def _picture(loss: Callable[[Tensor, Tensor], Tensor]) -> Term:
    return lambda outputs, truth: loss(outputs["picture"], truth["picture"])


def _masked(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Term:
    return lambda outputs, truth: loss(outputs["picture"], truth["picture"], truth["mask"])


def _located(loss: Callable[[Tensor, Tensor], Tensor]) -> Term:
    return lambda outputs, truth: loss(outputs["mask"], truth["mask"])


def _deep(loss: Callable[[Tensor, Tensor], Tensor]) -> Term:
    return lambda outputs, truth: deep_supervision(loss, outputs, truth["mask"])


_UNDER = (l1_inside, l1_outside, l1_hole, l2_hole)
_PICTURES = (l1, l2, charbonnier, psnr, ssim, ms_ssim)
_MASKS = (
    bce,
    bce_inside,
    balanced_bce,
    hard_negative_bce,
    focal,
    mask_l1,
    dice,
    batch_dice,
    smooth_dice,
    iou,
    smooth_iou,
    bce_l1,
    bce_dice,
    bce_iou,
    mask_tv,
)

TERMS: dict[str, Term] = {
    **{loss.__name__: _picture(loss) for loss in _PICTURES},
    **{loss.__name__: _masked(loss) for loss in _UNDER},
    **{loss.__name__: _located(loss) for loss in _MASKS},
    **{f"deep_{loss.__name__}": _deep(loss) for loss in _MASKS},
    "tv": lambda outputs, truth: tv(outputs["picture"]),
    "cross_entropy": lambda outputs, truth: cross_entropy(outputs["mask"], truth["labels"]),
    "hinge": lambda outputs, truth: hinge_generator(outputs["score"]),
    "wasserstein": lambda outputs, truth: hinge_generator(outputs["score"]),
    "least_squares": lambda outputs, truth: least_squares_generator(outputs["score"]),
    "erasenet_sides": erasenet_sides,
}


def _value(name: str, term: Term, outputs: NamedTensors, truth: NamedTensors) -> Tensor:
    try:
        return term(outputs, truth)
    except KeyError as missing:
        raise UsageError(
            f"{name}: {missing} is neither among the network's outputs nor in the truth."
        ) from None


_VGG_TERMS = {"perceptual": perceptual, "style": style}

COMPOSITES: dict[str, dict[str, float]] = {
    "watermark": {"bce_l1": 0.5, "l1_inside": 0.5, "l1_outside": 0.5, "l1": 1.5},
    "watermark-mask-l1": {"mask_l1": 1.0, "l1_inside": 0.5, "l1_outside": 0.5, "l1": 1.5},
    "erasenet": {
        "l1_inside": 10,
        "l1_outside": 2,
        "erasenet_sides": 1,
        "perceptual": 0.01,
        "style": 120,
        "dice": 1,
        "hinge": 0.1,
    },
    "charbonnier-ms-ssim": {"charbonnier": 1, "ms_ssim": 1},
}


class Composed(nn.Module):
    """A weighted sum of named terms; also returns each term, unweighted, for the log.

    `weights` maps names in `TERMS` (or perceptual, style) to weights, or is a name in
    `COMPOSITES`. Called with a network's outputs and the truth, both keyed "picture", "mask"
    (logits in the outputs), and "labels" or "score" where a term wants them. The VGG terms use
    `features`; without it they get torchvision's weights. `terms` are further ones by name.

    Raises:
        UsageError: unknown names; when called, a term whose tensors are not there.
    """

    def __init__(
        self,
        weights: dict[str, float] | str,
        features: nn.Module | None = None,
        terms: Mapping[str, Term] | None = None,
    ) -> None:
        super().__init__()
        self.terms = {**TERMS, **(terms or {})}
        if isinstance(weights, str):
            if weights not in COMPOSITES:
                raise UsageError(f"No loss {weights!r}; there are: {', '.join(COMPOSITES)}.")
            weights = COMPOSITES[weights]
        unknown = sorted(set(weights) - set(self.terms) - set(_VGG_TERMS))
        if unknown or not weights:
            there = ", ".join([*self.terms, *_VGG_TERMS])
            raise UsageError(f"No loss terms {', '.join(unknown)}; there are: {there}.")
        self.weights = dict(weights)
        self.features: nn.Module | None = None
        if any(name in _VGG_TERMS for name in weights):
            self.features = features or VggPools()

    def forward(
        self, outputs: NamedTensors, truth: NamedTensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        parts = {
            name: _value(name, self.terms[name], outputs, truth)
            for name in self.weights
            if name in self.terms
        }
        if self.features is not None:
            parts.update(self._vgg_terms(outputs, truth))
        total = torch.stack([self.weights[name] * part for name, part in parts.items()]).sum()
        return total, {name: part.detach() for name, part in parts.items()}

    def _vgg_terms(self, outputs: NamedTensors, truth: NamedTensors) -> dict[str, Tensor]:
        """Return the VGG terms of the output, alone and pasted into the truth, as EraseNet does."""
        assert self.features is not None
        mask = truth["mask"]
        pasted = outputs["picture"] * mask + truth["picture"] * (1 - mask)
        found = self.features(torch.cat([outputs["picture"], pasted]))
        with torch.no_grad():
            real = [torch.cat([pool, pool]) for pool in self.features(truth["picture"])]
        return {
            # twice, for the mean over both halves is half of the sum of the two losses
            name: 2 * loss(found, real)
            for name, loss in _VGG_TERMS.items()
            if name in self.weights
        }


# --------------------------------------------------------------------- checks


def _same(name: str, found: Tensor, truth: Tensor) -> None:
    if found.shape != truth.shape:
        raise UsageError(
            f"{name}: two tensors of one shape, not {tuple(found.shape)} and {tuple(truth.shape)}."
        )
    if not (found.is_floating_point() and truth.is_floating_point()):
        raise UsageError(f"{name}: float tensors, not {found.dtype} and {truth.dtype}.")


def _covers(name: str, mask: Tensor, picture: Tensor) -> None:
    if mask.shape != (picture.shape[0], 1, *picture.shape[2:]):
        raise UsageError(
            f"{name}: a mask (N, 1, H, W) for {tuple(picture.shape)}, not {tuple(mask.shape)}."
        )
    _in_range(name, mask)


def _mask(name: str, logits: Tensor, mask: Tensor) -> None:
    _same(name, logits, mask)
    _in_range(name, mask)


def _in_range(name: str, truth: Tensor) -> None:
    low, high = truth.detach().aminmax()
    if low < -1e-6 or high > 1 + 1e-6:
        raise UsageError(f"{name}: values in [0, 1], not [{low:g}, {high:g}].")
