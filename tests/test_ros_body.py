"""A robot behind topics senses and sends what the simulated one does in process."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("pybullet")
pytestmark = pytest.mark.ros

import rclpy  # noqa: E402
from geometry_msgs.msg import PoseStamped  # noqa: E402
from rclpy.context import Context  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from embodied.errors import UserError  # noqa: E402
from embodied.types import Command  # noqa: E402
from ros_nodes import wire  # noqa: E402
from ros_nodes.body import RosBody, Wire  # noqa: E402
from ros_nodes.cameras import PICTURE_S, Cameras  # noqa: E402
from ros_nodes.inbox import ROWS  # noqa: E402
from ros_nodes.robots import robot  # noqa: E402
from sim.body import SimBody  # noqa: E402


@pytest.fixture
def body(monkeypatch: pytest.MonkeyPatch) -> Iterator[RosBody]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("test", context=context)
    made = RosBody(Wire(node, robot("sim")))
    made.sent = []  # type: ignore[attr-defined]
    monkeypatch.setattr(made.topics.out, "publisher", SimpleNamespace(publish=made.sent.append))  # type: ignore[attr-defined]
    yield made
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def joints(body: RosBody, world: SimBody, parts: int = 1) -> None:
    """The world's joints as messages, in `parts` of another order, with a joint of somebody else."""
    obs, names = world.observe(), list(body.robot.names)
    arm = obs.states["arm"][-1]
    values = dict(zip(names, [*obs.states["joints"][-1].tolist(), float(arm[4]) / 2], strict=True))
    efforts = dict.fromkeys(names, 0.0) | {names[-1]: -float(arm[5])}
    for part in np.array_split(names[::-1], parts):
        message = JointState(name=["wheel", *part], position=[7.0, *(values[n] for n in part)])
        message.effort = [0.0, *(efforts[n] for n in part)]
        body.topics.take_joints(message)


def pictures(body: RosBody, world: SimBody) -> None:
    obs = world.observe()
    for name, spec in world.spec.cameras.items():
        body.topics.take_info(name, wire.camera_message(spec, name, 0.0))
        pose = PoseStamped(pose=wire.pose_message(spec.parent_from_cam))
        pose.header.frame_id = spec.parent
        body.topics.take_pose(name, pose)
        body.topics.take_picture(name, "depth", wire.image_message(obs.depth[name], name, 0.0))
        body.topics.take_picture(name, "image_raw", wire.image_message(obs.images[name], name, 0.0))


@pytest.fixture
def world(body: RosBody) -> Iterator[SimBody]:
    """A table whose joints and pictures have come, and the body at its beginning."""
    made = SimBody("place-in-bowl")
    made.reset(3)
    joints(body, made)
    pictures(body, made)
    body.reset()
    yield made
    made.close()


def test_it_says_what_has_not_come_yet(body: RosBody) -> None:
    world = SimBody("pick")
    world.reset(0)
    with pytest.raises(
        UserError, match=r"joint_states of panda_joint1.*camera/front/camera_info.*camera/wrist/image_raw"
    ):
        _ = body.spec
    joints(body, world, parts=3)
    pictures(body, world)
    assert body.topics.lacks() == ""
    world.close()


def test_observation_and_spec_are_those_of_the_body_in_process(body: RosBody, monkeypatch: pytest.MonkeyPatch) -> None:
    world, now = SimBody("place-in-bowl"), [100.0]
    world.reset(3)
    monkeypatch.setattr(body.topics, "now_s", lambda: now[0])
    for _ in range(ROWS + 3):
        world.apply(Command(0.0, np.array([0.5, 0.1, 0.2, 0.3, 0.02], np.float32)))
        now[0] += 0.05
        joints(body, world, parts=2)
    pictures(body, world)
    seen, there = body.reset(), world.observe()
    np.testing.assert_allclose(seen.states["joints"], there.states["joints"], atol=1e-6)
    np.testing.assert_allclose(seen.states["arm"], there.states["arm"], atol=1e-5)
    assert seen.t_s == now[0]
    for name in world.spec.cameras:
        np.testing.assert_array_equal(seen.images[name], there.images[name])
        np.testing.assert_array_equal(seen.depth[name], there.depth[name])
        mine, theirs = body.spec.cameras[name], world.spec.cameras[name]
        np.testing.assert_allclose(mine.parent_from_cam, theirs.parent_from_cam, atol=1e-9)
        assert (mine.fx, mine.cx, mine.parent, mine.depth) == (theirs.fx, theirs.cx, theirs.parent, theirs.depth)
    assert body.spec.action.names == world.spec.action.names
    assert body.spec.states["arm"].names == world.spec.states["arm"].names
    now[0] += PICTURE_S + 0.5
    joints(body, world)
    assert now[0] - body.observe().t_s > PICTURE_S  # a camera that has frozen makes it stale
    world.close()


