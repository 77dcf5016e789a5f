"""Franka's hand (franka_gripper): it opens with the action Move and closes with Grasp, each once the wanted width has settled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.node import Node

from embodied.control.gate import Trajectory
from ros_nodes.adapters import messages, option
from ros_nodes.adapters.goals import Goals
from ros_nodes.robots import Output

SETTLED_S = 0.05  # s without a change; the hand carries one order out before it takes another
LEAST_M = 1e-3
WIDEST_M = 0.08


class Adapter:
    """adapter: franka_gripper. topic: the node's name, whose actions are move and grasp. `speed`: m/s; `force`: N."""

    def __init__(self, node: Node, output: Output, names: tuple[str, ...], refused: Callable[[str], None]) -> None:
        kinds = messages("franka_msgs", "action", output.adapter)
        self.move, self.grasp = kinds.Move, kinds.Grasp
        self.speed, self.force = option(output, "speed", 0.1), option(output, "force", 20.0)
        self.moves = Goals(node, self.move, f"{output.topic}/move", refused, lambda result: "")
        self.grasps = Goals(node, self.grasp, f"{output.topic}/grasp", refused, lambda result: "")
        self.wanted, self.since_s, self.told = np.nan, -np.inf, np.nan

    def send(self, sent: Trajectory, ros_s: float, now_s: float) -> None:
        for goals in (self.moves, self.grasps):
            goals.check(now_s)
        width = 2 * float(sent.positions[-1, 0])  # a finger goes half of it
        if not abs(width - self.wanted) < LEAST_M:
            self.wanted, self.since_s = width, now_s
        if now_s - self.since_s < SETTLED_S or abs(self.wanted - self.told) < LEAST_M:
            return
        if self.wanted < self.told:  # on a thing of any width
            goal = self.grasp.Goal(width=self.wanted, speed=self.speed, force=self.force)
            goal.epsilon.inner, goal.epsilon.outer = self.wanted, WIDEST_M
            there = self.grasps.send(goal, now_s)
        else:
            there = self.moves.send(self.move.Goal(width=self.wanted, speed=self.speed), now_s)
        self.told = self.wanted if there else np.nan

    def finish(self) -> None:
        """The hand keeps what it was told: letting go is never safe."""
