"""Objects of a scene -> tokens, one each, that know of each other: what is near an object, on it and under it.

A set without order: sums over pairs, gated by how the two lie to each other (as in relation networks, arXiv 1706.01427), so
that more objects than training ever had are read the same way. Positions enter as waves of several lengths; how two objects lie to
each other also as four numbers that are near 0 or 1 where it matters: over each other, which is higher, touching, of one colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.model.encoders.objects import FIELDS
from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor

WAVES_M = (1.6, 0.8, 0.4, 0.2, 0.1, 0.05)
MIDDLE = (0.52, 0.0, 0.06, 0.0, 0.8, 0.046, 0.046, 0.046, 0.5, 0.5, 0.5)  # of FIELDS, on a table
OVER_M, HIGHER_M, TOUCHING_M, ALIKE = 0.04, 0.05, 0.015, 0.2  # differences, m and of RGB, at which a relation fades
SPREAD = (0.09, 0.16, 0.04, 0.4, 0.2, 0.006, 0.006, 0.006, 0.35, 0.35, 0.35)


@register("encoder", "scene")
def scene(dim: int = 128, hidden: int = 96, rounds: int = 3, gates: int = 8, pointers: int = 4):
    """A module: vectors (b, n, len(FIELDS)) in SI units, names (b, n, dim) and there (b, n) bool -> (b, n, dim); rows
    where there is no object are zero.

    names: the language model's own words for the objects (<obj_j>). They go through to the tokens, so that to look for an object is
    to look for its word. An object's token also holds the whole words of others, of those that its pointers choose: what lies on
    it, what on top of its tower, what under it. Told only that one lies high, the language model looks for the high one, which
    is right where there are few objects and wrong among eight."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def waves(metres: Tensor) -> Tensor:
        """(..., k) -> (..., 2 k len(WAVES_M))."""
        angles = metres[..., None] * (2 * torch.pi / torch.tensor(WAVES_M, device=metres.device))
        return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)

    width = 3 * 2 * len(WAVES_M)

    def relations(vectors: Tensor) -> Tensor:
        """(b, n, len(FIELDS)) -> (b, n, n, width + 6), of every object to every other one."""
        position, edge, rgb = vectors[..., :3], vectors[..., 7], vectors[..., 8:11]
        apart, shades = (x[:, :, None] - x[:, None] for x in (position, rgb))
        edges = torch.stack(torch.broadcast_tensors(edge[:, :, None], edge[:, None]), -1)
        gap = apart[..., 2].abs() - edges.mean(-1)
        plain = [
            bell(apart[..., :2], OVER_M),
            (apart[..., 2] / HIGHER_M).tanh(),
            bell(gap[..., None], TOUCHING_M),
            bell(shades, ALIKE),
        ]
        return torch.cat([waves(apart), 20 * edges - 1, torch.stack(plain, -1)], -1)

    def bell(x: Tensor, scale: float) -> Tensor:
        """1 where a difference (..., k) is nothing, near 0 from twice the scale on."""
        return (-(x / scale).square().sum(-1)).exp()

    class Gates(nn.Module):
        """How far each object listens to each other one, by both and by how they lie: (b, n, n, count) in [0, 1]."""

        def __init__(self, count: int) -> None:
            super().__init__()
            self.mine, self.other = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
            self.between, self.gate = nn.Linear(width + 6, hidden), nn.Linear(hidden, count)

        def forward(self, x: Tensor, pairs: Tensor, there: Tensor) -> Tensor:
            h = F.gelu(self.mine(x)[:, :, None] + self.other(x)[:, None] + self.between(pairs))
            return self.gate(h).sigmoid() * there[..., None]

    class Round(nn.Module):
        """Every object hears from every other one."""

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
            self.gates = Gates(gates)
            self.value, self.out = nn.Linear(hidden, gates * 32), nn.Linear(gates * 32, hidden)
            self.mlp = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))

        def forward(self, x: Tensor, pairs: Tensor, there: Tensor) -> Tensor:
            y = self.norm(x)
            heard = torch.einsum(
                "bijg,bjgd->bigd", self.gates(y, pairs, there), self.value(y).unflatten(2, (gates, 32))
            )
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
            self.norm, self.pointers = nn.LayerNorm(hidden), Gates(pointers)
            self.words = nn.Linear(pointers * dim, dim, bias=False)

        def forward(self, vectors: Tensor, names: Tensor, there: Tensor) -> Tensor:
            n, pairs = vectors.shape[1], relations(vectors)
            both = there[:, :, None] & there[:, None] & ~torch.eye(n, dtype=torch.bool, device=there.device)
            near = (vectors - vectors.new_tensor(MIDDLE)) / vectors.new_tensor(SPREAD)
            own = torch.cat([near, waves(vectors[..., :3])], -1)
            x = F.layer_norm(self.lift(own), (hidden,)) + F.layer_norm(self.name(names), (hidden,))
            for one in self.blocks:
                x = one(x, pairs, both)
            told = F.layer_norm(self.last(x) + self.skip(own), (dim,)) * names.norm(dim=-1, keepdim=True) / dim**0.5
            chosen = self.pointers(self.norm(x), pairs, both)
            words = self.words(torch.einsum("bijg,bjd->bigd", chosen, names).flatten(2))
            return (names + told + words) * there[..., None]

    return SceneEncoder()
