"""What the network that drives understood at earlier looks: a state, made anew at every look from that of STEP_S ago.

A look is three pictures of the last 0.8 s. A person 30 m away is two pixels wide in each of them, and what is said of him flickers
from look to look; over seconds it does not. The state is a gated recurrent unit's (Cho et al. 2014, arXiv 1406.1078), taught last,
on what the finished network makes of whole drives. It adds to the logarithms of the decisions and of the time to collision; paths
know nothing of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEP_S = 0.2  # between a state and the one that it comes from
EARLY_S = 0.03  # by which that may be less; up to twice as long ago is the last that there is
WIDTH, DROPOUT, MOST = 96, 0.4, 6.0


class Memory(nn.Module):
    """channels: of a thought, what was understood at a look.  answers: numbers that are added to. Untaught, zeros are."""

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int, answers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))
        self.into = nn.Sequential(nn.Linear(channels, WIDTH), nn.GELU(), nn.Dropout(DROPOUT))
        self.cell = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.out = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(WIDTH, answers))
        self.clear()

    def clear(self) -> None:
        """Forget how to remember: nothing is added."""
        for p in self.out[-1].parameters():
            nn.init.zeros_(p)

    def nothing(self, b: int) -> Tensor:
        """(b, WIDTH) the state that knows nothing."""
        return torch.zeros(b, WIDTH)

    def measure(self, thoughts: Tensor) -> None:
        """The scales of thoughts (n, channels)."""
        self.mean.copy_(thoughts.mean(0))
        self.spread.copy_(thoughts.std(0).clamp(min=1e-2))

    def forward(self, thoughts: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """thoughts (b, t, channels), STEP_S apart; state (b, WIDTH) of STEP_S before the first, zeros where there is none
        -> what to add (b, t, answers), and the state after the last."""
        told = self.into(((thoughts - self.mean) / self.spread).clamp(-MOST, MOST))
        kept, last = self.cell(told, state[None])
        return self.out(torch.cat([told, kept], -1)), last[0]
