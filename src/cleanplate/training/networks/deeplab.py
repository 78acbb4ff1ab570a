"""DeepLabV3 (Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017)
and FCN with ResNet (Long et al., CVPR 2015), both by torchvision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torchvision.models import mobilenet_v2, segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from cleanplate.errors import UsageError
from cleanplate.training.networks.backbones import Normalised, backbone
from cleanplate.training.networks.registry import register, segmenter

_card = partial(segmenter, multiple=8, training_outputs=("aux",))
_deeplab = partial(
    _card, source="Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017"
)
_fcn = partial(
    _card, source="Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015"
)


def deeplabv3_mobilenet_v2(
    weights: None, weights_backbone: str | None, num_classes: int, aux_loss: bool
) -> segmentation.DeepLabV3:
    """Put torchvision's parts together on MobileNetV2.

    The last stage is dilated to stride 16, the auxiliary head is at stride 8.
    """
    features = mobilenet_v2(weights=weights_backbone).features
    features[14].conv[1][0].stride = (1, 1)
    for block in features[15:18]:
        block.conv[1][0].dilation = block.conv[1][0].padding = (2, 2)
    layers = IntermediateLayerGetter(features, {"18": "out", "6": "aux"})
    return segmentation.DeepLabV3(layers, DeepLabHead(1280, num_classes), FCNHead(32, num_classes))


def last_layers(network: nn.Module) -> set[nn.Module]:
    """Return the convolutions that make the classes."""
    return {network.classifier[-1], network.aux_classifier[-1]}


@register(_deeplab("deeplabv3-resnet50", 42.0e6), build=segmentation.deeplabv3_resnet50)
@register(_deeplab("deeplabv3-resnet101", 61.0e6), build=segmentation.deeplabv3_resnet101)
@register(
    _deeplab("deeplabv3-mobilenet-v3", 11.02e6), build=segmentation.deeplabv3_mobilenet_v3_large
)
@register(_deeplab("deeplabv3-mobilenet-v2", 12.65e6), build=deeplabv3_mobilenet_v2)
@register(_fcn("fcn-resnet50", 35.31e6), build=segmentation.fcn_resnet50)
class TorchvisionSegmenter(nn.Module):
    """Logits (N, classes, H, W); in training mode also `aux`, those of an earlier stage.

    `width` is a multiplier of all channels, a multiple of 1/256. `pretrained`: "imagenet" for
    torchvision's weights of the backbone.
    """

    def __init__(
        self,
        build: Callable[..., nn.Module],
        width: float = 1.0,
        classes: int = 1,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        if 256 * width % 1:
            raise UsageError(f"The width is a multiple of 1/256, not {width:g}.")

        def make(weights: bool) -> nn.Module:
            return build(
                weights=None,
                weights_backbone="DEFAULT" if weights else None,
                num_classes=classes,
                aux_loss=True,
            )

        self.normalise = Normalised()
        self.network = backbone(build.__name__, make, pretrained, width, last_layers)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        found = self.network(self.normalise(picture))
        if self.training:
            return {"mask": found["out"], "aux": found["aux"]}
        return {"mask": found["out"]}
