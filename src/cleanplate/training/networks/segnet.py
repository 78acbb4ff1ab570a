"""SegNet (Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation", PAMI 2017) on VGG16-BN, in its two variants."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import vgg16_bn

from cleanplate.training.networks.backbones import Normalised, backbone
from cleanplate.training.networks.layers import crop_like, pad_to_multiple, resize_to, scaled
from cleanplate.training.networks.registry import register, segmenter

BLOCKS = ((0, 6), (7, 13), (14, 23), (24, 33), (34, 43))  # vgg16_bn.features between the pools


_card = partial(
    segmenter,
    parameters=29.4e6,
    multiple=32,
    source="Badrinarayanan et al., SegNet, PAMI 2017",
)


def unpool(x: Tensor, indices: Tensor) -> Tensor:
    """Unpool 2x2: every value goes back where the maximum was, the rest is 0."""
    height, width = 2 * x.shape[-2], 2 * x.shape[-1]
    flat = x.new_zeros((*x.shape[:2], height * width))
    flat = flat.scatter(2, indices.flatten(2), x.flatten(2))
    return flat.view(*x.shape[:2], height, width)


@register(_card("segnet-unpool"), unpooling=True)
@register(_card("segnet-bilinear"), unpooling=False)
class SegNet(nn.Module):
    """Logits (N, classes, H, W). The decoder mirrors the encoder and goes up by max-unpooling or
    bilinearly, which scores higher. `width` is a multiplier of all channels."""

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1,
        unpooling: bool = False,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()

        def make(weights: bool) -> nn.Module:
            return vgg16_bn(weights="DEFAULT" if weights else None).features

        layers = backbone("vgg16_bn", make, pretrained, width)
        self.normalise = Normalised()
        self.unpooling = unpooling
        self.encoders = nn.ModuleList(layers[start:stop] for start, stop in BLOCKS)
        c = [scaled(n, width) for n in (512, 512, 256, 128, 64)]
        counts = (3, 3, 3, 2)
        self.decoders = nn.ModuleList(
            convs([i] * n + [o]) for (i, o), n in zip(pairwise(c), counts, strict=True)
        )
        last = nn.Conv2d(c[-1], classes, 3, padding=1)
        self.decoders.append(nn.Sequential(convs([c[-1], c[-1]]), last))

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        x = self.normalise(pad_to_multiple(picture, 32))
        places = []
        for encoder in self.encoders:
            x = encoder(x)
            if self.unpooling:
                x, indices = functional.max_pool2d(x, 2, return_indices=True)
                places.append(indices)
            else:
                x = functional.max_pool2d(x, 2)
        for decoder in self.decoders:
            if self.unpooling:
                x = unpool(x, places.pop())
            else:
                x = resize_to(x, (2 * x.shape[-2], 2 * x.shape[-1]))
            x = decoder(x)
        return {"mask": crop_like(x, picture)}


def convs(channels: list[int]) -> nn.Sequential:
    """Make 3x3 convolutions, batch norm and ReLU from each number of channels to the next."""
    layers: list[nn.Module] = []
    for i, o in pairwise(channels):
        layers += [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
    return nn.Sequential(*layers)
