"""Backbones from torchvision and timm: input normalisation, ImageNet weights, channel scaling."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from cleanplate.errors import ModelError, UsageError
from cleanplate.training.networks.layers import scaled


class Normalised(nn.Module):
    """(x - mean) / std with ImageNet's figures, for pictures in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, picture: Tensor) -> Tensor:
        return (picture - self.mean) / self.std


def backbone(
    name: str,
    build: Callable[[bool], nn.Module],
    pretrained: str | None = None,
    width: float = 1.0,
    heads: Callable[[nn.Module], Collection[nn.Module]] = lambda network: (),
) -> nn.Module:
    """Build a backbone.

    Args:
        name: for messages.
        build: makes it, with pretrained weights or without.
        pretrained: None or "imagenet".
        width: scales its channels, but not the outputs of its heads.
        heads: return those layers of it whose outputs are not scaled.

    Raises:
        ModelError: the weights are neither in the library's cache nor to be downloaded.
        UsageError: another `pretrained`, or one with scaled channels.
    """
    if pretrained is None and width != 1:
        with torch.device("meta"):  # every layer with parameters is made anew
            wide = build(False)
        return narrowed(wide, width, heads(wide))
    if pretrained is None:
        return build(False)
    if pretrained != "imagenet" or width != 1:
        raise UsageError(
            f"pretrained is None or 'imagenet' at width 1, not {pretrained!r} at {width:g}."
        )
    try:
        return build(True)
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"The ImageNet weights of {name} cannot be had ({error}); connect once to let the "
            "library fetch them, or leave `pretrained` out."
        ) from error


def narrowed(network: nn.Module, width: float, heads: Collection[nn.Module]) -> nn.Module:
    """Multiply all channels of convolutions and batch norms by `width`, in place.

    The three planes of the input stay, and the outputs of the convolutions in `heads`. The new
    layers have torch's initial weights.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, _narrow_conv(child, width, child in heads))
            elif isinstance(child, nn.BatchNorm2d):
                channels = scaled(child.num_features, width)
                setattr(parent, name, nn.BatchNorm2d(channels, child.eps, child.momentum))
    return network


def _narrow_conv(conv: nn.Conv2d, width: float, head: bool) -> nn.Conv2d:
    return nn.Conv2d(
        conv.in_channels if conv.in_channels == 3 else scaled(conv.in_channels, width),
        conv.out_channels if head else scaled(conv.out_channels, width),
        conv.kernel_size,
        conv.stride,
        conv.padding,
        conv.dilation,
        1 if conv.groups == 1 else scaled(conv.groups, width),
        conv.bias is not None,
    )
