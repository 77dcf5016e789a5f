"""The last check before a robot's own controller, in joint space: pure logic, no clock of its own, no middleware.

Trajectories come in, short trajectories go out: what cannot be vouched for becomes "hold where you are measured". A fault is
latched: the measured pose is held, nothing moves, until `reset` is called and all is well again. What is sent never reaches
farther than `horizon_s` ahead, so that a robot whose gate dies stands still soon after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embodied.control.safety import Box
from embodied.errors import UserError

Joints = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Of each joint: low, high (rad or m), speed and acceleration (per s, per s2). tracking: how far the measured joint may
    be from the commanded one."""

    names: tuple[str, ...]
    low: Joints
    high: Joints
    speed: Joints
    acceleration: Joints
    tracking: Joints

    def __post_init__(self) -> None:
        for name in ("low", "high", "speed", "acceleration", "tracking"):
            values = np.asarray(getattr(self, name), float)
            if values.shape != (len(self.names),) or not np.isfinite(values).all():
                raise UserError(
                    f"limits {name} = {values.tolist()} must be {len(self.names)} finite numbers: {self.names}"
                )
        if np.any(self.low > self.high) or np.any(self.speed <= 0) or np.any(self.acceleration <= 0):
            raise UserError(f"limits of {self.names} must have low <= high and positive speed and acceleration")

    def tightened(self, **given: Mapping[str, float]) -> Limits:
        """With some of them (field -> joint -> value) drawn closer. UserError for one that is wider than what there is."""
        changed = {key: np.array(getattr(self, key)) for key in given}
        for key, values in given.items():
            for joint, value in values.items():
                if joint not in self.names:
                    raise UserError(f"limits {key} names the joint {joint!r}; there are {', '.join(self.names)}")
                at = self.names.index(joint)
                now = changed[key][at]
                if value < now if key == "low" else value > now:
                    raise UserError(
                        f"limits {key} of {joint} = {value} is wider than the robot's own {now:.4g}; tighten only"
                    )
                changed[key][at] = value
        return Limits(**{**self.__dict__, **changed})


@dataclass(frozen=True)
class Trajectory:
    """Joint positions (k, n) at times (k,), seconds from when it is sent."""

    times: Joints
    positions: Joints


@dataclass
class _Chunk:
    """Rows (k, n) due at times (k,), seconds of the gate's clock."""

    times: Joints
    rows: Joints

    def at(self, now_s: float) -> tuple[Joints, Joints]:
        """Where it is at a moment, and how fast it goes: (n,) each; at rest at its end."""
        k = int(np.searchsorted(self.times, now_s, "right"))
        if k == len(self.times) or k == 0:
            return self.rows[min(k, len(self.rows) - 1)], np.zeros(self.rows.shape[1])
        (t0, t1), (q0, q1) = self.times[k - 1 : k + 1], self.rows[k - 1 : k + 1]
        return np.asarray(q0 + (q1 - q0) * (now_s - t0) / (t1 - t0)), np.asarray((q1 - q0) / (t1 - t0))


