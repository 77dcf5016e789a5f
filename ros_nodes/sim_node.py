"""The PyBullet table behind a robot's topics, with the semantics of a joint_trajectory_controller.

    python -m ros_nodes.sim_node --ros-args -p task:=place-in-bowl -p seed:=3

Publishes joint_states at the tick's 20 Hz, camera/<n>/{image_raw, depth, camera_info, pose} at `picture_hz`, robot_description,
and ~/goal, the task's own sentence. Takes joint_trajectory_controller/joint_trajectory: wrong joints, times that do not increase
and old stamps are refused, a new trajectory takes the place of the old one, its last point is held. ~/reset lays the next
table, ~/success tells (to tests) whether the goal is reached. `task`, `split`, `seed`, `disturb` as for `embodied run`, and
`instruction` as its `goal`.

The world's time is /clock, seconds since the node began, in step with the machine's; with use_sim_time all stamps are of it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from embodied.errors import UserError
from embodied.types import Command
from ros_nodes import wire
from ros_nodes.process import LATCHED, RELIABLE, live
from ros_nodes.robots import robot
from ros_nodes.simulated import Simulated
from sim import request
from sim.body import SimBody
from sim.task import seed_of

PARAMETERS: dict[str, tuple[Any, str]] = {
    "task": ("", "whose table to lay; empty: one with what the instruction names, or else place-in-bowl's"),
    "instruction": ("", "what the table is to be laid for, when no task is given"),
    "split": ("seen", "which part of the scenes"),
    "seed": (0, "which table"),
    "disturb": (0.0, "probability that an episode is disturbed"),
    "picture_hz": (5.0, "pictures a second of each camera"),
}


class SimNode(Simulated):
    """One table, one arm."""

    def __init__(self) -> None:
        super().__init__(PARAMETERS)
        self.robot = robot("sim")
        task, split, disturb = self.set["task"], self.set["split"], self.set["disturb"]
        self.body = SimBody(
            str(task or "place-in-bowl"), split=str(split), control="joint", disturb=float(disturb or 0), lazy=True
        )
        self.description = self.create_publisher(String, "robot_description", LATCHED)
        self.description.publish(String(data=self.robot.path.read_text()))
        self.joint_states = self.create_publisher(JointState, "joint_states", RELIABLE)
        for name in self.body.eyes.cameras:
            self.camera(name, depth=True)
        self.create_subscription(JointTrajectory, "joint_trajectory_controller/joint_trajectory", self.take, RELIABLE)
        self.go(self.body.spec.action.rate_hz)

    def lay(self) -> None:
        seed, goal = int(self.set["seed"] or 0), str(self.set["instruction"])
        own = seed_of(str(self.set["split"]), seed, self.episode)
        if goal and not self.set["task"]:
            self.body.load(request.table_for(goal, seed + self.episode), own)
            self.untested = "a table that is laid for a sentence has no test of its own; give the parameter task"
        else:
            self.body.reset(own)
        states = self.body.observe().states
        self.at = np.append(states["joints"][-1], states["arm"][-1, 4])  # joint targets, opening in m
        self.path: tuple[np.ndarray, np.ndarray] | None = None
        self.ticks = 0
        self.goal.publish(String(data=self.body.goal))
        for name, spec in self.body.spec.cameras.items():
            self.describe(name, spec)

    def take(self, message: JointTrajectory) -> None:
        """A trajectory in the robot's joints, the gripper's as its finger's position."""
        now = self.now()
        begin = wire.seconds(message.header.stamp) or now
        try:
            rows, times = wire.rows(message)
            self.check(list(message.joint_names), rows, times, now - begin)
        except UserError as error:
            self.get_logger().error(f"trajectory refused: {error}", throttle_duration_sec=1.0)
            return
        order = [list(message.joint_names).index(name) for name in self.robot.names]
        rows = rows[:, order]
        rows[:, -1] /= float(self.robot.gripper["share"])
        due = begin + times
        ahead = due > now
        self.path = (np.array([now, *due[ahead]]), np.vstack([self.at, rows[ahead]])) if len(rows) else None

    def check(self, names: list[str], rows: np.ndarray, times: np.ndarray, age_s: float) -> None:
        """UserError for what a joint_trajectory_controller refuses."""
        if sorted(names) != sorted(self.robot.names):
            raise UserError(f"its joints are {', '.join(names) or 'none'}, not {', '.join(self.robot.names)}")
        if np.any(np.diff(times) <= 0) or not np.isfinite(rows).all():
            raise UserError("its times do not increase, or a position is not finite")
        if len(rows) and age_s >= times[-1]:
            raise UserError(f"it was over {age_s - times[-1]:.3f} s ago")

    def tick(self) -> None:
        dt, now = 1 / self.body.spec.action.rate_hz, self.now()
        if self.path is not None:
            times, rows = self.path
            self.at = np.array([np.interp(now + dt, times, column) for column in rows.T])
        self.body.apply(Command(now, self.at.astype(np.float32)))
        obs = self.body.observe()
        out, share = JointState(name=list(self.robot.names)), float(self.robot.gripper["share"])
        out.header.stamp = wire.stamp(self.now())
        arm = obs.states["arm"][-1].tolist()
        out.position = [*obs.states["joints"][-1].tolist(), arm[4] * share]
        out.effort = [0.0] * len(self.robot.joints) + [-arm[5]]
        self.joint_states.publish(out)
        self.ticks += 1
        every = max(1, round(self.body.spec.action.rate_hz / float(self.set["picture_hz"] or 5)))
        cameras = list(self.body.spec.cameras)
        for k, camera in enumerate(cameras):
            # In turn: to draw all in one tick would keep the joint states back.
            if (self.ticks + k * every // len(cameras)) % every == 0:
                for kind, pictures in (("image_raw", obs.images), ("depth", obs.depth)):
                    self.cameras[camera, kind].publish(wire.image_message(pictures[camera], camera, self.now()))


def main() -> int:
    return live(SimNode)


if __name__ == "__main__":
    sys.exit(main())
