"""Paths as corrections to a kinematic prior: a network says how acceleration and curvature will differ from what physics expects.

Nothing said is the prior itself, exactly, and the priors stay among the hypotheses with a probability of their own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embodied.drive.paths import RATE_HZ, STEPS, TIMES

PRIORS = 2  # `relaxing`, CTRA (embodied.drive.senses)
KNOTS_S = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
ACCEL_MPS2, CURVATURE_1PM = 3.0, 0.1  # what an output of 1 means


def _basis() -> Tensor:
    """(knots, STEPS): linear interpolation of knots at the middles of the steps."""
    at = torch.tensor(TIMES, dtype=torch.float32) - 0.5 / RATE_HZ
    knots = torch.tensor(KNOTS_S)
    right = torch.searchsorted(knots, at).clamp(1, len(knots) - 1)
    share = (at - knots[right - 1]) / (knots[right] - knots[right - 1])
    made = torch.zeros(len(knots), STEPS)
    made[right - 1, torch.arange(STEPS)] = 1 - share
    made[right, torch.arange(STEPS)] += share
    return made


def unroll(speed: Tensor, yaw_rate: Tensor) -> Tensor:
    """(..., STEPS) each, at the middles of the steps -> (..., STEPS, 2)."""
    turned = torch.cumsum(yaw_rate, -1) / RATE_HZ
    middle = turned - yaw_rate / 2 / RATE_HZ
    way = torch.stack([speed * middle.cos(), speed * middle.sin()], -1)
    return torch.cumsum(way, -2) / RATE_HZ


class Corrections(nn.Module):
    """(b, width) -> hypotheses (b, PRIORS + count, STEPS, 2) and the logarithms of their probabilities (b, PRIORS + count)."""

    def __init__(self, width: int, count: int = 3, hidden: int = 256) -> None:
        super().__init__()
        self.count = count
        self.trunk = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU())
        self.correct = nn.Linear(hidden, count * 2 * len(KNOTS_S))
        self.choose = nn.Linear(hidden, PRIORS + count)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)
        with torch.no_grad():  # the first begins as the prior; the others lean to the brake and to the gas, or they would be one
            bias = self.correct.bias.view(count, 2, len(KNOTS_S))
            bias[1:, 0] = 0.2 * torch.tensor([-1.0, 1.0]).repeat(count)[: count - 1, None]
        self.register_buffer("basis", _basis(), persistent=False)

    def forward(self, x: Tensor, speed: Tensor, yaw_rate: Tensor, path: Tensor) -> tuple[Tensor, Tensor]:
        """speed, yaw_rate (b, PRIORS, STEPS), path (b, PRIORS, STEPS, 2): the priors, the first of which is corrected."""
        trunk = self.trunk(x)
        said = self.correct(trunk).float().view(len(x), self.count, 2, len(KNOTS_S)) @ self.basis
        accel, bend = ACCEL_MPS2 * said[:, :, 0], CURVATURE_1PM * said[:, :, 1]
        v, turn = speed[:, :1], yaw_rate[:, :1]
        gained = (torch.cumsum(accel, -1) - accel / 2) / RATE_HZ
        forward = torch.where(v[..., :1] >= 0, 1.0, -1.0)
        faster = forward * (v.abs() + gained).clamp(min=0.0)
        # the wheels stay as they are turned when the speed is another: curvature of the prior, then the correction
        kept = turn / v.abs().clamp(min=1.0) * forward
        turning = turn + (faster - v) * kept + faster * bend
        moved = unroll(faster, turning) - unroll(v, turn)
        return torch.cat([path, path[:, :1] + moved], 1), self.choose(trunk).float().log_softmax(-1)
