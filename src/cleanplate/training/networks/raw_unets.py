"""The RAW denoisers, all of which learn the noise: a U-Net (Ronneberger et al., MICCAI 2015), one
of ConvNeXt blocks (Liu et al., "A ConvNet for the 2020s", CVPR 2022), and a lean one that ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cleanplate.errors import UsageError
from cleanplate.training.networks.filler import LeanUNet
from cleanplate.training.networks.layers import ChannelNorm, crop_like, pad_to_multiple, scaled
from cleanplate.training.networks.registry import NetworkCard, register


class NoiseUNet(nn.Module):
    """Input + prediction: max pooling down, 2x2 transposed convolutions up, concatenated skips.

    `block(inputs, outputs, depth)` makes a level, `channels` lists the levels' widths. Where it is
    not `residual`, the prediction is the picture itself.
    """

    residual = True

    def __init__(
        self, planes: int, channels: list[int], block: Callable[[int, int, int], nn.Module]
    ) -> None:
        super().__init__()
        steps = enumerate(pairwise([planes, *channels]))
        self.downs = nn.ModuleList(block(i, o, depth) for depth, (i, o) in steps)
        self.pool = nn.MaxPool2d(2)
        backwards = list(pairwise(channels[::-1]))
        self.grows = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in backwards)
        last = len(channels) - 2
        self.ups = nn.ModuleList(
            block(2 * o, o, last - step) for step, (_, o) in enumerate(backwards)
        )
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
        noise = self.out(x)
        return {"picture": crop_like(padded + noise if self.residual else noise, mosaic)}


def double_conv(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    """Return the residual U-Net's level, the same at every depth."""
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
    red, green beside red, green beside blue and blue of a mosaic, black level 0, white level 1.
    Without `residual` it learns the picture in the place of the noise."""

    def __init__(self, width: float = 1.0, planes: int = 4, residual: bool = True) -> None:
        channels = [scaled(n, width) for n in (32, 64, 128, 256, 512)]
        super().__init__(planes, channels, double_conv)
        self.residual = residual


@register(_convnext("convnext-unet-raw", 4), planes=4)
@register(_convnext("convnext-unet-rgb", 3), planes=3)
class ConvNeXtUNet(NoiseUNet):
    """Levels of depthwise convolutions, each of twice the channels of the one above it.

    `width` is a multiplier of all channels; planes as in ResidualUNet. `kernel` is the side of the
    kernels, one for all of the four levels, or one for each from the top; five of them make five
    levels (the write-up also tried 23, 23, 23, 17, 3).
    """

    def __init__(
        self, width: float = 1.0, planes: int = 4, kernel: int | Sequence[int] = 3
    ) -> None:
        kernels = [kernel] * 4 if isinstance(kernel, int) else list(kernel)
        if not 2 <= len(kernels) <= 6 or any(side % 2 == 0 for side in kernels):
            raise UsageError("kernel: one odd side, or a list of two to six of them.")
        channels = [scaled(128 * 2**depth, width) for depth in range(len(kernels))]
        super().__init__(planes, channels, lambda i, o, depth: ConvNeXtBlock(i, o, kernels[depth]))
        self.out = nn.Sequential(ChannelNorm(channels[0]), nn.Conv2d(channels[0], planes, 1))


GAIN = 10.0  # scales the square root to about 1, the range initial weights are made for
SHIFT = 2e-3  # added before the square root, as noise makes some values negative (~4 electrons)
SMALLEST = 1e-6  # least value a square root is taken of, so that its gradient stays finite
MEAN_SIDE = 5  # side of the local mean, which the network gets apart from the detail


@register(
    NetworkCard(
        name="lean-raw",
        planes=4,
        multiple=8,
        outputs=("picture",),
        parameters=1.174e6,
        source="Wang et al., ECCV 2020, over a residual U-Net",
        role="restorer",
    )
)
class LeanRaw(LeanUNet):
    """The denoiser of RAW files that ships: a residual U-Net on the square root of the planes.

    In normalised planes (`cleanplate.tasks.denoise.sensor_noise`) the variance of the noise grows
    with the value. In their square root it is the same everywhere (Anscombe, 1948).

    Args:
        width: scales all channels.
        planes: red, green beside red, green beside blue and blue of a mosaic, so normalised.
        widths: channels at each level, from the full size of the planes down.
        blocks: residual blocks a level, each way.
    """

    def __init__(
        self,
        width: float = 1.0,
        planes: int = 4,
        widths: Sequence[int] = (24, 48, 96, 128),
        blocks: int = 1,
    ) -> None:
        sizes = [scaled(channels, width, 4) for channels in widths]
        super().__init__(2 * planes, planes, sizes, blocks)
        self.multiple = 2 ** (len(sizes) - 1)

    def forward(self, mosaic: Tensor) -> dict[str, Tensor]:
        """Map (N, 4, H, W) to `picture` of the same shape."""
        padded = pad_to_multiple(mosaic, self.multiple)
        root = GAIN * (padded + SHIFT).clamp_min(SMALLEST).sqrt()
        # A bright value is large beside its noise, and half precision would round the noise away:
        # the network gets the difference from the local mean, and the mean by itself.
        mean = F.avg_pool2d(root, MEAN_SIDE, 1, MEAN_SIDE // 2, count_include_pad=False)
        change = self.residue(torch.cat([root - mean, mean / GAIN], 1))
        clean = torch.relu(root + change)
        return {"picture": crop_like(clean.square() / GAIN**2 - SHIFT, mosaic)}
