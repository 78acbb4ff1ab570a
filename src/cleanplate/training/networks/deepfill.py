"""DeepFill v2 (Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019): the
paper's net, a twin of two plain gated nets, and their discriminators."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from cleanplate.training.networks.contextual_attention import contextual_attention
from cleanplate.training.networks.layers import crop_like, pad_to_multiple, scaled, snconv
from cleanplate.training.networks.registry import NetworkCard, register

DILATIONS = (2, 4, 8, 16)

_card = partial(
    NetworkCard,
    planes=4,
    source="Yu et al., Free-Form Image Inpainting with Gated Convolution, ICCV 2019",
)
_filler = partial(_card, multiple=8, outputs=("picture", "coarse"), role="filler")
_critic = partial(_card, outputs=("score",), role="discriminator")


class Gated(nn.Module):
    """activation(a) * sigmoid(g) for the halves a and g of one convolution; `up` doubles the size
    first. `channels` is the number returned."""

    def __init__(
        self,
        inputs: int,
        channels: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        up: bool = False,
        activation: Callable[[Tensor], Tensor] = functional.elu,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, 2 * channels, kernel, stride, padding, dilation)
        self.up = up
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = functional.interpolate(x, scale_factor=2.0)
        a, g = self.conv(x).chunk(2, dim=1)
        return self.activation(a) * g.sigmoid()


def gated_encoder(inputs: int, n: list[int], c: int) -> nn.Sequential:
    """Make five gated convolutions down to a quarter of the size."""
    return nn.Sequential(
        Gated(inputs, c, 5), Gated(c, n[0], stride=2), Gated(n[0], n[1]),
        Gated(n[1], n[2], stride=2), Gated(n[2], 4 * c),
    )  # fmt: skip


def gated_decoder(inputs: int, c: int) -> nn.Sequential:
    """Make what goes from a quarter of the size to three planes at full size, not activated."""
    return nn.Sequential(
        Gated(inputs, 4 * c), Gated(4 * c, 4 * c),
        Gated(4 * c, 2 * c, up=True), Gated(2 * c, 2 * c),
        Gated(2 * c, c, up=True), Gated(c, c // 2),
        nn.Conv2d(c // 2, 3, 3, padding=1),
    )  # fmt: skip


def dilated(channels: int) -> nn.Sequential:
    """Make four gated convolutions that see ever farther."""
    return nn.Sequential(*(Gated(channels, channels, dilation=d) for d in DILATIONS))


@register(_filler("deepfill-v2", parameters=4.05e6))
class DeepFill(nn.Module):
    """A fill for the hole: planes 0..2 the picture (what lies in the hole is not looked at),
    plane 3 the mask, 1 in the hole.

    `picture` is the second stage's, `coarse` the first's, neither pasted. `width` is c, the
    channels of the first convolution before its gate (48 in the paper; even).
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        c = width // 2
        self.coarse = nn.Sequential(
            gated_encoder(5, [2 * c, 2 * c, 4 * c], c),
            Gated(4 * c, 4 * c),
            dilated(4 * c),
            gated_decoder(4 * c, c),
            nn.Tanh(),
        )
        self.hallucinate = nn.Sequential(
            gated_encoder(3, [c, 2 * c, 2 * c], c), Gated(4 * c, 4 * c), dilated(4 * c)
        )
        self.look = nn.Sequential(
            gated_encoder(3, [c, 2 * c, 4 * c], c),
            Gated(4 * c, 4 * c, activation=functional.relu),
        )
        self.copy = nn.Sequential(Gated(4 * c, 4 * c), Gated(4 * c, 4 * c))
        self.refine = gated_decoder(8 * c, c)

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        padded = pad_to_multiple(planes, 8)
        picture, mask = 2 * padded[:, :3] - 1, padded[:, 3:]
        blanked = picture * (1 - mask)
        coarse = self.coarse(torch.cat([blanked, torch.ones_like(mask), mask], 1))
        pasted = coarse * mask + blanked
        hole = functional.max_pool2d(mask, 4)
        seen = self.copy(contextual_attention(self.look(pasted), hole))
        refined = self.refine(torch.cat([self.hallucinate(pasted), seen], 1))
        return {
            "picture": crop_like((refined + 1) / 2, planes),
            "coarse": crop_like((coarse + 1) / 2, planes),
        }