def test_history_is_spaced_by_time_however_often_joints_come_and_efforts_may_be_unknown(
    body: RosBody, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, names = [100.0], list(body.robot.names)
    monkeypatch.setattr(body.topics, "now_s", lambda: now[0])
    for k in range(1001):  # 500 Hz
        now[0] = 100 + 0.002 * k
        position = [float(now[0] - 100)] * len(names)
        body.topics.take_joints(JointState(name=names, position=position, effort=[float("nan")] * len(names)))
    rows = body.topics.newest()
    np.testing.assert_allclose([row[0] for _, row in rows], 2.0 - 0.05 * np.arange(ROWS)[::-1], atol=1e-9)
    assert rows[-1][1][-1] == 0.0 and len(body.topics._rows) < 300
    body.topics.take_joints(JointState(name=["wheel", *names], position=[float("nan")] * (len(names) + 1)))
    assert body.topics.newest()[-1][0] == rows[-1][0]  # no numbers are as if nothing had come


def test_commands_become_the_joint_angles_that_the_simulated_arm_is_driven_to(body: RosBody, world: SimBody) -> None:
    body.servo.start(world.robot._servo.q, world.robot._servo.aim)
    for k in range(10):
        command = Command(0.0, np.array([0.5, 0.1, 0.2, 0.3, 0.02 + 0.001 * k], np.float32))
        world.apply(command)
        body.apply(command)
        rows, times = wire.rows(body.sent[-1])  # type: ignore[attr-defined]
        np.testing.assert_allclose(rows[0, :-1], world.robot._servo.q, atol=1e-9)
        assert rows[0, -1] == pytest.approx((0.02 + 0.001 * k) / 2) and times.tolist() == [0.05]
    body.topics.stand_still()
    body.apply(command)  # too late: nobody hears it
    assert len(body.sent[-1].points) == 0  # type: ignore[attr-defined]
    other = RosBody(body.topics)
    other.reset()
    count = len(body.sent)  # type: ignore[attr-defined]
    body.apply(command)
    body.close()
    assert len(body.sent) == count  # type: ignore[attr-defined]
    other.apply(command)
    other.close()
    assert len(body.sent[-1].points) == 0 and len(body.sent) == count + 2  # type: ignore[attr-defined]


def test_a_command_says_where_the_joints_will_be_due_if_nothing_changes_and_how_fast(
    body: RosBody, world: SimBody
) -> None:
    x, y, z, yaw = body.servo.aim
    rows = np.array([[x + 0.01 * k, y, z, yaw + 0.05 * k, 0.04 - 0.002 * k] for k in range(1, 7)])
    for k, row in enumerate(rows):
        body.upcoming(rows[k + 1 :][:4])
        body.apply(Command(0.0, row.astype(np.float32)))
    chunks, later = [wire.rows(m) for m in body.sent], body.sent  # type: ignore[attr-defined]
    for k, (positions, times) in enumerate(chunks):
        count = min(5, len(rows) - k)
        np.testing.assert_allclose(times, np.arange(1, count + 1) / 20)
        sent = np.array([positions[0] for positions, _ in chunks[k : k + count]])
        np.testing.assert_allclose(positions, sent, atol=1e-6)  # what was foretold was done
    middle = np.array(later[2].points[1].velocities)
    np.testing.assert_allclose(middle, (chunks[4][0][0] - chunks[2][0][0]) * 10, atol=1e-6)
    assert not np.any(later[2].points[-1].velocities) and np.any(later[2].points[0].velocities)
    far = np.array([[x, y, z, yaw, 0.04], [x + 0.3, y, z, yaw, 0.04], [x, y, z, yaw, 0.0], [x, y, z, yaw, 0.0]])
    body.upcoming(far[1:])
    body.apply(Command(0.0, far[0].astype(np.float32)))
    assert len(later[-1].points) == 1  # the hand is still on its way there: nothing after it is promised


def test_a_slowed_robot_says_how_slow_it_is_and_how_far_the_hand_was_sent(body: RosBody) -> None:
    world = SimBody("place-in-bowl")
    world.reset(3)
    body.topics.robot = body.topics.robot.slowed(0.1)
    slow = RosBody(body.topics)
    joints(body, world)
    pictures(body, world)
    slow.reset()
    assert slow.spec.speeds == pytest.approx({"x": 0.06, "y": 0.06, "z": 0.06, "yaw": 0.25, "width": 0.02})
    assert world.spec.speeds == {}, "the simulator in process is not waited for: its rollouts stay what they are"
    x, y, z, yaw = slow.servo.aim
    sent = slow.apply(Command(0.0, np.array([x, y, z - 0.2, yaw, 0.08], np.float32)))
    assert sent.values == pytest.approx([x, y, z - 0.003, yaw, 0.08], abs=1e-5)
    world.close()


@pytest.mark.parametrize(
    ("clock_s", "stamp_s", "age_s"),
    [(50.0, 48.5, 1.5), (50.0, 50.0, 0.0), (50.0, 51.0, 0.0), (50.0, 0.0, 0.0), (np.nan, 48.5, 0.0), (np.inf, 48.5, 0.0),
     (None, 48.5, 0.0)],
)  # fmt: skip
def test_a_picture_is_as_old_as_its_stamp_says_where_a_clock_is_known(
    clock_s: float | None, stamp_s: float, age_s: float
) -> None:
    now = [100.0]
    cameras = Cameras(["front"], [], {}, now_s=lambda: now[0])
    cameras.stamps_s = None if clock_s is None else lambda: clock_s
    picture = wire.image_message(np.zeros((2, 2, 3), np.uint8), "front", stamp_s)
    cameras.take_picture("front", "image_raw", picture)
    late = f" (its stamps are {age_s} s old)" if age_s else ""
    assert f"camera/front/image_raw{late}" in cameras.missing(100.0 - age_s)
    assert "camera/front/image_raw" not in " ".join(cameras.missing(100.0 - age_s - 1e-6))
    assert cameras.see(100.0)[0] == (100.0 - age_s if age_s > PICTURE_S else 100.0)
    now[0] += 2.0
    cameras.take_picture("front", "image_raw", picture)
    assert cameras.see(102.0)[0] == (102.0 if not stamp_s else 100.0 - age_s)  # it has frozen
