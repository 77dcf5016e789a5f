"""A car: kinematic bicycle with actuator lag, and the cars and people around it, each a box in Bullet.

Kinematic bicycle: Rajamani 2012, "Vehicle dynamics and control", section 2.2, reference point on the rear axle. Commands
reach the wheels with a first-order lag and a rate limit. Metres, seconds, radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WHEELBASE_M, LENGTH_M, WIDTH_M, HEIGHT_M, REAR_M = 2.7, 4.4, 1.8, 1.45, 0.85  # REAR_M: rear axle to rear bumper
STEER_RAD, STEER_RATE_RADPS, STEER_LAG_S = 0.60, 1.2, 0.10
BRAKE_MPS2, GAS_MPS2, DRIVE_LAG_S = 8.0, 3.0, 0.20
TICK_S, PARTS = 0.05, 5  # 20 Hz, integrated in steps of 10 ms
COLOURS = {
    "red": (0.80, 0.10, 0.10), "blue": (0.12, 0.25, 0.75), "white": (0.90, 0.90, 0.90), "black": (0.09, 0.09, 0.10),
    "yellow": (0.90, 0.75, 0.10), "green": (0.10, 0.50, 0.20),
}  # fmt: skip


@dataclass
class Car:
    """The pose of the rear axle (x, y, yaw), speed m/s, and what the actuators do now."""

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0
    speed: float = 0.0
    accel: float = 0.0
    steer: float = 0.0

    def drive(self, accel: float, steer: float) -> None:
        """One tick with these commands (m/s^2 forward, rad at the road wheels, left positive). It does not roll backwards."""
        dt = TICK_S / PARTS
        accel, steer = np.clip(accel, -BRAKE_MPS2, GAS_MPS2), np.clip(steer, -STEER_RAD, STEER_RAD)
        for _ in range(PARTS):
            self.accel += (accel - self.accel) * dt / DRIVE_LAG_S
            wanted = np.clip((steer - self.steer) / STEER_LAG_S, -STEER_RATE_RADPS, STEER_RATE_RADPS)
            self.steer += wanted * dt
            before = self.speed
            self.speed = max(0.0, self.speed + self.accel * dt)
            if self.speed == 0.0 and accel <= 0.0:
                self.accel = 0.0
            mean = (before + self.speed) / 2
            turn = mean * np.tan(self.steer) / WHEELBASE_M * dt
            self.x += mean * np.cos(self.yaw + turn / 2) * dt
            self.y += mean * np.sin(self.yaw + turn / 2) * dt
            self.yaw += turn

    @property
    def yaw_rate(self) -> float:
        return float(self.speed * np.tan(self.steer) / WHEELBASE_M)

    @property
    def sensed(self) -> NDArray[np.float32]:
        """speed accel yaw_rate steer, as the state `ego`."""
        return np.array([self.speed, self.accel, self.yaw_rate, self.steer], np.float32)


def middle(x: float, y: float, yaw: float) -> tuple[float, float]:
    """The middle of a car whose rear axle is at x y."""
    ahead = LENGTH_M / 2 - REAR_M
    return x + ahead * float(np.cos(yaw)), y + ahead * float(np.sin(yaw))


def discs(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3, 2) middles of three discs of DISC_M that cover a car whose rear axle has this pose (..., 3)."""
    ahead = np.array([-REAR_M, LENGTH_M / 2 - REAR_M, LENGTH_M - REAR_M]) * [1, 1, 1] + np.array([0.75, 0.0, -0.75])
    c, s = np.cos(pose[..., 2])[..., None], np.sin(pose[..., 2])[..., None]
    return np.stack([pose[..., 0, None] + ahead * c, pose[..., 1, None] + ahead * s], axis=-1)


DISC_M = 1.15
