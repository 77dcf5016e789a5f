"""The last filter before the body. It fails closed: what it cannot vouch for becomes "hold where you are".

Faults (wrong shape, not finite, stale observation, stop flag): from then on the pose measured at the fault is held,
until `reset` is called explicitly. Corrections (limits, box, speed): the command is moved to the nearest allowed one.
`acted` counts every rule that did something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.spec import BodySpec
from embodied.types import Floats, Observation

SPEEDS = {"m": 0.75, "rad": 3.0}  # per second and channel, by unit, where nothing else is said
GRIPPER = "width"  # a hold keeps the gripper's last command: letting go is never safe


@dataclass(frozen=True)
class Box:
    """Where the fingertips may be commanded, base frame, metres."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


def held_pose(spec: BodySpec, obs: Observation, last: NDArray[np.floating] | None = None) -> Floats:
    """The action (a,) that holds what is measured: each channel from the state of the same name; the gripper, and
    what no state measures, stay as last commanded (0 when nothing was). Of a velocity (m/s, rad/s) it is zero."""
    measured: dict[str, float] = {}
    for state, channels in spec.states.items():
        if state in obs.states:
            measured |= dict(zip(channels.names, map(float, obs.states[state][-1]), strict=True))
    values = []
    for k, name in enumerate(spec.action.names):
        commanded = None if last is None else float(last[k])
        if spec.action.units[k].endswith("/s"):
            values.append(0.0)
        elif name == GRIPPER and commanded is not None:
            values.append(commanded)
        else:
            values.append(measured.get(name, commanded if commanded is not None else 0.0))
    held = np.array(values)
    return spec.action.clip(np.where(np.isfinite(held), held, 0.0 if last is None else last))


class Safety:
    """One per episode and body.

    box: allowed fingertip positions; for an action with x y z directly, else through `tip` (action (a,) -> (3,)).
    speeds: channel name -> largest change per second, over the defaults by unit (SPEEDS); other units are unlimited.
    stale_s: an observation older than this is a fault.  stop: asked at every command; True is a fault.
    """

    def __init__(
        self,
        spec: BodySpec,
        box: Box | None = None,
        speeds: Mapping[str, float] | None = None,
        stale_s: float = 0.5,
        stop: Callable[[], bool] | None = None,
        tip: Callable[[NDArray[np.floating]], NDArray[np.floating]] | None = None,
    ) -> None:
        unknown = [name for name in speeds or {} if name not in spec.action.names]
        if unknown:
            raise UserError(f"speed limits name {unknown}, but the action has {', '.join(spec.action.names)}")
        names = spec.action.names
        self._xyz = [names.index(n) for n in "xyz"] if {"x", "y", "z"} <= set(names) else []
        if box is not None and not self._xyz and tip is None:
            raise UserError(f"a workspace box needs `tip` (kinematics) for the action {', '.join(names)}")
        limits = [(speeds or {}).get(n, SPEEDS.get(u, np.inf)) for n, u in zip(names, spec.action.units, strict=True)]
        self.spec, self.box, self.stale_s, self.stop, self.tip = spec, box, stale_s, stop, tip
        self.speed = np.array(limits)
        self.acted: Counter[str] = Counter()
        self.fault = ""
        self._held: Floats | None = None
        self._last: Floats | None = None

    def reset(self) -> None:
        """Clear the fault; the next command starts from the measured pose."""
        self.fault, self._held, self._last = "", None, None

    def hold(self, obs: Observation) -> Floats:
        """The action that keeps the body where it is now."""
        return held_pose(self.spec, obs, self._last)

    def trip(self, reason: str, obs: Observation) -> Floats:
        """Declare a fault (the loop does when a policy fails); returns the held pose."""
        if not self.fault:
            self.fault, self._held = reason, self.hold(obs)
            self.acted[reason.split(":")[0]] += 1
        assert self._held is not None
        return self._held

    def filter(self, values: NDArray[np.floating], obs: Observation, now_s: float, dt_s: float) -> Floats:
        """A safe action (a,) instead of `values`. obs: the newest observation. dt_s: time since the last command."""
        if self.fault:
            assert self._held is not None
            return self._held
        if self.stop is not None and self.stop():
            return self.trip("stop", obs)
        age = now_s - obs.t_s
        if not age <= self.stale_s:
            return self.trip(f"stale: the newest observation is {age:.2f} s old", obs)
        values = np.asarray(values)
        if values.shape != (len(self.spec.action),):
            return self.trip(f"shape: {values.shape}, not {(len(self.spec.action),)}", obs)
        if not np.all(np.isfinite(values)):
            return self.trip(f"nan: {values.tolist()}", obs)
        start = self.hold(obs) if self._last is None else self._last
        self._last = self._within(values, start, dt_s, self.acted)
        return self._last

    def passing(self, rows: NDArray[np.floating], start: NDArray[np.floating], dt_s: float) -> Floats:
        """Those of the rows (k, a), from the first on, that would pass unchanged one tick after the other from start (a,)."""
        for k, row in enumerate(rows):
            if row.shape != np.shape(start) or not np.all(np.isfinite(row)):
                return rows[:k]
            self._within(row, start, dt_s, changed := Counter[str]())
            if changed:
                return rows[:k]
            start = row
        return rows

    def _within(
        self, values: NDArray[np.floating], start: NDArray[np.floating], dt_s: float, acted: Counter[str]
    ) -> Floats:
        """The nearest action within limits, box and speed; acted: counts what had to change it."""
        safe = _noting(acted, "limits", values, self.spec.action.clip(values))
        if self.box is not None and self._xyz:
            boxed = safe.copy()
            boxed[self._xyz] = np.clip(safe[self._xyz], self.box.low, self.box.high)
            safe = _noting(acted, "box", safe, boxed)
        most = self.speed * dt_s * 1.001
        safe = _noting(acted, "speed", safe, np.clip(safe, start - most, start + most).astype(np.float32))
        if self.box is not None and self.tip is not None:
            tip = np.asarray(self.tip(safe))
            if np.any(tip < self.box.low) or np.any(tip > self.box.high):
                safe = _noting(acted, "box", safe, np.asarray(start, np.float32))
        return safe


def _noting(acted: Counter[str], rule: str, before: NDArray[np.floating], after: Floats) -> Floats:
    if np.any(np.abs(np.asarray(before, np.float32) - after) > 1e-6):
        acted[rule] += 1
    return after
