"""Pictures -> tokens: a small ViT on a convolutional stem.

Stem: "Early Convolutions Help Transformers See Better" (arXiv 2106.14881): a thing of 12 pixels is told from another by its
edges, so half of the work is done at 4 pixels a cell; stride-8 cells keep where small things are, and a space-to-depth
then cuts the number of tokens without throwing that away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register("encoder", "vit")
def vit(
    height: int = 128,
    width: int = 128,
    dim: int = 192,
    depth: int = 2,
    channels: int = 128,
    heads: int = 3,
    patch: int = 16,
):
    """A module: uint8 (b, H, W, 3) -> cells (b, H/8 * W/8, channels) and tokens (b, H/patch * W/patch, dim)."""
    import torch
    from torch import nn

    from embodied.model.encoders.block import Block, residual

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grid = (height // patch, width // patch)
            self.tokens = self.grid[0] * self.grid[1]
            half, quarter = channels // 2, channels // 4
            self.stem = nn.Sequential(
                nn.Conv2d(3, quarter, 4, 2, 1), nn.GELU(),
                nn.Conv2d(quarter, half, 4, 2, 1),
                residual(half),
                nn.Conv2d(half, channels, 4, 2, 1),
                residual(channels),
            )  # fmt: skip
            self.side = patch // 8  # cells along a token's edge
            self.merge = nn.Linear(self.side**2 * channels, dim)
            self.position = nn.Parameter(torch.randn(self.tokens, dim) * 0.02)
            self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
            self.norm = nn.LayerNorm(dim)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            x = images.permute(0, 3, 1, 2).float() / 127.5 - 1
            cells = self.stem(x)  # b channels H/8 W/8
            b, c, _, _ = cells.shape
            (rows, cols), side = self.grid, self.side
            patches = cells.reshape(b, c, rows, side, cols, side).permute(0, 2, 4, 3, 5, 1).reshape(b, rows * cols, -1)
            tokens = self.merge(patches) + self.position
            for block in self.blocks:
                tokens = block(tokens)
            return cells.flatten(2).transpose(1, 2), self.norm(tokens)

    return ViT()
