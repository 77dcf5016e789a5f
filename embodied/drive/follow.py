"""From a path to the velocities that drive it."""

from __future__ import annotations

import numpy as np

from embodied.drive.paths import RATE_HZ, Floats, curvature, speeds

SOON_S, WHEEL_S = 0.5, 1.0  # how far ahead on the path its speed, and its bend, are read


def twist(path: Floats, now_mps: float) -> Floats:
    """(3,) forward (m/s), left (0) and turn to the left (rad/s) along a path (STEPS, 2) of the vehicle frame.

    The turn is pure pursuit of the point due in WHEEL_S (Coulter 1992, CMU-RI-TR-92-01)."""
    forward = float(speeds(path, now_mps)[round(SOON_S * RATE_HZ) - 1])
    return np.array([forward, 0.0, forward * curvature(path, WHEEL_S)])
