"""Swin-EraseNet: EraseNet with two of its strided convolutions replaced by Swin stages
(Liu et al., "Swin Transformer", ICCV 2021, with the post-norm of its second version)."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn
from torchvision.models.swin_transformer import PatchMerging, SwinTransformerBlock

from cleanplate.training.networks.erasenet import EraseNet
from cleanplate.training.networks.registry import card, register


class PostNormBlock(SwinTransformerBlock):
    """x + LN(attention(x)), then x + LN(MLP(x)); (N, H, W, C)."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm1(self.attn(x))
        return x + self.norm2(self.mlp(x))


class SwinDown(nn.Module):
    """Two Swin blocks (window 8, 2 heads, shift 0 then 4) and a patch merging: c to 2c channels
    at half the size. Takes any size; the windows' mask follows the run-time size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(PostNormBlock(channels, 2, [8, 8], [shift, shift]) for shift in (0, 4))
        )
        self.merge = PatchMerging(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(self.blocks(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


@register(
    replace(
        card("erasenet"),
        name="swin-erasenet",
        parameters=19.75e6,
        source="EraseNet (Liu et al., TIP 2020) with Swin blocks (Liu et al., ICCV 2021)",
    )
)
class SwinEraseNet(EraseNet):
    """EraseNet whose encoder at S/2 and refinement at S go down through Swin blocks."""

    def __init__(self, width: float = 1.0, masked: bool = True) -> None:
        super().__init__(width, masked)
        channels = self.decoder.to_half.in_channels
        self.encoder.down1 = SwinDown(channels)
        self.refine.down1 = SwinDown(channels)
