"""How long ago a picture was taken -> one token, so that a sentence with several pictures tells then from now."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from embodied.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register("encoder", "when")
def when(dim: int = 192, rates: int = 16):
    """A module: ages (b, 1, 1), pictures before the newest -> (b, 1, dim)."""
    import torch
    from torch import nn

    class When(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = 1
            self.register_buffer("rates", torch.logspace(-1.5, 0.5, rates), persistent=False)  # rad a picture
            self.out = nn.Linear(2 * rates, dim)

        def forward(self, ages: Tensor) -> Tensor:
            waves = ages * cast(torch.Tensor, self.rates)
            return self.out(torch.cat([waves.sin(), waves.cos()], -1))

    return When()
