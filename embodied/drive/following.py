"""The prior where the car ahead is measured (a radar's gap and speed): who follows keeps his distance.

The intelligent driver model with the constants that it was published with (Treiber, Hennecke & Helbing 2000, "Congested traffic
states in empirical observations and microscopic simulations", Physical Review E 62, table I); nothing here is fitted. What it
asks for comes a reaction late (REACTION_S: Johansson & Rumar 1971, "Drivers' brake reaction times", a median of 0.9 s). The
car ahead goes on by the prior of a car that nobody is ahead of (embodied.drive.kinematics.relaxed).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embodied.data.drives import HAZARD_S, REASONS, TTC_MAX_S
from embodied.drive.forecast import Forecast
from embodied.drive.kinematics import relaxed
from embodied.drive.paths import MIDDLES, Floats, unroll
from embodied.drive.state import Motion

REACTION_S = 1.0
# Who is farther behind does not follow (Highway Capacity Manual 1985, chapter 8); below LEAST_MPS as if at it.
FOLLOWS_S, LEAST_MPS = 5.0, 5.0
LEAST_GAP_M, HARDEST_MPS2 = 0.1, 8.0
STEP_S = float(MIDDLES[1] - MIDDLES[0])


@dataclass(frozen=True)
class Idm:
    """headway s, accel and comfortable braking m/s^2, standstill m, wanted speed m/s; the values are table I's."""

    headway_s: float = 1.6
    accel_mps2: float = 0.73
    brake_mps2: float = 1.67
    standstill_m: float = 2.0
    wanted_mps: float = 120 / 3.6

    def __call__(self, speed: float, gap_m: float, closing_mps: float) -> float:
        """Acceleration, m/s^2, behind something gap_m ahead (bumper to bumper; infinity for nothing) that comes nearer so fast."""
        braking = speed * closing_mps / (2 * np.sqrt(self.accel_mps2 * self.brake_mps2))
        wanted_m = self.standstill_m + max(0.0, speed * self.headway_s + braking)
        near = (wanted_m / max(gap_m, LEAST_GAP_M)) ** 2
        return float(max(-HARDEST_MPS2, self.accel_mps2 * (1 - (speed / self.wanted_mps) ** 4 - near)))


def _ahead(now: Motion, accel: float) -> Floats:
    """Speed of the car ahead at MIDDLES, by the prior of a car with nobody ahead."""
    return relaxed(Motion(now.lead_speed, accel, 0.0))[0]


def follows(now: Motion) -> bool:
    """Whether the car ahead is what we drive by: near, or soon to be if we went on as without it."""
    if not now.leads or now.speed < 0:
        return False
    speed = relaxed(now)[0]
    gap = now.lead_gap + np.cumsum(_ahead(now, now.lead_accel) - speed) * STEP_S
    return bool((gap < FOLLOWS_S * np.maximum(speed, LEAST_MPS)).any())


def followed(now: Motion, law: Idm | None = None, reaction_s: float = REACTION_S) -> tuple[Floats, Floats]:
    """Speed and yaw rate at MIDDLES: behind the car ahead where we follow one, else `relaxed`."""
    speed, yaw_rate = relaxed(now)
    if not follows(now):
        return speed, yaw_rate
    law = law or Idm()
    law = replace(law, wanted_mps=max(law.wanted_mps, now.speed))  # who is faster than that wants to be
    ahead = _ahead(now, now.lead_accel)
    v, a, gap, speed = now.speed, now.accel, now.lead_gap, np.empty_like(speed)
    for k, lead in enumerate(ahead):
        a += (law(v, gap, v - lead) - a) * STEP_S / reaction_s
        v = max(0.0, v + a * STEP_S)
        gap += (lead - v) * STEP_S
        speed[k] = v
    return speed, yaw_rate


def following(now: Motion) -> Floats:
    """The path of `followed`."""
    return unroll(*followed(now))


def warned(said: Forecast, now: Motion) -> Forecast:
    """The forecast, with the car ahead as a danger where we run into it if nobody acts and it goes on as it does."""
    if not now.leads:
        return said
    hits = np.flatnonzero(np.cumsum(_ahead(now, min(now.lead_accel, 0.0)) - now.speed) * STEP_S <= -now.lead_gap)
    ttc_s = float(MIDDLES[hits[0]]) if len(hits) else TTC_MAX_S
    hazard = max(0.0, 1 - ttc_s / (2 * HAZARD_S))  # a half, from which on drivers are warned, where it is HAZARD_S away
    if hazard <= said.hazard:
        return said
    return replace(
        said, hazard=hazard, ttc_s=min(ttc_s, said.ttc_s), reason=REASONS[1] if hazard >= 0.5 else said.reason
    )
