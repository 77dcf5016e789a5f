"""A robot's messages -> observations: what came in last, whoever brings it (a node's topics, a bag). Nothing here needs a node."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from embodied.control.servo import Aim
from embodied.errors import UserError
from embodied.spec import BodySpec
from embodied.types import Observation
from ros_nodes.cameras import Cameras, Topics
from ros_nodes.robots import RATE_HZ, Robot

ROWS = 8  # past samples in each observation, 1 / RATE_HZ s apart
KEPT = 1000  # joint states: of those ROWS, at a rate of up to 2 kHz


class Inbox(Cameras):
    """What one robot has said. Filled by one thread, read from any. now_s: the clock that receipt is counted on. told: called
    whenever the joints have come anew."""

    def __init__(
        self, robot: Robot, now_s: Callable[[], float] = time.monotonic, told: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(robot.cameras, robot.fixed, robot.mounts, robot.sizes, now_s)
        self.robot, self.told = robot, told
        self._joints: dict[str, tuple[float, float]] = {}
        self._fresh: set[str] = set()
        self._names, self._arm = set(robot.names), set(robot.joints)
        self._rows: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)  # received at, (q..., opening, force)

    def topics(self) -> Topics:
        joints: Topics = [("joint_states", "JointState", "reliable", self.take_joints)]
        return [(self.robot.topic(topic), *rest) for topic, *rest in joints + super().topics()]  # type: ignore[misc]

    # --- in

    def take_joints(self, message: Any) -> None:
        # A joint_state_broadcaster sends NaN, or nothing, for the effort of joints that measure none.
        efforts = message.effort if len(message.effort) == len(message.name) else [0.0] * len(message.name)
        with self._lock:
            for name, position, effort in zip(message.name, message.position, efforts, strict=False):
                if name in self._names and math.isfinite(position):
                    self._joints[name] = float(position), float(effort) if math.isfinite(effort) else 0.0
                    self._fresh.add(name)
            # A row is of one moment: of partial messages, until each of the arm's joints has come again.
            whole = self._fresh >= self._arm and self.robot.names[-1] in self._joints
            if whole:
                q = [self._joints[name][0] for name in self.robot.joints]
                grip, effort = self._joints[self.robot.names[-1]]
                force = -effort if float(self.robot.gripper["share"]) > 0 else effort  # closing pulls the other way
                self._rows.append((self.now_s(), np.array([*q, self.robot.opening(grip), max(0.0, force)])))
                while self._rows[-1][0] - self._rows[0][0] > (ROWS + 1) / RATE_HZ:
                    self._rows.popleft()
                self._fresh.clear()
        if whole:
            self.told()

    # --- out

    def lacks(self, since_s: float = -np.inf) -> str:
        """What has not arrived yet, in words; nothing when all has, pictures after `since_s`."""
        joints = [] if self._rows else [f"joint_states of {', '.join(self.robot.names)}"]
        return "; ".join(joints + self.missing(since_s))

    @property
    def spec(self) -> BodySpec:
        """UserError for what is missing, and for a camera that does not show what its CameraInfo says."""
        if lacking := self.lacks():
            raise UserError(f"nothing came yet on {lacking}")
        robot = self.robot
        return BodySpec(robot.name, self.specs(), robot.states, robot.action, speeds=robot.speeds)

    def newest(self) -> list[tuple[float, np.ndarray]]:
        """ROWS joint rows and when they came: the newest last, before it those nearest to 1, 2, ... periods of RATE_HZ earlier."""
        with self._lock:
            rows = list(self._rows)
        came = np.array([at for at, _ in rows])
        wanted = came[-1] - np.arange(ROWS - 1, -1, -1) / RATE_HZ
        return [rows[k] for k in np.abs(came - wanted[:, None]).argmin(1)]

    def observe(self, aim_of: Callable[[np.ndarray], Aim]) -> Observation:
        """aim_of: joint angles -> where the hand is. Its time is that of the oldest thing that it would not do without."""
        rows, n = self.newest(), len(self.robot.joints)
        t_s, seen, depth = self.see(rows[-1][0])
        arm = [(*aim_of(row[:n]), row[n], row[n + 1]) for _, row in rows]
        states = {"arm": np.array(arm, np.float32), "joints": np.array([row[:n] for _, row in rows], np.float32)}
        return Observation(t_s, seen, states, depth)
