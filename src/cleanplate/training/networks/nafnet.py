"""NAFNet (Chen et al., "Simple Baselines for Image Restoration", ECCV 2022) with TLC (Chu et al.,
"Improving Image Restoration by Revisiting Global Information Aggregation", ECCV 2022)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from cleanplate.training.networks.layers import ChannelNorm, crop_like, pad_to_multiple
from cleanplate.training.networks.registry import NetworkCard, register


def sliding_mean(x: Tensor, window: tuple[int, int]) -> Tensor:
    """Return the mean of (N, C, H, W) over a window (rows, columns) around each position.

    Where the window hangs over the border, the nearest whole window counts; a window that covers
    the map along both axes gives the global mean, (N, C, 1, 1).
    """
    height, width = x.shape[-2:]
    if window[0] >= height and window[1] >= width:
        return x.mean((-2, -1), keepdim=True)
    means = x.float()
    for dim, size in enumerate(window, start=-2):
        means = _means_along(means, max(1, min(size, means.shape[dim])), dim)
    down, right = height - means.shape[-2], width - means.shape[-1]
    padding = (right // 2, right - right // 2, down // 2, down - down // 2)
    return functional.pad(means, padding, mode="replicate").to(x.dtype)


def _means_along(x: Tensor, size: int, dim: int) -> Tensor:
    """Return the mean over `size` neighbours along -2 or -1, by differences of the running sum."""
    total = functional.pad(x.cumsum(dim), (0, 0, 1, 0) if dim == -2 else (1, 0, 0, 0))
    count = total.shape[dim] - size
    return (total.narrow(dim, size, count) - total.narrow(dim, 0, count)) / size


class Pool(nn.Module):
    """Global average; in evaluation, once a window is set, the sliding mean of TLC."""

    def __init__(self) -> None:
        super().__init__()
        self.window: tuple[int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.window is None:
            return x.mean((-2, -1), keepdim=True)
        return sliding_mean(x, self.window)


class Block(nn.Module):
    """Two gated halves; beta and gamma start at 0, so that a new block changes nothing."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(c)
        self.expand = nn.Conv2d(c, 2 * c, 1)
        self.depthwise = nn.Conv2d(2 * c, 2 * c, 3, padding=1, groups=2 * c)
        self.pool = Pool()
        self.attention = nn.Conv2d(c, c, 1)
        self.project = nn.Conv2d(c, c, 1)
        self.norm2 = ChannelNorm(c)
        self.widen = nn.Conv2d(c, 2 * c, 1)
        self.narrow = nn.Conv2d(c, c, 1)
        self.beta = nn.Parameter(torch.zeros(c, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(c, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        gated = simple_gate(self.depthwise(self.expand(self.norm1(x))))
        y = x + self.beta * self.project(gated * self.attention(self.pool(gated)))
        return y + self.gamma * self.narrow(simple_gate(self.widen(self.norm2(y))))


def simple_gate(x: Tensor) -> Tensor:
    """Multiply one half of the channels by the other."""
    first, second = x.chunk(2, dim=1)
    return first * second


def blocks(channels: int, count: int) -> nn.Sequential:
    """Make `count` blocks in a row."""
    return nn.Sequential(*(Block(channels) for _ in range(count)))


SLIM = {"encoder": (1, 1, 1, 1), "middle": 10, "decoder": (1, 1, 1, 1)}
SIDD = {"encoder": (2, 2, 4, 8), "middle": 12, "decoder": (2, 2, 2, 2)}


_card = partial(
    NetworkCard,
    planes=3,
    multiple=16,
    outputs=("picture",),
    source="Chen et al., Simple Baselines for Image Restoration, ECCV 2022",
    role="restorer",
)


@register(_card("nafnet-slim-16", parameters=5.34e6), width=16, **SLIM)
@register(_card("nafnet-slim-32", parameters=21.17e6), width=32, **SLIM)
@register(_card("nafnet-sidd-32", parameters=29.16e6), width=32, **SIDD)
@register(_card("nafnet-sidd-64", parameters=115.98e6), width=64, **SIDD)
class NAFNet(nn.Module):
    """The restored picture. `width` is the number of channels at full size (16, 32 or 64 in the
    papers); each level down doubles it. `encoder`, `middle`, `decoder`: blocks a level."""

    def __init__(
        self,
        width: int = 32,
        encoder: tuple[int, ...] = (1, 1, 1, 1),
        middle: int = 10,
        decoder: tuple[int, ...] = (1, 1, 1, 1),
        planes: int = 3,
    ) -> None:
        super().__init__()
        c = [width * 2**level for level in range(len(encoder) + 1)]
        self.multiple = 2 ** len(encoder)
        self.intro = nn.Conv2d(planes, width, 3, padding=1)
        self.encoders = nn.ModuleList(blocks(c[i], n) for i, n in enumerate(encoder))
        self.downs = nn.ModuleList(nn.Conv2d(n, 2 * n, 2, 2) for n in c[:-1])
        self.middle = blocks(c[-1], middle)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n, 2 * n, 1, bias=False), nn.PixelShuffle(2)) for n in c[:0:-1]
        )
        self.decoders = nn.ModuleList(
            blocks(n, count) for n, count in zip(c[-2::-1], decoder, strict=True)
        )
        self.ending = nn.Conv2d(width, planes, 3, padding=1)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        padded = pad_to_multiple(picture, self.multiple)
        x = self.intro(padded)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skips.pop())
        return {"picture": crop_like(self.ending(x) + padded, picture)}

    def use_tlc(self, train_size: tuple[int, int]) -> None:
        """Pool over windows in evaluation from now on, instead of the whole picture.

        Such a network is exported at its tile size.

        Args:
            train_size: height and width of the training crops; windows are 1.5 times as large.
        """
        levels = [*self.encoders, self.middle, *self.decoders]
        depth = len(self.encoders)
        for index, level in enumerate(levels):
            scale = 2 ** min(index, 2 * depth - index)
            sides = [-(-side // self.multiple) * self.multiple for side in train_size]
            for block in level:
                block.pool.window = tuple(int(1.5 * side) // scale for side in sides)
