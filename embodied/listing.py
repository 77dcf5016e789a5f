"""What is found on a table, and what lies on what, by the places in the picture alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from embodied.plan import HELD, PLACES, SHAPES
from embodied.types import Point

CARRIED = ("", HELD, "on", "in")  # what a thing of SHAPES can lie on: the table, the hand, a thing or zone, a bowl


@dataclass(frozen=True)
class Found:
    """point: in the picture. carried: one of CARRIED. p: how surely something is there."""

    name: str
    point: Point
    carried: str
    p: float


PILE = ((-0.03, 0.03), (0.02, 0.11))  # where below a thing, in shares of the picture, lies another that it is on
BOWL = ((-0.085, 0.085), (0.0, 0.17))
ZONE = ((-0.085, 0.085), (-0.04, 0.17))


def lies(found: Collection[Found]) -> dict[str, str]:
    """Where the things are that do not lie on the bare table: name -> "in hand", "on <thing>" or "in <thing>". One thing
    can be in the hand; of what may carry a thing, the nearest does."""
    held = next((one.name for one in found if one.carried == HELD), None)
    out = {held: HELD} if held else {}
    rest = [one for one in found if one.name != held]
    for one in rest:
        if one.name.split()[1] in PLACES or not one.carried:
            continue
        for kinds, box, word in ((("bowl",), BOWL, "in"), (SHAPES, PILE, "on"), (("zone",), ZONE, "on")):
            if word == "in" and one.carried != "in":
                continue
            if below := _below(one, [other for other in rest if other.name.split()[1] in kinds], box):
                out[one.name] = f"{word} {below}"
                break
    return out


def _below(one: Found, others: Collection[Found], box: tuple[tuple[float, float], ...]) -> str:
    """The nearest of the others in the box below one, by name; "" when none is."""
    at = {
        other.name: (other.point.u - one.point.u, other.point.v - one.point.v) for other in others if other is not one
    }
    near = {
        name: abs(d[0]) + abs(d[1])
        for name, d in at.items()
        if all(lo <= x <= hi for x, (lo, hi) in zip(d, box, strict=True))
    }
    return min(near, key=lambda name: near[name], default="")
