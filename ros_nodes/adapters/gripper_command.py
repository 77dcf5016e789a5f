"""The GripperCommand action (gripper_action_controller, Robotiq, xArm): a position of the gripper's joint, and the most effort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node

from embodied.control.gate import Trajectory
from ros_nodes.adapters import messages, option
from ros_nodes.adapters.goals import Goals
from ros_nodes.robots import Output


class Changes:
    """Which positions are worth a goal: those that differ from the last one told, at a pace, and the one it comes to rest at."""

    def __init__(self, every_s: float = 0.1, least: float = 1e-3) -> None:
        self.every_s, self.least = every_s, least
        self.told, self.told_s = np.nan, -np.inf

    def worth(self, position: float, now_s: float) -> bool:
        if abs(position - self.told) < self.least or now_s - self.told_s < self.every_s - 1e-3:
            return False
        self.told, self.told_s = position, now_s
        return True

    def again(self) -> None:
        """What was told last did not arrive."""
        self.told = np.nan


class Adapter:
    """adapter: gripper_command. `effort`: N or Nm, as the driver counts it. A grip that stalls on a thing is what it is for."""

    def __init__(self, node: Node, output: Output, names: tuple[str, ...], refused: Callable[[str], None]) -> None:
        self.kind, self.names = self.messages(output), names
        self.effort, self.changes = option(output, "effort", 20.0), Changes(option(output, "every", 0.1))
        self.goals = Goals(node, self.kind, output.topic, refused, lambda result: "")

    def messages(self, output: Output) -> Any:
        return messages("control_msgs", "action", output.adapter).GripperCommand

    def goal(self, position: float) -> Any:
        goal = self.kind.Goal()
        goal.command.position, goal.command.max_effort = position, self.effort
        return goal

    def send(self, sent: Trajectory, ros_s: float, now_s: float) -> None:
        self.goals.check(now_s)
        position = float(sent.positions[-1, 0])
        if self.changes.worth(position, now_s) and not self.goals.send(self.goal(position), now_s):
            self.changes.again()

    def finish(self) -> None:
        """A gripper keeps what it was told: letting go is never safe."""
