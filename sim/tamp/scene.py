"""Tables of cubes, some on others, by arithmetic alone: 96,000 of them take twenty seconds. Physics lets every one stand as it is
(tests/test_tamp.py).

Frame, units and workspace as in sim/scene.py. A seed decides a scene; training has seeds below 10,000,000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError
from embodied.plan import COLOURS
from sim.randomise import shade
from sim.scene import HELD_OUT, Crowded, Item, X, Y
from sim.task import FIRST_EVALUATION_SEED

SHOWN = tuple(c for c in COLOURS if f"{c} block" not in HELD_OUT)  # colours of training
UNSEEN = tuple(c for c in COLOURS if f"{c} block" in HELD_OUT)
COUNTS = {"3-5": (3, 5), "6": (6, 6), "8": (8, 8)}
EDGE = (0.036, 0.056)  # m
APART = 0.105  # m between the middles of towers: an open hand fits between them
OFF = 0.006  # m, a cube lies at most this far off the middle of what carries it, in x and in y
TALLEST = 4  # cubes; what the camera sees and the hand reaches over
STACKS = 0.55  # how often a cube goes onto a tower rather than onto the table
PLINTH = 0.12  # m, the highest of those that training imagines
LABELS = 8  # entities <obj_1> ... <obj_8>
FIELDS = 11  # of an object vector, as embodied/model/encoders/objects.py names them


@dataclass(frozen=True)
class Cube:
    """label: j of <obj_j>, from 1. position: its centre, m. edge: m. yaw: rad. rgb: in [0, 1]. below: label of what carries
    it, 0 the table."""

    label: int
    colour: str
    position: tuple[float, float, float]
    edge: float
    yaw: float
    rgb: tuple[float, float, float]
    below: int

    @property
    def vector(self) -> list[float]:
        """FIELDS numbers: what a simulator knows of it, its name and what carries it left out."""
        size = (self.edge,) * 3
        return [*self.position, math.sin(self.yaw), math.cos(self.yaw), *size, *self.rgb]


Scene = tuple[Cube, ...]


def vectors(scene: Scene) -> NDArray[np.float32]:
    """(n, FIELDS) in the order of the scene: PaLM-E's state input (section 4)."""
    return np.array([cube.vector for cube in scene], np.float32)


def scene(seed: int, count: str = "3-5", unseen: bool = False) -> Scene:
    """The seed's table, cubes in random order, no colour twice. count: one of COUNTS. unseen: with cubes of the colours that
    training never has.

    Raises UserError for other counts, and for a table that is not one of training's when the seed is."""
    if count not in COUNTS:
        raise UserError(f"unknown count {count!r}; choose from {', '.join(COUNTS)}")
    if seed < FIRST_EVALUATION_SEED and (count != "3-5" or unseen):
        raise UserError(
            f"seed {seed} is training's, with 3-5 cubes in colours of its own; use {FIRST_EVALUATION_SEED} and up"
        )
    rng = np.random.default_rng([seed, 7])
    while True:
        try:
            return _laid(rng, int(rng.integers(COUNTS[count][0], COUNTS[count][1] + 1)), UNSEEN if unseen else ())
        except Crowded:
            continue


def _laid(rng: np.random.Generator, n: int, colours: tuple[str, ...]) -> Scene:
    """n cubes, of these colours and others."""
    names = [*colours, *(SHOWN[i] for i in rng.permutation(len(SHOWN))[: n - len(colours)])]
    labels = (rng.permutation(LABELS)[:n] + 1).tolist()
    towers: list[list[Cube]] = []
    for label, colour in zip(labels, names, strict=True):
        edge, yaw = rng.uniform(*EDGE), rng.uniform(-math.pi / 4, math.pi / 4)
        open_to = [tower for tower in towers if len(tower) < TALLEST]
        if open_to and rng.random() < STACKS:
            tower = open_to[rng.integers(len(open_to))]
            (x, y, z), below = tower[-1].position, tower[-1].label
            at = (x + rng.uniform(-OFF, OFF), y + rng.uniform(-OFF, OFF), z + (tower[-1].edge + edge) / 2)
        else:
            tower, below = [], 0
            towers.append(tower)
            at = (*_free(rng, [t[0].position for t in towers if t]), edge / 2)
        tower.append(Cube(label, colour, at, edge, yaw, shade(colour, rng), below))
    cubes = [cube for tower in towers for cube in tower]
    return tuple(cubes[i] for i in rng.permutation(n))


def _free(rng: np.random.Generator, taken: list[tuple[float, float, float]]) -> tuple[float, float]:
    """A place that is far enough from all towers."""
    for u, v in rng.random((80, 2)).tolist():
        x, y = X[0] + u * (X[1] - X[0]), Y[0] + v * (Y[1] - Y[0])
        if all((x - a) ** 2 + (y - b) ** 2 >= APART**2 for a, b, _ in taken):
            return x, y
    raise Crowded


def varied(cubes: Scene, rng: np.random.Generator) -> Scene:
    """The same table told otherwise: other labels, another order, colours exchanged, left and right (and near and far)
    exchanged, and in half of the cases some towers as if they stood on plinths. Nothing of how the cubes of a tower lie to each
    other changes, so one scene teaches as much as many.

    Plinths: where no two towers are high, how high a cube lies tells which tower it is of; where there are more it does not."""
    labels = dict(
        zip([0, *(c.label for c in cubes)], [0, *(rng.permutation(LABELS)[: len(cubes)] + 1).tolist()], strict=True)
    )
    colours = [SHOWN[i] for i in rng.permutation(len(SHOWN))]
    flip = rng.random(2) < 0.5
    feet = _feet(cubes)
    plinths = dict.fromkeys(feet.values(), 0.0)
    if rng.random() < 0.5:
        plinths = {foot: rng.uniform(0, PLINTH) if rng.random() < 0.6 else 0.0 for foot in plinths}
    out = []
    for cube, colour in zip(cubes, colours, strict=False):
        x, y, z = cube.position
        at = (X[0] + X[1] - x if flip[0] else x, -y if flip[1] else y, z + plinths[feet[cube.label]])
        yaw = cube.yaw if flip[0] == flip[1] else -cube.yaw
        names = {"label": labels[cube.label], "below": labels[cube.below], "colour": colour}
        out.append(replace(cube, **names, rgb=shade(colour, rng), position=at, yaw=yaw))
    return tuple(out[i] for i in rng.permutation(len(out)))


def _feet(cubes: Scene) -> dict[int, int]:
    """Label of a cube -> that of the lowest cube of its tower."""
    below = {cube.label: cube.below for cube in cubes}

    def foot(label: int) -> int:
        return foot(below[label]) if below[label] else label

    return {label: foot(label) for label in below}


def items(cubes: Scene) -> tuple[Item, ...]:
    """The same as things of the simulated table."""
    return tuple(
        Item(f"{c.colour} block", "block", c.colour, (c.edge, c.edge, c.edge), c.position, c.yaw) for c in cubes
    )
