"""How fast the car goes, read off its pictures alone: for films without telemetry, whose paths would have no scale.

Taught last, on what the finished network makes of a look; nothing else depends on it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN, BATCH, LR, MOST_MPS = 64, 256, 3e-3, 40.0


class Pace(nn.Module):
    """Tokens of a look (b, n, D) -> speed (b,), m/s, in [0, MOST_MPS]."""

    mean: Tensor
    spread: Tensor
    usual: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, 1))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.register_buffer("usual", torch.tensor(0.0))

    def forward(self, tokens: Tensor) -> Tensor:
        read = self.read((tokens.flatten(1).float() - self.mean) / self.spread)[:, 0]
        return (self.usual + read).clamp(0.0, MOST_MPS)

    def teach(self, tokens: Tensor, speeds: Tensor, epochs: int = 20, seed: int = 0) -> float:
        """tokens (m, n, D), speeds (m,) m/s; the last tenth is held out. Returns the mean absolute error there, m/s."""
        rows, kept = tokens.flatten(1).float(), len(tokens) * 9 // 10
        self.mean.copy_(rows[:kept].mean(0))
        self.spread.copy_(rows[:kept].std(0).clamp(min=1e-4))
        self.usual.fill_(float(speeds[:kept].mean()))
        optimizer = torch.optim.AdamW(self.read.parameters(), LR, weight_decay=0.1)
        order = torch.Generator().manual_seed(seed)
        for epoch in range(epochs):
            for group in optimizer.param_groups:
                group["lr"] = LR * (1 - epoch / epochs)
            for part in torch.randperm(kept, generator=order).split(BATCH):
                noisy = rows[part] + 0.3 * self.spread * torch.randn(len(part), rows.shape[1], generator=order)
                F.smooth_l1_loss(self(noisy), speeds[part]).backward()
                optimizer.step()
                optimizer.zero_grad()
        with torch.no_grad():
            return float((self(rows[kept:]) - speeds[kept:]).abs().mean())
