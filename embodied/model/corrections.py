"""Paths as corrections to a kinematic prior: a network says how acceleration and curvature will differ from what physics expects.

One road, several speeds: the curvature is said once, over the way ahead, and each hypothesis drives along it with an acceleration
of its own over time. Nothing said is the prior itself, exactly, and the priors stay among the hypotheses with a probability of
their own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embodied.drive.paths import RATE_HZ, TIMES

PRIORS = 2  # `relaxing`, CTRA (embodied.drive.senses)
KNOTS_S = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
KNOTS_M = (0.0, 2.0, 4.0, 7.0, 10.0, 14.0, 19.0, 25.0, 32.0, 42.0, 60.0)
ACCEL_MPS2, CURVATURE_1PM = 3.0, 0.1  # what an output of 1 means


def shares(at: Tensor, knots: Tensor) -> Tensor:
    """(...,) -> (..., knots): linear interpolation between increasing knots, the outer ones kept beyond the ends."""
    at = at.clamp(float(knots[0]), float(knots[-1]))[..., None]
    gaps = knots.diff()
    up = (at - torch.cat([knots[:1] - 1, knots[:-1]])) / torch.cat([torch.ones_like(gaps[:1]), gaps])
    down = (torch.cat([knots[1:], knots[-1:] + 1]) - at) / torch.cat([gaps, torch.ones_like(gaps[:1])])
    return torch.minimum(up, down).clamp(0.0, 1.0)


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
        self.accel = nn.Linear(hidden, count * len(KNOTS_S))
        self.bend = nn.Linear(hidden, len(KNOTS_M))
        self.choose = nn.Linear(hidden, PRIORS + count)
        for said in (self.accel, self.bend):
            nn.init.zeros_(said.weight)
            nn.init.zeros_(said.bias)
        with (
            torch.no_grad()
        ):  # the first begins as the prior; the others lean to the brake and to the gas, or they would be one
            bias = self.accel.bias.view(count, len(KNOTS_S))
            bias[1:] = 0.2 * torch.tensor([-1.0, 1.0]).repeat(count)[: count - 1, None]
        at = torch.tensor(TIMES, dtype=torch.float32) - 0.5 / RATE_HZ
        self.register_buffer("basis", shares(at, torch.tensor(KNOTS_S)).t(), persistent=False)
        self.register_buffer("metres", torch.tensor(KNOTS_M), persistent=False)

    def forward(
        self, x: Tensor, speed: Tensor, yaw_rate: Tensor, path: Tensor, driven: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """speed, yaw_rate (b, PRIORS, STEPS), path (b, PRIORS, STEPS, 2): the priors, the first of which is corrected.
        driven (b, STEPS): the speeds that were driven; then also the path (b, STEPS, 2) along the said road with these, for
        training."""
        trunk = self.trunk(x)
        accel = ACCEL_MPS2 * (self.accel(trunk).float().view(len(x), self.count, len(KNOTS_S)) @ self.basis)
        bend = CURVATURE_1PM * self.bend(trunk).float()
        v, turn = speed[:, :1], yaw_rate[:, :1]
        forward = torch.where(v[..., :1] >= 0, 1.0, -1.0)
        # the wheels stay as they are turned when the speed is another: curvature of the prior, then the correction
        kept = turn / v.abs().clamp(min=1.0) * forward

        def along(faster: Tensor) -> Tensor:
            """faster (b, k, STEPS) -> (b, k, STEPS, 2)."""
            way = (torch.cumsum(faster.detach().abs(), -1) - faster.detach().abs() / 2) / RATE_HZ
            more = (shares(way, self.metres) * bend[:, None, None]).sum(-1)
            moved = unroll(faster, turn + (faster - v) * kept + faster * more) - unroll(v, turn)
            return path[:, :1] + moved

        gained = (torch.cumsum(accel, -1) - accel / 2) / RATE_HZ
        paths = torch.cat([path, along(forward * (v.abs() + gained).clamp(min=0.0))], 1)
        told = None if driven is None else along(driven[:, None])[:, 0]
        return paths, self.choose(trunk).float().log_softmax(-1), told
