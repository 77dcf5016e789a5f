"""Object vectors -> tokens, one each: position, size, yaw and colour of a thing (PaLM-E's state estimation input)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor

FIELDS = ("x", "y", "z", "sin yaw", "cos yaw", "length", "width", "height", "red", "green", "blue")  # m, rad, 0..1


@register("encoder", "objects")
def objects(dim: int = 192, hidden: int = 128):
    """A module: (b, count, len(FIELDS)) -> (b, count, dim)."""
    from torch import nn

    class ObjectEncoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = 1
            self.mlp = nn.Sequential(
                nn.Linear(len(FIELDS), hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, dim)
            )

        def forward(self, vectors: Tensor) -> Tensor:
            return self.mlp(vectors)

    return ObjectEncoder()
