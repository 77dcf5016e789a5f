"""Messages and numpy say the same."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

import pinocchio as pin  # noqa: E402
from PIL import Image as Pictures  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402

from embodied import geometry  # noqa: E402
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


def test_compressed_images_come_back_and_what_is_none_is_refused() -> None:
    smooth = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    for form, most in (("JPEG", 8), ("PNG", 0)):
        data = io.BytesIO()
        Pictures.fromarray(smooth).save(data, form)
        message = CompressedImage(format=form.lower(), data=data.getvalue())
        assert np.abs(wire.picture(message).astype(int) - smooth).max() <= most
    for data in (b"", b"no picture", b"\xff\xd8\xff\xe0"):
        with pytest.raises(UserError, match="send JPEG or PNG"):
            wire.picture(CompressedImage(format="jpeg", data=data))


@given(st.integers(100, 700), st.integers(100, 700), st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_a_picture_that_is_cut_and_shrunk_shows_a_thing_where_its_camera_says(
    width: int, height: int, across: float, down_: float
) -> None:
    spec = replace(front(), width=width, height=height, fx=400.0, fy=400.0, cx=width / 2, cy=height / 2)
    small = geometry.fitted(spec, 320, 192)
    x, y = int(across * width), int(down_ * height)
    depth = np.zeros((height, width), np.float32)
    depth[max(0, y - 6) : y + 7, max(0, x - 6) : x + 7] = 1.0
    ray = np.array([(x + 0.5 - spec.cx) / spec.fx, (y + 0.5 - spec.cy) / spec.fy])
    u, v = small.fx * ray[0] + small.cx, small.fy * ray[1] + small.cy
    for picture in (
        wire.fit(depth, 320, 192),
        wire.fit(np.repeat(depth[..., None], 3, -1).astype(np.uint8) * 255, 320, 192),
    ):
        assert picture.shape[:2] == (192, 320)
        if 1 <= u < 319 and 1 <= v < 191:
            assert np.all(picture[int(v), int(u)] > 0)


def test_a_camera_that_is_not_calibrated_or_of_another_size_is_refused() -> None:
    spec = front()
    info = wire.camera_message(spec, "front", 0.0)
    image = {"image_raw": wire.image_message(np.zeros((spec.height, spec.width, 3), np.uint8), "front", 0.0)}
    wire.check_camera("front", info, image)
    with pytest.raises(UserError, match="its camera_info says"):
        wire.check_camera(
            "front", info, {"image_raw": wire.image_message(np.zeros((480, 640, 3), np.uint8), "front", 0.0)}
        )
    info.d, info.p[0] = [0.2, 0.0, 0.0, 0.0, 0.0], 0.8 * spec.fx
    with pytest.raises(UserError, match="send rectified pictures"):
        wire.check_camera("front", info, image)
    with pytest.raises(UserError, match="calibrate it"):
        wire.check_camera("front", CameraInfo(width=640, height=480), image)


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.tuples(*[st.floats(-1.5, 1.5)] * 3))
def test_a_mount_is_what_a_urdf_means_by_it(at: tuple[float, ...], rpy: tuple[float, ...]) -> None:
    made = wire.mount((*at, *rpy))
    np.testing.assert_allclose(made[:3, :3], pin.rpy.rpyToMatrix(*rpy), atol=1e-12)
    assert made[:3, 3].tolist() == list(at)


@given(st.tuples(*[st.floats(-9, 9)] * 3))
def test_twists_come_back(twist: tuple[float, float, float]) -> None:
    assert wire.twist(wire.twist_message(np.array(twist), "base", 1.0).twist).tolist() == list(twist)


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
