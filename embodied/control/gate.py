"""The last check before a robot's own controller, in joint space: pure logic, no clock of its own, no middleware.

Trajectories come in, short trajectories go out, sampled anew at every tick from where the last one has brought the robot: what
cannot be vouched for becomes "hold where you are". A fault is latched: nothing moves until `reset` is called and all is well
again. What is sent never reaches farther than `horizon_s` ahead, so that a robot whose gate dies stands still soon after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied.control.latch import Latch
from embodied.control.limits import Joints, Limits
from embodied.control.safety import Box

STEP_S = 0.01  # between the samples of what is sent
MOST_ROWS = 200  # of a command
JUMP = 0.05  # rad or m: what a joint may be measured to move beyond what its speed allows
REAL = 0.2  # rad or m beyond its limits where a joint can really be
FAR = 1e6  # rad, m or s: what a command may say at the most, so that no sum of it overflows
STAND_S = 0.1  # in which the arm comes to stand where it is held


@dataclass(frozen=True)
class Trajectory:
    """Joint positions (k, n) and velocities (k, n) at times (k,), seconds from when it is sent; at rest at its end.

    hold: whether it says to stand still."""

    times: Joints
    positions: Joints
    velocities: Joints
    hold: bool = False


@dataclass
class Path:
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

    def along(self, moments_s: Joints) -> Joints:
        """Where it is at moments (m,): (m, n)."""
        return np.array([np.interp(moments_s, self.times, column) for column in self.rows.T]).T


@dataclass
class Gate(Latch):
    """One robot's. All times are seconds of one clock that the caller reads and nobody sets; stamps are given on that clock.

    tip: joint positions (n,) -> fingertips (3,), base frame, metres; box: where they may be.
    joints_s: joint states older than this are a fault.  beat_s: the controller's last sign of life older than this is one,
    from its first command until it says hold.  stamp_s: how far a message's own stamp may be from the clock.  grips: joints of
    a gripper, which keep what they were commanded last when all others hold: letting go is never safe.  follows: whether the
    robot is really sent what comes out; False in a dry run, where it is not expected to be there.
    """

    limits: Limits
    tip: Callable[[Joints], Joints] | None = None
    box: Box | None = None
    joints_s: float = 0.15
    beat_s: float = 0.10
    horizon_s: float = 0.25
    stamp_s: float = 0.25
    grips: tuple[str, ...] = ()
    follows: bool = True

    def __post_init__(self) -> None:
        n = len(self.limits.names)
        self.measured, self._stamped = np.zeros(n), np.full(n, -np.inf)
        self._gripping = np.isin(self.limits.names, self.grips)
        self._beat_at = -np.inf
        self._wanted: Path | None = None  # what the controller wants, from where the robot was when it said so
        self._path: Path | None = None  # what it follows, which was sent last
        self._sent: Path | None = None  # the same, also when it is not followed any more: what grips goes on with it
        self._held: Joints | None = None
        self._in_charge = self._halted = False

    # --- in

    def joints(self, names: Sequence[str], positions: Sequence[float], stamp_s: float, now_s: float) -> None:
        """Measured positions, merged by name: messages may hold a part, in any order, and joints of others."""
        if len(names) != len(positions):
            return self._trip(f"joint states: {len(names)} names for {len(positions)} positions")
        if abs(now_s - stamp_s) > self.stamp_s:
            self.acted["stale joint states"] += 1  # as if they had not come: the watchdog sees to it
            return None
        limits, at_s = self.limits, min(stamp_s, now_s)
        for name, position in zip(names, positions, strict=True):
            if name not in limits.names or at_s < self._stamped[k := limits.names.index(name)]:
                continue
            room = limits.speed[k] * (at_s - self._stamped[k]) * 1.5 + JUMP
            if not limits.low[k] - REAL <= position <= limits.high[k] + REAL:  # also what is no number
                return self._trip(f"joint states: {name} is {position:.4g}, where it cannot be")
            if abs(position - self.measured[k]) > room:
                return self._trip(f"joint states: {name} jumped from {self.measured[k]:.3f} to {position:.3f}")
            self.measured[k], self._stamped[k] = position, at_s
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
        if not len(rows):  # also when it comes late
            self._halted, self._in_charge, self._wanted = True, False, None
            return None
        if sorted(names) != sorted(self.limits.names):
            return self._trip(f"command: joints {', '.join(names) or 'none'} are not {', '.join(self.limits.names)}")
        if rows.ndim != 2 or rows.shape != (len(due), len(names)):
            return self._trip(f"command: positions {rows.shape} do not fit {len(due)} times and {len(names)} joints")
        if len(rows) > MOST_ROWS:
            return self._trip(f"command: {len(rows)} rows are more than {MOST_ROWS}")
        if not ((np.abs(rows) < FAR).all() and (np.abs(due) < FAR).all()):  # nor is what is no number
            return self._trip(f"command: not all numbers are finite and below {FAR:.0e}")
        if np.any(np.diff(due) < 1e-3):
            return self._trip("command: times do not increase by a millisecond or more")
        if abs(now_s - stamp_s) > self.stamp_s:
            self.acted["stale command"] += 1
            return None
        ahead = stamp_s + due > now_s
        if not ahead.any() or not np.isfinite(self._stamped).all():
            return None
        order = [list(names).index(name) for name in self.limits.names]
        start = self._start(now_s) if self._path is None else self._path.at(now_s)[0]
        self._wanted = Path(np.array([now_s, *(stamp_s + due[ahead])]), np.vstack([start, rows[ahead][:, order]]))
        self._in_charge, self._halted, self._held = True, False, None
        return None

    def enable(self, on: bool) -> None:
        """Off: hold. Nothing of before goes on when it is on again."""
        self.enabled = on
        self._forget()

    def reset(self, now_s: float) -> str:
        """Clear the fault; why not, if it cannot be cleared yet."""
        if not self._fresh(now_s):
            return f"joint states are missing or older than {self.joints_s} s"
        self.fault, self._halted = "", False
        self._forget()
        return ""

    # --- out

    def tick(self, now_s: float) -> Trajectory | None:
        """What the robot is to do from now on; None when there is nothing new to say, or nobody knows where it is."""
        if not self._pass(now_s):  # what was measured is of another time
            self._stamped[:] = np.where(np.isfinite(self._stamped), -1e9, -np.inf)
        if not np.isfinite(self._stamped).all():
            return None
        if not self.fault and not self._fresh(now_s):
            self._trip(f"joint states: none for {now_s - self._stamped.min():.3f} s")
            # What was measured last is old by now: where it was sent to meanwhile is the better guess.
            self._held = None if self._path is None else self._path.at(now_s)[0]
        if not self.fault and self._in_charge and now_s - self._beat_at > self.beat_s:
            self._trip(f"controller: no sign of life for {now_s - self._beat_at:.3f} s")
        if not self.fault and self.follows and self._path is not None:
            off = np.abs(self.measured - self._path.at(now_s)[0]) > self.limits.tracking
            if off.any():
                self._trip(f"tracking: {self.limits.names[int(np.argmax(off))]} is not where it was sent")
        if self.fault or self._halted or not self.enabled:
            return self._hold(now_s)
        return None if self._wanted is None else self._next(self._wanted, now_s)

    def _next(self, wanted: Path, now_s: float) -> Trajectory | None:
        """Samples towards what is wanted, within all limits; cut off where the tip would leave the box."""
        limits, at, speed, gained = self.limits, self._start(now_s), np.zeros_like(self.measured), STEP_S
        if self._path is not None:
            at, speed = self._path.at(now_s)[0], self._path.at(max(now_s - STEP_S / 10, self._path.times[0]))[1]
            gained = min(STEP_S, now_s - float(self._path.times[0]))  # no more than has passed since the last samples
        rows, out, last = [at], self._outside(at), np.clip(wanted.rows[-1], limits.low, limits.high)
        due = now_s + STEP_S * np.arange(1, round(self.horizon_s / STEP_S) + 1, dtype=np.float64)
        goals, gain = wanted.along(due), limits.acceleration * gained
        for moment, goal in zip(due.tolist(), goals, strict=True):
            asked = (goal - at) / STEP_S
            # minimum and maximum: numpy's clip costs more than the rest of it.
            most = np.minimum(np.maximum(asked, (limits.low - at) / STEP_S), (limits.high - at) / STEP_S)
            most = np.minimum(np.maximum(most, -limits.speed), limits.speed)
            # Braking is not limited, down to standing still: slower is safer.
            speed = np.minimum(np.maximum(most, np.minimum(speed, 0) - gain), np.maximum(speed, 0) + gain)
            gain = limits.acceleration * STEP_S
            if np.abs(speed - asked).max() > 1e-9:
                self.acted["limits"] += 1
            following = at + speed * STEP_S
            if (further := self._outside(following)) > out + 1e-9:  # from outside it may come back
                self.acted["box"] += 1
                break
            rows.append(following)
            at, out = following, further
            if moment > wanted.times[-1] and np.abs(last - at).max() < 1e-9:
                break  # it will have arrived
        if len(rows) == 1:
            return None
        path = Path(now_s + STEP_S * np.arange(len(rows), dtype=np.float64), np.array(rows))
        self._path = self._sent = path
        if now_s > wanted.times[-1] and np.abs(last - at).max() < 1e-9:
            self._wanted = None
        # Velocities make a spline of it at the robot; the last row's are zero, as its controller demands.
        through = np.vstack([(path.rows[2:] - path.rows[:-2]) / (2 * STEP_S), np.zeros_like(path.rows[:1])])
        return Trajectory(path.times[1:] - now_s, path.rows[1:], through)

    def _outside(self, q: Joints) -> float:
        """How far the fingertips are outside their box, m."""
        if self.tip is None or self.box is None:
            return 0.0
        tip = self.tip(q)
        return float(np.maximum(np.maximum(self.box.low - tip, tip - np.array(self.box.high)), 0).sum())

    def _start(self, now_s: float) -> Joints:
        """Where a motion begins: as measured; what grips, as it was sent last."""
        return self.measured if self._sent is None else np.where(self._gripping, self._sent.at(now_s)[0], self.measured)

    def _hold(self, now_s: float) -> Trajectory:
        """Stand where it was measured when the holding began, even beyond a limit, for to go back is motion; no faster than the
        joints may go. What grips ends what it was sent last, at that pace: it may be stopped by the thing, and goes on pressing."""
        if self._held is None:
            self._held = self.measured.copy()
        self._path = None
        far = np.abs(self._held - self.measured)[~self._gripping] / self.limits.speed[~self._gripping]
        soon = min(self.horizon_s, max(STAND_S, float(far.max(initial=0.0))))
        times = np.array([soon, self.horizon_s])
        gripped = [self._held if self._sent is None else self._sent.at(now_s + t)[0] for t in times.tolist()]
        rows = np.where(self._gripping, np.clip(gripped, self.limits.low, self.limits.high), self._held)
        if soon == self.horizon_s or np.array_equal(*rows):
            times, rows = times[:1], rows[-1:]
        return Trajectory(times, rows, np.zeros_like(rows), hold=True)

    def _fresh(self, now_s: float) -> bool:
        return -self.stamp_s <= now_s - float(self._stamped.min()) <= self.joints_s

    def _forget(self) -> None:
        self._wanted, self._path, self._held, self._in_charge = None, None, None, False

    def _tripped(self) -> None:
        self._held, self._wanted, self._in_charge = None, None, False