@dataclass
class Gate:
    """One robot's. All times are seconds of one clock that the caller reads.

    tip: joint positions (n,) -> fingertips (3,), base frame, metres; box: where they may be.
    joints_s: joint states older than this are a fault.  beat_s: the controller's last sign of life older than this is one,
    while it is in charge.  stamp_s: how far a message's own stamp may be from the clock.  grips: joints of a gripper, which keep
    what they were commanded last when all others hold: letting go is never safe.
    """

    limits: Limits
    tip: Callable[[Joints], Joints] | None = None
    box: Box | None = None
    joints_s: float = 0.15
    beat_s: float = 0.10
    horizon_s: float = 0.5
    stamp_s: float = 0.25
    grips: tuple[str, ...] = ()
    enabled: bool = True
    fault: str = ""
    acted: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        n = len(self.limits.names)
        self.measured, self._known = np.zeros(n), np.zeros(n, bool)
        self._joints_at = np.full(n, -np.inf)
        self._beat_at = -np.inf
        self._chunk: _Chunk | None = None
        self._path: _Chunk | None = None  # what was sent last, from where it began
        self._held: Joints | None = None
        self._halted = False
        self._now = -np.inf

    # --- in

    def joints(self, names: Sequence[str], positions: Sequence[float], stamp_s: float, now_s: float) -> None:
        """Measured positions, merged by name: messages may hold a part, in any order, and joints of others."""
        if len(names) != len(positions):
            return self._trip(f"joint states: {len(names)} names for {len(positions)} positions")
        if abs(now_s - stamp_s) > self.stamp_s:
            self.acted["stale joint states"] += 1  # as if they had not come: the watchdog sees to it
            return None
        for name, position in zip(names, positions, strict=True):
            if name in self.limits.names:
                if not np.isfinite(position):
                    return self._trip(f"joint states: {name} is {position}")
                at = self.limits.names.index(name)
                self.measured[at], self._known[at], self._joints_at[at] = position, True, now_s
        return None

    def beat(self, now_s: float) -> None:
        """A sign of life of the controller."""
        self._beat_at = now_s

    def command(
        self,
        names: Sequence[str],
        positions: NDArray[np.floating],
        times: NDArray[np.floating],
        stamp_s: float,
        now_s: float,
    ) -> None:
        """Rows (k, n) that are due at stamp_s + times (k,); they take the place of what came before. No rows: hold."""
        self._beat_at = now_s
        if self.fault or not self.enabled:
            return None
        rows, due = np.asarray(positions, np.float64), np.asarray(times, np.float64)
        if sorted(names) != sorted(self.limits.names):
            return self._trip(f"command: joints {', '.join(names) or 'none'} are not {', '.join(self.limits.names)}")
        if rows.ndim != 2 or rows.shape != (len(due), len(names)):
            return self._trip(f"command: positions {rows.shape} do not fit {len(due)} times and {len(names)} joints")
        if not (np.isfinite(rows).all() and np.isfinite(due).all()):
            return self._trip("command: not all numbers are finite")
        if np.any(np.diff(due) <= 0):
            return self._trip("command: times do not increase")
        if abs(now_s - stamp_s) > self.stamp_s:
            self.acted["stale command"] += 1
            return None
        order = [list(names).index(name) for name in self.limits.names]
        self._halted = not len(rows)
        if self._halted:
            self._chunk = None
        else:
            self._chunk, self._held = _Chunk(stamp_s + due, rows[:, order]), None
        return None

    def stop(self, reason: str = "stopped") -> None:
        """The emergency stop, and any other fault that is seen elsewhere."""
        self._trip(reason)

    def reset(self, now_s: float) -> str:
        """Clear the fault; why not, if it cannot be cleared yet."""
        if not self._fresh(now_s):
            return f"joint states are missing or older than {self.joints_s} s"
        self.fault, self._held, self._chunk, self._path = "", None, None, None
        return ""

    # --- out

    def tick(self, now_s: float) -> Trajectory | None:
        """What the robot is to do from now on; None before it is known where it is."""
        if now_s < self._now - 1e-3:
            self._trip(f"clock: went back by {self._now - now_s:.3f} s")
        elif np.isfinite(self._now) and now_s - self._now > self.horizon_s:
            self._trip(f"clock: jumped ahead by {now_s - self._now:.3f} s")
        self._now = now_s
        if not self._known.all():
            return None
        if not self.fault and not self._fresh(now_s):
            self._trip(f"joint states: none for {now_s - self._joints_at.min():.3f} s")
        if not self.fault and self._chunk is not None and now_s - self._beat_at > self.beat_s:
            self._trip(f"controller: no sign of life for {now_s - self._beat_at:.3f} s")
        if not self.fault and self._path is not None:
            off = np.abs(self.measured - self._path.at(now_s)[0]) > self.limits.tracking
            if off.any():
                joint = self.limits.names[int(np.argmax(off))]
                self._trip(f"tracking: {joint} is not where it was sent")
        if self.fault or self._halted or not self.enabled:
            return self._hold()
        if self._chunk is None:
            return None  # nothing new: the robot stands at the end of what it was sent
        due = self._chunk.times > now_s + 1e-4
        times, rows = self._chunk.times[due] - now_s, self._chunk.rows[due]
        near = times <= self.horizon_s
        if not near.any():
            self._chunk = None
            return None
        return self._safe(times[near], rows[near], now_s)

    def _safe(self, times: Joints, rows: Joints, now_s: float) -> Trajectory | None:
        """The rows within all limits, each reached from the one before; cut off where the tip would leave the box."""
        limits, at, speed = self.limits, self.measured, np.zeros_like(self.measured)
        if self._path is not None:
            at, speed = self._path.at(now_s)
        start, before, out = at, 0.0, list[Joints]()
        for time, row in zip(times.tolist(), rows, strict=True):
            step = time - before
            wanted = np.clip(row, limits.low, limits.high)
            most = np.clip((wanted - at) / step, -limits.speed, limits.speed)
            # Braking is never limited, down to standing still: slower is safer.
            gain = limits.acceleration * step
            moving = np.clip(most, np.minimum(speed, 0) - gain, np.maximum(speed, 0) + gain)
            goes = at + moving * step
            if np.any(np.abs(goes - row) > 1e-6):
                self.acted["limits"] += 1
            if self.tip is not None and self.box is not None:
                tip = self.tip(goes)
                if np.any(tip < self.box.low) or np.any(tip > self.box.high):
                    self.acted["box"] += 1
                    break
            out.append(goes)
            at, speed, before = goes, moving, time
        if not out:
            self._chunk = None
            return self._hold()
        self._path = _Chunk(np.array([now_s, *(now_s + times[: len(out)])]), np.array([start, *out]))
        return Trajectory(times[: len(out)], np.array(out))

    def _hold(self) -> Trajectory:
        """Stand where it was measured when the holding began; what grips goes on gripping."""
        if self._held is None:
            last = self.measured if self._path is None else self._path.rows[-1]
            grips = np.isin(self.limits.names, self.grips)
            self._held = np.clip(np.where(grips, last, self.measured), self.limits.low, self.limits.high)
            self._path = None
        return Trajectory(np.array([0.1]), self._held[None])

    def _fresh(self, now_s: float) -> bool:
        return bool(self._known.all()) and now_s - float(self._joints_at.min()) <= self.joints_s

    def _trip(self, reason: str) -> None:
        if not self.fault:
            self.fault, self._held, self._chunk = reason, None, None
            self.acted[reason.split(":")[0]] += 1
