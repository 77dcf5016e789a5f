"""A robot behind topics as a Body: messages in, joint trajectories out. Executor's thread in, control loop's thread out."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState, PointCloud2
from trajectory_msgs.msg import JointTrajectory

from embodied.control.clock import NewsClock
from embodied.spec import BodySpec
from embodied.types import Command, Observation
from ros_nodes import wire
from ros_nodes.cameras import Cameras
from ros_nodes.inbox import Inbox
from ros_nodes.outlet import Outlet
from ros_nodes.process import LATCHED, NEWEST, RELIABLE, STREAM, ros_s
from ros_nodes.robots import RATE_HZ, Robot

NEAR_S = (
    0.25 / RATE_HZ
)  # that a tick may be early or late to begin with an observation: enough for joint states of 40 Hz and more
_KINDS = {
    kind.__name__: kind for kind in (JointState, Odometry, Image, CompressedImage, CameraInfo, PoseStamped, PointCloud2)
}
_QUALITIES = {"reliable": RELIABLE, "newest": NEWEST, "stream": STREAM, "latched": LATCHED}


def subscribe(node: Node, inbox: Cameras) -> None:
    """Bring a robot's topics to its inbox."""
    for topic, kind, quality, take in inbox.topics():
        node.create_subscription(_KINDS[kind], topic, take, _QUALITIES[quality])


class Wire(Inbox):
    """A robot's topics: its inbox, and the way out. Of the executor's thread, read from any. clock: ticks with the joint states."""

    def __init__(self, node: Node, robot: Robot) -> None:
        self.clock = NewsClock(NEAR_S)
        super().__init__(robot, told=self.clock.tell)
        self.node, self.frame = node, robot.frame
        self.out = Outlet(node.create_publisher(JointTrajectory, "controller/command", RELIABLE))
        subscribe(node, self)

    def body(self) -> RosBody:
        """For one run."""
        return RosBody(self)

    def message(self, times: np.ndarray, rows: np.ndarray, velocities: np.ndarray | None = None) -> JointTrajectory:
        return wire.trajectory_message(self.robot.names, times, rows, ros_s(self.node), velocities)

    def chunk(self, rows: np.ndarray, before: np.ndarray) -> JointTrajectory:
        """Rows (k, n) from the next tick on, after `before` (n,), with the velocities of a smooth curve through them; at rest at
        its end, as a trajectory controller demands."""
        padded = np.vstack([before, rows, rows[-1:]])
        velocities = (padded[2:] - padded[:-2]) * (RATE_HZ / 2)
        velocities[-1] = 0.0
        return self.message(np.arange(1, len(rows) + 1) / RATE_HZ, rows, velocities)

    def stand_still(self, who: object = None) -> None:
        """Tell the gate to hold; what a run still has to say after that is not sent. who: only if that run is still in charge."""
        self.out.stop(self.message(np.zeros(0), np.zeros((0, len(self.robot.names)))), who)


class RosBody:
    """embodied.protocols.Body over these topics, for one run: it sends from `reset` until another run begins or the robot is
    told to stand still. Time is the machine's monotonic clock, counted on receipt."""

    def __init__(self, topics: Wire) -> None:
        self.topics, self.robot = topics, topics.robot
        self._spec: BodySpec | None = None
        self.servo = self.robot.new_servo()  # of this thread
        self._upcoming = np.zeros((0, 5))

    @property
    def spec(self) -> BodySpec:
        """What it was at the reset, whatever cameras say of themselves later."""
        return self.topics.spec if self._spec is None else self._spec

    def reset(self, seed: int | None = None) -> Observation:
        """Begin from where the arm is measured; the world is as it is."""
        self._spec = self.topics.spec
        self.servo.start(self.topics.newest()[-1][1][: len(self.robot.joints)].copy())
        self.topics.out.take(self)
        return self.observe()

    def observe(self) -> Observation:
        return self.topics.observe(self.servo.aim_of)

    def upcoming(self, rows: np.ndarray) -> None:
        """What will follow the next command if nothing changes, (k, 5): the gate goes on with it when a tick comes late."""
        self._upcoming = rows

    def apply(self, command: Command) -> Command:
        """One step of the servo towards the command, sent as where every joint is due one tick later, and after it where they will
        be due; what comes back is how far the hand was sent, which lags behind a command that asks for more than the hand's speed
        or the joints'."""
        values, before = np.asarray(command.values, float).tolist(), self.servo.q
        rows = [values, *self._upcoming.tolist()]
        self._upcoming = self._upcoming[:0]
        joints = [self.servo.follow(*values[:4]), *self.servo.foresee([row[:4] for row in rows])]
        grips = [self.robot.grip(row[4]) for row in rows[: len(joints)]]
        self.topics.out.send(self, self.topics.chunk(np.column_stack([joints, grips]), np.append(before, grips[0])))
        return Command(command.t_s, np.array([*self.servo.aim, values[4]], np.float32))

    def close(self) -> None:
        self.topics.stand_still(self)
