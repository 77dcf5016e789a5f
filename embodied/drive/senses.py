"""What a network is told of the car's own motion: a window of the last 1.5 s on a fixed clock, and the priors from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from embodied.drive import kinematics
from embodied.drive.following import followed, follows
from embodied.drive.paths import STEPS, unroll
from embodied.drive.state import HISTORY_S, WINDOW_S, Motion, motion
from embodied.spec import Channels
from embodied.types import Observation

CHANNELS = ("speed", "accel", "yaw_rate", "steer")  # m/s, m/s^2, rad/s, rad at the road wheels
LEAD = ("lead_gap", "lead_speed")
ROWS, ROW_S = 16, 0.1
SCALES = np.array([10.0, 2.0, 0.3, 0.2], np.float32)
NOW = ("speed", "accel", "yaw_rate", "jerk", "yaw_accel", "plain accel", "plain yaw_rate")
NOW_SCALES = np.array([10.0, 2.0, 0.3, 3.0, 0.5, 2.0, 0.3], np.float32)
_AGES = np.arange(1 - ROWS, 1) * ROW_S


@dataclass(frozen=True)
class Sensed:
    """series (ROWS, 2 len(CHANNELS)): values over SCALES, then 1 where the channel is there.  now (len(NOW),) over NOW_SCALES.
    speed, yaw_rate (2, STEPS) and path (2, STEPS, 2): of the two priors, `relaxing` and CTRA, at the middles of the steps.
    drawn: the filtered motion that they come from."""

    series: NDArray[np.float32]
    now: NDArray[np.float32]
    speed: NDArray[np.float32]
    yaw_rate: NDArray[np.float32]
    path: NDArray[np.float32]
    drawn: Motion


def sense(rows: NDArray[np.floating], clock: NDArray[np.floating], names: Sequence[str]) -> Sensed:
    """rows (n, d) of the named channels at clock (n,), s before now, newest last. Of others than CHANNELS only the priors read the
    car ahead."""
    keep = [k for k, name in enumerate(names) if name in (*CHANNELS, *LEAD)]
    kept = tuple(names[k] for k in keep)
    rows = np.asarray(rows, float)[:, keep]
    series = np.zeros((ROWS, 2 * len(CHANNELS)), np.float32)
    for k, name in enumerate(kept):
        if name in LEAD:
            continue
        to = CHANNELS.index(name)
        series[:, to] = np.interp(_AGES, clock, rows[:, k]) / SCALES[to]
        series[:, len(CHANNELS) + to] = 1.0
    obs = Observation(0.0, {}, {"ego": rows, "clock": np.asarray(clock)[:, None]})
    spec = _spec(kept)
    drawn = motion(obs, {"ego": spec}, kinematics.SLOPES_S, filtered=True)
    plain = motion(obs, {"ego": spec}, WINDOW_S)
    told = (drawn.speed, drawn.accel, drawn.yaw_rate, drawn.jerk, drawn.yaw_accel, plain.accel, plain.yaw_rate)
    speed, turn, paths = _priors(drawn, plain)
    return Sensed(series, np.array(told, np.float32) / NOW_SCALES, speed, turn, paths, drawn)


@lru_cache(maxsize=32)
def _spec(names: tuple[str, ...]) -> Channels:
    return Channels(names, ("1",) * len(names), (-1e9,) * len(names), (1e9,) * len(names), 1 / ROW_S)


def _priors(drawn: Motion, plain: Motion) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    behind = followed(drawn)
    profiles = behind, behind if follows(drawn) else kinematics.held(plain)
    paths = np.stack([unroll(*one) for one in profiles])
    mean = lambda values: values.reshape(2, STEPS, 4).mean(-1)  # noqa: E731
    speed, yaw_rate = (mean(np.stack([one[k] for one in profiles])) for k in (0, 1))
    return speed.astype(np.float32), yaw_rate.astype(np.float32), paths.astype(np.float32)


assert ROWS * ROW_S > HISTORY_S - 1e-9
