"""Whether a step has succeeded, by what a listing of the table says in words. Seen things only, no simulator's facts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from embodied import geometry
from embodied.data.snapshots import HELD
from embodied.plan import PLACES
from embodied.spec import CameraSpec
from embodied.types import Point, Step
from policies.judge import want_of
from policies.symbolic import Facts, Thing, holds

SIDE, WIDE = 0.045, 0.13  # m, of things and of places, near enough to tell left from right


def told(step: Step, listing: Mapping[str, tuple[Point | None, str]], camera: CameraSpec) -> bool | None:
    """Whether the listing says that the step's condition holds; None where it does not tell (a thing is not listed, or
    the condition is about the hand's place). listing: as embodied.plan.read_listing gives it."""
    want = want_of(step)
    held = next((name for name, (_, lies) in listing.items() if lies == HELD), "")
    if want.relation == "held":  # what was just grasped and is not on the table any more is in the hand
        return held == want.a if held else want.a not in listing
    if want.relation == "reached" or any(name not in listing for name in (want.a, *want.b)):
        return None
    lies = listing[want.a][1]
    if lies == HELD:
        return False
    if want.relation in ("on", "in", "pushed"):
        return lies.split(" ", 1)[1] == want.b[0] if lies and want.b else not lies and not want.b
    if lies or held in want.b:
        return False
    things = {name: _thing(name, point, camera) for name, (point, _) in listing.items() if point is not None}
    return holds(want, Facts(things, held, np.zeros(3)))


def _thing(name: str, point: Point, camera: CameraSpec) -> Thing:
    """A thing of ordinary size on the table, where the ray through its point meets the height of its top."""
    shape = name.split()[1]
    side, height = (WIDE, 0.0) if shape in PLACES else (SIDE, SIDE)
    x, y, _ = geometry.on_plane(camera, camera.parent_from_cam, point, height)
    return Thing(name, shape, np.array([x, y, height / 2]), 0.0, (side, side, height))
