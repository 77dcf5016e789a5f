"""Where to set a thing down: beside, between, in a bowl, on a free spot. Pure geometry over points on what stands there.

`around` is (n, 3): points on the tops of everything else, base frame, metres; from exact facts or from depth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.symbolic import DIRECTIONS, GAP

Flat = NDArray[np.float64]  # k 2
Points = NDArray[np.float64]  # n 3

WORKSPACE = ((0.36, 0.68), (-0.28, 0.28))  # m, x and y where things may lie
ROOM = 0.080  # m, from the centre of a free spot to the nearest thing's edge
SNUG = 0.048  # m, the same where a relation leaves less choice: half a thing, a finger and a little
FLOOR = 0.004  # m, thickness of a bowl's floor
SIDE = 0.029  # m, from a bowl's centre to where the first two things go; the third goes onto them


def clearance(spots: Flat, around: Points, above_m: float = 0.015) -> NDArray[np.float64]:
    """Distance (k,) from each spot (k, 2) to the nearest of the points (n, 3) higher than above_m."""
    high = around[around[:, 2] > above_m, :2]
    if len(high) == 0:
        return np.full(len(spots), np.inf)
    return np.linalg.norm(spots[:, None] - high[None], axis=-1).min(axis=1)


def free_spot(near: Flat, around: Points, flat: Points | None = None) -> Flat:
    """The free place (2,) of the workspace nearest to `near` (2,): ROOM from all that stands, and from the `flat`
    points (zones, places that the goal still needs). `near` itself when it is free; the widest place when none is."""
    (x0, x1), (y0, y1) = WORKSPACE
    grid = np.stack(np.meshgrid(np.arange(x0 + 0.03, x1 - 0.02, 0.02), np.arange(y0 + 0.03, y1 - 0.02, 0.02)), -1)
    inside = x0 <= near[0] <= x1 and y0 <= near[1] <= y1
    spots = np.vstack([near[None], grid.reshape(-1, 2)]) if inside else grid.reshape(-1, 2)
    room = clearance(spots, around)
    if flat is not None and len(flat):
        room = np.minimum(room, clearance(spots, flat, -1.0))
    if not np.any(room >= ROOM):
        return spots[int(np.argmax(room))]
    spots = spots[room >= ROOM]
    return spots[int(np.argmin(np.round(np.linalg.norm(spots - near, axis=1), 6)))]


def beside(reference: Flat, relation: str, around: Points) -> Flat:
    """The spot (2,) GAP from the reference's centre, or a little further or aside when something stands there."""
    ahead = np.array(DIRECTIONS[relation])
    across = ahead[::-1]
    shifts = [(GAP + a, b) for a in (0.0, 0.015, 0.03, 0.045) for b in (0.0, 0.02, -0.02, 0.032, -0.032)]
    return _first_free(np.array([reference + a * ahead + b * across for a, b in shifts]), around)


def amid(first: Flat, second: Flat, around: Points) -> Flat:
    """The midpoint (2,), or a spot up to 3 cm from it when something stands there."""
    ring = [(0.0, 0.0)] + [(r * np.cos(a), r * np.sin(a)) for r in (0.015, 0.03) for a in np.arange(8) * np.pi / 4]
    return _first_free((first + second) / 2 + np.array(ring), around)


def _first_free(spots: Flat, around: Points) -> Flat:
    room = clearance(spots, around)
    free = np.flatnonzero(room >= SNUG)
    return spots[free[0] if len(free) else int(np.argmax(room))]


def in_bowl(centre: Flat, bottom: float, inside: Points) -> tuple[Flat, float]:
    """Where in a bowl the next thing goes (2,), and the height of its support there: the first side, the other, the top.

    bottom: height that the bowl stands on.  inside: (n, 3) points on what lies in it already.
    """
    spots = centre + np.array([(0.0, SIDE), (0.0, -SIDE), (0.0, 0.0)])
    heights = []
    for spot in spots:
        near = inside[np.linalg.norm(inside[:, :2] - spot, axis=1) < 0.022, 2] if len(inside) else np.zeros(0)
        heights.append(max(bottom + FLOOR, float(near.max()) if len(near) else 0.0))
    best = int(np.argmin(np.round(heights, 2)))
    return spots[best], heights[best]
