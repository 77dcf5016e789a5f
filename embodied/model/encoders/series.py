"""A window of states -> a few tokens. Time stamps enter as sinusoids of the age of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register("encoder", "series")
def series(channels: int = 6, length: int = 8, dim: int = 192, tokens: int = 2, rate_hz: float = 20.0, heads: int = 4):
    """A module: normalised states (b, length, channels), newest row last -> (b, tokens, dim)."""
    import torch
    from torch import nn

    from embodied.model.encoders.block import Block

    class SeriesEncoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = tokens
            self.width = 128
            self.embed = nn.Linear(channels, self.width)
            age = torch.arange(length - 1, -1, -1) / rate_hz  # seconds before now
            rates = torch.logspace(-0.3, 1.8, self.width // 2)  # rad/s, from a slow ramp to one tick apart
            waves = age[:, None] * rates
            self.register_buffer("age", torch.cat([waves.sin(), waves.cos()], -1), persistent=False)
            self.query = nn.Parameter(torch.randn(tokens, self.width) * 0.02)
            self.block = Block(self.width, heads, ratio=2)
            self.out = nn.Linear(self.width, dim)

        def forward(self, states: Tensor) -> Tensor:
            rows = self.embed(states) + self.age
            query = self.query.expand(states.shape[0], -1, -1)
            return self.out(self.block(torch.cat([query, rows], dim=1))[:, :tokens])

    return SeriesEncoder()
