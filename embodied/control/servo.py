"""Where the hand shall go, tick after tick -> joint angles, within the speed limits of the hand and of every joint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from embodied.control.arm import Arm, down, yaw_of

Aim = tuple[float, float, float, float]  # x y z yaw of a hand that points down, base frame, m and rad

KEEPS_UP = 1e-3  # m and rad that the hand may be behind


class Servo:
    """Follows commands of a hand that points straight down.

    hand_speed: m/s.  turn_speed: rad/s of the yaw.  q (n,), rad, and aim are what was commanded last.
    """

    def __init__(self, arm: Arm, rate_hz: float, hand_speed: float = 0.6, turn_speed: float = 2.5) -> None:
        self.arm, self.dt_s = arm, 1.0 / rate_hz
        self.hand_speed, self.turn_speed = hand_speed, turn_speed
        self._reach = (arm.speed / rate_hz).tolist()  # rad a tick
        self.q = arm.posture
        self.aim: Aim = (0.0, 0.0, 0.0, 0.0)

    def start(self, q: NDArray[np.float64], aim: Aim | None = None) -> None:
        """Begin at rest at q; aim: where that is, when it is known better than by kinematics."""
        self.q = q
        self.aim = self.aim_of(q) if aim is None else aim

    def follow(self, x: float, y: float, z: float, yaw: float) -> NDArray[np.float64]:
        """The next joint angles on the way to this pose; `aim` is how far the hand has come."""
        at = self.aim
        far = math.dist(at[:3], (x, y, z))
        share = min(1.0, self.hand_speed * self.dt_s / far) if far > 0 else 1.0
        self.aim = (
            at[0] + share * (x - at[0]),
            at[1] + share * (y - at[1]),
            at[2] + share * (z - at[2]),
            towards(at[3], yaw, self.turn_speed * self.dt_s),
        )
        solved = self.arm.solve(self.q, down(*self.aim), steps=1)  # what is left, the next tick takes away
        move = solved - self.q
        excess = max(abs(m) / v for m, v in zip(move.tolist(), self._reach, strict=True))
        if excess > 1.0:  # a joint is too slow: the aim waits for the arm
            self.q = self.q + move / excess
            self.aim = self.aim_of(self.q)
        else:
            self.q = solved
        return self.q

    def foresee(self, poses: Sequence[Sequence[float]]) -> list[NDArray[np.float64]]:
        """Joint angles (n,) of the ticks to come, if it is to go on from the first pose, x y z yaw, which it follows now, to the
        others; as far as the hand keeps up. Nothing is commanded."""
        q, aim, rows = self.q, self.aim, []
        for pose, following in pairwise(poses):
            if math.dist(self.aim, pose) > KEEPS_UP:
                break
            rows.append(self.follow(*following))
        self.q, self.aim = q, aim
        return rows

    def turn(self, q: Sequence[float]) -> NDArray[np.float64]:
        """The next joint angles on the way to q (n,)."""
        self.q = np.array([towards(a, b, v) for a, b, v in zip(self.q, q, self._reach, strict=True)])
        self.aim = self.aim_of(self.q)
        return self.q

    def aim_of(self, q: NDArray[np.float64]) -> Aim:
        """Where the hand is at q, its yaw (which repeats every half turn) written next to the last aim's."""
        tip = self.arm.fk(q)
        x, y, z = tip[:3, 3].tolist()
        yaw = yaw_of(tip)
        return x, y, z, yaw + math.pi * round((self.aim[3] - yaw) / math.pi)


def towards(value: float, target: float, most: float) -> float:
    """value moved to target, by `most` at the most."""
    return value + min(most, max(-most, target - value))
