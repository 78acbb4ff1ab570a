"""What several architectures share: padding, channel scaling, norms."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Replicate the last row and column of (N, C, H, W) until both sides divide by `multiple`."""
    height, width = x.shape[-2:]
    return functional.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Undo `pad_to_multiple`: the top left part of `x` with the height and width of `reference`."""
    return x[..., : reference.shape[-2], : reference.shape[-1]]


def resize_to(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, H, W) bilinearly to `size` = (height, width)."""
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def scaled(channels: int, width: float, divisor: int = 1) -> int:
    """Return `channels` * `width`, rounded to a multiple of `divisor`, at least one of it."""
    return max(1, round(channels * width / divisor)) * divisor


def snconv(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
) -> nn.Module:
    """Make a spectral-norm convolution; stride 1 keeps the size, stride 2 halves even ones."""
    reach = dilation * (kernel - 1)
    if padding is None:
        padding = reach // 2
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation))


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).square().mean(1, keepdim=True)
        x = (x - mean) / (variance + self.eps).sqrt()
        return x * self.weight[:, None, None] + self.bias[:, None, None]
