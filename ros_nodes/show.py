"""What the planner means, for people: grounded points as markers in the base frame, and drawn on the front camera's picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Point
from sensor_msgs.msg import Image
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from embodied import film, geometry
from embodied.spec import CameraSpec
from embodied.types import Observation, Plan
from ros_nodes import wire

NOW, DONE, LATER = (1.0, 0.8, 0.35), (0.43, 0.78, 0.51), (0.6, 0.6, 0.65)
SIZE_M = 0.02


def markers(plan: Plan, obs: Observation, cameras: Mapping[str, CameraSpec], frame: str, time_s: float) -> MarkerArray:
    """A ball at every grounded point of every step, the step's words above its first; those of before are taken away."""
    out = [Marker(action=Marker.DELETEALL)]
    name, camera = next((pair for pair in cameras.items() if pair[1].parent == "base"), ("", None))
    for number, step in enumerate(plan.steps if camera is not None else ()):
        assert camera is not None
        colour = DONE if number < plan.at else NOW if number == plan.at else LATER
        for k, point in enumerate(step.points):
            at = (
                geometry.grounded(camera, point, obs.depth.get(name))
                if 0 <= point.u <= 1 and 0 <= point.v <= 1
                else None
            )
            if at is None or not np.isfinite(at).all():
                continue
            out.append(_marker(Marker.SPHERE, f"step {number}", k, at, colour, SIZE_M / (1 + k)))
            if k == 0:
                out.append(_marker(Marker.TEXT_VIEW_FACING, "words", number, at + (0, 0, 0.04), colour, SIZE_M))
                out[-1].text = f"{number + 1} {step.text}"
    for marker in out:
        marker.header.frame_id, marker.header.stamp = frame, wire.stamp(time_s)
    return MarkerArray(markers=out)


def _marker(kind: int, space: str, number: int, at: np.ndarray, colour: tuple[float, ...], size: float) -> Marker:
    red, green, blue = colour
    out = Marker(type=kind, action=Marker.ADD, ns=space, id=number, color=ColorRGBA(r=red, g=green, b=blue, a=0.9))
    out.pose.position = Point(x=float(at[0]), y=float(at[1]), z=float(at[2]))
    out.pose.orientation.w = 1.0
    out.scale.x = out.scale.y = out.scale.z = size
    return out


def picture(plan: Plan, obs: Observation, time_s: float) -> Image:
    """The first camera's picture with the plan beside it and the current step's points on it, as in the films."""
    name = next(iter(obs.images))
    status = ["done" if k < plan.at else "now" if k == plan.at else "todo" for k in range(len(plan.steps))]
    drawn = film.frame(obs.images[name], film.Caption(plan.goal, plan, status, note=plan.refusal))
    return wire.image_message(drawn, name, time_s)
