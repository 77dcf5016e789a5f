"""What a task wants, whether it holds, and the steps that are left: a small task planner over exact facts.

Facts come from a simulator (sim/body.py) and serve scripted experts, training labels and success tests, never a learned
policy. Frames: robot base, x towards the front camera, y to that camera's right, z up; metres, radians.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embodied import plan as grammar
from embodied.types import Step

GAP = 0.10  # m, centre to centre, at which `left of` and the other relations put a thing
DIRECTIONS = {"left of": (0.0, -1.0), "right of": (0.0, 1.0), "behind": (-1.0, 0.0), "in front of": (1.0, 0.0)}


@dataclass(frozen=True)
class Thing:
    """An object as it is now. position: its centre (3,), m. size: full extents (3,), m. yaw: rad about z."""

    name: str
    shape: str
    position: np.ndarray
    yaw: float
    size: tuple[float, float, float]

    @property
    def top(self) -> float:
        return float(self.position[2] + self.size[2] / 2)

    @property
    def bottom(self) -> float:
        return float(self.position[2] - self.size[2] / 2)

    @property
    def movable(self) -> bool:
        return self.shape in grammar.SHAPES


@dataclass(frozen=True)
class Facts:
    """The table now. held: name of the thing in the gripper or "". hand: the fingertips' midpoint (3,), m."""

    things: Mapping[str, Thing]
    held: str
    hand: np.ndarray


@dataclass(frozen=True)
class Want:
    """One condition of a goal: (relation, a, references). Relations: those of the grammar, and reached, held, pushed."""

    relation: str
    a: str
    b: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.a} {self.relation} {' and '.join(self.b)}".strip()


def _flat(a: Thing, b: Thing) -> float:
    return float(np.linalg.norm(a.position[:2] - b.position[:2]))


def support(facts: Facts, name: str) -> str:
    """What `name` rests on: a movable thing's, bowl's or zone's name, "table", or "" when held or in the air."""
    a = facts.things[name]
    if facts.held == name:
        return ""
    others = [b for b in facts.things.values() if b.name != name]
    for b in others:  # first, because things in a bowl may also lie on each other
        if b.shape == "bowl" and _flat(a, b) < b.size[0] / 2 and a.bottom < 0.10:
            return b.name
    for b in others:
        if b.movable and abs(a.bottom - b.top) < 0.012 and _flat(a, b) < 0.6 * max(b.size[:2]):
            return b.name
        if b.shape == "zone" and _flat(a, b) < b.size[0] / 2 and a.bottom < 0.012:
            return b.name
    return "table" if a.bottom < 0.012 else ""


def holds(want: Want, facts: Facts) -> bool:
    """Whether the condition is true of the table now."""
    a = facts.things[want.a]
    others = [facts.things[name] for name in want.b]
    if want.relation == "reached":
        gap = facts.hand - (a.position + [0, 0, a.size[2] / 2])
        return bool(np.linalg.norm(gap[:2]) < 0.03 and -0.01 < gap[2] < 0.09)
    if want.relation == "held":
        return facts.held == want.a
    if facts.held == want.a:
        return False
    if want.relation in ("on", "in", "pushed"):
        return support(facts, want.a) == (want.b[0] if want.b else "table")
    if support(facts, want.a) != "table":
        return False
    if want.relation == "between":
        middle = (others[0].position + others[1].position) / 2
        return bool(np.linalg.norm((a.position - middle)[:2]) < 0.04)
    ahead = np.array(DIRECTIONS[want.relation])
    offset = (a.position - others[0].position)[:2]
    along, across = float(offset @ ahead), float(abs(offset @ ahead[::-1]))
    return 0.05 < along < 0.17 and across < 0.045


def on_top_of(facts: Facts, name: str) -> list[str]:
    """Movable things that rest on `name`, directly or through others, topmost first."""
    direct = [n for n, t in facts.things.items() if t.movable and n != name and support(facts, n) == name]
    return [n for d in direct for n in [*on_top_of(facts, d), d]]


def remaining(wants: tuple[Want, ...], facts: Facts) -> list[Step]:
    """Steps (without points) that are left to make every want hold, taken in order; [] when all hold.

    Uncovers a thing before it is picked, clears the thing or zone it goes onto, and puts down first what the hand holds
    but does not need.
    """
    steps: list[Step] = []
    held = facts.held
    moved: dict[str, str] = {}  # where earlier steps of this plan will have put things

    def under(name: str) -> str:
        return moved[name] if name in moved else support(facts, name)

    def covers(name: str) -> list[str]:
        direct = [t for n, t in facts.things.items() if t.movable and n != name and under(n) == name and n != held]
        direct.sort(key=lambda t: float(t.position[1]))  # left to right, so that there is one plan
        return [n for d in direct for n in [*covers(d.name), d.name]]

    def do(text: str) -> None:
        steps.append(grammar.step(text))

    def put_away(name: str) -> None:
        nonlocal held
        if held != name:
            do(f"pick {name}")
        do(f"put {name} on table")
        held, moved[name] = "", "table"

    for want in wants:
        if holds(want, facts) and want.a not in moved and not any(b in moved for b in want.b):
            continue
        obstacles = covers(want.a)
        target = facts.things.get(want.b[0]) if want.b else None
        if want.relation == "on" and target is not None:
            # whatever lies there goes, also want.a itself where it lies on something that has to go
            above = covers(target.name)
            obstacles += [n for n in above if n not in obstacles and not (n == want.a and under(n) == target.name)]
        if held and (obstacles or held != want.a):
            put_away(held)
        for name in obstacles:
            put_away(name)
        if want.relation in ("reached", "pushed"):
            if held == want.a:
                put_away(want.a)
            do(f"reach {want.a}" if want.relation == "reached" else f"push {want.a} to {want.b[0]}")
            if want.relation == "pushed":
                moved[want.a] = want.b[0]
            continue
        if held != want.a:
            do(f"pick {want.a}")
            held = want.a
        if want.relation == "held":
            continue
        where = want.relation + " " + " and ".join(want.b or ("table",))
        do(f"put {want.a} {where}")
        held = ""
        moved[want.a] = want.b[0] if want.relation in ("on", "in") and want.b else "table"
    return steps
