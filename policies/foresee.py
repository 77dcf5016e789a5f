"""What a listing of the table says once steps have worked, so that the next job is planned on the table as it will be."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from embodied import geometry
from embodied.listing import Found, lies
from embodied.plan import HELD
from embodied.spec import CameraSpec
from embodied.types import Point, Step
from policies.judge import want_of
from policies.symbolic import DIRECTIONS, GAP

Listing = dict[str, tuple[Point | None, str]]  # as embodied.plan.read_listing gives it
SAME = 0.03  # shares of the picture: two points of one place
LEVEL = 0.022  # m, middle of an ordinary thing above what it stands on


def after(listing: Listing, steps: Iterable[Step], camera: CameraSpec) -> Listing:
    """The listing after the steps. Points of what was moved are right to a finger's width; steps are grounded anew when
    their turn comes."""
    out = dict(listing)
    for step in steps:
        want = want_of(step)
        if want.relation == "reached":
            continue
        if want.relation == "held":
            out[want.a] = (None, HELD)
            continue
        points = [out[name][0] if name in out else None for name in want.b]
        if not want.b:
            out[want.a] = (_moved(camera, step.points[0], (0, 0, 2 * LEVEL)) if step.points else None, "")
        elif any(point is None for point in points):
            out[want.a] = (Point(0.5, 0.5), "")
        elif want.relation in ("on", "in", "pushed"):
            raised = want.b[0].split()[1] != "bowl"
            out[want.a] = (_moved(camera, points[0], (0, 0, 2 * LEVEL * raised)), f"{_word(want.b[0])} {want.b[0]}")
        elif want.relation == "between":
            at = [(p.u, p.v) for p in points if p is not None]
            out[want.a] = (Point(*np.mean(at, axis=0)), "")
        else:
            out[want.a] = (_moved(camera, points[0], (*(GAP * np.array(DIRECTIONS[want.relation])), 0)), "")
    return out


def remembered(found: Collection[Found], before: Listing) -> Listing:
    """What is found and what it lies on, and those things of before that are not found now but may be hidden: not where
    something else is seen now, and in the hand only when nothing else is. What is found may lie on what is hidden."""
    names = {one.name for one in found}
    holding = any(one.carried == HELD for one in found)
    hidden: Listing = {}
    for name, (point, where) in before.items():
        if name in names or (where == HELD and holding):
            continue
        if not where and any(_near(point, one.point) for one in found if one.carried != HELD):
            continue
        below = where.split(" ", 1)[1] if where and where != HELD else ""
        if not below or below in names or below in hidden:
            hidden[name] = (point, where)
    standing = [Found(name, point, where.split(" ")[0], 0.0) for name, (point, where) in hidden.items() if point]
    where = lies([*found, *standing])
    held = [name for name, how in where.items() if how == HELD]
    seen = {one.name: (None if one.name in held else one.point, where.get(one.name, "")) for one in found}
    return {**seen, **hidden}


def _near(a: Point | None, b: Point | None) -> bool:
    return a is not None and b is not None and abs(a.u - b.u) < SAME and abs(a.v - b.v) < SAME


def _word(name: str) -> str:
    return "in" if name.endswith("bowl") else "on"


def _moved(camera: CameraSpec, point: Point | None, by: tuple[float, ...]) -> Point:
    """The point of what stands `by` (m, base frame) from the thing whose point this is."""
    assert point is not None
    at = geometry.on_plane(camera, camera.parent_from_cam, point, LEVEL)
    u, v, _ = geometry.project(camera, camera.parent_from_cam, np.asarray(at) + by)
    return Point(float(np.clip(u, 0, 0.999)), float(np.clip(v, 0, 0.999)))
