"""Ego paths: where the car will be, in the vehicle frame of now. x forward, y left, metres; 10 Hz to 6 s.

Row k of a path is due (k + 1) / RATE_HZ seconds from now.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_HZ, HORIZON_S = 10.0, 6.0
STEPS = round(RATE_HZ * HORIZON_S)
TIMES = np.arange(1, STEPS + 1) / RATE_HZ
Floats = NDArray[np.float64]


def to_vehicle(pose: Floats, points: Floats) -> Floats:
    """Points (n, 2) of the drive's frame in the vehicle frame of pose (x, y, yaw)."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return (points - pose[:2]) @ np.array([[c, -s], [s, c]])


def future(times: Floats, poses: Floats, now_s: float, pose: Floats) -> Floats:
    """(n, 3) x y heading in the vehicle frame of `pose`, at TIMES after now_s as far as the recording goes (n <= STEPS).

    times (m,), poses (m, 3) with continuous yaw: the recording from now on. Between moments it is interpolated."""
    due = now_s + TIMES
    due = due[due <= times[-1] + 1e-6]
    at = [np.interp(due, times, poses[:, k]) for k in range(3)]
    return np.column_stack([to_vehicle(pose, np.column_stack(at[:2])), at[2] - pose[2]])


def unroll(speed: Floats, yaw_rate: Floats, step_s: float = 1 / RATE_HZ / 4) -> Floats:
    """Paths (..., STEPS, 2) of cars with these speeds and yaw rates, each (..., 4 STEPS): the means of steps of step_s."""
    turned = np.cumsum(yaw_rate, axis=-1) * step_s
    middle = turned - yaw_rate * step_s / 2
    way = np.stack([np.cumsum(speed * f(middle), axis=-1) for f in (np.cos, np.sin)], axis=-1) * step_s
    return way[..., 3::4, :]


MIDDLES = (np.arange(4 * STEPS) + 0.5) / RATE_HZ / 4  # of unroll's steps, s from now


def split_error(path: Floats, truth: Floats) -> tuple[Floats, Floats]:
    """(along, across) of path minus truth, each (n,), m: along the true heading of that moment and to its left.

    path (n, 2), truth (n, 3)."""
    gap = path - truth[:, :2]
    c, s = np.cos(truth[:, 2]), np.sin(truth[:, 2])
    return gap[:, 0] * c + gap[:, 1] * s, gap[:, 1] * c - gap[:, 0] * s


def straightened(path: Floats) -> Floats:
    """(n, 2) the same ways from point to point, all along x, backwards where the first half metre goes backwards: the speed of a
    car that stands has any sign."""
    way = np.cumsum(np.hypot(*np.diff(np.vstack([[0.0, 0.0], path[:, :2]]), axis=0).T))
    begun = path[min(int(np.searchsorted(way, 0.5)), len(path) - 1), 0]
    return np.column_stack([np.copysign(way, begun), np.zeros(len(way))])


def speeds(path: Floats, now_mps: float) -> Floats:
    """(n,) speed along the path at its own times, m/s: the mean of the ways before and after each point."""
    steps = np.hypot(*np.diff(np.vstack([[0.0, 0.0], path[:, :2]]), axis=0).T) * RATE_HZ
    after = np.append(steps[1:], steps[-1])
    return (steps + after) / 2 if len(steps) > 1 else np.array([(now_mps + steps[0]) / 2])


def curvature(path: Floats, now_s: float = 1.0) -> float:
    """1/m, left positive: of the circle through the origin along x and the point due at now_s; 0 below half a metre."""
    x, y = path[min(len(path), round(now_s * RATE_HZ)) - 1][:2]
    reach = x * x + y * y
    return float(2 * y / reach) if reach > 0.25 else 0.0
