"""The controller's own node with a policy that needs no weights, for tests and benchmarks: it has faults that a good one has not.

The instruction chooses: "nod" moves for half a second and is done, "wave" moves the hand on and on, "hang" stops answering after
half a second of motion, "ponder" never has a plan, "echo" answers every observation with one row whose width is the gripper's
measured opening, so that it can be seen which observation a command is of.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from embodied.types import ActionChunk, Observation, Plan, Step
from ros_nodes.controller_node import ControllerNode
from ros_nodes.process import live

DT_S = 0.05


class Policy:
    """embodied.protocols.Policy."""

    def __init__(self) -> None:
        self.goal, self.asked, self.execute_rows = "", 0, None

    def reset(self) -> None:
        self.asked = 0

    def plan(self, obs: Observation, goal: str, done: tuple[Step, ...] = ()) -> Plan:
        self.goal = goal
        if goal == "ponder":
            time.sleep(1e6)
        return Plan(goal, done, at=len(done)) if done else Plan(goal, (Step(goal, goal),))

    def act(self, obs: Observation, plan: Plan) -> ActionChunk:
        self.asked += 1
        if self.goal == "hang" and self.asked > 1:
            time.sleep(1e6)
        if self.goal == "nod" and self.asked > 1:
            return ActionChunk(obs.t_s, DT_S, np.zeros((0, 5), np.float32))
        x, y, z, yaw, width, _ = obs.states["arm"][-1].tolist()
        rows = 1 if self.goal == "echo" else 10
        row = np.array([[x, y, z, yaw, width]], np.float32).repeat(rows, 0)
        if self.goal != "echo":
            row[:, 1] += 0.01 * np.arange(1, rows + 1) * (1 if (self.asked // 2) % 2 else -1)
        return ActionChunk(obs.t_s, DT_S, row)

    def check(self, obs: Observation, step: Step) -> float:
        return 1.0


class Stub(ControllerNode):
    """Without weights."""

    def looks(self) -> set[str]:
        return set()

    def policy(self, body: Any) -> Policy:
        return Policy()


if __name__ == "__main__":
    sys.exit(live(Stub))
