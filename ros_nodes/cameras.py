"""A robot's or vehicle's cameras: what came in last, read as pictures by whoever looks. Nothing here needs a node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from embodied.errors import UserError
from embodied.geometry import Matrix, fitted
from embodied.spec import CameraSpec
from ros_nodes import wire

PICTURE_S = 1.0  # a picture older than this makes the observation stale
Topics = list[tuple[str, str, str, Callable[[Any], None]]]


@dataclass
class _Camera:
    info: Any = None  # CameraInfo
    pose: tuple[str, Matrix] | None = None
    pictures: dict[str, Any] = field(default_factory=dict[str, Any])  # kind -> Image or CompressedImage
    at_s: float = -np.inf
    age_s: float = 0.0  # that the newest picture had when it came
    stamp: tuple[int, int] = (0, 0)


class Cameras:
    """Filled by one thread, read from any. fixed: those on the base.  mounts: camera -> x y z roll pitch yaw where no topic says
    it.  sizes: camera -> width, height that it is brought to, px, or None: as it comes.  now_s: the clock of receipt.
    stamps_s: the clock of the messages' stamps, s, where a node has one: what was old when it came counts as that old.
    """

    stamps_s: Callable[[], float] | None = None

    def __init__(
        self, names: Sequence[str], fixed: Sequence[str], mounts: Mapping[str, Sequence[float]],
        sizes: Mapping[str, tuple[int, int] | None] | None = None, now_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.now_s, self._fixed, self._sizes, self._mounted = now_s, tuple(fixed), sizes or {}, tuple(mounts)
        self._lock = threading.Lock()
        self._cameras = {name: _Camera() for name in names}
        for name, numbers in mounts.items():
            if name not in self._cameras or len(numbers) != 6:
                raise UserError(
                    f"mounts: {name} = {list(numbers)} must be x y z roll pitch yaw of one of {tuple(names)}"
                )
            self._cameras[name].pose = "base" if name in fixed else "hand", wire.mount(numbers)

    def topics(self) -> Topics:
        """What belongs in here: topic, message, how it is sent ("reliable", "newest", "stream", "latched"), and who takes it.

        A camera may send raw or compressed pictures, or both. Its CameraInfo comes with each picture, best effort, or once and is
        kept for who comes later: heard both ways."""
        out: Topics = []
        for name in self._cameras:
            raw, deep = (partial(self.take_picture, name, kind) for kind in ("image_raw", "depth"))
            out += [
                (f"camera/{name}/image_raw", "Image", "newest", raw),
                (f"camera/{name}/image_raw/compressed", "CompressedImage", "newest", raw),
                (f"camera/{name}/depth", "Image", "newest", deep),
                (f"camera/{name}/camera_info", "CameraInfo", "stream", partial(self.take_info, name)),
                (f"camera/{name}/camera_info", "CameraInfo", "latched", partial(self.take_info, name)),
            ]
            if name not in self._mounted:
                out.append((f"camera/{name}/pose", "PoseStamped", "latched", partial(self.take_pose, name)))
        return out

    def take_picture(self, camera: str, kind: str, message: Any) -> None:
        """kind: image_raw (compressed or not) or depth. Read later, by whoever wants it: most pictures nobody looks at.

        One with the stamp of the one before is the same again, of a camera that has frozen: it does not count as new."""
        one, stamp = self._cameras[camera], (message.header.stamp.sec, message.header.stamp.nanosec)
        with self._lock:
            one.pictures[kind] = message
            if kind == "image_raw":
                if stamp != one.stamp or stamp == (0, 0):
                    one.age_s = self._age_s(message.header.stamp)
                    one.at_s = self.now_s() - one.age_s
                one.stamp = stamp

    def _age_s(self, stamp: Any) -> float:
        """How old a picture that has just come is, s; 0 where nobody can tell."""
        taken_s = wire.seconds(stamp)
        if self.stamps_s is None or not taken_s:
            return 0.0
        age_s = self.stamps_s() - taken_s
        return age_s if 0.0 <= age_s < np.inf else 0.0

    def take_info(self, camera: str, message: Any) -> None:
        with self._lock:
            self._cameras[camera].info = message

    def take_pose(self, camera: str, message: Any) -> None:
        pose = message.header.frame_id, wire.matrix(message.pose)
        with self._lock:
            self._cameras[camera].pose = pose

    def missing(self, since_s: float = -np.inf) -> list[str]:
        """The topics on which nothing has come yet, or no picture after `since_s`."""
        out: list[str] = []
        with self._lock:
            for name, camera in self._cameras.items():
                old = "image_raw" not in camera.pictures or camera.at_s <= since_s
                late = f" (its stamps are {camera.age_s:.1f} s old)" if camera.age_s > PICTURE_S else ""
                lacks = {"camera_info": camera.info is None, "pose": camera.pose is None, f"image_raw{late}": old}
                out += [f"camera/{name}/{kind}" for kind, lacking in lacks.items() if lacking]
        return out

    def specs(self) -> dict[str, CameraSpec]:
        """When nothing is missing. UserError for a camera that does not show what its CameraInfo says."""
        out: dict[str, CameraSpec] = {}
        for name, camera in self._cameras.items():
            assert camera.info is not None and camera.pose is not None
            parent, pose = camera.pose
            parent = "base" if name in self._fixed else parent
            wire.check_camera(name, camera.info, camera.pictures)
            one = wire.camera(camera.info, pose, parent, "depth" in camera.pictures)
            size = self._sizes.get(name)
            out[name] = fitted(one, *size) if size else one
        return out

    def see(self, t_s: float) -> tuple[float, Mapping[str, Any], Mapping[str, Any]]:
        """The time of an observation at t_s, which is that of the oldest picture when that is too old; pictures; depth."""
        with self._lock:
            kinds = {name: dict(camera.pictures) for name, camera in self._cameras.items()}
            oldest = min((camera.at_s for camera in self._cameras.values()), default=np.inf)
        seen = Pictures({name: one["image_raw"] for name, one in kinds.items() if "image_raw" in one}, self._sizes)
        depth = Pictures({name: one["depth"] for name, one in kinds.items() if "depth" in one}, self._sizes)
        return t_s if self.now_s() - oldest <= PICTURE_S else oldest, seen, depth


class Pictures(Mapping[str, Any]):
    """Messages that become pictures, of their camera's size if it has one, when they are looked at."""

    def __init__(self, messages: dict[str, Any], sizes: Mapping[str, tuple[int, int] | None]) -> None:
        self._messages, self._sizes, self._read = messages, sizes, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            read = wire.picture(self._messages[name])
            size = self._sizes.get(name)
            self._read[name] = wire.fit(read, *size) if size else read
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)
