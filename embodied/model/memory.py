"""What the network that drives understood at earlier looks: a state, made anew at every look from that of STEP_S ago.

A look is three pictures of the last 0.8 s. A person 30 m away is two pixels wide in each of them, and what is said of him flickers
from look to look; over seconds it does not. Two strands remember, one what was understood, one what was said of it, and the mean of
what both add is used: they err at different moments (Bates & Granger 1969). Each is a gated recurrent unit (Cho et al. 2014,
arXiv 1406.1078), taught last, on what the finished network makes of whole drives. It adds to the logarithms of the decisions and of
the time to collision; paths know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STEP_S = 0.2  # between a state and the one that it comes from
EARLY_S = 0.03  # by which that may be less; up to twice as long ago is the last that there is
WIDTH = 80
MOST = 6.0  # standard deviations from the mean, where a thought is cut


class Strand(nn.Module):
    """Thoughts (b, t, channels) and a state (b, WIDTH) -> what to add (b, t, answers), and the state after the last."""

    def __init__(self, channels: int, answers: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Sequential(nn.Linear(channels, WIDTH), nn.GELU(), nn.Dropout(dropout))
        self.cell = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.out = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.GELU(), nn.Dropout(dropout), nn.Linear(WIDTH, answers))

    def forward(self, thoughts: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        told, cell = self.into(thoughts), self.cell
        if thoughts.shape[1] == 1:  # a look at the wheel: the same numbers in half the time
            last = torch.gru_cell(
                told[:, 0], state, cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0
            )
            kept = last[:, None]
        else:
            kept, (last,) = cell(told, state[None].contiguous())
        return self.out(torch.cat([told, kept], -1)), last


class Memory(nn.Module):
    """kinds: channels of each kind of thought, which stand behind one another.  answers: numbers that are added to. Untaught, zeros
    are.  dropout: of each kind's strand."""

    mean: Tensor
    spread: Tensor

    def __init__(self, kinds: Sequence[int], answers: int, dropout: Sequence[float]) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        self.register_buffer("mean", torch.zeros(sum(kinds)))
        self.register_buffer("spread", torch.ones(sum(kinds)))
        self.strands = nn.ModuleList(Strand(n, answers, p) for n, p in zip(kinds, dropout, strict=True))
        self.clear()

    def clear(self) -> None:
        """Forget how to remember: nothing is added."""
        for strand in self.strands:
            for p in strand.out[-1].parameters():  # type: ignore[union-attr]
                nn.init.zeros_(p)

    def nothing(self, b: int) -> Tensor:
        """(b, states) the state that knows nothing."""
        return torch.zeros(b, WIDTH * len(self.kinds))

    def measure(self, thoughts: Tensor) -> None:
        """The scales of thoughts (n, channels)."""
        self.mean.copy_(thoughts.mean(0))
        self.spread.copy_(thoughts.std(0).clamp(min=1e-2))

    def each(self, thoughts: Tensor, state: Tensor) -> tuple[list[Tensor], Tensor]:
        """What every strand would add (b, t, answers) by itself, and the state after the last. thoughts (b, t, channels), STEP_S
        apart; state (b, states) of STEP_S before the first."""
        seen = ((thoughts - self.mean) / self.spread).clamp(-MOST, MOST).split(self.kinds, -1)
        states = state.split(WIDTH, -1)
        made = [strand(one, old) for strand, one, old in zip(self.strands, seen, states, strict=True)]
        return [added for added, _ in made], torch.cat([last for _, last in made], -1)

    def forward(self, thoughts: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of what they add (b, t, answers), and the state; see `each`."""
        added, last = self.each(thoughts, state)
        return torch.stack(added).mean(0), last
