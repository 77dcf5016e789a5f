"""Whether a step has succeeded, by what a listing of the table says in words. Seen things only, no simulator's facts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embodied import geometry
from embodied.plan import HELD, PLACES
from embodied.spec import CameraSpec
from embodied.types import Point, Step
from policies.judge import want_of
from policies.symbolic import Facts, Thing, holds

SIDE, WIDE = 0.045, 0.13  # m, of things and of places, near enough to tell left from right


def told(
    step: Step, listing: Mapping[str, tuple[Point | None, str]], camera: CameraSpec, hand: NDArray[np.floating]
) -> bool | None:
    """Whether the listing says that the step's condition holds; None where it does not tell (a thing is not listed).

    listing: as embodied.plan.read_listing gives it.  hand: where the fingertips are, by the joints (3,), m, base frame.
    """
    want = want_of(step)
    held = next((name for name, (_, lies) in listing.items() if lies == HELD), "")
    if want.relation == "held":  # what was just grasped and is not on the table any more is in the hand
        return held == want.a if held else want.a not in listing
    if any(name not in listing for name in (want.a, *want.b)):
        return None
    lies = listing[want.a][1]
    if lies == HELD:
        return False
    if want.relation in ("on", "in", "pushed"):
        return lies.split(" ", 1)[1] == want.b[0] if lies and want.b else not lies and not want.b
    if want.relation != "reached" and (lies or held in want.b):
        return False
    things = {
        name: _thing(name, point, camera, level_of(name, listing))
        for name, (point, _) in listing.items()
        if point is not None
    }
    return holds(want, Facts(things, held, np.asarray(hand)))


def level_of(name: str, listing: Mapping[str, tuple[Point | None, str]]) -> int:
    """How many things are below it in its pile."""
    level = 0
    while (lies := listing[name][1]).startswith("on ") and lies[3:] in listing and level < len(listing):
        name = lies[3:]
        level += name.split()[1] not in PLACES
    return level


def _thing(name: str, point: Point, camera: CameraSpec, level: int) -> Thing:
    """A thing of ordinary size, on so many others, where the ray through its point meets the height of its top."""
    shape = name.split()[1]
    side, height = (WIDE, 0.0) if shape in PLACES else (SIDE, SIDE)
    top = height * (level + 1)
    x, y, _ = geometry.on_plane(camera, camera.parent_from_cam, point, top)
    return Thing(name, shape, np.array([x, y, top - height / 2]), 0.0, (side, side, height))
