"""The filler: what a picture shows where something was taken off it.

A residual U-Net (Ronneberger et al., MICCAI 2015; He et al., CVPR 2016; without normalisation, as
in EDSR, Lim et al., CVPRW 2017) behind a pixel-unshuffle (Shi et al., CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cleanplate.training.networks.layers import crop_like, pad_to_multiple, scaled
from cleanplate.training.networks.registry import NetworkCard, register


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Keep the shape."""
        return maps + self.second(F.relu(self.first(F.relu(maps))))


class LeanUNet(nn.Module):
    """The body of a network: residual blocks on every level, down and up again, added skips."""

    def __init__(self, inputs: int, outputs: int, sizes: Sequence[int], blocks: int) -> None:
        """Build the levels; what leaves the head is 0 at first.

        Args:
            inputs: channels that go in.
            outputs: channels that come out.
            sizes: channels at each level, from the finest.
            blocks: residual blocks a level, each way.
        """
        super().__init__()
        self.stem = nn.Conv2d(inputs, sizes[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        for inner, outer in pairwise(sizes):
            self.down.append(level(inner, blocks))
            self.shrink.append(nn.Conv2d(inner, outer, 2, stride=2))
            self.grow.append(nn.Sequential(nn.Conv2d(outer, 4 * inner, 1), nn.PixelShuffle(2)))
            self.up.append(level(inner, blocks))
        self.bottom = level(sizes[-1], 2 * blocks)
        self.head = nn.Conv2d(sizes[0], outputs, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def residue(self, planes: Tensor) -> Tensor:
        """Map (N, inputs, H, W), sides that halve at every level, to (N, outputs, H, W) float32."""
        maps, skips = self.stem(planes), []
        for stage, shrink in zip(self.down, self.shrink, strict=True):
            skips.append(stage(maps))
            maps = shrink(skips[-1])
        maps = self.bottom(maps)
        for grow, stage in zip(reversed(self.grow), reversed(self.up), strict=True):
            maps = stage(grow(maps) + skips.pop())
        found: Tensor = self.head(F.relu(maps)).float()
        return found


_card = partial(
    NetworkCard,
    multiple=32,
    source="Ronneberger et al. 2015 behind Shi et al. 2016",
    role="filler",
)


@register(
    _card("filler", planes=4, outputs=("fill", "mask"), logits=("mask",), parameters=2.663e6),
)
@register(
    _card(
        "watermark-filler",
        planes=8,
        outputs=("fill", "mask", "cover"),
        logits=("mask", "cover"),
        parameters=2.667e6,
    ),
    planes=8,
    heads={"cover": 1, "mask": 1},
)
@register(
    _card(
        "occlusion-filler",
        planes=7,
        outputs=("fill", "seen"),
        logits=("seen",),
        parameters=2.769e6,
    ),
    planes=7,
    heads={"seen": 1},
    widths=(32, 64, 96, 160, 160),
)
@register(
    _card(
        "photo-filler",
        planes=4,
        outputs=("fill",),
        logits=(),
        parameters=2.643e6,
    ),
    planes=4,
    heads={},
    widths=(32, 48, 96, 128, 128, 128),
    levelled=True,
)
@register(
    _card(
        "handwriting-eraser",
        planes=3,
        outputs=("fill", "mask", "print"),
        logits=("mask", "print"),
        parameters=1.922e6,
        role="eraser",
    ),
    planes=3,
    heads={"mask": 1, "print": 1},
    widths=(32, 48, 96, 128, 128),
)
class Filler(LeanUNet):
    """A first guess corrected, and whatever maps its task asks for besides.

    The first three input planes are the guess that `fill` corrects (mostly the picture itself); the
    others tell what is known: the rough mask and, for some tasks, more.

    Args:
        width: scales all channels.
        planes: input planes.
        heads: further outputs and their channels, raw (no activation).
        widths: channels at each level, the first behind the pixel-unshuffle.
        blocks: residual blocks a level, each way.
        factor: of the pixel-unshuffle.
        levelled: see `level_phases`; the fourth plane is the hole.
    """

    def __init__(
        self,
        width: float = 1.0,
        planes: int = 4,
        heads: Mapping[str, int] | None = None,
        widths: Sequence[int] = (24, 48, 96, 160, 160),
        blocks: int = 1,
        factor: int = 2,
        levelled: bool = False,
    ) -> None:
        outputs = {"fill": 3, **({"mask": 1} if heads is None else heads)}
        sizes = [scaled(channels, width, 4) for channels in widths]
        count = sum(outputs.values())
        super().__init__(planes * factor**2, count * factor**2, sizes, blocks)
        self.heads, self.factor, self.levelled = outputs, factor, levelled
        self.multiple = factor * 2 ** (len(widths) - 1)

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        """Map (N, planes, H, W) to `fill` (N, 3, H, W) and the other heads, all at that size."""
        padded = pad_to_multiple(planes, self.multiple)
        known = F.pixel_unshuffle(padded, self.factor)
        residue = self.residue(known)
        if self.levelled:
            phases = self.factor**2
            residue = level_phases(residue, known[:, 3 * phases : 4 * phases])
        found = F.pixel_shuffle(residue, self.factor)
        parts = torch.split(crop_like(found, planes), list(self.heads.values()), dim=1)
        outputs = dict(zip(self.heads, parts, strict=True))
        return outputs | {"fill": planes[:, :3] + outputs["fill"]}


def level_phases(residue: Tensor, hole: Tensor) -> Tensor:
    """Give the phases of a pixel-shuffle the same mean nearby, in a hole.

    Every phase comes from weights of its own, and where nothing tells how texture goes on their
    means drift apart: a checkerboard (Odena et al., Distill 2016).

    Args:
        residue: (N, C * P, H, W), before the shuffle; P phases.
        hole: (N, P, H, W), 1 where the residue counts.
    """
    phases = hole.shape[1]
    count = residue.shape[1] // phases
    weights = _nearby(hole)
    sums = _nearby(residue * hole.repeat(1, count, 1, 1))
    own = sums / (weights.repeat(1, count, 1, 1) + 1e-4)
    both = sums.unflatten(1, (count, phases)).sum(2) / (weights.sum(1, keepdim=True) + 1e-4)
    return residue - own + both.repeat_interleave(phases, 1)


def _nearby(maps: Tensor) -> Tensor:
    """Return the mean of the 9x9 samples about each."""
    return F.avg_pool2d(maps, 9, stride=1, padding=4)


def level(channels: int, blocks: int) -> nn.Sequential:
    """Return the residual blocks of one level."""
    return nn.Sequential(*(Residual(channels) for _ in range(blocks)))
