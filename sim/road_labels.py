"""What a network that drives is taught of a moment beside where the car goes: what its dashcam and its lidar show, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied.data.moments import CELL, KINDS, SQUARES
from embodied.drive import above
from embodied.drive.view import HEIGHT, WIDTH
from embodied.geometry import inverse
from embodied.types import Image
from policies.drive_expert import NOSE_M, TAIL_M
from sim import car as cars
from sim.drive import DriveBody
from sim.traffic import PERSON_M

LEAST = {"person": 2, "car": 6, "paint": 6}  # px of a cell's 64 that make it show that
NOTHING_M = 60.0
TALL_M, ROUND_M = 0.3, 0.35  # what is no road; how far a cell's middle may lie from a thing that a ray in it met


def cells_of(body: DriveBody, bodies: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(rows, columns, 4): CELLS of a view's bodies and depth (HEIGHT, WIDTH)."""
    shown = body.shown()
    kinds = np.zeros(bodies.shape, np.int64)
    for one, (kind, *_) in shown.items():
        kinds[bodies == one] = KINDS.index(kind)
    grid = (HEIGHT // CELL, CELL, WIDTH // CELL, CELL)
    tiles = lambda values: values.reshape(grid).transpose(0, 2, 1, 3).reshape(grid[0], grid[2], -1)  # noqa: E731
    kinds, bodies, depth = tiles(kinds), tiles(bodies), tiles(depth)
    made = np.zeros((grid[0], grid[2], 4), np.float16)
    made[..., 0] = (kinds > 0).sum(-1) > CELL * CELL // 2
    for name in ("paint", "car", "person"):
        made[(kinds == KINDS.index(name)).sum(-1) >= LEAST[name], 0] = KINDS.index(name)
    for i, j in np.argwhere(made[..., 0] >= KINDS.index("car")):
        there = kinds[i, j] == made[i, j, 0]
        one = np.bincount(bodies[i, j][there]).argmax()
        made[i, j, 1:] = (np.median(depth[i, j][there & (bodies[i, j] == one)]), *shown[int(one)][1:])
    return made


def facts_of(body: DriveBody) -> list[float]:
    """FACTS of now; NOTHING_M where there is no junction, car or person ahead."""
    car, traffic, s = body.car, body.traffic, body.s
    junction = body.road.junction[0] - s if body.road.junction else NOTHING_M
    ahead = [(traffic.lead.s, traffic.lead.speed)] if traffic.lead else []
    ahead += [(traffic.standing[0], 0.0)] if traffic.standing else []
    gap, theirs = min(((at - TAIL_M - s - NOSE_M, v) for at, v in ahead if at > s), default=(NOTHING_M, 0.0))
    people = [(p.s - s - NOSE_M, p.left) for p in traffic.people if p.s > s + NOSE_M - 1]
    person, left = min(people, default=(NOTHING_M, 0.0))
    heading = (car.yaw - float(body.road.route.at(s)[2]) + np.pi) % (2 * np.pi) - np.pi
    least = lambda value: min(value, NOTHING_M)  # noqa: E731
    return [body.left, heading, least(junction), body.cruise, least(gap), theirs, least(person), left]


def squares_of(body: DriveBody, scan: Image) -> NDArray[np.float16]:
    """(*above.SQUARES, len(SQUARES)) of the cars and people from which a ray of this scan came back; KINDS' first is nothing. The
    range is along the car. Of two in a square the person, else the nearer."""
    made = np.zeros((*above.SQUARES, len(SQUARES)), np.float16)
    at, points = above.heads(scan, TALL_M)
    car_from_base = inverse(body.base_from_car)
    side = round(above.SQUARE_M / above.CELL_M)
    shown = [(kind, one, moves) for one, (kind, *moves) in body.shown().items() if kind in ("car", "person")]
    things = [(kind, car_from_base @ body.world.where(one), moves) for kind, one, moves in shown]
    for kind, pose, moves in sorted(things, key=lambda one: (one[0] == "person", -one[1][0, 3])):
        x, y = ((points - pose[:2, 3]) @ pose[:2, :2]).T
        ahead = 0.0 if kind == "person" else cars.LENGTH_M / 2 - cars.REAR_M
        long, wide = (PERSON_M, PERSON_M) if kind == "person" else (cars.LENGTH_M / 2, cars.WIDTH_M / 2)
        met = (np.abs(x - ahead) < long + ROUND_M) & (np.abs(y) < wide + ROUND_M)
        for row, column in {*map(tuple, (at[met] // side).tolist())}:
            there = met & (at // side == (row, column)).all(1)
            made[row, column] = (KINDS.index(kind), points[there, 0].min(), *moves, points[there, 1].mean())
    return made
