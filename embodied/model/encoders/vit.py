"""Pictures -> tokens: a small ViT on a convolutional stem.

Stem: "Early Convolutions Help Transformers See Better" (arXiv 2106.14881). A thing is 25 pixels wide and told from another
by its edges: cells of 8 pixels keep those, and where things are; from cells of 16 pixels a space-to-depth makes the few
tokens that a language model can afford, without throwing that away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor

CELL = 8  # pixels


def _scaled(images: Tensor) -> Tensor:
    """uint8 (b, H, W, C) -> (b, C, H, W) in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


@register("encoder", "vit")
def vit(
    height: int = 192,
    width: int = 320,
    dim: int = 192,
    depth: int = 2,
    channels: int = 128,
    heads: int = 3,
    patch: int = 32,
    out: int = 0,
    shots: int = 1,
):
    """A module: uint8 (b, H, W, 3 shots) -> features (for `cells`) and tokens (b, H/patch * W/patch, out or dim).

    shots: pictures of one camera from several times, on top of each other, so that what moves shows in a few pixels."""
    import torch
    from torch import nn

    from embodied.model.encoders.block import Block, residual

    class Stem(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            half = channels // 2
            self.fine = nn.Sequential(
                nn.Conv2d(3 * shots, half, 8, 4, 2), nn.GELU(), nn.Conv2d(half, half, 4, 2, 1), residual(half)
            )
            self.coarse = nn.Sequential(nn.Conv2d(half, channels, 4, 2, 1), residual(channels))
            self.back = nn.ConvTranspose2d(channels, half, 2, 2)
            self.mix = residual(half)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            fine = self.fine(x)
            return fine, self.coarse(fine)

        def cells(self, fine: Tensor, coarse: Tensor) -> Tensor:
            """(b, channels/2, H/8, W/8): each cell of 8 pixels, with what is around it."""
            return self.mix(fine + self.back(coarse))

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grid = (height // patch, width // patch)
            self.tokens = self.grid[0] * self.grid[1]
            self.side = patch // CELL  # cells along a token's edge
            self.stem = Stem()
            self.merge = nn.Linear((patch // 16) ** 2 * channels, dim)
            self.position = nn.Parameter(torch.randn(self.tokens, dim) * 0.02)
            self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
            self.norm = nn.LayerNorm(dim)
            self.out = nn.Linear(dim, out) if out not in (0, dim) else nn.Identity()

        def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
            """For `cells` alone."""
            return self.stem(_scaled(images))

        def forward(self, images: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
            features = self.features(images)
            b, c, _, _ = features[1].shape
            (rows, cols), side = self.grid, patch // 16
            patches = features[1].reshape(b, c, rows, side, cols, side).permute(0, 2, 4, 3, 5, 1)
            tokens = self.merge(patches.reshape(b, rows * cols, -1)) + self.position
            for block in self.blocks:
                tokens = block(tokens)
            return features, self.out(self.norm(tokens))

        def cells(self, features: tuple[Tensor, Tensor]) -> Tensor:
            return self.stem.cells(*features)

    return ViT()
