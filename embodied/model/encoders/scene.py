"""Objects of a scene -> tokens, one each, that know of each other: what is near an object, on it and under it.

A set without order: sums over pairs, gated by how the two lie to each other (as in relation networks, arXiv 1706.01427), so
that more objects than training ever had are read the same way. Positions enter as waves of several lengths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.model.encoders.objects import FIELDS
from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor

WAVES_M = (1.6, 0.8, 0.4, 0.2, 0.1, 0.05)
MIDDLE = (0.52, 0.0, 0.06, 0.0, 0.8, 0.046, 0.046, 0.046, 0.5, 0.5, 0.5)  # of FIELDS, on a table
SPREAD = (0.09, 0.16, 0.04, 0.4, 0.2, 0.006, 0.006, 0.006, 0.35, 0.35, 0.35)


@register("encoder", "scene")
def scene(dim: int = 128, hidden: int = 96, rounds: int = 3, gates: int = 8):
    """A module: vectors (b, n, len(FIELDS)) in SI units, names (b, n, dim) and there (b, n) bool -> (b, n, dim); rows
    where there is no object are zero.

    names: the language model's own words for the objects (<obj_j>). They go through to the tokens, so that to look for an object is
    to look for its word, and what is said of a neighbour is its word too."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def waves(metres: Tensor) -> Tensor:
        """(..., k) -> (..., 2 k len(WAVES_M))."""
        angles = metres[..., None] * (2 * torch.pi / torch.tensor(WAVES_M, device=metres.device))
        return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)

    width = 3 * 2 * len(WAVES_M)

    class Round(nn.Module):
        """Every object hears from every other one, through gates that see both and their distance."""

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
            self.mine, self.other = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
            self.between = nn.Linear(width + 2, hidden)
            self.gate = nn.Linear(hidden, gates)
            self.value, self.out = nn.Linear(hidden, gates * 32), nn.Linear(gates * 32, hidden)
            self.mlp = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))

        def forward(self, x: Tensor, pairs: Tensor, there: Tensor) -> Tensor:
            b, n, _ = x.shape
            y = self.norm(x)
            h = F.gelu(self.mine(y)[:, :, None] + self.other(y)[:, None] + self.between(pairs))
            gate = self.gate(h).sigmoid() * there[..., None]  # b i j g
            heard = torch.einsum("bijg,bjgd->bigd", gate, self.value(y).view(b, n, gates, 32))
            x = x + self.out(heard.flatten(2))
            return x + self.mlp(self.norm2(x))

    class SceneEncoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = 1
            self.name = nn.Linear(dim, hidden)
            self.lift = nn.Sequential(
                nn.Linear(len(FIELDS) + width, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden)
            )
            self.blocks = nn.ModuleList(Round() for _ in range(rounds))
            self.last = nn.Linear(hidden, dim)
            self.skip = nn.Linear(len(FIELDS) + width, dim, bias=False)  # where it is, past the talk with others

        def forward(self, vectors: Tensor, names: Tensor, there: Tensor) -> Tensor:
            position, size, n = vectors[..., :3], vectors[..., 7:8], vectors.shape[1]
            apart = position[:, :, None] - position[:, None]
            sizes = torch.stack([size.expand(-1, -1, n), size.transpose(1, 2).expand(-1, n, -1)], -1)
            pairs = torch.cat([waves(apart), 20 * sizes - 1], -1)
            both = there[:, :, None] & there[:, None] & ~torch.eye(n, dtype=torch.bool, device=there.device)
            near = (vectors - vectors.new_tensor(MIDDLE)) / vectors.new_tensor(SPREAD)
            own = torch.cat([near, waves(position)], -1)
            x = F.layer_norm(self.lift(own), (hidden,)) + F.layer_norm(self.name(names), (hidden,))
            for one in self.blocks:
                x = one(x, pairs, both)
            told = F.layer_norm(self.last(x) + self.skip(own), (dim,)) * names.norm(dim=-1, keepdim=True) / dim**0.5
            return (names + told) * there[..., None]

    return SceneEncoder()
