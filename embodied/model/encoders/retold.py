"""Tokens of a frozen picture encoder -> tokens of another language model: the projector of PaLM-E (arXiv 2303.03378, section 4),
with two layers in which the tokens may first see each other."""

from __future__ import annotations

from embodied.registry import register


@register("encoder", "retold")
def retold(width: int, tokens: int, dim: int = 128, depth: int = 2, heads: int = 4, level: float = 0.05):
    """A module: (b, tokens, width) -> (b, tokens, dim). level: how large, at first; as the words among which they stand."""
    import torch
    from torch import nn

    from embodied.model.encoders.block import Block

    class Retold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = tokens
            self.before, self.into = nn.LayerNorm(width), nn.Linear(width, dim)
            self.place = nn.Parameter(torch.randn(tokens, dim) * 0.1)
            self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
            self.after = nn.LayerNorm(dim)
            nn.init.constant_(self.after.weight, level)

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            x = self.into(self.before(seen)) + self.place
            for block in self.blocks:
                x = block(x)
            return self.after(x)

    return Retold()
