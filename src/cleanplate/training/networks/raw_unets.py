"""The two RAW denoisers: a U-Net (Ronneberger et al., MICCAI 2015) and one of ConvNeXt blocks
(Liu et al., "A ConvNet for the 2020s", CVPR 2022), both of which learn the noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from cleanplate.training.networks.layers import ChannelNorm, crop_like, pad_to_multiple, scaled
from cleanplate.training.networks.registry import NetworkCard, register


class NoiseUNet(nn.Module):
    """Input + prediction: max pooling down, 2x2 transposed convolutions up, concatenated skips.

    `block(inputs, outputs)` makes a level, `channels` lists the levels' widths.
    """

    def __init__(
        self, planes: int, channels: list[int], block: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        self.downs = nn.ModuleList(block(i, o) for i, o in pairwise([planes, *channels]))
        self.pool = nn.MaxPool2d(2)
        backwards = list(pairwise(channels[::-1]))
        self.grows = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in backwards)
        self.ups = nn.ModuleList(block(2 * o, o) for _, o in backwards)
        self.out: nn.Module = nn.Conv2d(channels[0], planes, 1)

    def forward(self, mosaic: Tensor) -> dict[str, Tensor]:
        padded = pad_to_multiple(mosaic, 32)
        x, skips = padded, []
        for index, down in enumerate(self.downs):
            x = down(self.pool(x) if index else x)
            skips.append(x)
        skips.pop()
        for grow, up in zip(self.grows, self.ups, strict=True):
            x = up(torch.cat([grow(x), skips.pop()], 1))
        return {"picture": crop_like(padded + self.out(x), mosaic)}


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """The residual U-Net's level."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.2),
    )


class ConvNeXtBlock(nn.Module):
    """The ConvNeXt U-Net's level; its weight starts at 0, so that only the 1x1 path speaks."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs),
            ChannelNorm(inputs),
            nn.Conv2d(inputs, 2 * inputs, 1),
            nn.GELU(),
            nn.Conv2d(2 * inputs, outputs, 1),
        )
        self.weight = nn.Parameter(torch.zeros(1))
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * self.body(x) + self.shortcut(x)


_card = partial(NetworkCard, multiple=32, outputs=("picture",), role="restorer")
_residual = partial(_card, parameters=7.75e6, source="Ronneberger et al., U-Net, MICCAI 2015")
_convnext = partial(
    _card,
    parameters=10.37e6,
    source="Liu et al., A ConvNet for the 2020s, CVPR 2022, as a U-Net",
)


@register(_residual("residual-unet-raw", 4), planes=4)
@register(_residual("residual-unet-rgb", 3), planes=3)
class ResidualUNet(NoiseUNet):
    """Five levels of two 3x3 convolutions. `width` is a multiplier of all channels; 4 planes are
    R, Gr, Gb, B of a Bayer mosaic, black level 0, white level 1."""

    def __init__(self, width: float = 1.0, planes: int = 4) -> None:
        channels = [scaled(n, width) for n in (32, 64, 128, 256, 512)]
        super().__init__(planes, channels, double_conv)


@register(_convnext("convnext-unet-raw", 4), planes=4)
@register(_convnext("convnext-unet-rgb", 3), planes=3)
class ConvNeXtUNet(NoiseUNet):
    """Four levels of depthwise `kernel`x`kernel` convolutions. `width` is a multiplier of all
    channels; planes as in ResidualUNet."""

    def __init__(self, width: float = 1.0, planes: int = 4, kernel: int = 3) -> None:
        channels = [scaled(n, width) for n in (128, 256, 512, 1024)]
        super().__init__(planes, channels, lambda i, o: ConvNeXtBlock(i, o, kernel))
        self.out = nn.Sequential(ChannelNorm(channels[0]), nn.Conv2d(channels[0], planes, 1))
