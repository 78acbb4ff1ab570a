"""The denoiser: estimates how noisy a picture is, everywhere, and takes that much noise off it.

The level is handed to the denoising network as one more plane, as in FFDNet (Zhang et al., TIP
2018); a small network of its own estimates it, as in CBDNet (Guo et al., CVPR 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cleanplate.training.networks.filler import Filler
from cleanplate.training.networks.layers import crop_like, pad_to_multiple, scaled
from cleanplate.training.networks.registry import NetworkCard, register

FACTOR = 4  # of the estimator's pixel-unshuffle
DETAIL = 8.0  # scales noise to about 1, the range initial weights are made for
COARSE = 2 * FACTOR  # side in pixels of the square that one estimated level stands for


class LevelEstimator(nn.Module):
    """Estimate the local standard deviation of noise, in units of the picture's range.

    Four 3x3 convolutions after a pixel-unshuffle, on the difference from the mean of 3x3 pixels.
    The last two work on squares of 8x8 pixels. They also see the mean colour of each square, as
    noise is clipped near black and near white.
    """

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            nn.Conv2d(3 * FACTOR**2, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )
        self.coarse = nn.Sequential(
            nn.Conv2d(channels + 3, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 1, 3, padding=1),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Map (N, 3, H, W), sides multiples of 8, to (N, 1, H, W), above 0."""
        detail = DETAIL * (picture - F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False))
        maps = self.fine(F.pixel_unshuffle(detail, FACTOR))
        coarse = [F.avg_pool2d(maps, COARSE // FACTOR), F.avg_pool2d(picture, COARSE)]
        level = self.coarse(torch.cat([x.to(maps.dtype) for x in coarse], 1)).float()
        # Levels are small, so the network predicts ten times the level. Softplus, because a ReLU
        # that is 0 everywhere would get no gradient.
        return 0.1 * F.softplus(
            F.interpolate(level, scale_factor=COARSE, mode="bilinear", align_corners=False)
        )


@register(
    NetworkCard(
        name="denoiser",
        planes=4,
        multiple=16,
        outputs=("picture", "level"),
        parameters=1.231e6,
        source="Zhang et al. 2018 and Guo et al. 2019, over a residual U-Net",
        logits=(),
        role="restorer",
    )
)
class Denoiser(nn.Module):
    """Take noise of any level off a picture.

    Args:
        width: scales all channels.
        planes: always 4: the picture, and by what its estimated level is to be multiplied.
        widths: channels at each level of the residual U-Net.
        blocks: residual blocks a level, each way.
    """

    def __init__(
        self,
        width: float = 1.0,
        planes: int = 4,
        widths: Sequence[int] = (32, 48, 96, 128),
        blocks: int = 1,
    ) -> None:
        super().__init__()
        self.estimator = LevelEstimator(scaled(32, width, 4))
        self.body = Filler(width, planes, heads={}, widths=widths, blocks=blocks)

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        """Map (N, 4, H, W) to `picture` (N, 3, H, W) and `level` (N, 1, H, W), as estimated."""
        picture, strength = planes[:, :3], planes[:, 3:4]
        level = self.estimate(picture)
        return {"picture": self.denoise(picture, level * strength), "level": level}

    def estimate(self, picture: Tensor) -> Tensor:
        """Estimate the level of a picture (N, 3, H, W) at every pixel, (N, 1, H, W)."""
        return crop_like(self.estimator(pad_to_multiple(picture, COARSE)), picture)

    def denoise(self, picture: Tensor, level: Tensor) -> Tensor:
        """Take noise of `level` (N, 1, H, W) off a picture (N, 3, H, W)."""
        clean: Tensor = self.body(torch.cat([picture, level.to(picture.dtype)], 1))["fill"]
        return clean
