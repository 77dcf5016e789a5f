"""The ParallelGripperCommand action (parallel_gripper_action_controller): the same as a JointState."""

from __future__ import annotations

from typing import Any

from ros_nodes.adapters import gripper_command, messages
from ros_nodes.robots import Output


class Adapter(gripper_command.Adapter):
    """adapter: parallel_gripper"""

    def messages(self, output: Output) -> Any:
        return messages("control_msgs", "action", output.adapter).ParallelGripperCommand

    def goal(self, position: float) -> Any:
        goal = self.kind.Goal()
        goal.command.name, goal.command.position, goal.command.effort = list(self.names), [position], [self.effort]
        return goal
