"""What a gate lets through arrives in the robot's own form; an action's refusal is heard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

import rclpy  # noqa: E402
from geometry_msgs.msg import Twist, TwistStamped  # noqa: E402
from rclpy.action import ActionServer, GoalResponse  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from embodied.control.gate import Trajectory  # noqa: E402
from embodied.errors import UserError  # noqa: E402
from ros_nodes import adapters, wire  # noqa: E402
from ros_nodes.adapters.gripper_command import Changes  # noqa: E402
from ros_nodes.robots import Output  # noqa: E402

MOVE = Trajectory(np.array([0.01, 0.02]), np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[1.0, 2.0], [0.0, 0.0]]))
HOLD = Trajectory(np.array([0.1]), np.array([[0.3, 0.4]]), np.zeros((1, 2)), hold=True)
GRIP = Trajectory(np.array([0.1]), np.array([[0.04]]), np.zeros((1, 1)))


class Robot:
    """A node with the adapter under test, and what arrives at the other end."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("robot", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.came: list[Any] = []
        self.refused: list[str] = []

    def adapter(self, form: str, names: tuple[str, ...] = ("a", "b"), **options: Any) -> adapters.Adapter:
        forms = adapters.FORMS | adapters.VELOCITY_FORMS
        return adapters.build(self.node, Output("there", form, names, options), names, self.refused.append, forms)

    def hears(self, kind: Any) -> None:
        self.node.create_subscription(kind, "there", self.came.append, 10)

    def until(self, there: Callable[[], Any], every: Callable[[], Any] = lambda: None) -> None:
        ends = time.monotonic() + 10
        while not there():
            assert time.monotonic() < ends, (self.came, self.refused)
            every()
            self.executor.spin_once(timeout_sec=0.01)


@pytest.fixture
def robot() -> Iterator[Robot]:
    made = Robot()
    yield made
    made.executor.shutdown()
    made.node.destroy_node()
    rclpy.try_shutdown(context=made.context)


def test_a_trajectory_arrives_with_times_positions_and_velocities(robot: Robot) -> None:
    robot.hears(JointTrajectory)
    made = robot.adapter("trajectory")
    robot.until(lambda: robot.came, lambda: made.send(MOVE, 5.0, 0.0))
    rows, times = wire.rows(robot.came[0])
    np.testing.assert_array_equal(rows, MOVE.positions)
    np.testing.assert_allclose(times, MOVE.times, atol=1e-9)
    assert [list(p.velocities) for p in robot.came[0].points] == MOVE.velocities.tolist()
    assert robot.came[0].joint_names == ["a", "b"] and wire.seconds(robot.came[0].header.stamp) == 5.0
    made.finish()


def test_a_forward_controller_is_told_the_next_tick(robot: Robot) -> None:
    robot.hears(Float64MultiArray)
    made = robot.adapter("forward")
    robot.until(lambda: robot.came, lambda: made.send(MOVE, 0.0, 0.0))
    assert list(robot.came[0].data) == [0.1, 0.2]


@pytest.mark.parametrize(("form", "kind"), [("twist", Twist), ("twist_stamped", TwistStamped)])
def test_a_twist_arrives_as_it_was(form: str, kind: Any, robot: Robot) -> None:
    robot.hears(kind)
    made = robot.adapter(form, frame="base")
    robot.until(lambda: robot.came, lambda: made.send(np.array([0.1, -0.2, 0.3]), 5.0, 0.0))
    came = robot.came[0]
    assert wire.twist(came if kind is Twist else came.twist).tolist() == [0.1, -0.2, 0.3]
    assert kind is Twist or (came.header.frame_id == "base" and wire.seconds(came.header.stamp) == 5.0)


def test_a_car_gets_speed_and_steering(robot: Robot) -> None:
    messages = pytest.importorskip("ackermann_msgs.msg")
    robot.hears(messages.AckermannDriveStamped)
    made = robot.adapter("ackermann", wheelbase=2.0, steering=0.3)
    robot.until(lambda: robot.came, lambda: made.send(np.array([1.0, 0.0, 5.0]), 5.0, 0.0))
    assert robot.came[0].drive.speed == pytest.approx(1.0) and robot.came[0].drive.steering_angle == pytest.approx(0.3)


def serve(
    robot: Robot, kind: Any, answer: GoalResponse = GoalResponse.ACCEPT, code: int = 0, name: str = "there"
) -> Any:
    """An action server that notes goals and ends each at once."""

    def asked(goal: Any) -> GoalResponse:
        robot.came.append(goal)
        return answer

    def done(handle: Any) -> Any:
        handle.succeed() if code == 0 else handle.abort()
        result = kind.Result()
        if code:
            result.error_code, result.error_string = code, "out of tolerance"
        return result

    return ActionServer(robot.node, kind, name, done, goal_callback=asked)


