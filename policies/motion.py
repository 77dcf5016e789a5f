"""A hand's motion from legs: straight lines with trapezoid speed that melt into each other at the corners.

Rows are `x y z yaw width` (m, rad, m), the action of an arm body under end-effector control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FAST, SLOW = 0.5, 0.15  # m/s
ACCELERATION = 2.5  # m/s2
TURN = 2.0  # rad/s
TURN_ACCELERATION = 12.0  # rad/s2
# What a body has to do to keep up with these legs, m/s, rad/s, m/s: more than they ask for one by one, because they melt.
NEEDED = {"x": 0.6, "y": 0.6, "z": 0.6, "yaw": 2.5}
GRIPPER_NEEDED = 0.2  # m/s of the opening, to be done within the rests


@dataclass(frozen=True)
class Tempo:
    """How a motion is brought into rows. dt_s: of the motion from row to row; less than the body's tick is slow motion along the
    same path. rest: rows of rest for each one that a quick gripper needs."""

    dt_s: float = 0.05
    rest: float = 1.0

    @classmethod
    def of(cls, speeds: Mapping[str, float], rate_hz: float) -> Tempo:
        """For a body of these speeds (BodySpec.speeds): as fast as it can follow, at most as fast as the legs are meant."""
        share = min(1.0, *(speeds.get(name, needed) / needed for name, needed in NEEDED.items()))
        return cls(share / rate_hz, max(1.0, GRIPPER_NEEDED / speeds.get("width", GRIPPER_NEEDED)))


def _ramp(
    t: NDArray[np.floating], length: float, speed: float, acceleration: float
) -> tuple[NDArray[np.floating], float]:
    """Part of `length` covered at times t under a trapezoid speed profile, (t,) in [0, 1]; and its duration in s."""
    duration = span(length, speed, acceleration)
    top = min(speed, float(np.sqrt(length * acceleration)))
    rise = top / acceleration
    t = np.clip(t, 0.0, duration)
    up = acceleration * np.minimum(t, rise) ** 2 / 2
    flat = top * np.clip(t - rise, 0.0, max(0.0, duration - 2 * rise))
    late = np.clip(t - (duration - rise), 0.0, rise)
    down = top * late - acceleration * late**2 / 2
    return (up + flat + down) / length, duration


def span(length: float, speed: float, acceleration: float) -> float:
    """Seconds that a trapezoid profile needs for `length`."""
    top = min(speed, float(np.sqrt(length * acceleration)))
    return length / top + top / acceleration


def half_turn(yaw: float) -> float:
    """A parallel gripper's yaw, which counts mod pi, in [-pi/2, pi/2)."""
    return float((yaw + np.pi / 2) % np.pi - np.pi / 2)


@dataclass
class Legs:
    """Collects legs, then samples them. start: hand pose (5,) x y z yaw width."""

    start: NDArray[np.floating]
    tempo: Tempo = Tempo()
    _legs: list[tuple[float, float, NDArray[np.float64], float, float, float, float]] = field(default_factory=list)
    _widths: list[tuple[float, float]] = field(default_factory=list)
    _end_s: float = 0.0
    _slowing_s: float = 0.0

    def __post_init__(self) -> None:
        self.at = np.asarray(self.start, np.float64)[:4].copy()
        self._widths.append((0.0, float(self.start[4])))

    def go(
        self,
        x: float | None = None,
        y: float | None = None,
        z: float | None = None,
        yaw: float | None = None,
        speed: float = FAST,
        melt: bool = True,
    ) -> Legs:
        """A straight leg; what is not given stays. melt: begin while the leg before is still slowing down."""
        aim = np.array([now if new is None else new for now, new in zip(self.at, (x, y, z, yaw), strict=True)], float)
        aim[3] = half_turn(aim[3])  # turning inside [-pi/2, pi/2) never winds up the last joint
        delta = aim - self.at
        length = float(np.linalg.norm(delta[:3]))
        if length < 1e-6 and abs(delta[3]) < 1e-6:
            return self
        acceleration = ACCELERATION
        duration = span(length, speed, acceleration) if length > 1e-6 else 0.0
        turning = span(abs(delta[3]), TURN, TURN_ACCELERATION) if abs(delta[3]) > 1e-6 else 0.0
        if turning > duration:  # the turn sets the pace: the line is stretched over it
            acceleration = TURN_ACCELERATION * max(length, 1e-9) / abs(delta[3])
            speed, duration = TURN * max(length, 1e-9) / abs(delta[3]), turning
        length = max(length, 1e-9)
        slowing = min(min(speed, float(np.sqrt(length * acceleration))) / acceleration, duration / 2)
        begin = self._end_s - (min(self._slowing_s, slowing) if melt else 0.0)
        self._legs.append((begin, duration, delta, length, speed, acceleration, slowing))
        self.at = self.at + delta
        self._end_s, self._slowing_s = begin + duration, slowing
        return self

    def hold(self, rows: int) -> Legs:
        """Stay for some rows (while the gripper works), for more when it is slow."""
        self._end_s += int(np.ceil(rows * self.tempo.rest - 1e-9)) * self.tempo.dt_s
        self._slowing_s = 0.0
        return self

    def grip(self, width: float) -> Legs:
        """Command this opening from now on, m."""
        self._widths.append((self._end_s, float(np.clip(width, 0.0, 0.08))))
        return self

    def rows(self) -> NDArray[np.float32]:
        """(h, 5): the pose due dt_s, 2 dt_s, ... after the start; yaw within [-pi/2, pi/2]."""
        dt_s = self.tempo.dt_s
        t = np.arange(1.0, np.ceil(self._end_s / dt_s - 1e-6) + 1.0) * dt_s
        out = np.empty((len(t), 5))
        out[:, :4] = np.asarray(self.start, np.float64)[:4]
        for begin, _, delta, length, speed, acceleration, _ in self._legs:
            out[:, :4] += _ramp(t - begin, length, speed, acceleration)[0][:, None] * delta
        out[:, 3] = (out[:, 3] + np.pi / 2) % np.pi - np.pi / 2
        for begin, width in self._widths:
            out[t > begin - 1e-9, 4] = width
        return out.astype(np.float32)
