"""Which things lie where: items, their names, and layouts in which a gripper never touches a neighbour.

Frame: robot base, x towards the front camera, y to that camera's right, z up, table top at z = 0; metres, radians.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from embodied.plan import COLOURS, PLACES, SHAPES
from policies.symbolic import DIRECTIONS, GAP, Facts, Thing

X = (0.36, 0.68)  # where centres of things may lie
Y = (-0.28, 0.28)
RADIUS = 0.065  # of bowls (inside) and zones
HOME = (0.30, 0.0, 0.40)  # the fingertips' midpoint at the start

# Never in the splits train and seen, not even as bystanders; every colour and every shape is trained in other pairs.
HELD_OUT_THINGS = ("red cylinder", "orange block", "green brick", "blue cylinder", "purple block", "black brick")
HELD_OUT_PLACES = ("yellow bowl", "pink bowl", "green zone", "white zone")
HELD_OUT = frozenset(HELD_OUT_THINGS + HELD_OUT_PLACES)

# Smallest centre distances. An open gripper reaches 0.06 from the centre of what it grasps, a block's corner 0.035 and
# a brick's 0.039. "spot" is a place that must stay free for a thing, "path" a point that a pushed thing passes.
_ROUND = ("block", "cylinder")
_GAPS: dict[tuple[str, str], float] = {}
for _one in _ROUND:
    _GAPS |= {(_one, _two): 0.095 for _two in _ROUND}
    _GAPS |= {
        (_one, "brick"): 0.105,
        (_one, "bowl"): 0.127,
        (_one, "zone"): 0.112,
        (_one, "spot"): 0.098,
        (_one, "path"): 0.09,
    }
_GAPS |= {("brick", "brick"): 0.11, ("brick", "bowl"): 0.13, ("brick", "zone"): 0.115, ("brick", "spot"): 0.102}
_GAPS |= {("brick", "path"): 0.095, ("bowl", "bowl"): 0.155, ("bowl", "zone"): 0.15, ("bowl", "spot"): 0.13}
_GAPS |= {("bowl", "path"): 0.135, ("zone", "zone"): 0.14, ("zone", "spot"): 0.115, ("zone", "path"): 0.0}
_GAPS |= {("spot", "spot"): 0.10, ("spot", "path"): 0.095, ("path", "path"): 0.0}
_GAPS |= {(b, a): gap for (a, b), gap in _GAPS.items()}

_ALL = {shape: tuple(f"{colour} {shape}" for colour in COLOURS) for shape in SHAPES + PLACES}


@dataclass(frozen=True)
class Item:
    """A thing to be placed at an episode's start. position: centre (3,), m. size: full extents (3,), m. yaw: rad."""

    name: str
    shape: str
    colour: str
    size: tuple[float, float, float]
    position: tuple[float, float, float]
    yaw: float

    @property
    def movable(self) -> bool:
        return self.shape in SHAPES


class Crowded(Exception):
    """This layout has no room left; draw another one."""


def seen_from_left(position: Iterable[float]) -> float:
    """Order of things from left to right in the nominal front picture (perspective: near things lie further out)."""
    x, y, *_ = position
    return y / (0.656 * (1.15 - x) + 0.604)  # depth of a table point along the optical axis, m


def facts(items: Iterable[Item], held: str = "", hand: tuple[float, float, float] = HOME) -> Facts:
    """The exact facts of a table as the items describe it."""
    things = {i.name: Thing(i.name, i.shape, np.array(i.position), i.yaw, i.size) for i in items}
    return Facts(things, held, np.array(hand))


def reachable(x: float, y: float) -> bool:
    return X[0] <= x <= X[1] and Y[0] <= y <= Y[1]


