"""EraseNet and its discriminator (Liu et al., "EraseNet: End-to-End Text Removal in the Wild",
IEEE Transactions on Image Processing, 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cleanplate.training.networks.layers import crop_like, pad_to_multiple, scaled, snconv
from cleanplate.training.networks.registry import NetworkCard, register

SOURCE = "Liu et al., EraseNet: End-to-End Text Removal in the Wild, TIP 2020"
SIDES = ("coarse", "half", "quarter")


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Make C of the paper: spectral-norm convolution and LeakyReLU 0.2."""
    padding = 1 if kernel == 4 else None
    return nn.Sequential(
        snconv(inputs, outputs, kernel, stride, padding, dilation), nn.LeakyReLU(0.2)
    )


def deconv(inputs: int, outputs: int) -> nn.Sequential:
    """Make D of the paper: spectral-norm transposed convolution to twice the size, leaky ReLU."""
    return nn.Sequential(
        spectral_norm(nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1)),
        nn.LeakyReLU(0.2),
    )


def lateral(channels: int) -> nn.Sequential:
    """Make L of the paper: how an encoder feature reaches the decoder; linear from end to end."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
        nn.Conv2d(2 * channels, channels, 1),
    )


class Residual(nn.Module):
    """R of the paper; halves the size when `down`."""

    def __init__(self, inputs: int, outputs: int, down: bool = False) -> None:
        super().__init__()
        stride = 2 if down else 1
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
        )
        same = inputs == outputs and not down
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.body(x) + self.shortcut(x)))


class Encoder(nn.Module):
    """Features at S/2, S/4, S/8, S/16, the mask branch's input (S/16) and the bottom (S/32)."""

    def __init__(self, c: list[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, c[0], 4, 2), conv(c[0], c[0]))
        self.down1 = conv(c[0], c[1], 4, 2)
        self.level2 = Residual(c[1], c[1])
        self.level3 = nn.Sequential(Residual(c[1], c[1]), Residual(c[1], c[2], down=True))
        self.level4 = nn.Sequential(Residual(c[2], c[2]), Residual(c[2], c[3], down=True))
        self.middle = Residual(c[3], c[3])
        self.bottom = nn.Sequential(
            Residual(c[3], c[4], down=True), Residual(c[4], c[4]), conv(c[4], c[4], 1)
        )

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        x1 = self.stem(picture)
        x2 = self.level2(self.down1(x1))
        x3 = self.level3(x2)
        x4 = self.level4(x3)
        middle = self.middle(x4)
        return x1, x2, x3, x4, middle, self.bottom(middle)


class Decoder(nn.Module):
    """The coarse picture and the two smaller side outputs for the multi-scale loss."""

    def __init__(self, c: list[int]) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(lateral(n) for n in c[3::-1])
        self.ups = nn.ModuleList(
            [deconv(c[4], c[3])]
            + [deconv(2 * c[i], c[i - 1]) for i in (3, 2, 1)]
            + [deconv(2 * c[0], 3)]
        )
        self.to_quarter = nn.Conv2d(c[1], 3, 1)
        self.to_half = nn.Conv2d(c[0], 3, 1)

    def forward(self, features: tuple[Tensor, ...]) -> dict[str, Tensor]:
        x1, x2, x3, x4, _, x = features
        steps = []
        for up, skip, side in zip(self.ups, self.laterals, (x4, x3, x2, x1), strict=False):
            steps.append(up(x))
            x = torch.cat([skip(side), steps[-1]], 1)
        return {
            "coarse": self.ups[-1](x),
            "half": self.to_half(steps[3]),
            "quarter": self.to_quarter(steps[2]),
        }


class MaskBranch(nn.Module):
    """One logit a pixel from the encoder's features alone."""

    def __init__(self, c: list[int]) -> None:
        super().__init__()
        self.ups = nn.ModuleList(deconv(2 * c[i], c[i]) for i in (3, 2, 1, 0))
        self.convs = nn.ModuleList(conv(c[i], c[i - 1]) for i in (3, 2, 1))
        self.out = nn.Conv2d(c[0], 1, 1)

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        x1, x2, x3, x4, x, _ = features
        x = self.ups[0](torch.cat([x, x4], 1))
        for i, side in enumerate((x3, x2, x1)):
            x = self.ups[i + 1](torch.cat([self.convs[i](x), side], 1))
        return self.out(x)


