"""A lidar on the car's roof: rays against Bullet's hulls and the flat ground, with noise and rays that never come back.

As coarse as a sensor of 24 rings that turns ten times a second; it is as high as KITTI's (Geiger et al. 2013, figure 3),
over the rear axle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.world import World

UP_M, REACH_M = 1.73, 60.0
NOISE_M, LOST = 0.02, 0.05  # standard deviation of a range (HDL-64E), share of rays without a return
RINGS, TURNS = np.radians(np.linspace(-20.0, 2.0, 24)), np.radians(np.linspace(-60.0, 60.0, 161))
_RISE, _TURN = (one.ravel() for one in np.meshgrid(RINGS, TURNS, indexing="ij"))
RAYS = np.column_stack([np.cos(_RISE) * np.cos(_TURN), np.cos(_RISE) * np.sin(_TURN), np.sin(_RISE)])


def scan(world: World, pose: tuple[float, float, float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (n, 3) in the vehicle frame of a car whose rear axle is at pose (x, y, yaw)."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    ways = np.column_stack([RAYS[:, 0] * c - RAYS[:, 1] * s, RAYS[:, 0] * s + RAYS[:, 1] * c, RAYS[:, 2]])
    start = np.array([pose[0], pose[1], UP_M])
    free = world.rays(start, start + REACH_M * ways) * REACH_M
    ground = np.where(RAYS[:, 2] < 0, -UP_M / np.minimum(RAYS[:, 2], -1e-9), np.inf)
    far = np.minimum(np.where(free < REACH_M, free, np.inf), ground)
    back = (far < REACH_M) & (rng.random(len(far)) >= LOST)
    far = far[back] + NOISE_M * rng.standard_normal(int(back.sum()))
    return RAYS[back] * far[:, None] + np.array([0.0, 0.0, UP_M])
