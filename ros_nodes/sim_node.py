"""The PyBullet table behind a robot's topics, with the semantics of a joint_trajectory_controller.

    python -m ros_nodes.sim_node --ros-args -p task:=place-in-bowl -p seed:=3

Publishes joint_states at the tick's 20 Hz, camera/<n>/{image_raw, depth, camera_info, pose} at `picture_hz`, robot_description,
and ~/goal, the task's own sentence. Takes joint_trajectory_controller/joint_trajectory: wrong joints, times that do not increase
and old stamps are refused, a new trajectory takes the place of the old one, its last point is held. ~/reset lays the next
table, ~/success tells (to tests) whether the goal is reached. `task`, `split`, `seed`, `disturb` as for `embodied run`.

The world's time is /clock, seconds since the node began, in step with the machine's; with use_sim_time all stamps are of it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock as SteadyClock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from embodied.errors import UserError
from embodied.types import Command
from ros_nodes import wire
from ros_nodes.process import LATCHED, NEWEST, RELIABLE, live, parameter
from ros_nodes.robots import robot
from sim.body import SimBody
from sim.task import seed_of

PARAMETERS: dict[str, tuple[Any, str]] = {
    "task": ("place-in-bowl", "whose table to lay"),
    "split": ("seen", "which part of the scenes"),
    "seed": (0, "which table"),
    "disturb": (0.0, "probability that an episode is disturbed"),
    "picture_hz": (5.0, "pictures a second of each camera"),
}
STALE_S = 1.0
CLOCK_S = 0.02  # s between messages on /clock


class SimNode(Node):
    """One table, one arm."""

    def __init__(self) -> None:
        super().__init__("sim")
        self.set = {key: parameter(self, key, value, says) for key, (value, says) in PARAMETERS.items()}
        self.robot = robot("sim")
        task, split, disturb = self.set["task"], self.set["split"], self.set["disturb"]
        self.body = SimBody(str(task), split=str(split), control="joint", disturb=float(disturb or 0), lazy=True)
        self.began, self.simulated = time.monotonic(), bool(self.get_parameter("use_sim_time").value)
        out = self.create_publisher
        self.clock_said = out(Clock, "/clock", NEWEST)
        self.description = out(String, "robot_description", LATCHED)
        self.description.publish(String(data=self.robot.path.read_text()))
        self.joint_states = out(JointState, "joint_states", RELIABLE)
        self.goal = out(String, "~/goal", LATCHED)
        kinds = {"image_raw": (Image, NEWEST), "depth": (Image, NEWEST)}
        kinds |= {"camera_info": (CameraInfo, LATCHED), "pose": (PoseStamped, LATCHED)}
        self.cameras: dict[tuple[str, str], Any] = {
            (camera, kind): out(message, f"camera/{camera}/{kind}", qos)
            for camera in self.body.eyes.cameras for kind, (message, qos) in kinds.items()
        }  # fmt: skip
        self.create_subscription(JointTrajectory, "joint_trajectory_controller/joint_trajectory", self.take, RELIABLE)
        self.create_service(Trigger, "~/reset", self.reset)
        self.create_service(Trigger, "~/success", self.tell)
        self.episode = 0
        self.lay()
        steady = SteadyClock(clock_type=ClockType.STEADY_TIME)  # nobody's clock can stop it
        self.create_timer(1 / self.body.spec.action.rate_hz, self.tick, clock=steady)
        self.create_timer(
            CLOCK_S, lambda: self.clock_said.publish(Clock(clock=wire.stamp(self.world_s()))), clock=steady
        )

    def world_s(self) -> float:
        return time.monotonic() - self.began

    def now(self) -> float:
        """Of stamps, s."""
        return self.world_s() if self.simulated else time.time()

    def lay(self) -> None:
        self.body.reset(seed_of(str(self.set["split"]), int(self.set["seed"] or 0), self.episode))
        q = self.body.observe().states["joints"][-1]
        self.at = np.append(q, self.body.observe().states["arm"][-1, 4])  # joint targets, opening in m
        self.path: tuple[np.ndarray, np.ndarray] | None = None
        self.ticks = 0
        self.goal.publish(String(data=self.body.goal))
        now = self.now()
        for camera, spec in self.body.spec.cameras.items():
            self.cameras[camera, "camera_info"].publish(wire.camera_message(spec, camera, now))
            pose = PoseStamped(pose=wire.pose_message(spec.parent_from_cam))
            pose.header.frame_id, pose.header.stamp = spec.parent, wire.stamp(now)
            self.cameras[camera, "pose"].publish(pose)

    def take(self, message: JointTrajectory) -> None:
        """A trajectory in the robot's joints, the gripper's as its finger's position."""
        now = self.now()
        begin = wire.seconds(message.header.stamp) or now
        try:
            rows, times = wire.rows(message)
            self.check(list(message.joint_names), rows, times, now - begin)
        except UserError as error:
            self.get_logger().error(f"trajectory refused: {error}")
            return
        order = [list(message.joint_names).index(name) for name in self.robot.names]
        rows = rows[:, order]
        rows[:, -1] /= float(self.robot.gripper["share"])
        self.path = None
        if len(rows):
            self.path = np.array([now, *(begin + times)]), np.concatenate([self.at[None], rows])

    def check(self, names: list[str], rows: np.ndarray, times: np.ndarray, age_s: float) -> None:
        """UserError for what a joint_trajectory_controller refuses."""
        if sorted(names) != sorted(self.robot.names):
            raise UserError(f"its joints are {', '.join(names) or 'none'}, not {', '.join(self.robot.names)}")
        if np.any(np.diff(times) <= 0) or not np.isfinite(rows).all():
            raise UserError("its times do not increase, or a position is not finite")
        if len(rows) and age_s - times[-1] > STALE_S:
            raise UserError(f"it was over {age_s - times[-1]:.1f} s ago")

    def tick(self) -> None:
        dt, now = 1 / self.body.spec.action.rate_hz, self.now()
        if self.path is not None:
            times, rows = self.path
            keep = np.append(True, np.diff(times) > 0)
            self.at = np.array([np.interp(now + dt, times[keep], column[keep]) for column in rows.T])
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

    def reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.episode += 1
        self.lay()
        response.success, response.message = True, self.body.goal
        return response

    def tell(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = bool(self.body.success()), self.body.goal
        return response

    def failed(self, why: str) -> None:
        self.get_logger().error(why)

    def leave(self) -> None:
        self.body.close()


def main() -> int:
    return live(SimNode)


if __name__ == "__main__":
    sys.exit(main())
