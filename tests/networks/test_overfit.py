"""Every network, small, learns four crops of photographs by heart with the loss it is meant for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import pytest

torch = pytest.importorskip("torch")

from cleanplate.training import losses, networks  # noqa: E402

SIDE = 64


@cache
def photographs(side: int) -> torch.Tensor:
    """Four crops (4, 3, side, side) of the photographs that come with scikit-image."""
    data = pytest.importorskip("skimage.data")
    crops = []
    for photo in (data.astronaut(), data.chelsea(), data.coffee(), data.rocket()):
        top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
        crop = torch.from_numpy(photo[top : top + side, left : left + side].copy())
        crops.append(crop.permute(2, 0, 1) / 255)
    return torch.stack(crops)


@cache
def discs() -> torch.Tensor:
    """A mask (4, 1, SIDE, SIDE): a disc elsewhere on each crop."""
    y, x = torch.meshgrid(torch.linspace(0, 1, SIDE), torch.linspace(0, 1, SIDE), indexing="ij")
    centres = ((0.3, 0.3), (0.7, 0.4), (0.4, 0.7), (0.6, 0.6))
    return torch.stack([(x - a) ** 2 + (y - b) ** 2 < 0.05 for a, b in centres])[:, None].float()


def truth() -> dict[str, torch.Tensor]:
    return {"picture": photographs(SIDE), "mask": discs()}


def marked() -> torch.Tensor:
    """The crops under a half-transparent white disc."""
    return photographs(SIDE) * (1 - 0.6 * discs()) + 0.6 * discs()


def mosaic() -> torch.Tensor:
    """Planes R, Gr, Gb, B (4, 4, SIDE, SIDE) of the crops as a sensor counts light."""
    light = photographs(2 * SIDE) ** 2.2
    places = ((0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1))  # channel, row, column
    return torch.stack([light[:, c, y::2, x::2] for c, y, x in places], 1)


def noisy(picture: torch.Tensor) -> torch.Tensor:
    """With shot and read noise, the same at every call."""
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(5))
    return picture + noise * (0.02 * picture.clamp(0, 1) + 0.005).sqrt()


def composed(weights: dict[str, float] | str, network: torch.nn.Module) -> torch.Tensor:
    """The loss of what the network makes of the marked crops, and half that of an early head."""
    found = network(marked())
    loss, _ = losses.Composed(weights)(found, truth())
    if "aux" in found:
        loss = loss + 0.5 * losses.Composed(weights)({"mask": found["aux"]}, truth())[0]
    return loss


def denoised(clean: Callable[[], torch.Tensor], network: torch.nn.Module) -> torch.Tensor:
    return losses.l1(network(noisy(clean()))["picture"], clean())


def inpainted(network: torch.nn.Module) -> torch.Tensor:
    """DeepFill's reconstruction: L1 of both stages."""
    found = network(torch.cat([photographs(SIDE), discs()], 1))
    return losses.l1(found["picture"], truth()["picture"]) + losses.l1(
        found["coarse"], truth()["picture"]
    )


def filled(network: torch.nn.Module) -> torch.Tensor:
    """The fill, foremost under the mark, and the outline from a rough mask."""
    rough = torch.nn.functional.max_pool2d(discs(), 9, 1, 4)
    found = network(torch.cat([marked(), rough], 1))
    weights = {"l1_inside": 3.0, "l1": 2.0, "bce": 1.0, "dice": 0.5}
    outputs = {"picture": found["fill"], "mask": found["mask"]}
    return losses.Composed(weights)(outputs, truth())[0]


def judged(network: torch.nn.Module) -> torch.Tensor:
    """Hinge loss on clean crops as real and marked ones as fake."""
    scores = [network(torch.cat([x, discs()], 1))["score"] for x in (photographs(SIDE), marked())]
    return losses.hinge_discriminator(*scores)