class Layout:
    """Names and places things one after another; raises Crowded when there is no room. Uses only `rng`."""

    def __init__(self, rng: np.random.Generator, split: str) -> None:
        self.rng = rng
        self.split = split
        self.items: list[Item] = []
        self._taken: list[tuple[str, float, float]] = []

    # -- names ---------------------------------------------------------------------------------------------------
    def name(
        self,
        shapes: Iterable[str] = SHAPES,
        colours: Iterable[str] = COLOURS,
        named: bool = True,
        avoid: Iterable[str] = (),
    ) -> str:
        """A name that no item has yet. Named things of the split `pairs` come from the held-out pairs while they last."""
        colours, avoid = set(colours), set(avoid) | {item.name for item in self.items}
        pool = [n for s in shapes for n in _ALL[s] if n not in avoid and n.split()[0] in colours]
        if self.split == "pairs" and named:
            pool = [n for n in pool if n in HELD_OUT] or pool
        else:
            pool = [n for n in pool if n not in HELD_OUT]
        if not pool:
            raise Crowded
        return pool[int(self.rng.integers(len(pool)))]

    def names(self, count: int, shapes: Iterable[str] = SHAPES, colours: Iterable[str] = COLOURS) -> list[str]:
        """`count` different names."""
        out: list[str] = []
        for _ in range(count):
            out.append(self.name(shapes, colours, avoid=out))
        return out

    # -- room ----------------------------------------------------------------------------------------------------
    def fits(self, kind: str, x: float, y: float, but: tuple[str, ...] = ()) -> bool:
        """Whether something of that kind at x y keeps its distance from everything but the kinds in `but`."""
        for other, ox, oy in self._taken:
            gap = _GAPS[kind, other]
            if other not in but and (x - ox) ** 2 + (y - oy) ** 2 < gap * gap:
                return False
        return True

    def reserve(self, kind: str, x: float, y: float) -> None:
        """Keep x y free for something of that kind from now on. Raises Crowded when it is not free or out of reach."""
        if not (reachable(x, y) and self.fits(kind, x, y)):
            raise Crowded
        self._taken.append((kind, x, y))

    def free_spot(self, kind: str, x: tuple[float, float] = X, y: tuple[float, float] = Y) -> tuple[float, float]:
        """A random free place for something of that kind."""
        inset = 0.025 if kind in PLACES else 0.0  # so that a whole bowl is in the picture
        x, y = (max(x[0], X[0] + inset), min(x[1], X[1] - inset)), (max(y[0], Y[0] + inset), min(y[1], Y[1] - inset))
        for u, v in self.rng.random((80, 2)).tolist():
            px, py = x[0] + u * (x[1] - x[0]), y[0] + v * (y[1] - y[0])
            if self.fits(kind, px, py):
                return px, py
        raise Crowded

    def spots(self, count: int) -> None:
        """Keep that many places free to put things down on (each 0.10 m wide)."""
        for _ in range(count):
            self.reserve("spot", *self.free_spot("spot"))

    # -- things --------------------------------------------------------------------------------------------------
    def put(
        self,
        name: str,
        at: tuple[float, float] | None = None,
        x: tuple[float, float] = X,
        y: tuple[float, float] = Y,
        inside: str = "",
    ) -> Item:
        """Place a thing on the table: at `at`, or anywhere free in the box x y. inside: a zone that it may lie on."""
        shape = name.split()[1]
        if at is None:
            at = self.free_spot(shape, x, y)
        elif not inside and not (reachable(*at) and self.fits(shape, *at)):
            raise Crowded
        self._taken.append((shape, *at))
        return self._add(name, *at, 0.0)

    def stack(self, name: str, below: Item) -> Item:
        """Place a thing on top of another one, a few millimetres off its centre."""
        dx, dy = (self.rng.random(2) - 0.5).tolist()
        x, y, z = below.position
        return self._add(name, x + 0.006 * dx, y + 0.006 * dy, z + below.size[2] / 2)

    def _add(self, name: str, x: float, y: float, bottom: float) -> Item:
        colour, shape = name.split()
        u, v, w = self.rng.random(3).tolist()
        yaw = 0.0
        if shape == "block":
            size = (0.04 + 0.01 * u,) * 3
            yaw = (v - 0.5) * math.pi / 2
        elif shape == "cylinder":
            size = (0.04 + 0.01 * u, 0.04 + 0.01 * u, 0.04 + 0.01 * w)
        elif shape == "brick":
            size = (0.07, 0.035, 0.035 + 0.005 * u)
            yaw = (v - 0.5) * math.pi
        else:
            size = (2 * RADIUS, 2 * RADIUS, 0.045 if shape == "bowl" else 0.001)
        item = Item(name, shape, colour, size, (x, y, bottom + size[2] / 2), yaw)
        self.items.append(item)
        return item

    def bystanders(self, avoid_colours: Iterable[str] = (), avoid_places: Iterable[str] = (), most: int = 2) -> None:
        """Things that the goal does not name: 0 to `most`, or 4 to 5 in the split `distractors`."""
        many = self.split == "distractors"
        count = int(self.rng.integers(4, 6) if many else self.rng.integers(0, most + 1))
        for _ in range(count):
            if self.rng.random() < 0.2:
                place = "bowl" if self.rng.random() < 0.5 else "zone"
                if place not in avoid_places:
                    name = self.name((place,), [c for c in COLOURS if c not in avoid_colours], named=False)
                    try:
                        self.put(name)
                        continue
                    except Crowded:
                        pass  # a small thing may still find room
            self.put(self.name(SHAPES, [c for c in COLOURS if c not in avoid_colours], named=False))

    # -- what relations and pushes need --------------------------------------------------------------------------
    def beside(self, relation: str, item: Item, kind: str = "spot", times: int = 1) -> tuple[float, float]:
        """Keep the place free that `relation` to the item means; returns it."""
        dx, dy = DIRECTIONS[relation]
        x, y = item.position[0] + times * GAP * dx, item.position[1] + times * GAP * dy
        if not reachable(x, y):
            raise Crowded
        # the item itself may stand nearer than a stranger: it is the reference
        mine = (item.shape, item.position[0], item.position[1])
        self._taken.remove(mine)
        free = self.fits(kind, x, y)
        self._taken.append(mine)
        if not free:
            raise Crowded
        self._taken.append((kind, x, y))
        return x, y

    def lane(self, thing: Item, zone: Item, run_up: float = 0.11) -> None:
        """Keep the straight way of a push free, with the run-up behind the thing. Raises Crowded when it is not."""
        start, end = np.array(thing.position[:2]), np.array(zone.position[:2])
        way = end - start
        length = float(np.linalg.norm(way))
        way = way / length
        behind = start - run_up * way
        if not (0.31 <= behind[0] <= 0.74 and -0.34 <= behind[1] <= 0.34):
            raise Crowded
        mine = {(thing.shape, *thing.position[:2]), (zone.shape, *zone.position[:2])}
        others, self._taken = self._taken, [t for t in self._taken if t not in mine]
        points = [tuple((behind + s * way).tolist()) for s in np.linspace(0.0, run_up + length, 8)]
        free = all(self.fits("path", *p) for p in points)
        self._taken = others
        if not free:
            raise Crowded
        self._taken += [("path", *p) for p in points]
