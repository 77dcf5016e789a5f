"""ROS 2 bags, sqlite3 or MCAP, through the `rosbags` library: no ROS installation, messages one at a time.

`topics` picks them: `image=/front/image odom=/odometry imu=/imu twist=/vel fix=/gps`; what is left out is the one topic of the
right type, `twist=` takes none. Each quantity comes from the first that tells it, in the order of `topics` and then of these:
- nav_msgs/Odometry: speed, yaw rate, pose;
- sensor_msgs/Imu: yaw rate, because a gyroscope measures what a twist may leave at 0;
- geometry_msgs/Twist, TwistStamped, TwistWithCovarianceStamped: speed and yaw rate, in the car's frame;
- sensor_msgs/NavSatFix: pose, and a speed where nobody else has one.
A lidar is read where `topics` names it, `cloud=/points`: the newest turn up to a moment, none that is older than max_gap_s.
`columns` goes before all of them and reads plain numbers: `speed=/car/speed[km/h], steer=/car/wheel[deg]` of std_msgs/Float32 or
Float64.
Time is that of the message headers, and of the recording where there is no header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import align, clouds, columns, dashcam, places, video
from embodied.data.drives import EGO, POSE, Drive, Reading, body_spec, observation, reader
from embodied.drive import above
from embodied.errors import UserError
from embodied.types import Image, Observation

TYPES = {
    "image": ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"),
    "odom": ("nav_msgs/msg/Odometry",),
    "imu": ("sensor_msgs/msg/Imu",),
    "twist": tuple(f"geometry_msgs/msg/Twist{kind}" for kind in ("Stamped", "WithCovarianceStamped", "")),
    "fix": ("sensor_msgs/msg/NavSatFix",),
    "cloud": ("sensor_msgs/msg/PointCloud2",),
}
NUMBERS = ("std_msgs/msg/Float32", "std_msgs/msg/Float64")
GIVES = {
    "odom": ("speed", "yaw_rate", *POSE.names),
    "imu": ("yaw_rate",),
    "twist": ("speed", "yaw_rate"),
    "fix": POSE.names,
}
_ORDER = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "mono8": (0, 0, 0)}


@dataclass(frozen=True)
class _Source:
    """names: the quantities that are taken of the topic, in this order.  read: (message, where it stands) -> quantities; None for
    fixes, whose rows need each other."""

    topic: str
    names: tuple[str, ...]
    read: Callable[[Any, str], Mapping[str, float]] | None


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


def _there(path: Path) -> dict[str, str]:
    """Topic -> type."""
    with _opened(path) as bag:
        return {c.topic: c.msgtype for c in bag.connections}


def _told(topics: str, there: Mapping[str, str]) -> dict[str, str]:
    """Role -> topic, "" for none. UserError for a topic that is not there or of another type."""
    wanted: dict[str, str] = {}
    for part in topics.split():
        role, _, topic = part.partition("=")
        if role not in TYPES or (topic and there.get(topic) not in TYPES[role]):
            listed = ", ".join(f"{name} ({kind})" for name, kind in there.items()) or "none"
            kinds = " or ".join(TYPES.get(role, ("one of " + ", ".join(TYPES),)))
            raise UserError(f"topics={topics!r}: {role}={topic} is not there as {kinds}; it has {listed}")
        wanted[role] = topic
    return wanted


def _only(role: str, there: Mapping[str, str]) -> str:
    """The one topic of the role's type, "" without one. UserError where there are several. A picture's compressed copy is the same
    camera, and what is called a command is nothing that was measured."""
    found = [name for name, kind in there.items() if kind in TYPES[role] and not (role == "twist" and "cmd" in name)]
    found = [name for name in found if name.removesuffix("/compressed") not in set(found) - {name}]
    if len(found) > 1:
        raise UserError(
            f"{len(found)} topics may be {role} ({', '.join(found)}); choose with topics='{role}={found[0]}'"
        )
    return found[0] if found else ""


def _sources(path: Path, reading: Reading) -> tuple[str, str, list[_Source]]:
    """The pictures' topic and the lidar's ("" for none), and those of telemetry."""
    there = _there(path)
    wanted = _told(reading.topics, there)
    numbers = columns.mapped(reading.columns, [name for name, kind in there.items() if kind in NUMBERS], path.name)
    if foreign := set(numbers) - set(EGO):
        raise UserError(f"columns: {foreign.pop()} is not read off a bag's numbers; give {', '.join(EGO)}")
    made = [_Source(c.header, (name,), lambda m, _, n=name, c=c: {n: m.data * c.scale}) for name, c in numbers.items()]
    have = set(numbers)
    for role in [role for role in dict.fromkeys([*wanted, *GIVES]) if role in GIVES]:
        names = tuple(name for name in GIVES[role] if name not in have)
        topic = (wanted[role] if role in wanted else _only(role, there)) if names else ""
        if topic:
            have |= set(names)
            made.append(_Source(topic, names, _READ.get(role)))
    if "speed" not in have:
        made = [replace(one, names=("speed", *one.names)) if one.read is None else one for one in made]
    image = wanted["image"] if "image" in wanted else _only("image", there)
    if not image and not {"speed", "x"} & have:
        raise UserError(
            f"{path} tells neither speed nor place and shows no pictures; its topics are {', '.join(there) or 'none'}"
        )
    return image, wanted.get("cloud", ""), made


def _messages(path: Path, topic: str) -> Iterator[tuple[float, Any]]:
    with _opened(path) as bag:
        for connection, stamp, raw in bag.messages([c for c in bag.connections if c.topic == topic]):
            message: Any = bag.deserialize(raw, connection.msgtype)
            head = getattr(getattr(message, "header", None), "stamp", None)
            yield head.sec + head.nanosec * 1e-9 if head and (head.sec or head.nanosec) else stamp * 1e-9, message


def _odometry(m: Any, where: str) -> dict[str, float]:
    p, q, v = m.pose.pose.position, m.pose.pose.orientation, m.twist.twist
    yaw = np.arctan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
    return {"speed": v.linear.x, "yaw_rate": v.angular.z, "x": p.x, "y": p.y, "yaw": float(yaw)}


def _twist(m: Any, where: str) -> dict[str, float]:
    """UserError where it goes sideways: satellite receivers give velocities east and north under the same type."""
    while not hasattr(m, "linear"):
        m = m.twist
    ahead, aside = m.linear.x, m.linear.y
    if abs(aside) > 1 + abs(ahead) / 2:
        raise UserError(
            f"{where}: {ahead:.3g} m/s ahead and {aside:.3g} m/s to the side is no car's own motion but one east and north; "
            "leave it out with topics='twist='"
        )
    return {"speed": ahead, "yaw_rate": m.angular.z}


_READ = {"odom": _odometry, "imu": lambda m, _: {"yaw_rate": m.angular_velocity.z}, "twist": _twist}


def _rows(path: Path, source: _Source, max_gap_s: float) -> Iterator[align.Row]:
    """SI values in the order of source.names, checked; max_gap_s as there."""
    where, read = f"topic {source.topic}", source.read
    if read is None:

        def measured() -> Iterator[align.Row]:
            made = align.checked(_fixes(path, source.topic), where, ("lon", "lat"), max_gap_s)
            return align.about_first(made, 0, 1, angles=True)

        made = places.headed(measured(), 0, places.first_heading(measured(), 0))
        return places.sped(made, 0, where) if "speed" in source.names else made

    def told() -> Iterator[align.Row]:
        for k, (t_s, message) in enumerate(_messages(path, source.topic), 1):
            found = read(message, f"{where}, message {k}")
            yield align.Row(t_s, np.array([found[name] for name in source.names], float), f"message {k}")

    made = align.checked(told(), where, source.names, max_gap_s)
    return align.unwrapped(made, source.names.index("yaw")) if "yaw" in source.names else made


def _merged(
    path: Path, sources: Sequence[_Source], clock: Iterator[float], max_gap_s: float, pictures: bool
) -> Iterator[align.Row]:
    """The values of all sources side by side at the clock's times, where all of them are known."""
    times, *others = tee(clock, 1 + len(sources))
    known = list[Iterator[NDArray[np.float64] | None]]()
    for source, one in zip(sources, others, strict=True):
        ticks = not pictures and "speed" in source.names  # elsewhere gaps matter where the clock ticks
        rows = _rows(path, source, max_gap_s if ticks else 0.0)
        known.append(align.at(rows, one, f"topic {source.topic}", max_gap_s))
    for t_s, *parts in zip(times, *known, strict=False):
        if all(part is not None for part in parts):
            yield align.Row(t_s, np.concatenate([np.zeros(0), *parts]), "")


