"""A Perceiver resampler: however many features a picture has, a fixed number of tokens (Flamingo, arXiv 2204.14198, 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Layer(nn.Module):
    """Latents attend to the features (together: and to each other), then think for themselves; both added to what they were."""

    def __init__(self, dim: int, heads: int, together: bool = True) -> None:
        super().__init__()
        self.heads, self.together = heads, together
        self.norm_features, self.norm_latents, self.norm_mlp = (nn.LayerNorm(dim) for _ in range(3))
        self.query, self.keys_values = nn.Linear(dim, dim, bias=False), nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, latents: Tensor, features: Tensor) -> Tensor:
        x, b = self.norm_latents(latents), len(latents)
        seen = self.norm_features(features)
        seen = torch.cat([seen, x], 1) if self.together else seen

        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        keys, values = map(split, self.keys_values(seen).chunk(2, -1))
        attended = F.scaled_dot_product_attention(split(self.query(x)), keys, values)
        latents = latents + self.out(attended.transpose(1, 2).reshape(b, *x.shape[1:]))
        return latents + self.mlp(self.norm_mlp(latents))


class Resampler(nn.Module):
    """(b, n, channels) -> (b, tokens, dim), whatever n."""

    def __init__(self, channels: int, dim: int, tokens: int, depth: int = 2, heads: int = 4, width: int = 256) -> None:
        super().__init__()
        self.into, self.norm = nn.Linear(channels, width), nn.LayerNorm(channels)
        self.latents = nn.Parameter(torch.randn(tokens, width) * 0.5)
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(depth))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))

    def forward(self, features: Tensor) -> Tensor:
        features = self.into(self.norm(features))
        latents = self.latents.expand(len(features), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features)
        return self.out(latents)


class Amending(nn.Module):
    """States (b, m, dim) that were understood of some senses, each amended by features (b, n, channels) of another; untaught, by
    nothing: what was learnt with the states goes on from where it was, as a frozen language model does with pictures (Flamingo,
    3.1.2)."""

    def __init__(self, channels: int, dim: int, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.into = nn.Linear(channels, dim)
        self.layers = nn.ModuleList(_Layer(dim, heads, together=False) for _ in range(depth))
        for name, p in self.layers.named_parameters():
            if name.split(".", 1)[1] in ("out.weight", "mlp.2.weight", "mlp.2.bias"):
                nn.init.zeros_(p)

    def forward(self, states: Tensor, features: Tensor) -> Tensor:
        features = self.into(features)
        for layer in self.layers:
            states = layer(states, features)
        return states
