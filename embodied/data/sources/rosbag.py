"""ROS 2 bags, sqlite3 or MCAP, through the `rosbags` library: no ROS installation, messages one at a time.

`topics` picks them: `image=/front/image odom=/odometry imu=/imu`; what is left out is the first topic of the right type.
nav_msgs/Odometry gives speed, yaw rate and pose; sensor_msgs/Imu the yaw rate where there is no odometry's;
sensor_msgs/Image and CompressedImage the pictures. Time is that of the message headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import align, dashcam, video
from embodied.data.drives import Drive, Reading, body_spec, observation, reader
from embodied.errors import UserError
from embodied.types import Image, Observation

TYPES = {
    "image": ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"),
    "odom": ("nav_msgs/msg/Odometry",),
    "imu": ("sensor_msgs/msg/Imu",),
}
_ORDER = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "mono8": (0, 0, 0)}


def _bag(path: Path) -> Path | None:
    if path.is_dir() and (path / "metadata.yaml").exists():
        return path
    return path if path.suffix in (".mcap", ".db3", ".bag") else None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise UserError("bags need the library rosbags; run: pip install 'embodied-planner[drive]'") from None
    try:
        with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as opened:
            yield opened
    except Exception as fault:  # the library lets through what YAML, SQLite and MCAP make of a broken file
        first = next(iter(str(fault).splitlines()), type(fault).__name__)
        raise UserError(f"cannot read the bag {path} ({first}); copy it whole, with its metadata.yaml") from None


def _chosen(path: Path, topics: str) -> dict[str, str]:
    """Role -> topic. UserError for a topic that is not there or of another type."""
    wanted: dict[str, str] = {}
    for part in topics.split():
        role, _, topic = part.partition("=")
        wanted[role] = topic
    with _opened(path) as bag:
        there = {c.topic: c.msgtype for c in bag.connections}
    for role, topic in wanted.items():
        if role not in TYPES or there.get(topic) not in TYPES[role]:
            listed = ", ".join(f"{name} ({kind})" for name, kind in there.items()) or "none"
            raise UserError(
                f"topics={topics!r}: {role}={topic} is not there as {TYPES.get(role, 'image, odom or imu')}; it has {listed}"
            )
    for role, kinds in TYPES.items():
        found = next((name for name, kind in there.items() if kind in kinds), None)
        if role not in wanted and found:
            wanted[role] = found
    if not {"odom", "image"} & set(wanted):
        raise UserError(f"{path} has neither odometry nor pictures; its topics are {', '.join(there) or 'none'}")
    return wanted


def _messages(path: Path, topic: str) -> Iterator[tuple[float, Any]]:
    with _opened(path) as bag:
        for connection, stamp, raw in bag.messages([c for c in bag.connections if c.topic == topic]):
            message: Any = bag.deserialize(raw, connection.msgtype)
            head = message.header.stamp
            yield head.sec + head.nanosec * 1e-9 if head.sec or head.nanosec else stamp * 1e-9, message


def _odometry(path: Path, topic: str) -> Iterator[align.Row]:
    """speed, yaw rate, x, y, yaw."""
    for k, (t_s, m) in enumerate(_messages(path, topic), 1):
        p, q, v = m.pose.pose.position, m.pose.pose.orientation, m.twist.twist
        yaw = np.arctan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
        yield align.Row(t_s, np.array([v.linear.x, v.angular.z, p.x, p.y, yaw]), f"message {k}")


def _turning(path: Path, topic: str) -> Iterator[align.Row]:
    for k, (t_s, m) in enumerate(_messages(path, topic), 1):
        yield align.Row(t_s, np.array([m.angular_velocity.z]), f"message {k}")


def picture_of(message: Any) -> Image:
    """uint8 H W 3 of a raw or compressed image message. UserError for an encoding that is none of _ORDER."""
    if hasattr(message, "format"):
        return video.decode_picture(bytes(message.data))
    if message.encoding not in _ORDER:
        raise UserError(f"pictures encoded as {message.encoding!r} are not read; convert them to rgb8")
    flat: NDArray[np.uint8] = np.asarray(message.data, np.uint8)
    rows = flat.reshape(message.height, message.step)
    depth = {"mono8": 1, "rgba8": 4, "bgra8": 4}.get(message.encoding, 3)
    pixels = rows[:, : message.width * depth].reshape(message.height, message.width, depth)
    return np.ascontiguousarray(pixels[..., list(_ORDER[message.encoding])])


@reader("rosbag", "a rosbag2 folder, an .mcap or a .db3", lambda p: _bag(p) is not None)
def rosbag(path: Path, reading: Reading) -> tuple[Drive, ...]:
    """Moments are those of the pictures, and of the odometry where there are none."""
    topics = _chosen(path, reading.topics)
    image, odom, imu = (topics.get(role, "") for role in ("image", "odom", "imu"))
    cameras, facts = {}, {}
    if image:
        first = next(_messages(path, image), None)
        if first is None:
            raise UserError(f"the topic {image} of {path} holds no message; leave it out with topics=odom=...")
        height, width, _ = picture_of(first[1]).shape
        cameras["front"], facts["camera"] = dashcam.told(width, height, reading.camera)
    names = ("speed", "yaw_rate") if odom else ("yaw_rate",) if imu else ()
    fields = ("speed", "yaw_rate", "x", "y", "yaw") if odom else ("yaw_rate",)
    spec = body_spec("rosbag", reading.rate_hz, names, cameras, pose=bool(odom), steer="road", **facts)

    def rows() -> Iterator[align.Row]:
        made = _odometry(path, odom) if odom else _turning(path, imu)
        good = align.checked(made, f"topic {odom or imu}", fields, max_gap_s=0.0 if image else reading.max_gap_s)
        return align.unwrapped(good, 4) if odom else good

    def moment(t_s: float, images: dict[str, Any] | None, values: NDArray[np.float64]) -> Observation:
        return observation(t_s, images, ego=values[: len(names)], pose=values[2:] if odom else None)

    def stream() -> Iterator[Observation]:
        if not image:
            start = None
            for t_s, values, _ in rows():
                start = t_s if start is None else start
                yield moment(t_s - start, None, values)
            return
        seen: list[tuple[float, Any]] = []

        def clock() -> Iterator[float]:
            before = -np.inf
            for t_s, message in _messages(path, image):
                if t_s <= before:
                    raise UserError(f"topic {image}: time goes from {before:.3f} to {t_s:.3f} s; mend the bag's stamps")
                before = t_s
                seen[:] = [(t_s, message)]
                yield t_s

        start = None
        known = (
            align.at(rows(), clock(), f"topic {odom or imu}", max_gap_s=reading.max_gap_s)
            if names
            else (None for _ in clock())
        )
        for values in known:
            t_s, message = seen[0]
            if names and values is None:
                continue
            start = t_s if start is None else start
            show = {"front": lambda message=message: picture_of(message)}
            yield observation(t_s - start, show) if values is None else moment(t_s - start, show, values)

    return (Drive(path.stem, spec, stream),)