class Refine(nn.Module):
    """The second stage: the coarse picture and two encoder features in, the picture out."""

    def __init__(self, c: list[int], width: float) -> None:
        super().__init__()
        small = scaled(16, width, 2)
        self.stem = conv(3, c[0], 5)
        self.down1 = conv(c[0], c[1], 4, 2)
        self.level1 = conv(c[1], c[1])
        self.level2 = nn.Sequential(conv(c[1], c[2], 4, 2), conv(c[2], c[2]), conv(c[2], c[2]))
        self.context = nn.Sequential(
            *(conv(c[2], c[2], dilation=d) for d in (2, 4, 8, 16)),
            conv(c[2], c[2]),
            conv(c[2], c[2]),
        )
        self.side2 = nn.Conv2d(c[1], c[2], 1)
        self.side1 = nn.Conv2d(c[0], c[1], 1)
        self.up2 = nn.Sequential(deconv(3 * c[2], c[1]), conv(c[1], c[1]))
        self.up1 = deconv(3 * c[1], c[0])
        self.out = nn.Sequential(conv(c[0], small), snconv(small, 3))

    def forward(self, coarse: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
        r1 = self.level1(self.down1(self.stem(coarse)))
        r2 = self.level2(r1)
        x = self.up2(torch.cat([self.context(r2), r2, self.side2(x2)], 1))
        x = self.up1(torch.cat([x, r1, self.side1(x1)], 1))
        return self.out(x)


@register(
    NetworkCard(
        name="erasenet",
        planes=3,
        multiple=32,
        outputs=("mask", "picture"),
        parameters=19.74e6,
        source=SOURCE,
        logits=("mask",),
        training_outputs=SIDES,
    )
)
class EraseNet(nn.Module):
    """The mask (logits, 1 channel) and the clean picture of an RGB picture in one pass.

    In training mode also `coarse` (S), `half` (S/2) and `quarter` (S/4), three channels each, for
    the multi-scale loss. `width` is a multiplier of all channels. Without `masked` there is no
    mask: the form that the write-up on watermarks compares with.
    """

    def __init__(self, width: float = 1.0, masked: bool = True) -> None:
        super().__init__()
        channels = [scaled(n, width, 2) for n in (32, 64, 128, 256, 512)]
        self.encoder = Encoder(channels)
        self.decoder = Decoder(channels)
        self.mask = MaskBranch(channels) if masked else None
        self.refine = Refine(channels, width)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        features = self.encoder(pad_to_multiple(picture, 32))
        sides = self.decoder(features)
        refined = self.refine(sides["coarse"], *features[:2])
        found = {} if self.mask is None else {"mask": crop_like(self.mask(features), picture)}
        found["picture"] = crop_like(refined, picture)
        if self.training:
            for step, name in enumerate(SIDES):
                reference = picture[..., :: 2**step, :: 2**step]
                found[name] = crop_like(sides[name], reference)
        return found


@register(
    NetworkCard(
        name="erasenet-discriminator",
        planes=4,
        multiple=64,
        outputs=("score",),
        parameters=7.62e6,
        source=SOURCE,
        role="discriminator",
    )
)
class Discriminator(nn.Module):
    """A raw score of a picture (planes 0..2) and its mask (plane 3, 1 where erased).

    One tower sees the picture, the other the picture under the mask. The score is one number at
    256x256, a small map (N, 1, h, w) above; smaller inputs are replicated to that. `width` is a
    multiplier of all channels.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c = [scaled(n, width) for n in (64, 128, 256, 256, 256, 256)]
        self.whole, self.masked = (
            nn.Sequential(*(conv(i, o, 4, 2) for i, o in zip([3, *c], c, strict=False)))
            for _ in range(2)
        )
        self.fuse = nn.Conv2d(2 * c[-1], 1, 4)

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        planes = pad_to_multiple(planes, 64)
        picture, mask = planes[:, :3], planes[:, 3:]
        x = torch.cat([self.whole(picture), self.masked(picture * mask)], 1)
        missing = [max(0, 4 - side) for side in x.shape[-2:]]
        x = nn.functional.pad(x, (0, missing[1], 0, missing[0]), mode="replicate")
        return {"score": self.fuse(x)}
