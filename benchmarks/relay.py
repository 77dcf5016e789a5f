"""The least that rclpy can do with the same messages: joint states in, the same positions as a trajectory out."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from ros_nodes import wire
from ros_nodes.process import RELIABLE, live


class Relay(Node):
    """No checks, no thread, no limits."""

    def __init__(self) -> None:
        super().__init__("relay")
        self.out = self.create_publisher(JointTrajectory, "relayed", RELIABLE)
        self.create_subscription(JointState, "joint_states", self.take, RELIABLE)

    def take(self, message: JointState) -> None:
        row = np.array([list(message.position)])
        self.out.publish(
            wire.trajectory_message(message.name, np.array([0.05]), row, wire.seconds(message.header.stamp))
        )

    def failed(self, why: str) -> None:
        self.get_logger().error(why)

    def leave(self) -> None: ...


if __name__ == "__main__":
    live(Relay)