@dataclass(frozen=True)
class Lesson:
    """What a network learns, at which width, and where its loss must start and end."""

    loss: Callable[[torch.nn.Module], torch.Tensor]
    start: float
    end: float
    width: float = 0.125
    steps: int = 60
    rate: float = 3e-3


SEGMENT = Lesson(partial(composed, {"bce_dice": 1.0}), start=2.5, end=0.6, steps=80)
WATERMARK = Lesson(partial(composed, "watermark"), start=1.2, end=0.4, steps=90)
INPAINT = Lesson(inpainted, start=0.4, end=0.2, width=16, steps=160)
JUDGE = Lesson(judged, start=1.8, end=0.6)
DENOISE_RAW = Lesson(partial(denoised, mosaic), start=0.1, end=0.05, steps=120)
DENOISE_RGB = Lesson(partial(denoised, lambda: photographs(SIDE)), start=0.1, end=0.065, steps=120)
PSNR = Lesson(partial(composed, {"psnr": 1.0}), start=-14, end=-24, width=8)
L1 = Lesson(partial(composed, {"l1": 1.0}), start=0.1, end=0.03, width=8, steps=100, rate=2e-3)
LESSONS = {  # the longest key that starts a name counts
    "": SEGMENT,
    "convnext-unet-raw": DENOISE_RAW,
    "convnext-unet-rgb": DENOISE_RGB,
    "deepfill-v2": INPAINT,
    "deepfill-v2-twin": replace(INPAINT, width=8, steps=60),
    "deepfill-v2-twin-discriminator": replace(JUDGE, width=8),
    "deeplabv3": replace(SEGMENT, start=4.0, end=1.0),
    "deeplabv3-mobilenet": replace(SEGMENT, start=4.0, end=1.0, width=0.5, steps=200, rate=5e-3),
    "erasenet": WATERMARK,
    "erasenet-discriminator": JUDGE,
    "filler": Lesson(filled, start=1.0, end=0.4, steps=80),
    "hrnet": replace(SEGMENT, width=0.25, steps=60, rate=5e-3),
    "hrnet-w18-fpn": replace(SEGMENT, width=0.5, steps=60, rate=5e-3),
    "locator": replace(SEGMENT, steps=120),
    "nafnet-sidd-32": PSNR,
    "nafnet-sidd-64": replace(PSNR, width=12),
    "nafnet-slim-16": L1,
    "nafnet-slim-32": replace(L1, width=12),
    "residual-unet-raw": replace(DENOISE_RAW, width=0.25, steps=300),
    "residual-unet-rgb": replace(DENOISE_RGB, width=0.25, steps=300),
    "segnet-unpool": replace(SEGMENT, steps=120, rate=5e-3),
    "sn-patchgan": JUDGE,
    "swin-erasenet": WATERMARK,
    "unet": replace(SEGMENT, steps=120),
    "u2net": Lesson(partial(composed, {"deep_bce_dice": 1.0}), start=17, end=5, steps=60),
    "u2net-p": Lesson(partial(composed, {"deep_bce_dice": 1.0}), 17, 5, width=0.5, steps=60),
}


def learn(name: str, lesson: Lesson) -> list[float]:
    """The curve of the loss."""
    torch.manual_seed(0)
    network = networks.create(name, width=lesson.width).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=lesson.rate)
    curve = []
    for _ in range(lesson.steps):
        optimiser.zero_grad()
        loss = lesson.loss(network)
        loss.backward()
        optimiser.step()
        curve.append(loss.item())
    return curve


@pytest.mark.slow
@pytest.mark.parametrize("name", networks.names())
def test_four_crops_by_heart(name: str) -> None:
    lesson = LESSONS[max((key for key in LESSONS if name.startswith(key)), key=len)]
    started = time.thread_time()
    curve = learn(name, lesson)
    assert time.thread_time() - started < 60
    assert curve[0] > lesson.start
    assert sum(curve[-5:]) / 5 < lesson.end
