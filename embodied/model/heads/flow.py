"""Motion by flow matching: noise is carried to an action chunk along a learned velocity field in a few Euler steps.

As in pi0 (arXiv 2410.24164, section IV and appendix B): x_t = t x_1 + (1 - t) noise, target velocity x_1 - noise, training
times drawn from a beta distribution that favours noisy ones; the prefix is computed once and only the rows are iterated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from embodied.registry import register

if TYPE_CHECKING:
    from torch import Generator, Tensor


@register("head", "flow")
def flow(
    horizon: int = 16,
    actions: int = 6,
    context: int = 192,
    dim: int = 192,
    depth: int = 3,
    heads: int = 3,
    repeats: int = 4,
):
    """A module with loss(...) and sample(...); `repeats` noise draws share one context in training."""
    import torch
    from torch import nn

    from embodied.model.heads.decoder import ChunkDecoder

    class FlowHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = ChunkDecoder(horizon, dim, context, depth, heads)
            self.rows = nn.Linear(actions, dim)
            self.time = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
            self.out = nn.Linear(dim, actions)
            self.shape = (horizon, actions)

        def velocity(self, x: Tensor, t: Tensor, memory: list[Tensor], mask: Tensor) -> Tensor:
            """dx/dt at x (b, h, a), t (b,) in [0, 1]."""
            rates = torch.exp(torch.linspace(0, math.log(1000.0), dim // 2, device=x.device))
            waves = t[:, None] * rates
            signal = self.time(torch.cat([waves.sin(), waves.cos()], -1))
            return self.out(self.decoder(self.rows(x), signal, memory, mask)).float()

        def loss(self, hidden: Tensor, mask: Tensor, chunk: Tensor, valid: Tensor) -> Tensor:
            """Mean squared velocity error. hidden (b, n, D), mask (b, n), chunk (b, h, a), valid (b, h)."""
            hidden, mask, chunk, valid = (x.repeat_interleave(repeats, 0) for x in (hidden, mask, chunk, valid))
            t = 1 - torch.distributions.Beta(1.5, 1.0).sample((chunk.shape[0],)).to(chunk) * 0.999
            noise = torch.randn_like(chunk)
            x = t[:, None, None] * chunk + (1 - t[:, None, None]) * noise
            error = self.velocity(x, t, self.decoder.remember(hidden), mask) - (chunk - noise)
            return (error.square().mean(-1) * valid).sum() / valid.sum().clamp(min=1)

        @torch.no_grad()
        def sample(
            self,
            hidden: Tensor,
            mask: Tensor,
            steps: int = 5,
            generator: Generator | None = None,
            known: Tensor | None = None,
        ) -> Tensor:
            """A chunk (b, h, a). known (b, k, a): first rows already committed, held by inpainting at every step
            (real-time chunking, arXiv 2506.07339, in its hard-mask form)."""
            b = hidden.shape[0]
            noise = torch.randn((b, *self.shape), generator=generator).to(hidden)
            memory = self.decoder.remember(hidden)
            x = noise.clone()
            for k in range(steps):
                t = k / steps
                if known is not None:
                    x[:, : known.shape[1]] = t * known + (1 - t) * noise[:, : known.shape[1]]
                x = x + self.velocity(x, torch.full((b,), t, device=x.device), memory, mask) / steps
            if known is not None:
                x[:, : known.shape[1]] = known
            return x

    return FlowHead()
