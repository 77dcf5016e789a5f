"""Roads made from a seed: a route with curves and one junction, its surface, and its side roads. Right-hand traffic.

A route is the middle of the lane to be driven, as points STEP_M apart with arc length, heading (rad) and curvature (1/m, left
positive). The road's own middle is LANE_M / 2 to its left. World frame: x east, y north, z up, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.shapes import Mesh

LANE_M, SHOULDER_M, STEP_M = 3.5, 2.2, 0.5
LEFT_R_M, RIGHT_R_M, APRON_M = 10.5, 7.5, 11.0
TURNS = ("left", "right", "straight")
# Over which the curvature changes: drivers turn the wheel over about 2 s (AASHTO Green Book 2018, section 3.3.8.3, the
# natural spiral), at the 5 m/s of a junction.
EASE_M = 10.0
Floats = NDArray[np.float64]


def _distance(a: Floats, b: Floats) -> Floats:
    """(...,) between points (..., 2)."""
    gap = a - b
    return np.hypot(gap[..., 0], gap[..., 1])


@dataclass(frozen=True)
class Route:
    """points (n, 2), heading (n,), curvature (n,), all STEP_M apart from s = 0."""

    points: Floats
    heading: Floats
    curvature: Floats

    @property
    def length(self) -> float:
        return STEP_M * (len(self.points) - 1)

    def at(self, s_m: float | Floats, left_m: float | Floats = 0.0) -> Floats:
        """(..., 3) x y heading at arc length s, left_m to the left; straight on beyond the ends."""
        s = np.asarray(s_m, float)
        k = np.arange(len(self.points)) * STEP_M
        over = s - np.clip(s, 0.0, self.length)
        turn = np.interp(s, k, self.heading)
        x = np.interp(s, k, self.points[:, 0]) + over * np.cos(turn) - left_m * np.sin(turn)
        y = np.interp(s, k, self.points[:, 1]) + over * np.sin(turn) + left_m * np.cos(turn)
        return np.stack([x, y, turn], axis=-1)

    def locate(self, point: Floats, near_m: float | None = None) -> tuple[float, float]:
        """(s, distance to the left) of the nearest place of the route; near_m: look within 15 m of this arc length."""
        k0, k1 = 0, len(self.points)
        if near_m is not None:
            k0, k1 = max(0, int((near_m - 15) / STEP_M)), min(k1, int((near_m + 15) / STEP_M) + 2)
        gap = point - self.points[k0:k1]
        k = int(np.argmin(np.einsum("nd,nd->n", gap, gap)))
        c, s = np.cos(self.heading[k0 + k]), np.sin(self.heading[k0 + k])
        along, left = gap[k] @ [c, s], gap[k] @ [-s, c]
        return STEP_M * (k0 + k) + float(along), float(left)


@dataclass(frozen=True)
class Road:
    """turn: what the route does at the junction, one of TURNS, or "" without one. junction: (s where it begins, s where it
    ends, x, y of its middle). legs: middles of all roads, (n, 2) each."""

    route: Route
    turn: str
    junction: tuple[float, float, float, float] | None
    legs: tuple[Floats, ...]

    def off_road(self, point: Floats) -> bool:
        """Whether a point is outside both lanes of every road and outside the junction."""
        if self.junction is not None and _distance(point, np.array(self.junction[2:])) <= APRON_M:
            return False
        return all(_distance(leg, point).min() > LANE_M + 0.1 for leg in self.legs)


def _route(pieces: list[tuple[float, float]]) -> Route:
    """pieces: (length m, curvature 1/m); the curvature is eased by a moving mean over EASE_M, which keeps the turn."""
    bend = np.concatenate([np.full(max(1, round(length / STEP_M)), k) for length, k in pieces])
    width = round(EASE_M / STEP_M)
    bend = np.convolve(np.pad(bend, width // 2, mode="edge"), np.full(width, 1 / width), "same")[
        width // 2 : -(width // 2)
    ]
    heading = np.append(0.0, np.cumsum(bend) * STEP_M)
    middle = (heading[1:] + heading[:-1]) / 2
    steps = np.column_stack([np.cos(middle), np.sin(middle)]) * STEP_M
    return Route(np.vstack([[0.0, 0.0], np.cumsum(steps, axis=0)]), heading, np.append(bend, bend[-1]))


def _leg(rng: np.random.Generator) -> list[tuple[float, float]]:
    """A stretch of road: straight, a curve, straight."""
    radius, angle = rng.uniform(35, 110), rng.uniform(0.2, 0.9)
    curve = (radius * angle, float(rng.choice([-1, 1])) / radius)
    return [(rng.uniform(15, 35), 0.0), curve, (rng.uniform(20, 35), 0.0)]


def draw(rng: np.random.Generator, turn: str) -> Road:
    """A road whose route does `turn` at its junction ("": no junction). Drawn again until no two roads come close."""
    for _ in range(100):
        made = _draw(rng, turn)
        if _apart(made):
            return made
    raise RuntimeError("no road came out without crossing itself")  # 1 draw in 20 is drawn again


def _draw(rng: np.random.Generator, turn: str) -> Road:
    first, last = _leg(rng), _leg(rng)
    if not turn:
        route = _route([*first, *last])
        return Road(route, "", None, (route.at(np.arange(-10, route.length + 30, 1.0), LANE_M / 2)[:, :2],))
    radius = {"left": LEFT_R_M, "right": RIGHT_R_M, "straight": 0.0}[turn]
    crossing = (radius * np.pi / 2, {"left": 1, "right": -1, "straight": 0}[turn] / max(radius, 1.0))
    if turn == "straight":
        crossing = (2 * APRON_M, 0.0)
    before = sum(max(1, round(length / STEP_M)) * STEP_M for length, _ in first)
    route = _route([*first, crossing, *last])
    enter, leave = before - EASE_M, before + crossing[0] + EASE_M
    a, b = route.at(enter, LANE_M / 2), route.at(leave, LANE_M / 2)
    if turn == "straight":
        middle = (a[:2] + b[:2]) / 2
    else:  # where the middles of the two roads cross
        ways = np.array([[np.cos(a[2]), -np.cos(b[2])], [np.sin(a[2]), -np.sin(b[2])]])
        middle = a[:2] + np.linalg.solve(ways, b[:2] - a[:2])[0] * np.array([np.cos(a[2]), np.sin(a[2])])
    share = np.linspace(0.0, 1.0, 16)[:, None]
    to_middle, from_middle = a[:2] + share * (middle - a[:2]), middle + share * (b[:2] - middle)
    incoming = np.vstack([route.at(np.arange(-10, enter, 1.0), LANE_M / 2)[:, :2], to_middle])
    outgoing = np.vstack([from_middle[:-1], route.at(np.arange(leave, route.length + 30, 1.0), LANE_M / 2)[:, :2]])
    taken = {"straight": [np.pi / 2, -np.pi / 2], "left": [0.0, -np.pi / 2], "right": [0.0, np.pi / 2]}[turn]
    reach = np.arange(0.0, 45.0, 1.0)[:, None]
    sides = [middle + reach * [np.cos(a[2] + angle), np.sin(a[2] + angle)] for angle in taken]
    return Road(route, turn, (enter, leave, float(middle[0]), float(middle[1])), (incoming, outgoing, *sides))


def _apart(road: Road, clear_m: float = 16.0) -> bool:
    """Whether the roads stay apart but around the junction, and no road comes back to itself."""
    middle = np.array(road.junction[2:]) if road.junction is not None else np.array([1e9, 1e9])
    far = [leg[_distance(leg, middle) > 25] for leg in road.legs]
    for i, a in enumerate(far):
        for j, b in enumerate(far):
            gap = _distance(a[:, None], b[None]) if len(a) and len(b) else np.full((1, 1), 1e9)
            if i < j and gap.min() < clear_m:
                return False
            if i == j and len(a) > 40 and gap[np.triu_indices(len(a), 40)].min() < clear_m:
                return False
    return True


# --- what is seen


def ribbon(middle: Floats, low_m: float, high_m: float, z_m: float) -> Mesh:
    """A flat strip along (n, 2) points, from low_m to high_m to their left, seen from above."""
    way = np.gradient(middle, axis=0)
    left = np.column_stack([-way[:, 1], way[:, 0]]) / np.maximum(np.linalg.norm(way, axis=1), 1e-9)[:, None]
    edges = np.stack([middle + low_m * left, middle + high_m * left], axis=1).reshape(-1, 2)
    first = np.arange(len(middle) - 1)[:, None] * 2
    faces = np.stack([first + [0, 2, 3], first + [0, 3, 1]], axis=1).reshape(-1, 3)
    return flat(edges, faces, z_m)


def flat(points: Floats, faces: NDArray[np.int64], z_m: float) -> Mesh:
    high = np.column_stack([points, np.full(len(points), z_m)])
    return Mesh(high, np.tile([0.0, 0.0, 1.0], (len(points), 1)), np.zeros((len(points), 2)), faces)


def joined(meshes: list[Mesh]) -> Mesh:
    """Several meshes as one body."""
    at = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    vertices, normals, uvs = (
        np.concatenate([getattr(m, part) for m in meshes]) for part in ("vertices", "normals", "uvs")
    )
    return Mesh(vertices, normals, uvs, np.concatenate([m.faces + k for m, k in zip(meshes, at, strict=True)]))


def surfaces(road: Road) -> dict[str, Mesh]:
    """asphalt and paint, a few hundred faces: shoulders and lanes, edge lines, a broken middle line, the junction's apron."""
    half = LANE_M + SHOULDER_M
    thin = [np.vstack([leg[::4], leg[-1:]]) if len(leg) % 4 != 1 else leg[::4] for leg in road.legs]
    asphalt = [ribbon(leg, -half, half, 0.0) for leg in thin]
    paint = []
    middle = np.array([np.inf, np.inf] if road.junction is None else road.junction[2:])
    for leg in road.legs:
        kept = leg[_distance(leg, middle) > APRON_M]
        if len(kept) < 3:
            continue
        paint += [ribbon(kept[::4], side * LANE_M - 0.08, side * LANE_M + 0.08, 0.012) for side in (-1, 1)]
        paint += [ribbon(kept[k : k + 3], -0.08, 0.08, 0.012) for k in range(0, len(kept) - 3, 6)]
    if road.junction is not None:
        turns = np.linspace(0, 2 * np.pi, 13)[:-1]
        rim = middle + APRON_M * np.column_stack([np.cos(turns), np.sin(turns)])
        fan = np.array([[0, k, k + 1] for k in range(1, 11)])
        asphalt.append(flat(rim, fan, 0.006))
    return {"asphalt": joined(asphalt), "paint": joined(paint)}
