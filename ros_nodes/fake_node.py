"""An arm that does what its gate sends, and cameras that see nothing: any robot's topics without the robot and without physics.

    python -m ros_nodes.fake_node --ros-args -p robot:=ur5e

Follows gate/sent, which also a dry run says, whatever adapter the robot has: what a real robot would be told can be watched before
there is one, and the gate's own `fake` sees to it that nothing goes to one. Publishes joint_states at 100 Hz from the posture of
the robot's file on, unless somebody else does, and with `pictures` grey pictures of its cameras with their CameraInfo and, where
no file says them, poses.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory

from embodied.errors import UserError
from ros_nodes import wire
from ros_nodes.description import described
from ros_nodes.process import LATCHED, NEWEST, RELIABLE, live, parameter, ros_s
from sim.camera import SIZES, front, wrist

JOINTS_S, PICTURES_S = 0.01, 0.2


class FakeNode(Node):
    """One arm."""

    def __init__(self) -> None:
        super().__init__("fake")
        self.robot = described(str(parameter(self, "robot", "sim", "a shipped robot, or the path of its .yaml")))
        start = np.append(self.robot.arm.posture, self.robot.grip(float(self.robot.gripper["opening"])))
        self.path = np.zeros(1), start[None]  # when, where, on the steady clock
        self.silent = False  # while there are others
        self.joints = self.create_publisher(JointState, self.robot.topic("joint_states"), RELIABLE)
        self.create_subscription(JointTrajectory, "gate/sent", self.take, RELIABLE)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(JOINTS_S, self.measure, clock=steady)
        self.pictures: dict[str, tuple[Any, np.ndarray]] = {}
        if parameter(self, "pictures", True, "publish grey pictures; false: somebody else brings some"):
            for name in self.robot.cameras:
                self.camera(name)
            self.create_timer(PICTURES_S, self.look, clock=steady)

    def camera(self, name: str) -> None:
        size = self.robot.sizes[name] or SIZES.get(name, SIZES["front"])
        spec = front(size) if name in self.robot.fixed else wrist(size)
        topics = {"camera_info": CameraInfo, "pose": PoseStamped}
        for said, (key, kind) in zip(
            (wire.camera_message(spec, name, ros_s(self)), wire.placed_message(spec.parent_from_cam, spec.parent, ros_s(self))),
            topics.items(), strict=True,
        ):  # fmt: skip
            if key != "pose" or name not in self.robot.mounts:
                self.create_publisher(kind, self.robot.topic(f"camera/{name}/{key}"), LATCHED).publish(said)
        out = self.create_publisher(Image, self.robot.topic(f"camera/{name}/image_raw"), NEWEST)
        self.pictures[name] = out, np.full((spec.height, spec.width, 3), 128, np.uint8)

    @property
    def at(self) -> np.ndarray:
        """Where the joints are now."""
        times, rows = self.path
        return np.array([np.interp(time.monotonic(), times, column) for column in rows.T])

    def take(self, message: JointTrajectory) -> None:
        try:
            rows, times = wire.rows(message)
            order = [list(message.joint_names).index(name) for name in self.robot.names]
        except (UserError, ValueError):
            return  # no gate says such a thing
        if len(rows):
            now = time.monotonic()
            self.path = np.array([now, *(now + np.maximum(times, 1e-3))]), np.vstack([self.at, rows[:, order]])

    def measure(self) -> None:
        if (others := self.count_publishers(self.joints.topic_name) > 1) != self.silent:
            self.silent = others
            self.get_logger().error("somebody else says where the joints are" if others else "alone again")
        if others:
            return
        said = JointState(name=list(self.robot.names), position=self.at.tolist())
        said.header.stamp = wire.stamp(ros_s(self))
        self.joints.publish(said)

    def look(self) -> None:
        for name, (out, picture) in self.pictures.items():
            out.publish(wire.image_message(picture, name, ros_s(self)))

    def failed(self, why: str) -> None:
        self.get_logger().error(why)

    def leave(self) -> None: ...


def main() -> int:
    return live(FakeNode)


if __name__ == "__main__":
    sys.exit(main())
