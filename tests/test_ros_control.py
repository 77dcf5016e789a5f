"""The gate before a real joint_trajectory_controller of ros2_control with mock hardware, where that is installed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("controller_manager_msgs", reason="ros2_control comes with ROS 2")
pytestmark = pytest.mark.ros
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import rclpy  # noqa: E402
from ament_index_python.packages import get_package_prefix  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402
from test_robots import MAKERS, chain  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from ros_nodes import robots, start, wire  # noqa: E402
from ros_nodes.process import LATCHED, RELIABLE  # noqa: E402

JOINTS = [*MAKERS["ur5e"], "robotiq_85_left_knuckle_joint"]
CONTROLLERS = f"""
controller_manager:
  ros__parameters:
    update_rate: 100
    joint_state_broadcaster: {{ type: joint_state_broadcaster/JointStateBroadcaster }}
    arm_controller: {{ type: joint_trajectory_controller/JointTrajectoryController }}
arm_controller:
  ros__parameters:
    joints: {JOINTS}
    command_interfaces: [position]
    state_interfaces: [position, velocity]
""".replace("'", "")
OUTPUTS = {
    "trajectory": "{ topic: arm_controller/joint_trajectory, adapter: trajectory }",
    "follow_joint_trajectory": "{ topic: arm_controller/follow_joint_trajectory, adapter: follow_joint_trajectory }",
}


def description() -> str:
    """A UR5e's joints in a row and a gripper's, under mock hardware."""
    finger = JOINTS[-1]
    more = f'<link name="finger"/><joint name="{finger}" type="revolute"><parent link="tool0"/><child link="finger"/>'
    more += '<axis xyz="1 0 0"/><limit lower="0" upper="0.8" velocity="2" effort="9"/></joint>'
    more += (
        '<ros2_control name="mock" type="system"><hardware><plugin>mock_components/GenericSystem</plugin></hardware>'
    )
    for name in JOINTS:
        more += f'<joint name="{name}"><command_interface name="position"/><state_interface name="position">'
        more += '<param name="initial_value">0.1</param></state_interface><state_interface name="velocity"/></joint>'
    return chain(MAKERS["ur5e"], "tool0").replace("</robot>", f"{more}</ros2_control></robot>")


class Watcher:
    """Commands the gate, and sees what the joints do."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("watcher", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.at: dict[str, float] = {}
        self.node.create_subscription(JointState, "joint_states", self.take, RELIABLE)
        self.commands = self.node.create_publisher(JointTrajectory, "controller/command", RELIABLE)
        self.estop = self.node.create_publisher(Bool, "estop", LATCHED)

    def take(self, message: JointState) -> None:
        self.at |= dict(zip(message.name, message.position, strict=True))

    def go(self) -> None:
        """The first joint onwards at 0.4 rad/s."""
        row = np.array([self.at[name] for name in JOINTS]) + np.array([0.04, *[0.0] * 6])
        self.commands.publish(wire.trajectory_message(JOINTS, np.array([0.1]), row[None], time.time()))

    def until(self, there: Callable[[], Any], every: Callable[[], Any] = lambda: None, limit_s: float = 30.0) -> None:
        ends = latest = time.monotonic()
        ends += limit_s
        while not there():
            assert time.monotonic() < ends, self.at
            self.executor.spin_once(timeout_sec=0.005)
            if time.monotonic() - latest > 0.03:
                latest = time.monotonic()
                every()


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    made = Watcher()
    yield made
    made.executor.shutdown()
    made.node.destroy_node()
    rclpy.try_shutdown(context=made.context)


@pytest.mark.parametrize("adapter", OUTPUTS)
def test_a_real_controller_follows_the_gate_and_stops_with_it(adapter: str, watcher: Watcher, tmp_path: Path) -> None:
    text = (robots.FOLDER / "ur5e.yaml").read_text()
    text = text[: text.index("outputs:")] + f"outputs: [{OUTPUTS[adapter]}]\ndry_run: false\narmed: true\n"
    (tmp_path / "mock.yaml").write_text(text)
    (tmp_path / "controllers.yaml").write_text(CONTROLLERS)
    (tmp_path / "state.yaml").write_text(f"/**:\n  ros__parameters:\n    robot_description: {description()!r}\n")

    def program(package: str, name: str, file: str) -> list[str]:
        return [
            f"{get_package_prefix(package)}/lib/{package}/{name}",
            "--ros-args",
            "--params-file",
            str(tmp_path / file),
        ]

    commands = {
        "state": program("robot_state_publisher", "robot_state_publisher", "state.yaml"),
        "manager": program("controller_manager", "ros2_control_node", "controllers.yaml"),
        "gate": start.command("gate_node", {"robot": str(tmp_path / "mock.yaml")}),
    }  # fmt: skip
    with start.processes(commands):
        spawner = program("controller_manager", "spawner", "")[0]
        given = ["joint_state_broadcaster", "arm_controller", "--param-file", str(tmp_path / "controllers.yaml")]
        subprocess.run([spawner, *given], check=True, timeout=60)
        watcher.until(lambda: set(JOINTS) <= watcher.at.keys())
        first = watcher.at[JOINTS[0]]
        watcher.until(lambda: watcher.at[JOINTS[0]] > first + 0.3, watcher.go)
        watcher.estop.publish(Bool(data=True))
        ends = time.monotonic() + 0.5
        watcher.until(lambda: time.monotonic() > ends, watcher.go)
        stood, ends = dict(watcher.at), time.monotonic() + 1.0
        watcher.until(lambda: time.monotonic() > ends, watcher.go)
        assert max(abs(watcher.at[name] - stood[name]) for name in JOINTS) < 1e-3
