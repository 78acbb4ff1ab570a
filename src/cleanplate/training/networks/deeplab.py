"""DeepLabV3 (Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017)
and FCN with ResNet (Long et al., CVPR 2015), both by torchvision."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torchvision.models import mobilenet_v2, segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from cleanplate.errors import UsageError
from cleanplate.training.networks.backbones import Normalised, backbone
from cleanplate.training.networks.registry import NetworkCard, register

_DEEPLAB = "Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017"
_FCN = "Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015"


def _card(name: str, parameters: float, source: str) -> NetworkCard:
    return NetworkCard(
        name=name,
        planes=3,
        multiple=8,
        outputs=("mask",),
        parameters=parameters,
        source=source,
        logits=("mask",),
        training_outputs=("aux",),
        role="locator",
    )


def deeplabv3_mobilenet_v2(
    weights: None, weights_backbone: str | None, num_classes: int, aux_loss: bool
) -> segmentation.DeepLabV3:
    """Torchvision's parts on MobileNetV2, which it does not put together: the last stage dilated
    to stride 16, the auxiliary head at stride 8."""
    features = mobilenet_v2(weights=weights_backbone).features
    features[14].conv[1][0].stride = (1, 1)
    for block in features[15:18]:
        block.conv[1][0].dilation = block.conv[1][0].padding = (2, 2)
    layers = IntermediateLayerGetter(features, {"18": "out", "6": "aux"})
    return segmentation.DeepLabV3(layers, DeepLabHead(1280, num_classes), FCNHead(32, num_classes))


def last_layers(network: nn.Module) -> set[nn.Module]:
    """The convolutions that make the classes."""
    return {network.classifier[-1], network.aux_classifier[-1]}


@register(_card("deeplabv3-resnet50", 42.0e6, _DEEPLAB), build=segmentation.deeplabv3_resnet50)
@register(_card("deeplabv3-resnet101", 61.0e6, _DEEPLAB), build=segmentation.deeplabv3_resnet101)
@register(
    _card("deeplabv3-mobilenet-v3", 11.02e6, _DEEPLAB),
    build=segmentation.deeplabv3_mobilenet_v3_large,
)
@register(_card("deeplabv3-mobilenet-v2", 12.65e6, _DEEPLAB), build=deeplabv3_mobilenet_v2)
@register(_card("fcn-resnet50", 35.31e6, _FCN), build=segmentation.fcn_resnet50)
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
