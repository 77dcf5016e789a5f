"""Motion as discrete bins, every row and channel at once: the baseline beside the flow head (RT-2's bins, OpenVLA-OFT's
parallel decoding, arXiv 2502.19645)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.registry import register

if TYPE_CHECKING:
    from torch import Generator, Tensor


@register("head", "bins")
def bins(
    horizon: int = 16,
    actions: int = 6,
    context: int = 192,
    dim: int = 192,
    depth: int = 3,
    heads: int = 3,
    bins: int = 128,
    reach: float = 4.0,
):
    """A module with loss(...) and sample(...); bins cover [-reach, reach] in normalised units."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    from embodied.model.heads.decoder import ChunkDecoder

    class BinsHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = ChunkDecoder(horizon, dim, context, depth, heads)
            self.start = nn.Parameter(torch.randn(horizon, dim) * 0.02)
            self.out = nn.Linear(dim, actions * bins)

        def logits(self, hidden: Tensor, mask: Tensor) -> Tensor:
            b = hidden.shape[0]
            signal = hidden.new_zeros(b, dim)
            rows = self.decoder(self.start.expand(b, -1, -1), signal, self.decoder.remember(hidden), mask)
            return self.out(rows).reshape(b, horizon, actions, bins).float()

        def loss(self, hidden: Tensor, mask: Tensor, chunk: Tensor, valid: Tensor) -> Tensor:
            """Cross-entropy. hidden (b, n, D), mask (b, n), chunk (b, h, a), valid (b, h)."""
            target = ((chunk + reach) / (2 * reach) * bins).long().clamp(0, bins - 1)
            each = F.cross_entropy(self.logits(hidden, mask).permute(0, 3, 1, 2), target, reduction="none").mean(-1)
            return (each * valid).sum() / valid.sum().clamp(min=1)

        @torch.no_grad()
        def sample(
            self,
            hidden: Tensor,
            mask: Tensor,
            steps: int = 1,
            generator: Generator | None = None,
            known: Tensor | None = None,
        ) -> Tensor:
            """A chunk (b, h, a): centres of the likeliest bins; `known` first rows replace its own."""
            chunk = (self.logits(hidden, mask).argmax(-1) + 0.5) / bins * 2 * reach - reach
            if known is not None:
                chunk[:, : known.shape[1]] = known
            return chunk

    return BinsHead()
