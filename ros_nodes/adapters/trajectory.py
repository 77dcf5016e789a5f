"""The topic of a joint_trajectory_controller, an arm's or a gripper's: each message takes the place of the one before."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from embodied.control.gate import Trajectory
from ros_nodes import wire
from ros_nodes.process import RELIABLE
from ros_nodes.robots import Output


class Adapter:
    """adapter: trajectory"""

    def __init__(self, node: Node, output: Output, names: tuple[str, ...], refused: Callable[[str], None]) -> None:
        self.names = names
        self.out = node.create_publisher(JointTrajectory, output.topic, RELIABLE)

    def send(self, sent: Trajectory, ros_s: float, now_s: float) -> None:
        self.out.publish(wire.trajectory_message(self.names, sent.times, sent.positions, ros_s, sent.velocities))

    def finish(self) -> None:
        self.out.wait_for_all_acked(Duration(seconds=0.5))