def _fixed(message: Any) -> bool:
    return message.status.status >= 0 and bool(np.isfinite([message.latitude, message.longitude]).all())


def _fixes(path: Path, topic: str) -> Iterator[align.Row]:
    """Longitude and latitude, rad. A message without a fix is no row; the next one's place says since when there was none."""
    first_s, lost = None, ""
    for k, (t_s, message) in enumerate(_messages(path, topic), 1):
        first_s = t_s if first_s is None else first_s
        if _fixed(message):
            values = np.radians([message.longitude, message.latitude])
            yield align.Row(t_s, values, f"message {k}{lost}")
            lost = ""
        else:
            lost = lost or f" (no fix from message {k} on, {t_s - first_s:.2f} s after the first)"


def _lost(path: Path, topic: str) -> str:
    """How many messages have no fix, and where the first is; "" where all have one. UserError where none has."""
    total, lost, first, zero_s = 0, 0, "", 0.0
    for total, (t_s, message) in enumerate(_messages(path, topic), 1):
        zero_s = t_s if total == 1 else zero_s
        if not _fixed(message):
            lost, first = lost + 1, first or f"message {total} at {t_s - zero_s:.2f} s"
    if lost == total:
        raise UserError(f"none of the {total} messages of {topic} has a fix; leave it out with topics='fix='")
    return f", {lost} of {total} messages of {topic} without a fix, the first is {first}" if lost else ""


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
    """Moments are those of the pictures, and of the topic that tells the speed where there are none."""
    image, lidar, sources = _sources(path, reading)
    cameras, facts = {}, {"steer": "wheel"}
    if image:
        first = next(_messages(path, image), None)
        if first is None:
            raise UserError(f"the topic {image} of {path} holds no message; leave it out with topics='image='")
        height, width, _ = picture_of(first[1]).shape
        cameras["front"], facts["camera"] = dashcam.told(width, height, reading.camera)
    told = [name for source in sources for name in source.names]
    names = tuple(name for name in EGO if name in told)
    pose: str | bool = "x" in told
    for source in sources:
        if source.read is None:
            pose = "recorded" + _lost(path, source.topic)
            if "speed" in source.names:
                facts["speed"] = places.DERIVED
    if lidar:
        facts[above.NAME] = above.SAID
    reckoned = not pose and {"speed", "yaw_rate"} <= set(told)
    there = _there(path)
    if bare := [source.topic for source in sources if there[source.topic] in (*NUMBERS, "geometry_msgs/msg/Twist")]:
        facts["time"] = f"assumed that {', '.join(bare)} tell what was so when they were recorded: they have no stamps"
    spec = body_spec("rosbag", reading.rate_hz, names, cameras, "dead reckoned" if reckoned else pose, False, **facts)
    order = [told.index(name) for name in names]
    place = [told.index(name) for name in POSE.names] if pose else [-3, -2, -1]

    def stream() -> Iterator[Observation]:
        seen: list[Any] = [None]  # the picture of the moment that is being put together

        def clock() -> Iterator[float]:
            if not image:
                yield from (row.t_s for row in _rows(path, next(s for s in sources if "speed" in s.names), 0.0))
                return
            before = -np.inf
            for t_s, seen[0] in _messages(path, image):
                if t_s <= before:
                    raise UserError(f"topic {image}: time goes from {before:.3f} to {t_s:.3f} s; mend the bag's stamps")
                before = t_s
                yield t_s

        rows, start = _merged(path, sources, clock(), reading.max_gap_s, bool(image)), None
        turns = clouds.Newest(_messages(path, lidar), reading.max_gap_s) if lidar else None
        for t_s, values, _ in places.reckoned(rows, told.index("speed"), told.index("yaw_rate")) if reckoned else rows:
            start = t_s if start is None else start
            show: dict[str, Callable[[], Image]] = {"front": partial(picture_of, seen[0])} if image else {}
            if turns is not None and (turn := turns.at(t_s)) is not None:
                show[above.NAME] = partial(lambda one: above.raster(clouds.cloud(one)), turn)
            ego, where = values[order] if names else None, values[place] if pose or reckoned else None
            yield observation(t_s - start, show, ego=ego, pose=where)
        if turns is not None and not turns.found:
            raise UserError(f"no message of {lidar} is of the drive's own time; leave it out with topics='cloud='")

    return (Drive(path.stem, spec, stream),)
