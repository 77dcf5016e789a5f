"""A forward_command_controller of positions (Float64MultiArray): it does at once what it is told, so it is told the next tick's."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from embodied.control.gate import Trajectory
from ros_nodes.process import RELIABLE
from ros_nodes.robots import Output


class Adapter:
    """adapter: forward. It has no times: a gate that dies leaves the arm where it is; one that holds says the held pose."""

    def __init__(self, node: Node, output: Output, names: tuple[str, ...], refused: Callable[[str], None]) -> None:
        self.out = node.create_publisher(Float64MultiArray, output.topic, RELIABLE)

    def send(self, sent: Trajectory, ros_s: float, now_s: float) -> None:
        self.out.publish(Float64MultiArray(data=sent.positions[0].tolist()))

    def finish(self) -> None:
        self.out.wait_for_all_acked(Duration(seconds=0.5))
