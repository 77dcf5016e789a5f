"""The last check before a vehicle's base controller, in velocities: pure logic, no clock of its own, no middleware.

What cannot be vouched for becomes zero, at once: of a velocity, zero is the safe value. A fault is latched until `reset`. Letting
go of the dead-man's switch is no fault: it stands, and goes on when the switch is held and commands still come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embodied.control.latch import Latch
from embodied.errors import UserError

Twist = NDArray[np.float64]  # (3,): forward and left in m/s, turn to the left in rad/s (REP-103)
NAMES = ("forward", "left", "turn")
BEYOND = 1.5  # times its limit: faster than this a base is measured only when something is wrong


@dataclass
class VelocityGate(Latch):
    """One vehicle's. All times are seconds of one steady clock.

    speed, acceleration (3,): the most of each, per s and per s2.  command_s, odometry_s: older than this a command is zero,
    odometry a fault.  switch_s: how old the dead-man's last "held" may be; dead_man: whether there is one.  tracking: how far the
    measured velocity may be from the sent one (share of `speed`), for tracking_s.  follows: False in a dry run.
    """

    speed: Twist
    acceleration: Twist
    command_s: float = 0.25
    odometry_s: float = 0.25
    switch_s: float = 0.25
    stamp_s: float = 0.25
    dead_man: bool = True
    tracking: float = 0.5
    tracking_s: float = 1.0
    follows: bool = True
    sent: Twist = field(default_factory=lambda: np.zeros(3), init=False)

    def __post_init__(self) -> None:
        for name in ("speed", "acceleration"):
            values = np.asarray(getattr(self, name), float)
            if values.shape != (3,) or not np.isfinite(values).all() or np.any(values < 0):
                raise UserError(f"{name} = {values.tolist()} must be three numbers of 0 or more: {', '.join(NAMES)}")
        self._wanted, self._measured = np.zeros(3), np.zeros(3)
        self._commanded = self._odometry = self._held = self._followed = -np.inf

    def command(self, twist: Twist, stamp_s: float, now_s: float) -> None:
        """What the vehicle shall do until the next one; it takes the place of the last."""
        if self.fault or not self.enabled:
            return
        if not np.isfinite(twist).all():
            return self._trip("command: not all numbers are finite")
        if abs(now_s - stamp_s) > self.stamp_s:
            self.acted["stale command"] += 1
            return
        self._wanted, self._commanded = np.asarray(twist, float), now_s

    def odometry(self, twist: Twist, stamp_s: float, now_s: float) -> None:
        """What it does, measured in its own frame."""
        if abs(now_s - stamp_s) > self.stamp_s:
            self.acted["stale odometry"] += 1  # as if it had not come
            return
        if not np.isfinite(twist).all() or np.any(np.abs(twist) > BEYOND * self.speed + 0.2):
            return self._trip(f"odometry: {np.round(twist, 3).tolist()} is faster than it can be")
        self._measured, self._odometry = np.asarray(twist, float), now_s

    def switch(self, held: bool, now_s: float) -> None:
        """The dead-man's switch; it has to be said again and again."""
        self._held = now_s if held else -np.inf

    def enable(self, on: bool) -> None:
        self.enabled, self._commanded = on, -np.inf

    def reset(self, now_s: float) -> str:
        """Clear the fault; why not, if it cannot be cleared yet."""
        if now_s - self._odometry > self.odometry_s:
            return f"odometry is missing or older than {self.odometry_s} s"
        self.fault, self._commanded = "", -np.inf
        return ""

    @property
    def released(self) -> bool:
        """Whether the dead-man's switch is not held."""
        return self.dead_man and not self._now - self._held <= self.switch_s

    def tick(self, now_s: float) -> Twist:
        """What to send now; zeros whenever in doubt."""
        passed = min(0.05, max(0.0, now_s - self._now))
        if self._pass(now_s) and self._odometry > -np.inf:
            if now_s - self._odometry > self.odometry_s:
                self._trip(f"odometry: none for {now_s - self._odometry:.3f} s")
            off = np.abs(self._measured - self.sent) > self.tracking * self.speed + 0.05
            self._followed = now_s if not off.any() or self._followed == -np.inf else self._followed
            if self.follows and now_s - self._followed > self.tracking_s:
                self._trip("tracking: the vehicle does not do what it was sent")
        stopped = self.fault or not self.enabled or self.released or self._odometry == -np.inf
        if stopped or now_s - self._commanded > self.command_s:
            self.sent = np.zeros(3)
            return self.sent
        most = np.clip(self._wanted, -self.speed, self.speed)
        if np.any(most != self._wanted):
            self.acted["limits"] += 1
        # Towards zero it may brake as it likes: slower is safer.
        gain, at = self.acceleration * passed, self.sent
        self.sent = np.clip(most, np.minimum(at, 0) - gain, np.maximum(at, 0) + gain)
        return self.sent

    def _tripped(self) -> None:
        self._commanded = -np.inf


def ackermann(
    forward: float, turn: float, wheelbase_m: float, most_rad: float, at_rad: float = 0.0
) -> tuple[float, float]:
    """Speed (m/s) and steering angle (rad) of the bicycle model for a forward speed and a turn. at_rad: where the wheels stand and
    stay without a speed: an angle is no velocity, and a car that is told to stop in a bend still rolls."""
    if abs(forward) < 1e-3:
        return 0.0, at_rad
    return forward, min(most_rad, max(-most_rad, math.atan(wheelbase_m * turn / forward)))