def test_follow_joint_trajectory_keeps_a_pace_and_holds_at_once_and_only_once(robot: Robot) -> None:
    kind = pytest.importorskip("control_msgs.action").FollowJointTrajectory
    server, made = serve(robot, kind), robot.adapter("follow_joint_trajectory", every=0.1)
    robot.until(lambda: made.goals.client.server_is_ready())  # type: ignore[attr-defined]
    for k in range(25):  # a quarter of a second of ticks
        made.send(MOVE, 0.0, k / 100)
    for k in range(5):
        made.send(HOLD, 0.0, 0.25 + k / 100)
    made.send(MOVE, 0.0, 0.5)
    robot.until(lambda: len(robot.came) >= 5)
    assert [len(goal.trajectory.points) for goal in robot.came] == [2, 2, 2, 1, 2] and not robot.refused
    assert wire.rows(robot.came[0].trajectory)[0].tolist() == MOVE.positions.tolist()
    server.destroy()


@pytest.mark.parametrize(
    ("answer", "code", "says"), [(GoalResponse.REJECT, 0, "rejected"), (GoalResponse.ACCEPT, -4, "error -4 out of")]
)
def test_a_robot_that_will_not_is_heard(answer: GoalResponse, code: int, says: str, robot: Robot) -> None:
    kind = pytest.importorskip("control_msgs.action").FollowJointTrajectory
    server, made = serve(robot, kind, answer, code), robot.adapter("follow_joint_trajectory")
    robot.until(lambda: made.goals.client.server_is_ready())  # type: ignore[attr-defined]
    made.send(MOVE, 0.0, 0.0)
    robot.until(lambda: robot.refused)
    assert says in robot.refused[0]
    server.destroy()


def test_a_robot_that_is_not_there_is_said_and_one_that_does_not_answer_too(robot: Robot) -> None:
    pytest.importorskip("control_msgs.action")
    made = robot.adapter("follow_joint_trajectory")
    for k in range(2):  # also after the fault has been reset
        made.send(MOVE, 0.0, k / 10)
    assert robot.refused == ["no action server at there"] * 2
    made.goals.asked_s = 0.0  # type: ignore[attr-defined]
    made.send(MOVE, 0.0, 9.0)
    assert "does not answer" in robot.refused[2]


@pytest.mark.parametrize("form", ["gripper_command", "parallel_gripper"])
def test_a_gripper_is_told_what_changes(form: str, robot: Robot) -> None:
    name = "GripperCommand" if form == "gripper_command" else "ParallelGripperCommand"
    kind = getattr(pytest.importorskip("control_msgs.action"), name, None)
    if kind is None:
        pytest.skip(f"no {name} here")
    server, made = serve(robot, kind), robot.adapter(form, ("grip",), effort=7.0)
    robot.until(lambda: made.goals.client.server_is_ready())  # type: ignore[attr-defined]
    for k in range(30):
        made.send(GRIP, 0.0, k / 100)
    robot.until(lambda: robot.came)
    command = robot.came[0].command
    position, effort = (
        (command.position[0], command.effort[0]) if name.startswith("P") else (command.position, command.max_effort)
    )
    assert (position, effort) == (0.04, 7.0) and len(robot.came) == 1
    server.destroy()


def test_frankas_hand_opens_with_move_and_closes_with_grasp_each_once_the_width_has_settled(robot: Robot) -> None:
    kinds = pytest.importorskip("franka_msgs.action")
    servers = [
        serve(robot, kind, name=f"there/{name}") for name, kind in (("move", kinds.Move), ("grasp", kinds.Grasp))
    ]
    made: Any = robot.adapter("franka_gripper", ("finger",), speed=0.1, force=30.0)
    robot.until(lambda: made.moves.client.server_is_ready() and made.grasps.client.server_is_ready())
    now = 0.0
    for opening in (0.06, 0.02, 0.07):  # each approached in steps, as a gate does
        for k in range(20):
            now += 0.01
            width = min(0.08, opening + 0.001 * max(0, 9 - k))
            made.send(Trajectory(np.array([0.1]), np.array([[width / 2]]), np.zeros((1, 1))), 0.0, now)
    robot.until(lambda: len(robot.came) >= 3)
    assert sorted(type(goal).__name__ for goal in robot.came) == ["Grasp_Goal", "Move_Goal", "Move_Goal"]
    (grasp,) = [goal for goal in robot.came if hasattr(goal, "force")]
    assert grasp.width == pytest.approx(0.02) and grasp.force == 30.0 and grasp.epsilon.outer == 0.08
    for server in servers:
        server.destroy()


def test_changes_are_told_at_a_pace_and_to_their_end() -> None:
    changes = Changes(every_s=0.1)
    told = [k for k in range(100) if changes.worth(min(k, 42) / 1000, k / 100)]
    assert told == [0, 10, 20, 30, 40, 50]  # it rests at 0.042 and is told so
    assert changes.told == 0.042
    changes.again()
    assert changes.worth(0.042, 2.0)


def test_an_adapter_whose_messages_are_not_there_or_that_is_none_says_so(robot: Robot) -> None:
    with pytest.raises(UserError, match="choose from trajectory"):
        robot.adapter("telepathy")
    try:
        import franka_msgs.action  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="needs franka_msgs"):
            robot.adapter("franka_gripper")
    pytest.importorskip("control_msgs.action")
    with pytest.raises(UserError, match="effort = 'much' must be a number"):
        robot.adapter("parallel_gripper", effort="much")
