"""Whether a thing can be picked up now, by what the pictures' listing says and where the arm can go. No simulator's facts."""

from __future__ import annotations

from collections.abc import Mapping

from embodied import geometry
from embodied.plan import HELD, SHAPES
from embodied.spec import BodySpec
from embodied.types import Point
from policies.told import level_of

TOP_M = 0.045  # m, of an ordinary thing
CAMERA = "front"


def can_pick(name: str, listing: Mapping[str, tuple[Point | None, str]], spec: BodySpec) -> bool:
    """True when the thing is seen, nothing lies on it, the hand is empty, and the fingertips may go where it is.

    listing: as embodied.plan.read_listing gives it, of the camera "front" of spec."""
    if name not in listing or name.split()[1] not in SHAPES:
        return False
    if any(lies == HELD or lies == f"on {name}" for _, lies in listing.values()):
        return False
    point, camera = listing[name][0], spec.cameras[CAMERA]
    if point is None:
        return False
    top = TOP_M * (level_of(name, listing) + 1)
    x, y, _ = geometry.on_plane(camera, camera.parent_from_cam, point, top)
    (x0, y0), (x1, y1) = spec.action.low[:2], spec.action.high[:2]
    return bool(x0 <= x <= x1 and y0 <= y <= y1)
