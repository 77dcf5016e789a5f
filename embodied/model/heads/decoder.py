"""The small transformer both motion heads share: h rows attend to each other and to the language model's states."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Layer(nn.Module):
    """Self-attention, cross-attention, MLP; each scaled and shifted by `signal` (adaLN, DiT, arXiv 2212.09748)."""

    def __init__(self, dim: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.ModuleList(nn.LayerNorm(dim, elementwise_affine=False) for _ in range(3))
        self.qkv, self.self_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.query, self.cross_out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.keys_values = nn.Linear(context, 2 * dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 3 * dim), nn.GELU(), nn.Linear(3 * dim, dim))
        self.modulate = nn.Linear(dim, 9 * dim)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def remember(self, context: Tensor) -> Tensor:
        """Keys and values of the context (2, b, heads, n, D/heads), computed once for all Euler steps."""
        b, n, _ = context.shape
        return self.keys_values(context).reshape(b, n, 2, self.heads, -1).permute(2, 0, 3, 1, 4)

    def forward(self, x: Tensor, signal: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        b, h, width = x.shape
        modulation = self.modulate(signal)[:, None].chunk(9, -1)
        shift1, scale1, gate1, shift2, scale2, gate2, shift3, scale3, gate3 = modulation

        def merge(attended: Tensor) -> Tensor:
            return attended.transpose(1, 2).reshape(b, h, width)

        qkv = self.qkv(self.norm[0](x) * (1 + scale1) + shift1)
        q, k, v = qkv.reshape(b, h, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = x + (1 + gate1) * self.self_out(merge(F.scaled_dot_product_attention(q, k, v)))
        q = self.query(self.norm[1](x) * (1 + scale2) + shift2).reshape(b, h, self.heads, -1).transpose(1, 2)
        recalled = F.scaled_dot_product_attention(q, memory[0], memory[1], attn_mask=mask)
        x = x + (1 + gate2) * self.cross_out(merge(recalled))
        return x + (1 + gate3) * self.mlp(self.norm[2](x) * (1 + scale3) + shift3)


class ChunkDecoder(nn.Module):
    """(b, h, D) rows + context (b, n, C) with mask (b, n) -> (b, h, D)."""

    def __init__(self, horizon: int, dim: int, context: int, depth: int, heads: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(horizon, dim) * 0.02)
        self.layers = nn.ModuleList(Layer(dim, context, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def remember(self, context: Tensor) -> list[Tensor]:
        return [layer.remember(context) for layer in self.layers]

    def forward(self, rows: Tensor, signal: Tensor, memory: list[Tensor], mask: Tensor) -> Tensor:
        x = rows + self.position
        for layer, past in zip(self.layers, memory, strict=True):
            x = layer(x, signal, past, mask[:, None, None, :])
        return self.norm(x)
