"""ImageNet weights are asked for by name, and their absence is said in one sentence."""

from __future__ import annotations

from urllib.error import URLError

import pytest

torch = pytest.importorskip("torch")

from cleanplate.errors import ModelError, UsageError  # noqa: E402
from cleanplate.training import networks  # noqa: E402
from cleanplate.training.networks.backbones import backbone, narrowed  # noqa: E402


def offline(*_: object, **__: object) -> torch.nn.Module:
    raise URLError("no network")


def test_without_a_network_the_sentence_names_the_backbone() -> None:
    with pytest.raises(ModelError, match="weights of resnet50 cannot be had"):
        backbone("resnet50", offline, "imagenet")


@pytest.mark.parametrize(
    "options", [{"pretrained": "coco"}, {"pretrained": "imagenet", "width": 0.5}]
)
def test_other_weights_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="imagenet"):
        networks.create("fcn-8s", **options)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("deeplabv3-resnet50", "torchvision.models._api.load_state_dict_from_url"),
        ("segnet-bilinear", "torchvision.models._api.load_state_dict_from_url"),
        ("hrnet-w18-fpn", "timm.create_model"),
    ],
)
def test_every_family_takes_pretrained(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, offline)
    with pytest.raises(ModelError, match="cannot be had"):
        networks.create(name, pretrained="imagenet")


def test_narrowing_keeps_planes_and_heads() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3),
        torch.nn.BatchNorm2d(16),
        torch.nn.Conv2d(16, 16, 3, groups=16),
        torch.nn.Conv2d(16, 16, 1),
    )
    narrowed(network, 0.25, {network[3]})
    assert (network[0].in_channels, network[0].out_channels) == (3, 4)
    assert network[1].num_features == 4
    assert (network[2].groups, network[2].out_channels) == (4, 4)
    assert (network[3].in_channels, network[3].out_channels) == (4, 16)


def test_deeplab_classes_and_width() -> None:
    network = networks.create("deeplabv3-mobilenet-v2", width=0.125, classes=5).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 33, 40))["mask"].shape == (1, 5, 33, 40)
    with pytest.raises(UsageError, match="256"):
        networks.create("deeplabv3-resnet50", width=0.1)
