"""A robot's messages -> episodes of a LeRobotDataset, whoever brings them: a node as they come, or a bag in its own time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from embodied import plan as grammar
from embodied.control.servo import Servo
from embodied.data.recorder import Recorder
from embodied.errors import UserError
from embodied.types import Point
from ros_nodes import wire
from ros_nodes.inbox import Inbox
from ros_nodes.robots import RATE_HZ, Robot

BEGINS, ENDS = "running", ("succeeded", "failed", "refused", "stopped", "idle", "inactive")
KEEP = ("succeeded", "all")


class Session:
    """An episode is what lies between the controller's "running" and its end; with `task` given, all that comes is one.

    keep: "succeeded" drops the episodes that ended otherwise.  A frame every 1/RATE_HZ s: what was sensed, and where the gate
    had sent the hand for the next one, in the form of a policy's command.  now_s: the clock that brings `tick`.
    """

    def __init__(
        self, robot: Robot, out: Path, now_s: Callable[[], float], task: str = "", keep: str = "succeeded"
    ) -> None:
        if keep not in KEEP:
            raise UserError(f"keep={keep!r} is unknown; choose from {', '.join(KEEP)}")
        self.robot, self.inbox, self.out, self.now_s = robot, Inbox(robot, now_s), out, now_s
        self.task, self.keep = task.strip(), keep
        self.servo = Servo(robot.new_arm(), RATE_HZ)
        self.recorder: Recorder | None = None
        self.goal, self.plan, self.step, self.why = self.task, "", "", ""  # goal: of the episode that is under way
        self.frames, self.kept, self.dropped = 0, 0, 0
        self._wanted: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # joint -> times, positions

    # --- in

    def take_sent(self, message: Any) -> None:
        """A trajectory that went to the robot, in some or all of its joints."""
        rows, times = wire.rows(message)
        for name, column in zip(message.joint_names, rows.T, strict=True):
            if name in self.robot.names and len(times) and np.isfinite(column).all():
                self._wanted[name] = self.now_s() + times, column

    def take_plan(self, message: Any) -> None:
        told = wire.said(message.data)
        try:
            steps = [grammar.step(s["text"], (Point(u, v) for u, v in s["points"])) for s in told.get("steps", [])]
        except (UserError, KeyError, TypeError, ValueError):
            return  # of another planner: words without points are in the status
        self.plan = grammar.write(steps)
        at = int(told.get("at", 0))
        self.step = grammar.write_step(steps[at]) if at < len(steps) else ""

    def take_status(self, message: Any) -> None:
        told = wire.said(message.data)
        state = str(told.get("state", ""))
        if state == BEGINS:
            self.step = str(told.get("step", self.step))
            if not self.task and not self.goal:
                self.goal = str(told.get("goal", ""))
        elif state in ENDS and self.goal and not self.task:
            self.end(state)

    # --- out

    def tick(self) -> None:
        """One frame of the episode under way; until all has come that belongs to it, why not is in `why`."""
        if not self.goal:
            return
        if missing := self.inbox.lacks():
            self.why = f"nothing came yet on {missing}"
            return
        if self.recorder is None:
            self.recorder = Recorder(self.out, self.inbox.spec, round(RATE_HZ))
        if not self.frames:
            self.servo.start(self._measured()[:-1])
            self.recorder.start_episode(self.goal)
        obs = self.inbox.observe(self.servo.aim_of)
        self.recorder.add(obs, self._action(), self.plan, self.step)
        self.frames += 1

    def _measured(self) -> np.ndarray:
        row = self.inbox.newest()[-1][1]
        return np.append(row[: len(self.robot.joints)], self.robot.grip(row[len(self.robot.joints)]))

    def _action(self) -> np.ndarray:
        """x y z yaw width that the robot is sent to next; where nobody sends it, where it is."""
        row, next_s = self._measured(), self.now_s() + 1 / RATE_HZ
        for k, name in enumerate(self.robot.names):
            if name in self._wanted:
                row[k] = np.interp(next_s, *self._wanted[name])
        self.servo.aim = self.servo.aim_of(row[:-1])
        return np.array([*self.servo.aim, self.robot.opening(row[-1])], np.float32)

    def end(self, state: str) -> None:
        """The episode under way is over."""
        if self.recorder is not None and self.frames:
            if self.task or self.keep == "all" or state == "succeeded":
                self.recorder.end_episode()
                self.kept += 1
            else:
                self.recorder.abandon_episode()
                self.dropped += 1
        self.goal, self.frames, self.plan, self.step = "", 0, "", ""
        self._wanted.clear()

    def close(self) -> None:
        """What is under way is kept when it is the one that `task` names, else dropped."""
        if self.task:
            self.end("succeeded")
        if self.recorder is not None:
            self.recorder.close()
