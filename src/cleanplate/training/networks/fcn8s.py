"""FCN-8s on VGG16 (Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR
2015)."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import vgg16

from cleanplate.training.networks.backbones import Normalised, backbone
from cleanplate.training.networks.layers import crop_like, pad_to_multiple, resize_to, scaled
from cleanplate.training.networks.registry import register, segmenter


@register(
    segmenter(
        "fcn-8s",
        134.4e6,
        multiple=32,
        source="Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015",
    )
)
class FCN8s(nn.Module):
    """Logits (N, classes, H, W): the scores of conv7, pool4 and pool3 added on the way up
    (bilinear). `width` is a multiplier of all channels."""

    def __init__(self, width: float = 1.0, classes: int = 1, pretrained: str | None = None) -> None:
        super().__init__()

        def make(weights: bool) -> nn.Module:
            return vgg16(weights="DEFAULT" if weights else None).features

        layers = backbone("vgg16", make, pretrained, width)
        self.normalise = Normalised()
        self.to_pool3, self.to_pool4, self.to_pool5 = layers[:17], layers[17:24], layers[24:]
        middle, deep, c = (scaled(n, width) for n in (256, 512, 4096))
        self.score3 = nn.Conv2d(middle, classes, 1)
        self.score4 = nn.Conv2d(deep, classes, 1)
        self.score7 = nn.Sequential(
            nn.Conv2d(deep, c, 7, padding=3),
            nn.ReLU(),
            nn.Dropout2d(0.5),
            nn.Conv2d(c, c, 1),
            nn.ReLU(),
            nn.Dropout2d(0.5),
            nn.Conv2d(c, classes, 1),
        )

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        padded = self.normalise(pad_to_multiple(picture, 32))
        pool3 = self.to_pool3(padded)
        pool4 = self.to_pool4(pool3)
        scores = self.score7(self.to_pool5(pool4))
        scores = resize_to(scores, pool4.shape[-2:]) + self.score4(pool4)
        scores = resize_to(scores, pool3.shape[-2:]) + self.score3(pool3)
        return {"mask": crop_like(resize_to(scores, padded.shape[-2:]), picture)}
