"""How fast a pen moves along its strokes: the profile that the arm runs, and the time that it takes.

Speed is limited along the way, at corners by how far a round corner of that speed would miss them (junction deviation, as in
Grbl's planner), and between by the acceleration: one pass forwards, one back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BESIDE = 3  # points to each side that a curve's radius is taken from


@dataclass(frozen=True)
class Pace:
    """Speeds mm/s, acceleration mm/s2, lift s for raising and lowering together, deviation mm allowed at a corner."""

    ink: float = 100.0
    travel: float = 250.0
    acceleration: float = 1500.0
    lift_s: float = 0.4
    deviation: float = 0.05


def moments(points: np.ndarray, speed: float, pace: Pace) -> np.ndarray:
    """points (n, d) mm, at rest at both ends -> the time (n,) s at which each is passed."""
    step = np.hypot.reduce(np.diff(points, axis=0), axis=1) if points.shape[1] == 2 else _norm(np.diff(points, axis=0))
    limit = np.full(len(points), speed)
    limit[[0, -1]] = 0.0
    if len(points) > 2:
        limit[1:-1] = np.minimum(speed, _corner_speed(points, step, pace))
    square, twice = (limit**2).tolist(), (2 * pace.acceleration * step).tolist()
    for k in range(1, len(square)):
        square[k] = min(square[k], square[k - 1] + twice[k - 1])
    for k in range(len(square) - 2, -1, -1):
        square[k] = min(square[k], square[k + 1] + twice[k])
    v = np.sqrt(np.array(square))
    a, b = v[:-1], v[1:]
    # Within a step: up at the acceleration as far as there is room, then down.
    peak = np.minimum(speed, np.sqrt((a * a + b * b) / 2 + pace.acceleration * step))
    ramps = (2 * peak - a - b) / pace.acceleration
    flat = np.maximum(step - (2 * peak * peak - a * a - b * b) / (2 * pace.acceleration), 0) / np.maximum(peak, 1e-9)
    return np.concatenate([[0], (ramps + flat).cumsum()])


def _norm(v: np.ndarray) -> np.ndarray:
    return np.sqrt((v * v).sum(-1))


def _corner_speed(points: np.ndarray, step: np.ndarray, pace: Pace) -> np.ndarray:
    """(n - 2,) mm/s at the inner points."""
    unit = np.diff(points, axis=0) / np.maximum(step, 1e-9)[:, None]
    cosine = np.clip((unit[1:] * unit[:-1]).sum(1), -1, 1)
    inner = np.sqrt((1 + cosine) / 2)  # sine of half the angle between
    by_corner = np.sqrt(pace.acceleration * pace.deviation * inner / np.maximum(1 - inner, 1e-9))
    by_curve = np.sqrt(pace.acceleration * _radius(points)[1:-1])
    return np.where(cosine > np.cos(np.radians(20)), np.minimum(by_curve, by_corner), by_corner)


def _radius(points: np.ndarray) -> np.ndarray:
    """(n,) mm: of the circle through each point and those BESIDE before and after: one point's wobble does not make it small."""
    index = np.arange(len(points))
    room = np.minimum(BESIDE, np.minimum(index, len(points) - 1 - index))
    a, b = points - points[index - room], points[index + room] - points
    la, lb = _norm(a), _norm(b)
    turn = np.sqrt(np.clip((1 - (a * b).sum(1) / np.maximum(la * lb, 1e-12)) / 2, 0, 1))
    return np.where(room > 0, (la + lb) / 2 / np.maximum(2 * turn, 1e-6), np.inf)


@dataclass(frozen=True)
class Estimate:
    """Seconds in all, and of drawing, travelling and lifting; mm of ink and of travel; lifts."""

    total_s: float
    ink_s: float
    travel_s: float
    lift_s: float
    ink_mm: float
    travel_mm: float
    lifts: int


def estimate(
    strokes: Sequence[np.ndarray], home: tuple[float, float, float] = (0.0, 0.0, 0.0), pace: Pace | None = None
) -> Estimate:
    """Of strokes (n, 2) mm drawn in this order from home on, and home again. home: x, y and height over the raised pen's, mm."""
    pace = pace or Pace()
    ink_s = ink_mm = 0.0
    for stroke in strokes:
        ink_s += float(moments(stroke, pace.ink, pace)[-1])
        ink_mm += float(_norm(np.diff(stroke, axis=0)).sum())
    ends = [(*p, 0.0) for stroke in strokes for p in (stroke[0], stroke[-1])]
    stops = np.array([home, *ends, home])
    way = _norm(stops[1::2] - stops[0::2])
    travel_s = float(sum(hop(float(one), pace) for one in way))
    lifts = len(strokes)
    lift_s = pace.lift_s * lifts
    return Estimate(ink_s + travel_s + lift_s, ink_s, travel_s, lift_s, ink_mm, float(way.sum()), lifts)


def hop(way: float, pace: Pace) -> float:
    """Seconds of a straight way of the raised pen, mm, from rest to rest."""
    ramp = pace.travel**2 / pace.acceleration
    return way / pace.travel + pace.travel / pace.acceleration if way > ramp else 2 * np.sqrt(way / pace.acceleration)
