"""A robot's messages -> observations: what came in last, whoever brings it (a node's topics, a bag). Nothing here needs a node."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from embodied.control.servo import Aim
from embodied.errors import UserError
from embodied.geometry import Matrix, fitted
from embodied.spec import BodySpec, CameraSpec
from embodied.types import Observation
from ros_nodes import wire
from ros_nodes.robots import RATE_HZ, Robot

ROWS = 8  # past samples in each observation, 1 / RATE_HZ s apart
KEPT = 1000  # joint states: of those ROWS, at a rate of up to 2 kHz
PICTURE_S = 1.0  # a picture older than this makes the observation stale


@dataclass
class _Camera:
    info: Any = None  # CameraInfo
    pose: tuple[str, Matrix] | None = None
    pictures: dict[str, Any] = field(default_factory=dict[str, Any])  # kind -> Image or CompressedImage
    at_s: float = -np.inf
    stamp: tuple[int, int] = (0, 0)


class Inbox:
    """What one robot has said. Filled by one thread, read from any. now_s: the clock that receipt is counted on. told: called
    whenever the joints have come anew."""

    def __init__(
        self, robot: Robot, now_s: Callable[[], float] = time.monotonic, told: Callable[[], None] = lambda: None
    ) -> None:
        self.robot, self.now_s, self.told = robot, now_s, told
        self._lock = threading.Lock()
        self._joints: dict[str, tuple[float, float]] = {}
        self._fresh: set[str] = set()
        self._names, self._arm = set(robot.names), set(robot.joints)
        self._rows: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)  # received at, (q..., opening, force)
        self._cameras = {name: _Camera() for name in robot.cameras}
        for name, numbers in robot.mounts.items():
            if name not in self._cameras or len(numbers) != 6:
                raise UserError(
                    f"mounts: {name} = {list(numbers)} must be x y z roll pitch yaw of one of {robot.cameras}"
                )
            self._cameras[name].pose = "base" if name in robot.fixed else "hand", wire.mount(numbers)

    def topics(self) -> list[tuple[str, str, str, Callable[[Any], None]]]:
        """What belongs in here: topic, message, how it is sent ("reliable", "newest", "stream", "latched"), and who takes it.

        A camera may send raw or compressed pictures, or both. Its CameraInfo comes with each picture, best effort, or once and is
        kept for who comes later: heard both ways."""
        out = [("joint_states", "JointState", "reliable", self.take_joints)]
        for name in self.robot.cameras:
            raw, deep = (partial(self.take_picture, name, kind) for kind in ("image_raw", "depth"))
            out += [
                (f"camera/{name}/image_raw", "Image", "newest", raw),
                (f"camera/{name}/image_raw/compressed", "CompressedImage", "newest", raw),
                (f"camera/{name}/depth", "Image", "newest", deep),
                (f"camera/{name}/camera_info", "CameraInfo", "stream", partial(self.take_info, name)),
                (f"camera/{name}/camera_info", "CameraInfo", "latched", partial(self.take_info, name)),
            ]
            if name not in self.robot.mounts:
                out.append((f"camera/{name}/pose", "PoseStamped", "latched", partial(self.take_pose, name)))
        return [(self.robot.topic(topic), *rest) for topic, *rest in out]  # type: ignore[misc]

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

    def take_picture(self, camera: str, kind: str, message: Any) -> None:
        """kind: image_raw (compressed or not) or depth. Read later, by whoever wants it: most pictures nobody looks at.

        One with the stamp of the one before is the same again, of a camera that has frozen: it does not count as new."""
        one, stamp = self._cameras[camera], (message.header.stamp.sec, message.header.stamp.nanosec)
        with self._lock:
            one.pictures[kind] = message
            if kind == "image_raw":
                if stamp != one.stamp or stamp == (0, 0):
                    one.at_s = self.now_s()
                one.stamp = stamp

    def take_info(self, camera: str, message: Any) -> None:
        with self._lock:
            self._cameras[camera].info = message

    def take_pose(self, camera: str, message: Any) -> None:
        pose = message.header.frame_id, wire.matrix(message.pose)
        with self._lock:
            self._cameras[camera].pose = pose

    # --- out

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
        """UserError for what is missing, and for a camera that does not show what its CameraInfo says."""
        if missing := self.missing():
            raise UserError(f"nothing came yet on {missing}")
        cameras: dict[str, CameraSpec] = {}
        for name, camera in self._cameras.items():
            assert camera.info is not None and camera.pose is not None
            parent, pose = camera.pose
            parent = "base" if name in self.robot.fixed else parent
            wire.check_camera(name, camera.info, camera.pictures)
            one = wire.camera(camera.info, pose, parent, "depth" in camera.pictures)
            cameras[name] = fitted(one, *self.robot.pictures) if self.robot.pictures else one
        return BodySpec(self.robot.name, cameras, self.robot.states, self.robot.action)

    def newest(self) -> tuple[list[tuple[float, np.ndarray]], dict[str, tuple[dict[str, Any], float]]]:
        """ROWS joint rows, the newest last and before it those nearest to 1, 2, ... periods of RATE_HZ earlier; and the last
        pictures of each camera and when they came."""
        with self._lock:
            rows = list(self._rows)
            pictures = {name: (dict(camera.pictures), camera.at_s) for name, camera in self._cameras.items()}
        came = np.array([at for at, _ in rows])
        wanted = came[-1] - np.arange(ROWS - 1, -1, -1) / RATE_HZ
        return [rows[k] for k in np.abs(came - wanted[:, None]).argmin(1)], pictures

    def observe(self, aim_of: Callable[[np.ndarray], Aim]) -> Observation:
        """aim_of: joint angles -> where the hand is. Its time is that of the oldest thing that it would not do without."""
        rows, pictures = self.newest()
        n, now = len(self.robot.joints), self.now_s()
        arm = [(*aim_of(row[:n]), row[n], row[n + 1]) for _, row in rows]
        states = {"arm": np.array(arm, np.float32), "joints": np.array([row[:n] for _, row in rows], np.float32)}
        size = self.robot.pictures
        seen = _Pictures({name: kinds["image_raw"] for name, (kinds, _) in pictures.items()}, size)
        depth = _Pictures({name: kinds["depth"] for name, (kinds, _) in pictures.items() if "depth" in kinds}, size)
        oldest = min((at for _, at in pictures.values()), default=now)
        return Observation(rows[-1][0] if now - oldest <= PICTURE_S else oldest, seen, states, depth)


class _Pictures(Mapping[str, Any]):
    """Messages that become pictures, of this size if one is given, when they are looked at."""

    def __init__(self, messages: dict[str, Any], size: tuple[int, int] | None) -> None:
        self._messages, self._size, self._read = messages, size, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            read = wire.picture(self._messages[name])
            self._read[name] = wire.fit(read, *self._size) if self._size else read
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)
