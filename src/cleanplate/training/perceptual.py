"""Losses on VGG16 features: perceptual and style, as EraseNet and many others use them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import vgg16

from cleanplate.errors import UsageError
from cleanplate.training.networks.backbones import Normalised, backbone


class VggPools(nn.Module):
    """The first three pools of VGG16, frozen, for pictures in [0, 1].

    Its ImageNet weights come through torchvision; None leaves them random.

    Raises:
        ModelError: the weights cannot be had.
        UsageError: when called, pictures are not (N, 3, H, W), or a side is under 8.
    """

    def __init__(self, pretrained: str | None = "imagenet") -> None:
        super().__init__()

        def make(weights: bool) -> nn.Module:
            return vgg16(weights="DEFAULT" if weights else None).features

        layers = backbone("vgg16", make, pretrained)
        self.normalise = Normalised()
        self.stages = nn.ModuleList([layers[:5], layers[5:10], layers[10:17]])
        self.requires_grad_(False).eval()

    def forward(self, picture: Tensor) -> list[Tensor]:
        if picture.ndim != 4 or picture.shape[1] != 3 or min(picture.shape[2:]) < 8:
            raise UsageError(
                f"VGG16: pictures (N, 3, H, W) of sides 8 or more, not {tuple(picture.shape)}."
            )
        x = self.normalise(picture)
        pools = []
        for stage in self.stages:
            x = stage(x)
            pools.append(x)
        return pools

    def train(self, mode: bool = True) -> VggPools:
        """Stay in evaluation mode."""
        return super().train(False)


def gram(features: Tensor) -> Tensor:
    """Return Gram matrices (N, C, C) of (N, C, H, W), divided by C * H * W."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def perceptual(found: list[Tensor], truth: list[Tensor]) -> Tensor:
    """Sum L1 between features over the layers (Johnson et al., ECCV 2016)."""
    _same("perceptual", found, truth)
    return torch.stack([functional.l1_loss(a, b) for a, b in zip(found, truth, strict=True)]).sum()


def style(found: list[Tensor], truth: list[Tensor]) -> Tensor:
    """Sum L1 between Gram matrices over the layers (Gatys et al., CVPR 2016)."""
    _same("style", found, truth)
    return torch.stack(
        [functional.l1_loss(gram(a), gram(b)) for a, b in zip(found, truth, strict=True)]
    ).sum()


def _same(name: str, found: list[Tensor], truth: list[Tensor]) -> None:
    shapes = [[tuple(x.shape) for x in features] for features in (found, truth)]
    if shapes[0] != shapes[1]:
        raise UsageError(f"{name}: features of one shape, not {shapes[0]} and {shapes[1]}.")
