"""U-Net (Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015), with padding and batch norm."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from cleanplate.training.networks.layers import crop_like, pad_to_multiple, scaled
from cleanplate.training.networks.registry import register, segmenter


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Make 3x3 convolution, batch norm and ReLU, twice."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


@register(segmenter("unet", 31.04e6, multiple=16, source="Ronneberger et al., U-Net, MICCAI 2015"))
class UNet(nn.Module):
    """Logits (N, classes, H, W). `width` is a multiplier of all channels."""

    def __init__(self, width: float = 1.0, classes: int = 1) -> None:
        super().__init__()
        c = [scaled(n, width) for n in (64, 128, 256, 512, 1024)]
        self.downs = nn.ModuleList(double_conv(i, o) for i, o in pairwise([3, *c]))
        self.grows = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in pairwise(c[::-1]))
        self.ups = nn.ModuleList(double_conv(2 * o, o) for o in c[-2::-1])
        self.out = nn.Conv2d(c[0], classes, 1)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        x, skips = pad_to_multiple(picture, 16), []
        for index, down in enumerate(self.downs):
            x = down(functional.max_pool2d(x, 2) if index else x)
            skips.append(x)
        skips.pop()
        for grow, up in zip(self.grows, self.ups, strict=True):
            x = up(torch.cat([skips.pop(), grow(x)], 1))
        return {"mask": crop_like(self.out(x), picture)}