class TwinGated(nn.Module):
    """conv * sigmoid(conv), InstanceNorm, LeakyReLU 0.2; `up` doubles the size first."""

    def __init__(
        self,
        inputs: int,
        channels: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        up: bool = False,
        last: bool = False,
    ) -> None:
        super().__init__()
        padding = (kernel - stride + 1) // 2 if stride > 1 else dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, channels, kernel, stride, padding, dilation)
        self.gate = nn.Conv2d(inputs, channels, kernel, stride, padding, dilation)
        self.after = (
            nn.Tanh() if last else nn.Sequential(nn.InstanceNorm2d(channels), nn.LeakyReLU(0.2))
        )
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = functional.interpolate(x, scale_factor=2.0)
        return self.after(self.conv(x) * self.gate(x).sigmoid())


def twin(c: int) -> nn.Sequential:
    """Run one of the two nets: 4 planes in, 3 in [-1, 1] out."""
    return nn.Sequential(
        TwinGated(4, c, 7), TwinGated(c, 2 * c, 4, stride=2),
        TwinGated(2 * c, 4 * c), TwinGated(4 * c, 4 * c, 4, stride=2),
        TwinGated(4 * c, 4 * c), TwinGated(4 * c, 4 * c),
        *(TwinGated(4 * c, 4 * c, dilation=d) for d in DILATIONS),
        TwinGated(4 * c, 4 * c), TwinGated(4 * c, 4 * c),
        TwinGated(4 * c, 2 * c, up=True), TwinGated(2 * c, 2 * c),
        TwinGated(2 * c, c, up=True), TwinGated(c, 3, 7, last=True),
    )  # fmt: skip


@register(_filler("deepfill-v2-twin", parameters=26.94e6))
class TwinDeepFill(nn.Module):
    """DeepFill's interface over two identical gated nets without attention. `width` is L, the
    channels at full size."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first, self.second = twin(width), twin(width)

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        padded = pad_to_multiple(planes, 8)
        picture, mask = 2 * padded[:, :3] - 1, padded[:, 3:]
        outside = picture * (1 - mask)
        coarse = self.first(torch.cat([outside + mask, mask], 1))
        refined = self.second(torch.cat([outside + coarse * mask, mask], 1))
        return {
            "picture": crop_like((refined + 1) / 2, planes),
            "coarse": crop_like((coarse + 1) / 2, planes),
        }


@register(_critic("sn-patchgan", multiple=1, parameters=5.95e6))
class PatchGan(nn.Module):
    """SN-PatchGAN: a raw score at every position of S/64, over channels too, of a picture (planes
    0..2) and its mask (plane 3). `width` is a multiplier of all channels."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = [4, *(scaled(n, width) for n in (64, 128, 256, 256, 256, 256))]
        self.layers = nn.Sequential(
            *(nn.Sequential(snconv(i, o, 5, 2), nn.LeakyReLU(0.2)) for i, o in pairwise(channels))
        )

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        return {"score": self.layers(planes)}


@register(_critic("deepfill-v2-twin-discriminator", multiple=32, parameters=2.77e6))
class TwinCritic(nn.Module):
    """The twin's discriminator: one raw score at every position of S/32. `width` is L."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        c = [width, 2 * width, 4 * width, 4 * width, 4 * width]
        layers = [snconv(4, c[0], 7), nn.LeakyReLU(0.2)]
        for i, o in pairwise(c):
            layers += [snconv(i, o, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, snconv(c[-1], 1, 4, 2, 1))

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        return {"score": self.layers(pad_to_multiple(planes, 32))}
