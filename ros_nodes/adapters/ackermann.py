"""A car that takes AckermannDriveStamped: speed and the angle of the front wheels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node

from embodied.control.velocity import ackermann
from ros_nodes import wire
from ros_nodes.adapters import messages, option
from ros_nodes.process import RELIABLE
from ros_nodes.robots import Output


class Adapter:
    """adapter: ackermann. `wheelbase`: m; `steering`: the most, rad; `frame`."""

    def __init__(self, node: Node, output: Output, names: tuple[str, ...], refused: Callable[[str], None]) -> None:
        self.kind = messages("ackermann_msgs", "msg", output.adapter).AckermannDriveStamped
        self.frame = str(output.options.get("frame", "base_link"))
        self.wheelbase, self.steering = option(output, "wheelbase", 2.7), option(output, "steering", 0.5)
        self.angle = 0.0
        self.out = node.create_publisher(self.kind, output.topic, RELIABLE)

    def send(self, sent: np.ndarray, ros_s: float, now_s: float) -> None:
        message = self.kind()
        message.header.frame_id, message.header.stamp = self.frame, wire.stamp(ros_s)
        speed, self.angle = ackermann(float(sent[0]), float(sent[2]), self.wheelbase, self.steering, self.angle)
        message.drive.speed, message.drive.steering_angle = speed, self.angle
        self.out.publish(message)

    def finish(self) -> None:
        self.out.wait_for_all_acked(Duration(seconds=0.5))
