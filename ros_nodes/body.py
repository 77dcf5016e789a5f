"""A robot behind topics as a Body: messages in, joint trajectories out. Executor's thread in, control loop's thread out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory

from embodied.control.arm import Arm
from embodied.control.servo import Servo
from embodied.errors import UserError
from embodied.geometry import Matrix
from embodied.spec import BodySpec, CameraSpec
from embodied.types import Command, Observation
from ros_nodes import wire
from ros_nodes.process import LATCHED, NEWEST, RELIABLE
from ros_nodes.robots import RATE_HZ, Robot

ROWS = 8  # past samples in each observation
PICTURE_S = 1.0  # a picture older than this makes the observation stale


@dataclass
class _Camera:
    info: CameraInfo | None = None
    pose: tuple[str, Matrix] | None = None
    pictures: dict[str, Any] = field(default_factory=dict[str, Any])
    at_s: float = -np.inf


class Wire:
    """A robot's topics: what came in last, and the way out. Of the executor's thread, read from any."""

    def __init__(self, node: Node, robot: Robot) -> None:
        self.robot = robot
        self.sending = threading.Lock()
        self.sender: RosBody | None = None  # whose commands go out; nobody else's do
        self._lock = threading.Lock()
        self._joints: dict[str, tuple[float, float]] = {}
        self._fresh: set[str] = set()
        self._rows: list[tuple[float, np.ndarray]] = []  # received at, (q..., opening, force)
        self._cameras = {name: _Camera() for name in robot.cameras}
        self._out = node.create_publisher(JointTrajectory, "controller/command", RELIABLE)
        node.create_subscription(JointState, "joint_states", self._take_joints, RELIABLE)
        for name in robot.cameras:
            for kind in ("image_raw", "depth"):
                take = self._taking(name, kind)
                node.create_subscription(Image, f"camera/{name}/{kind}", take, NEWEST)
            node.create_subscription(CameraInfo, f"camera/{name}/camera_info", self._informing(name), LATCHED)
            node.create_subscription(PoseStamped, f"camera/{name}/pose", self._placing(name), LATCHED)

    # --- the executor's thread

    def _take_joints(self, message: JointState) -> None:
        efforts = list(message.effort) or [0.0] * len(message.name)
        with self._lock:
            for name, position, effort in zip(message.name, message.position, efforts, strict=False):
                self._joints[name] = position, effort
                self._fresh.add(name)
            # A row is of one moment: of partial messages, until each of the arm's joints has come again.
            if self._fresh >= set(self.robot.joints) and self.robot.names[-1] in self._joints:
                now = time.monotonic()
                if not self._rows or now - self._rows[-1][0] > 0.6 / RATE_HZ:
                    q = [self._joints[name][0] for name in self.robot.joints]
                    grip, effort = self._joints[self.robot.names[-1]]
                    opening = grip / float(self.robot.gripper["share"])
                    self._rows = [*self._rows[1 - ROWS :], (now, np.array([*q, opening, max(0.0, -effort)]))]
                    self._fresh.clear()

    def _taking(self, camera: str, kind: str) -> Any:
        def take(message: Image) -> None:
            with self._lock:  # read later, in the thread that wants it: most pictures nobody looks at
                self._cameras[camera].pictures[kind] = message
                if kind == "image_raw":
                    self._cameras[camera].at_s = time.monotonic()

        return take

    def _informing(self, camera: str) -> Any:
        def take(message: CameraInfo) -> None:
            with self._lock:
                self._cameras[camera].info = message

        return take

    def _placing(self, camera: str) -> Any:
        def take(message: PoseStamped) -> None:
            with self._lock:
                self._cameras[camera].pose = message.header.frame_id, wire.matrix(message.pose)

        return take

    # --- any thread

    def missing(self, since_s: float = -np.inf) -> str:
        """What has not arrived yet, in words; nothing when all has, pictures after `since_s`."""
        with self._lock:
            out = [] if self._rows else [f"joint_states of {', '.join(self.robot.names)}"]
            for name, camera in self._cameras.items():
                kinds = {"camera_info": camera.info, "pose": camera.pose, "image_raw": camera.pictures.get("image_raw")}
                if camera.at_s <= since_s:
                    kinds["image_raw"] = None
                out += [f"camera/{name}/{kind}" for kind, there in kinds.items() if there is None]
        return "; ".join(out)

    @property
    def spec(self) -> BodySpec:
        if missing := self.missing():
            raise UserError(f"nothing came yet on {missing}")
        cameras: dict[str, CameraSpec] = {}
        for name, camera in self._cameras.items():
            assert camera.info is not None and camera.pose is not None
            parent, pose = camera.pose
            parent = "base" if name in self.robot.fixed else parent
            cameras[name] = wire.camera(camera.info, pose, parent, "depth" in camera.pictures)
        return BodySpec(self.robot.name, cameras, self.robot.states, self.robot.action)

    def stand_still(self) -> None:
        """Tell the gate to hold; what a run still has to say after that is not sent."""
        with self.sending:
            self.sender = None
            self.send(np.zeros(0), np.zeros((0, len(self.robot.names))))

    def said(self, timeout_s: float = 0.5) -> None:
        """Wait until what was sent has arrived."""
        from rclpy.duration import Duration

        self._out.wait_for_all_acked(Duration(seconds=timeout_s))

    def newest(self) -> tuple[list[tuple[float, np.ndarray]], dict[str, tuple[dict[str, Image], float]]]:
        """The last ROWS joint rows, and the last pictures of each camera and when they came."""
        with self._lock:
            rows = list(self._rows)
            pictures = {name: (dict(camera.pictures), camera.at_s) for name, camera in self._cameras.items()}
        return [rows[0]] * (ROWS - len(rows)) + rows, pictures

    def send(self, times: np.ndarray, rows: np.ndarray) -> None:
        self._out.publish(wire.trajectory_message(self.robot.names, times, rows, time.time()))


class RosBody:
    """embodied.protocols.Body over these topics, for one run: it sends from `reset` until another run begins or the robot is
    told to stand still. Time is the machine's monotonic clock, counted on receipt."""

    def __init__(self, topics: Wire) -> None:
        self.topics, self.robot = topics, topics.robot
        arm = Arm(
            self.robot.path, self.robot.tip, joints=self.robot.joints, posture=self.robot.posture
        )  # of this thread
        self.servo = Servo(arm, RATE_HZ, self.robot.hand["speed"], self.robot.hand["turn"])
        self.applied_s = -np.inf

    @property
    def spec(self) -> BodySpec:
        return self.topics.spec

    def reset(self, seed: int | None = None) -> Observation:
        """Begin from where the arm is measured; the world is as it is."""
        _ = self.spec
        self.servo.start(self.topics.newest()[0][-1][1][: len(self.robot.joints)].copy())
        with self.topics.sending:
            self.topics.sender, self.applied_s = self, time.monotonic()
        return self.observe()

    def observe(self) -> Observation:
        rows, pictures = self.topics.newest()
        n, now = len(self.robot.joints), time.monotonic()
        arm = [(*self.servo.aim_of(row[:n]), row[n], row[n + 1]) for _, row in rows]
        states = {"arm": np.array(arm, np.float32), "joints": np.array([row[:n] for _, row in rows], np.float32)}
        seen = _Pictures({name: kinds["image_raw"] for name, (kinds, _) in pictures.items()})
        depth = _Pictures({name: kinds["depth"] for name, (kinds, _) in pictures.items() if "depth" in kinds})
        oldest = min(at for _, at in pictures.values())
        return Observation(rows[-1][0] if now - oldest <= PICTURE_S else oldest, seen, states, depth)

    def apply(self, command: Command) -> Command:
        """One step of the servo towards the command, sent as where every joint is due one tick later."""
        *aim, width = np.asarray(command.values, float).tolist()
        q = self.servo.follow(*aim)
        row = np.append(q, width * float(self.robot.gripper["share"]))
        with self.topics.sending:
            if self.topics.sender is self:
                self.topics.send(np.array([1 / RATE_HZ]), row[None])
                self.applied_s = time.monotonic()
        return Command(command.t_s, np.array([*self.servo.aim, width], np.float32))

    def close(self) -> None:
        with self.topics.sending:
            mine = self.topics.sender is self
        if mine:
            self.topics.stand_still()


class _Pictures(Mapping[str, Any]):
    """Messages that become pictures when they are looked at."""

    def __init__(self, messages: dict[str, Image]) -> None:
        self._messages, self._read = messages, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = wire.picture(self._messages[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)
