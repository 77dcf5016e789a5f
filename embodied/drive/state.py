"""What a car does now, from what it has measured so far: causal, so that no predictor sees the future.

Rates of change are slopes of straight lines fitted to the last WINDOW_S of a channel (a Savitzky-Golay filter at its newest
end: Savitzky & Golay 1964). Where the acceleration is not measured it is the slope of the speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied.data.drives import EGO
from embodied.spec import Channels
from embodied.types import Observation

WINDOW_S = 0.6
HISTORY_S = 1.5  # of the past that an observation carries
NO_LEAD_M = EGO["lead_gap"][2]  # a gap as wide as this is no car ahead
NO_LEAD = (np.nan, np.nan, np.nan)
OTHER_LEAD_M = 5.0  # a gap that jumps by so much from row to row is to another car


@dataclass(frozen=True)
class Motion:
    """speed m/s, accel m/s^2, yaw_rate rad/s, and how fast the last two change: jerk m/s^3, yaw_accel rad/s^2.

    steer: rad at the road wheels, NaN where only a yaw rate is measured.  known: False without a speed; it is then 0.
    lead_gap m, lead_speed m/s, lead_accel m/s^2: of the car ahead, NaN where none is measured."""

    speed: float
    accel: float
    yaw_rate: float
    jerk: float = 0.0
    yaw_accel: float = 0.0
    steer: float = np.nan
    known: bool = True
    lead_gap: float = np.nan
    lead_speed: float = np.nan
    lead_accel: float = np.nan

    @property
    def leads(self) -> bool:
        """Whether a car ahead is measured."""
        return bool(np.all(np.isfinite(self.lead_gap)))


class Past:
    """The last HISTORY_S of what a car measured, as the states `ego` and `clock` of an observation."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, NDArray[np.floating] | None]] = deque()

    def add(self, t_s: float, ego: NDArray[np.floating] | None) -> None:
        """ego (d,): what is measured at t_s; None for a car that measures nothing."""
        self._rows.append((t_s, ego))
        while self._rows[0][0] < t_s - HISTORY_S - 1e-6:
            self._rows.popleft()

    @property
    def newest_s(self) -> float:
        return self._rows[-1][0] if self._rows else -np.inf

    def states(self) -> dict[str, NDArray[np.float32]]:
        """ego (rows, d), where there is one, and clock (rows, 1): the rows' times in s before the newest."""
        out = {"clock": np.array([[t_s - self.newest_s] for t_s, _ in self._rows], np.float32)}
        rows = [ego for _, ego in self._rows if ego is not None]
        return out | ({"ego": np.array(rows, np.float32)} if rows else {})


def slope(times: NDArray[np.floating], values: NDArray[np.floating], window_s: float) -> float:
    """Units a second, of the least-squares line through the values (n,) of the last window_s; 0 for one value."""
    recent = times >= times[-1] - window_s - 1e-6
    t, v = times[recent], np.asarray(values, float)[recent]
    if len(t) < 2:
        return 0.0
    t = t - t.mean()
    return float(t @ (v - v.mean()) / (t @ t))


def trend(times: NDArray[np.floating], values: NDArray[np.floating], window_s: float) -> tuple[float, float]:
    """(level now, slope) of the last window_s, the slope shrunk by how little it stands out of its own uncertainty.

    The line through noise has a slope too. It is taken by the factor max(0, 1 - var(slope) / slope^2), the positive part of a
    James-Stein estimate (James & Stein 1961), var from the residuals; the level is that of the shrunk line at its newest end.
    So a quiet channel is followed at once and a noisy one is averaged."""
    recent = times >= times[-1] - window_s - 1e-6
    t, v = times[recent], np.asarray(values, float)[recent]
    if len(t) < 3:
        return float(v[-1]), 0.0
    mean, t = v.mean(), t - t.mean()
    spread = float(t @ t)
    rate = float(t @ (v - mean)) / spread
    rest = v - mean - rate * t
    doubt = float(rest @ rest) / (len(t) - 2) / spread
    kept = max(0.0, 1 - doubt / (rate * rate)) * rate if abs(rate) > 1e-9 else 0.0
    return float(mean + kept * t[-1]), kept


def motion(
    obs: Observation, spec: Mapping[str, Channels], window_s: float = WINDOW_S, filtered: bool = False,
    wheelbase_m: float = 2.7,
) -> Motion:  # fmt: skip
    """The newest motion. obs.states: `ego` (rows, d) and `clock` (rows, 1), the rows' times in s before now.

    filtered: levels and slopes by `trend`; else the newest values as measured, and plain slopes."""
    if "ego" not in spec or "speed" not in spec["ego"].names:
        return Motion(0.0, 0.0, 0.0, known=False)
    names, rows = spec["ego"].names, np.asarray(obs.states["ego"], float)
    times = np.asarray(obs.states["clock"], float)[:, 0]
    column = {name: rows[:, k] for k, name in enumerate(names)}

    def level_and_slope(values: NDArray[np.floating]) -> tuple[float, float]:
        return trend(times, values, window_s) if filtered else (float(values[-1]), slope(times, values, window_s))

    speed = column["speed"]
    accel, jerk = level_and_slope(column["accel"]) if "accel" in column else (level_and_slope(speed)[1], 0.0)
    if "yaw_rate" in column:
        turn = column["yaw_rate"]
    elif "steer" in column:
        turn = speed * np.tan(np.clip(column["steer"], -1.0, 1.0)) / wheelbase_m
    else:
        turn = np.zeros_like(speed)
    steer = float(column["steer"][-1]) if "steer" in column else np.nan
    yaw_rate, yaw_accel = level_and_slope(turn)
    lead = _lead(times, column) if {"lead_gap", "lead_speed"} <= set(names) else NO_LEAD
    return Motion(float(speed[-1]), accel, yaw_rate, jerk, yaw_accel, steer, True, *lead)


def _lead(times: NDArray[np.floating], column: Mapping[str, NDArray[np.floating]]) -> tuple[float, float, float]:
    """(gap, speed, acceleration) of the car ahead, the last from the rows since it is the same one; NaN where there is none."""
    gaps, speeds = column["lead_gap"], column["lead_speed"]
    if gaps[-1] >= NO_LEAD_M:
        return NO_LEAD
    same = len(gaps) - 1
    while same > 0 and abs(gaps[same] - gaps[same - 1]) < OTHER_LEAD_M:
        same -= 1
    recent = slice(same, None)
    return float(gaps[-1]), float(speeds[-1]), trend(times[recent], speeds[recent], HISTORY_S)[1]
