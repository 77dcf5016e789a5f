"""What a car does now, from what it has measured so far: causal, so that no predictor sees the future.

Rates of change are slopes of straight lines fitted to the last WINDOW_S of a channel (a Savitzky-Golay filter at its newest
end: Savitzky & Golay 1964). Where the acceleration is not measured it is the slope of the speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied.spec import Channels
from embodied.types import Observation

WINDOW_S = 0.6
HISTORY_S = 1.5  # of the past that an observation of the replay carries


@dataclass(frozen=True)
class Motion:
    """speed m/s, accel m/s^2, yaw_rate rad/s, and how fast the last two change: jerk m/s^3, yaw_accel rad/s^2.

    steer: rad at the road wheels, NaN where only a yaw rate is measured.  known: False without a speed; it is then 0."""

    speed: float
    accel: float
    yaw_rate: float
    jerk: float = 0.0
    yaw_accel: float = 0.0
    steer: float = np.nan
    known: bool = True


def slope(times: NDArray[np.floating], values: NDArray[np.floating], window_s: float) -> float:
    """Units a second, of the least-squares line through the values (n,) of the last window_s; 0 for one value."""
    recent = times >= times[-1] - window_s - 1e-6
    t, v = times[recent], np.asarray(values, float)[recent]
    if len(t) < 2:
        return 0.0
    t = t - t.mean()
    return float(t @ (v - v.mean()) / (t @ t))


def motion(
    obs: Observation, spec: Mapping[str, Channels], window_s: float = WINDOW_S, wheelbase_m: float = 2.7
) -> Motion:
    """The newest motion. obs.states: `ego` (rows, d) and `clock` (rows, 1), the rows' times in s before now."""
    if "ego" not in spec or "speed" not in spec["ego"].names:
        return Motion(0.0, 0.0, 0.0, known=False)
    names, rows = spec["ego"].names, np.asarray(obs.states["ego"], float)
    times = np.asarray(obs.states["clock"], float)[:, 0]
    column = {name: rows[:, k] for k, name in enumerate(names)}
    speed = column["speed"]
    if "accel" in column:
        accel, jerk = float(column["accel"][-1]), slope(times, column["accel"], window_s)
    else:
        accel, jerk = slope(times, speed, window_s), 0.0
    if "yaw_rate" in column:
        turn = column["yaw_rate"]
    elif "steer" in column:
        turn = speed * np.tan(np.clip(column["steer"], -1.0, 1.0)) / wheelbase_m
    else:
        turn = np.zeros_like(speed)
    steer = float(column["steer"][-1]) if "steer" in column else np.nan
    return Motion(float(speed[-1]), accel, float(turn[-1]), jerk, slope(times, turn, window_s), steer)
