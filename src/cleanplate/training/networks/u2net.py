"""U2-Net (Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object
Detection", Pattern Recognition 2020)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from cleanplate.training.networks.layers import crop_like, pad_to_multiple, resize_to, scaled
from cleanplate.training.networks.registry import register, segmenter


def conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    """Make a 3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class RSU(nn.Module):
    """RSU-L: a small U-Net of `depth` L with a residual connection around it."""

    def __init__(self, depth: int, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.intro = conv(inputs, outputs)
        self.downs = nn.ModuleList(
            [conv(outputs, middle), *(conv(middle, middle) for _ in range(depth - 2))]
        )
        self.bottom = conv(middle, middle, dilation=2)
        self.ups = nn.ModuleList(
            [*(conv(2 * middle, middle) for _ in range(depth - 2)), conv(2 * middle, outputs)]
        )

    def forward(self, x: Tensor) -> Tensor:
        kept = x = self.intro(x)
        skips = []
        for index, down in enumerate(self.downs):
            x = down(functional.max_pool2d(x, 2) if index else x)
            skips.append(x)
        x = self.bottom(x)
        for up in self.ups:
            skip = skips.pop()
            x = up(torch.cat([resize_to(x, skip.shape[-2:]), skip], 1))
        return x + kept


class RSU4F(nn.Module):
    """The same of depth 4 with dilations 1, 2, 4, 8 and back in place of pooling."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.intro = conv(inputs, outputs)
        self.downs = nn.ModuleList(
            [conv(outputs, middle), conv(middle, middle, 2), conv(middle, middle, 4)]
        )
        self.bottom = conv(middle, middle, 8)
        self.ups = nn.ModuleList(
            [conv(2 * middle, middle, 4), conv(2 * middle, middle, 2), conv(2 * middle, outputs)]
        )

    def forward(self, x: Tensor) -> Tensor:
        kept = x = self.intro(x)
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = self.bottom(x)
        for up in self.ups:
            x = up(torch.cat([x, skips.pop()], 1))
        return x + kept


FULL = {"middles": (32, 32, 64, 128, 256, 256), "outputs": (64, 128, 256, 512, 512, 512)}
SMALL = {"middles": (16,) * 6, "outputs": (64,) * 6}
FULL_UP = {"up_middles": (256, 128, 64, 32, 16), "up_outputs": (512, 256, 128, 64, 64)}
SMALL_UP = {"up_middles": (16,) * 5, "up_outputs": (64,) * 5}
SIDES = tuple(f"side{n}" for n in range(1, 7))


_card = partial(
    segmenter,
    multiple=32,
    source="Qin et al., U2-Net, Pattern Recognition 2020",
    training_outputs=SIDES,
)


@register(_card("u2net", 44.01e6), **FULL, **FULL_UP)
@register(_card("u2net-p", 1.13e6), **SMALL, **SMALL_UP)
class U2Net(nn.Module):
    """Logits (N, 1, H, W); in training mode also the six side outputs at full size, `side1` the
    finest, for the sum of seven losses. `width` is a multiplier of all channels.

    `middles`, `outputs`: channels of En1..En6; `up_middles`, `up_outputs`: of De5..De1. Sides are
    padded to 32, which leaves the paper's ceil pooling nothing to round.
    """

    def __init__(
        self,
        middles: tuple[int, ...],
        outputs: tuple[int, ...],
        up_middles: tuple[int, ...],
        up_outputs: tuple[int, ...],
        width: float = 1.0,
    ) -> None:
        super().__init__()
        m, o, um, uo = (
            [scaled(n, width) for n in channels]
            for channels in (middles, outputs, up_middles, up_outputs)
        )
        self.encoders = nn.ModuleList(
            [RSU(7 - i, n, m[i], o[i]) for i, n in enumerate([3, *o[:3]])]
            + [RSU4F(o[i - 1], m[i], o[i]) for i in (4, 5)]
        )
        below = [o[5], *uo[:-1]]
        self.decoders = nn.ModuleList(
            [RSU4F(below[0] + o[4], um[0], uo[0])]
            + [RSU(3 + i, below[i] + o[4 - i], um[i], uo[i]) for i in (1, 2, 3, 4)]
        )
        self.sides = nn.ModuleList(nn.Conv2d(n, 1, 3, padding=1) for n in [*uo[::-1], o[5]])
        self.fuse = nn.Conv2d(6, 1, 1)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        x = padded = pad_to_multiple(picture, 32)
        skips = []
        for index, encoder in enumerate(self.encoders):
            x = encoder(functional.max_pool2d(x, 2) if index else x)
            skips.append(x)
        features = [skips.pop()]
        for decoder in self.decoders:
            skip = skips.pop()
            above = resize_to(features[0], skip.shape[-2:])
            features.insert(0, decoder(torch.cat([above, skip], 1)))
        maps = [
            resize_to(side(x), padded.shape[-2:])
            for side, x in zip(self.sides, features, strict=True)
        ]
        found = {"mask": crop_like(self.fuse(torch.cat(maps, 1)), picture)}
        if self.training:
            found.update({n: crop_like(x, picture) for n, x in zip(SIDES, maps, strict=True)})
        return found
