"""Markers stand where the points that they mean are; the picture is the films' one."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("pybullet")
pytestmark = pytest.mark.ros

from visualization_msgs.msg import Marker  # noqa: E402

from embodied import geometry  # noqa: E402
from embodied.types import Plan, Point, Step  # noqa: E402
from ros_nodes import show, wire  # noqa: E402
from sim.body import SimBody  # noqa: E402


def test_a_marker_stands_on_the_thing_whose_point_the_step_has() -> None:
    body = SimBody("place-in-bowl")
    obs = body.reset(3)
    camera = body.spec.cameras["front"]
    things = list(body.facts().things.values())
    tops = np.array([[*thing.position[:2], thing.position[2]] for thing in things])
    points = [Point(float(u), float(v)) for u, v, _ in geometry.project(camera, camera.parent_from_cam, tops)]
    plan = Plan("", tuple(Step(f"pick {k}", "pick", (), (p, Point(2.0, 2.0))) for k, p in enumerate(points)), at=1)
    made = show.markers(plan, obs, body.spec.cameras, "panda_link0", 5.0).markers
    assert made[0].action == Marker.DELETEALL and {m.header.frame_id for m in made} == {"panda_link0"}
    balls = [m for m in made if m.type == Marker.SPHERE and m.action == Marker.ADD]
    assert (
        len(balls) == len(things) and len({(m.ns, m.id) for m in made[1:]}) == len(made) - 1
    )  # what is out of view has none
    at = np.array([[m.pose.position.x, m.pose.position.y] for m in balls])
    assert np.abs(at - tops[:, :2]).max() < 0.06  # on its near side, by the depth of that pixel
    shown = wire.picture(show.picture(plan, obs, 5.0))
    assert shown.ndim == 3 and shown.shape[1] > shown.shape[0]
    body.close()


def test_without_depth_a_point_is_taken_to_lie_on_the_table() -> None:
    body = SimBody("pick")
    camera = body.spec.cameras["front"]
    body.close()
    spot = np.array([0.5, 0.1, 0.0])
    u, v, _ = geometry.project(camera, camera.parent_from_cam, spot)
    np.testing.assert_allclose(geometry.grounded(camera, Point(float(u), float(v)), None), spot, atol=1e-9)
    unknown = np.zeros((192, 320), np.float32)
    np.testing.assert_allclose(geometry.grounded(camera, Point(float(u), float(v)), unknown), spot, atol=1e-9)
