"""A base controller that takes Twist or TwistStamped (diff_drive_controller, mecanum): velocities in the vehicle's own frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node

from ros_nodes import wire
from ros_nodes.process import RELIABLE
from ros_nodes.robots import Output


class Adapter:
    """adapter: twist or twist_stamped. `frame`: of the stamped one, base_link if not given."""

    def __init__(self, node: Node, output: Output, names: tuple[str, ...], refused: Callable[[str], None]) -> None:
        self.kind = Twist if output.adapter == "twist" else TwistStamped
        self.frame = str(output.options.get("frame", "base_link"))
        self.out = node.create_publisher(self.kind, output.topic, RELIABLE)

    def send(self, sent: np.ndarray, ros_s: float, now_s: float) -> None:
        message = wire.twist_message(sent, self.frame, ros_s)
        self.out.publish(message.twist if self.kind is Twist else message)

    def finish(self) -> None:
        self.out.wait_for_all_acked(Duration(seconds=0.5))
