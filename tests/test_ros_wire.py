"""Messages and numpy say the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from sensor_msgs.msg import Image  # noqa: E402

from embodied.control.arm import down  # noqa: E402
from embodied.errors import UserError  # noqa: E402
from ros_nodes import robots, wire  # noqa: E402
from ros_nodes.robots import robot  # noqa: E402
from sim.camera import front  # noqa: E402

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(SIDES.flatmap(lambda s: arrays(np.uint8, (*s, 3))))
def test_pictures_come_back_as_they_were(picture: np.ndarray) -> None:
    message = wire.image_message(picture, "front", 12.5)
    np.testing.assert_array_equal(wire.picture(message), picture)
    assert wire.seconds(message.header.stamp) == 12.5
    turned = Image(height=message.height, width=message.width, step=message.step, encoding="bgr8")
    turned.data = picture[..., ::-1].tobytes()
    np.testing.assert_array_equal(wire.picture(turned), picture)


@given(SIDES.flatmap(lambda s: arrays(np.float32, s, elements=st.floats(0, 10, width=32))))
def test_depth_comes_back_in_metres(depth: np.ndarray) -> None:
    np.testing.assert_array_equal(wire.picture(wire.image_message(depth, "front", 0.0)), depth)
    millimetres = Image(height=depth.shape[0], width=depth.shape[1], step=2 * depth.shape[1], encoding="16UC1")
    millimetres.data = np.round(depth * 1000).astype("<u2").tobytes()
    np.testing.assert_allclose(wire.picture(millimetres), depth, atol=0.00051)


def test_rows_may_be_padded_and_what_is_unknown_in_depth_is_zero() -> None:
    grey = Image(height=2, width=2, step=4, encoding="mono8", data=bytes([1, 2, 0, 0, 3, 4, 0, 0]))
    assert wire.picture(grey)[:, :, 1].tolist() == [[1, 2], [3, 4]]
    holes = wire.image_message(np.array([[np.nan, np.inf, 1.0]], np.float32), "front", 0.0)
    assert wire.picture(holes).tolist() == [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    "image",
    [
        Image(height=2, width=2, step=6, encoding="yuv422", data=bytes(12)),
        Image(height=2, width=2, step=6, encoding="rgb8", data=bytes(11)),
        Image(height=2, width=9, step=6, encoding="rgb8", data=bytes(12)),
        Image(height=0, width=0, step=0, encoding="rgb8"),
    ],
)
def test_an_image_that_cannot_be_one_is_refused_in_a_sentence(image: Image) -> None:
    with pytest.raises(UserError, match="image"):
        wire.picture(image)


@given(st.floats(-3, 3), st.floats(-0.5, 0.5), st.floats(0, 1))
def test_poses_come_back(yaw: float, x: float, z: float) -> None:
    for pose in (down(x, 0.1, z, yaw), front().parent_from_cam):
        np.testing.assert_allclose(wire.matrix(wire.pose_message(pose)), pose, atol=1e-9)


def test_a_camera_comes_back() -> None:
    spec = front()
    again = wire.camera(wire.camera_message(spec, "front", 0.0), spec.parent_from_cam, "base", True)
    assert (again.width, again.height, again.fx, again.cy) == (spec.width, spec.height, spec.fx, spec.cy)


@given(arrays(np.float64, st.tuples(st.integers(0, 5), st.just(3)), elements=st.floats(-3, 3)))
def test_trajectories_come_back(rows: np.ndarray) -> None:
    times = 0.05 * np.arange(1, len(rows) + 1)
    positions, due = wire.rows(wire.trajectory_message("abc", times, rows, 100.25))
    np.testing.assert_array_equal(positions, rows)
    np.testing.assert_allclose(due, times, atol=1e-8)


def test_points_of_another_length_are_refused() -> None:
    message = wire.trajectory_message("abc", np.array([0.1]), np.zeros((1, 3)), 0.0)
    message.points[0].positions = [1.0]
    with pytest.raises(UserError, match="3 joints"):
        wire.rows(message)
    nobody = wire.trajectory_message("", np.array([0.1]), np.zeros((1, 0)), 0.0)
    assert wire.rows(nobody)[0].shape == (1, 0)  # the gate says what is wrong with it


def test_a_robot_is_one_file_and_its_mistakes_are_sentences(tmp_path: object) -> None:
    panda = robot("sim")
    assert panda.names[-1] == "panda_finger_joint1" and len(panda.limits.names) == 8
    assert panda.boxed.low[0] < panda.workspace["x"][0]  # the gate gives the policy room
    with pytest.raises(UserError, match="choose from franka_fr3, sim"):
        robot("r2d2")
    other = f"{tmp_path}/other.yaml"
    with open(other, "w") as out:
        out.write("urdf: x\nspeed: 3\n")
    with pytest.raises(UserError, match=r"missing or unknown: .*acceleration.*speed"):
        robot(other)
    good = (robots.FOLDER / "sim.yaml").read_text()
    for part, wrong in (("share: 0.5", "sure: 0.5"), ("z: [0.0, 0.75]", "z: high"), ("joints: [", "joints: [elbow, ")):
        with open(other, "w") as out:
            out.write(good.replace(part, wrong))
        with pytest.raises(UserError):
            robot(other)
