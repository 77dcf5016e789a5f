"""The FollowJointTrajectory action of a joint_trajectory_controller: the robot says when it will not do what it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node

from embodied.control.gate import Trajectory
from ros_nodes import wire
from ros_nodes.adapters import messages, option
from ros_nodes.adapters.goals import Goals
from ros_nodes.robots import Output


def why(result: Any) -> str:
    """What ended the newest goal, if that was no success."""
    code = int(result.error_code)
    return "" if code == 0 else f"error {code} {result.error_string}".strip()


class Adapter:
    """adapter: follow_joint_trajectory. `every`: s between goals, each of which is answered; a hold waits for none."""

    def __init__(self, node: Node, output: Output, names: tuple[str, ...], refused: Callable[[str], None]) -> None:
        self.kind = messages("control_msgs", "action", output.adapter).FollowJointTrajectory
        self.names, self.every_s = names, option(output, "every", 0.1)
        self.goals = Goals(node, self.kind, output.topic, refused, why)
        self.sent_s = -np.inf
        self.held: np.ndarray | None = None

    def send(self, sent: Trajectory, ros_s: float, now_s: float) -> None:
        self.goals.check(now_s)
        if sent.hold:
            if self.held is not None and np.array_equal(self.held, sent.positions[-1]):
                return
            self.held = sent.positions[-1]
        elif now_s - self.sent_s < self.every_s - 1e-3:
            return
        else:
            self.held = None
        goal = self.kind.Goal()
        goal.trajectory = wire.trajectory_message(
            self.names, sent.times, sent.positions, 0.0, sent.velocities
        )  # 0: now
        if self.goals.send(goal, now_s):
            self.sent_s = now_s

    def finish(self) -> None:
        """Goals are carried out to their end, which is at most the gate's horizon away."""
