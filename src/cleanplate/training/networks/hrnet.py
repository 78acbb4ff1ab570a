"""HRNet (Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", PAMI
2020), backbone by timm, with a concatenating or an FPN head."""

from __future__ import annotations

from functools import partial

import timm
import torch
from torch import Tensor, nn

from cleanplate.training.networks.backbones import Normalised, backbone
from cleanplate.training.networks.layers import crop_like, pad_to_multiple, resize_to
from cleanplate.training.networks.registry import register, segmenter

_card = partial(
    segmenter,
    multiple=32,
    source="Wang et al., Deep High-Resolution Representation Learning, PAMI 2020",
)


class FPNHead(nn.Module):
    """Top-down addition (Lin et al., CVPR 2017): every level to w channels, the coarser added to
    the finer, 1x1 to the classes."""

    def __init__(self, channels: list[int], classes: int) -> None:
        super().__init__()
        w = channels[0]
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n, w, 3, padding=1), nn.BatchNorm2d(w), nn.ReLU())
            for n in channels
        )
        self.out = nn.Conv2d(w, classes, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        finer = [level(x) for level, x in zip(self.levels, features, strict=True)]
        x = finer.pop()
        while finer:
            skip = finer.pop()
            x = resize_to(x, skip.shape[-2:]) + skip
        return self.out(x)


class ConcatHead(nn.Module):
    """The paper's HRNetV2 head: everything to 1/4 and through 1x1 convolutions."""

    def __init__(self, channels: list[int], classes: int) -> None:
        super().__init__()
        total = sum(channels)
        self.mix = nn.Sequential(nn.Conv2d(total, total, 1), nn.BatchNorm2d(total), nn.ReLU())
        self.out = nn.Conv2d(total, classes, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        size = features[0].shape[-2:]
        return self.out(self.mix(torch.cat([resize_to(x, size) for x in features], 1)))


@register(_card("hrnet-w18-fpn", 9.61e6), base=18, head=FPNHead)
@register(_card("hrnet-w32-fpn", 29.44e6), base=32, head=FPNHead)
@register(_card("hrnet-w48-fpn", 65.64e6), base=48, head=FPNHead)
@register(_card("hrnet-w18-concat", 9.64e6), base=18, head=ConcatHead)
@register(_card("hrnet-w32-concat", 29.54e6), base=32, head=ConcatHead)
@register(_card("hrnet-w48-concat", 65.85e6), base=48, head=ConcatHead)
class HRNet(nn.Module):
    """Logits (N, classes, H, W). `base` is timm's W18, W32 or W48, `width` a multiplier of all
    channels."""

    def __init__(
        self,
        base: int,
        head: type[FPNHead] | type[ConcatHead],
        width: float = 1.0,
        classes: int = 1,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        name = f"hrnet_w{base}"

        def make(weights: bool) -> nn.Module:
            return timm.create_model(
                name,
                pretrained=weights,
                features_only=True,
                feature_location="",
                out_indices=(1, 2, 3, 4),
            )

        self.normalise = Normalised()
        self.backbone = backbone(name, make, pretrained, width)
        channels = [branch[-1].conv2.out_channels for branch in self.backbone.stage4[-1].branches]
        self.head = head(channels, classes)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        padded = self.normalise(pad_to_multiple(picture, 32))
        scores = self.head(self.backbone(padded))
        return {"mask": crop_like(resize_to(scores, padded.shape[-2:]), picture)}
