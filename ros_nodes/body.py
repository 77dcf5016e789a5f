"""A robot behind topics as a Body: messages in, joint trajectories out. Executor's thread in, control loop's thread out."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
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
_KINDS = {kind.__name__: kind for kind in (JointState, Odometry, Image, CompressedImage, CameraInfo, PoseStamped)}
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

    def message(self, times: np.ndarray, rows: np.ndarray) -> JointTrajectory:
        return wire.trajectory_message(self.robot.names, times, rows, ros_s(self.node))

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

    def apply(self, command: Command) -> Command:
        """One step of the servo towards the command, sent as where every joint is due one tick later; what comes back is how
        far the hand was sent, which lags behind a command that asks for more than the hand's speed or the joints'."""
        *aim, width = np.asarray(command.values, float).tolist()
        row = np.append(self.servo.follow(*aim), self.robot.grip(width))
        self.topics.out.send(self, self.topics.message(np.array([1 / RATE_HZ]), row[None]))
        return Command(command.t_s, np.array([*self.servo.aim, width], np.float32))

    def close(self) -> None:
        self.topics.stand_still(self)
