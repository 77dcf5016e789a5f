"""Bags of cars without odometry: fixes, twists, gyroscopes and plain numbers beside pictures, each on its own clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embodied.cli import main
from embodied.data import drives
from embodied.data.align import EARTH_M
from embodied.errors import UserError

pytest.importorskip("rosbags", reason="the library rosbags is not installed; pip install 'embodied-planner[drive]'")

from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
LAT, LON = 52.0, 13.0  # degrees, where the drives begin
RADIUS_M, SPEED = 40.0, 8.0  # of the circle that is driven, to the left, from the south
Stamped = tuple[str, str, float, Any]  # topic, type, seconds, message


def made(kind: str, *values: Any) -> Any:
    return STORE.types[kind](*values)


def header(t_s: float) -> Any:
    return made("std_msgs/msg/Header", made("builtin_interfaces/msg/Time", int(t_s), round(t_s % 1 * 1e9)), "base")


def vector(*xyz: float) -> Any:
    return made("geometry_msgs/msg/Vector3", *map(float, xyz))


def motion(ahead: float, turn: float, aside: float = 0.0) -> Any:
    return made("geometry_msgs/msg/Twist", vector(ahead, aside, 0), vector(0, 0, turn))


def fix(t_s: float, east: float, north: float, status: int = 0) -> Any:
    place = LAT + np.degrees(north / EARTH_M), LON + np.degrees(east / EARTH_M / np.cos(np.radians(LAT)))
    return made(
        "sensor_msgs/msg/NavSatFix", header(t_s), made("sensor_msgs/msg/NavSatStatus", status, 1), *map(float, place), 30.0,
        np.zeros(9), 0,
    )  # fmt: skip


def places(seconds: float, rate_hz: float, topic: str = "/fix", lost: Iterable[int] = ()) -> Iterator[Stamped]:
    """Fixes on the circle; those in `lost`, which is counted from 1, have none."""
    for k in range(round(seconds * rate_hz) + 1):
        turned = SPEED * k / rate_hz / RADIUS_M
        where = RADIUS_M * np.sin(turned), RADIUS_M * (1 - np.cos(turned))
        message = fix(100 + k / rate_hz, *where)
        if k + 1 in set(lost):
            message = fix(100 + k / rate_hz, np.nan, 0.0) if k % 2 else fix(100 + k / rate_hz, 0, 0, status=-1)
        yield topic, "sensor_msgs/msg/NavSatFix", 100 + k / rate_hz, message


def twists(seconds: float, rate_hz: float, topic: str = "/vel", turn: float = SPEED / RADIUS_M) -> Iterator[Stamped]:
    for k in range(round(seconds * rate_hz) + 1):
        t_s = 99.95 + k / rate_hz
        yield (
            topic,
            "geometry_msgs/msg/TwistStamped",
            t_s,
            made("geometry_msgs/msg/TwistStamped", header(t_s), motion(SPEED, turn)),
        )


def gyroscope(seconds: float, rate_hz: float, topic: str = "/imu", turn: float = SPEED / RADIUS_M) -> Iterator[Stamped]:
    for k in range(round(seconds * rate_hz) + 1):
        t_s, kind = 99.9 + k / rate_hz, "sensor_msgs/msg/Imu"
        still = made("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
        cov = [np.zeros(9)] * 3
        yield (
            topic,
            kind,
            t_s,
            made(kind, header(t_s), still, cov[0], vector(0, 0, turn), cov[1], vector(0, 0, 9.8), cov[2]),
        )


def shots(seconds: float, rate_hz: float, topic: str = "/eye") -> Iterator[Stamped]:
    for k in range(round(seconds * rate_hz)):
        t_s = 100.02 + k / rate_hz
        pixels = np.full((8, 12, 3), k, np.uint8).ravel()
        yield (
            topic,
            "sensor_msgs/msg/Image",
            t_s,
            made("sensor_msgs/msg/Image", header(t_s), 8, 12, "rgb8", 0, 36, pixels),
        )


def numbers(topic: str, values: Iterable[float], rate_hz: float, kind: str = "Float32") -> Iterator[Stamped]:
    for k, value in enumerate(values):
        yield topic, f"std_msgs/msg/{kind}", 100 + k / rate_hz, made(f"std_msgs/msg/{kind}", float(value))


def bag(path: Path, *topics: Iterable[Stamped]) -> Path:
    """Writes what the topics say, in the order of time."""
    with Writer(path, version=9) as out:
        known: dict[str, Any] = {}
        for topic, kind, t_s, message in sorted((one for every in topics for one in every), key=lambda one: one[2]):
            if topic not in known:
                known[topic] = out.add_connection(topic, kind, typestore=STORE)
            out.write(known[topic], round(t_s * 1e9), STORE.serialize_cdr(message, kind))
    return path


def seen(path: Path, topics: str = "", columns: str = "", **more: Any) -> tuple[drives.Drive, list[Any]]:
    (drive,) = drives.read(path, reading=drives.Reading(topics=topics, columns=columns, **more))
    return drive, list(drive.stream())


def state(moments: list[Any], name: str) -> np.ndarray:
    return np.array([one.states[name][0] for one in moments], float)


# --- what is read


def test_a_car_without_odometry_replays(tmp_path: Path) -> None:
    """A camera, fixes and twists, the commonest of real cars: scored on its circle by a driver that holds its turn."""
    path = bag(tmp_path / "bag", shots(10, 10), places(10, 20), twists(10, 20))
    assert main(["replay", str(path), "policy=ctrv", f"out={tmp_path / 'out'}", "films=0"]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    told = report["drivers"]["ctrv"]["strata"]["all"]
    assert (
        told["n"] == report["about"]["moments"] > 50 and told["fde@3"]["mean"] < 0.4
    )  # the heading lags by half a metre
    assert "pose: recorded" in report["notes"] and report["about"]["reader"] == "rosbag"


def test_fixes_are_metres_from_the_first_and_twists_the_motion(tmp_path: Path) -> None:
    drive, moments = seen(bag(tmp_path / "bag", shots(8, 10), places(10, 20), twists(10, 20)))
    assert drive.spec.states["ego"].names == ("speed", "yaw_rate") and drive.spec.facts["pose"] == "recorded"
    t_s = 0.02 + np.arange(80) / 10
    turned = SPEED * t_s / RADIUS_M
    pose = state(moments, "pose")
    assert len(moments) == 80 and moments[3].t_s == pytest.approx(0.3)
    assert pose[:, 0] == pytest.approx(RADIUS_M * np.sin(turned), abs=0.02)
    assert pose[:, 1] == pytest.approx(RADIUS_M * (1 - np.cos(turned)), abs=0.02)
    assert pose[:, 2] == pytest.approx(turned, abs=0.03)  # of travel, half a metre back
    assert state(moments, "ego") == pytest.approx(np.tile([SPEED, SPEED / RADIUS_M], (80, 1)))
    assert moments[7].images["front"][0, 0].tolist() == [7, 7, 7]


@pytest.mark.parametrize("pictures", [True, False])
def test_fixes_alone_give_a_speed_and_twists_alone_a_way(tmp_path: Path, pictures: bool) -> None:
    eye = list(shots(10, 10)) if pictures else []
    drive, moments = seen(bag(tmp_path / "fixes", eye, places(10, 20)))
    assert drive.spec.states["ego"].names == ("speed",) and "derived" in drive.spec.facts["speed"]
    assert state(moments, "ego")[:, 0] == pytest.approx([SPEED] * len(moments), rel=1e-3)  # along chords of 0.3 s
    drive, moments = seen(bag(tmp_path / "twists", eye, twists(10, 20)))
    assert drive.spec.facts["pose"] == "dead reckoned" and len(moments) == (100 if pictures else 201)
    turned = SPEED / RADIUS_M * moments[-1].t_s
    assert state(moments, "pose")[-1] == pytest.approx(
        [RADIUS_M * np.sin(turned), RADIUS_M * (1 - np.cos(turned)), turned], abs=0.01
    )


def test_the_yaw_rate_is_the_gyroscopes_where_a_twist_leaves_it_at_0(tmp_path: Path) -> None:
    path = bag(tmp_path / "bag", shots(4, 10), twists(5, 20, turn=0.0), gyroscope(5, 50), places(5, 20))
    for topics, turn in (("", SPEED / RADIUS_M), ("imu=", 0.0), ("twist=/vel", 0.0), ("imu=/imu twist=/vel", 0.2)):
        _, moments = seen(path, topics)
        assert state(moments, "ego") == pytest.approx(np.tile([SPEED, turn], (40, 1))), topics


def test_a_twist_without_a_header_counts_when_it_was_recorded_and_a_command_never(tmp_path: Path) -> None:
    bare = [
        (topic, "geometry_msgs/msg/Twist", 100 + k / 20, motion(speed, 0.1))
        for topic, speed in (("/vel", 6.0), ("/cmd_vel", 9.0))
        for k in range(100)
    ]
    path = bag(tmp_path / "bag", shots(4, 10), bare)
    drive, moments = seen(path)
    assert state(moments, "ego") == pytest.approx(np.tile([6.0, 0.1], (40, 1)))
    assert "/vel tell what was so when they were recorded" in drive.spec.facts["time"]
    assert state(seen(path, "twist=/cmd_vel")[1], "ego")[0, 0] == 9.0  # unless it is asked for


def test_plain_numbers_are_read_by_a_map_with_units(tmp_path: Path) -> None:
    path = bag(
        tmp_path / "bag",
        shots(4, 10),
        twists(5, 20),
        numbers("/car/v", np.arange(60) * 3.6, 10),
        numbers("/car/wheel", [90.0] * 60, 10, "Float64"),
    )
    drive, moments = seen(path, columns="speed=/car/v[km/h], steer=/car/wheel[deg]")
    assert drive.spec.states["ego"].names == ("speed", "yaw_rate", "steer") and drive.spec.facts["steer"] == "wheel"
    ego = state(moments, "ego")
    assert ego[:, 0] == pytest.approx(np.arange(40) + 0.2, abs=1e-4)  # between rows 0.1 s apart, 0.02 s after one
    assert ego[:, 1:] == pytest.approx(np.tile([SPEED / RADIUS_M, np.pi / 2], (40, 1)))
    _, moments = seen(path, "twist= image=", "speed=/car/v[km/h]")
    assert len(moments) == 60 and "pose" not in moments[0].states and state(moments, "ego")[-1, 0] == pytest.approx(59)


def test_messages_without_a_fix_are_a_gap(tmp_path: Path) -> None:
    """Short ones are bridged and told, long ones named; before the first fix there is no moment."""
    short = bag(tmp_path / "short", shots(5, 10), places(6, 10, lost=[1, 2, 3, 4, 5, 6, 7, 8, 30, 31]), twists(6, 20))
    drive, moments = seen(short)
    assert len(moments) == 42 and state(moments, "pose")[:, 0] == pytest.approx(
        [RADIUS_M * (np.sin(SPEED * t / RADIUS_M) - np.sin(0.16)) for t in 0.82 + np.arange(42) / 10], abs=0.05
    )
    assert (
        drive.spec.facts["pose"]
        == "recorded, 10 of 61 messages of /fix without a fix, the first is message 1 at 0.00 s"
    )
    long = bag(tmp_path / "long", shots(5, 10), places(6, 10, lost=range(21, 32)), twists(6, 20))
    says = r"topic /fix, message 32 \(no fix from message 21 on, 2.00 s after the first\): 1.20 s after the row before"
    with pytest.raises(UserError, match=says):
        seen(long)
    assert len(seen(long, max_gap_s=1.3)[1]) == 50
    none = bag(tmp_path / "none", shots(5, 10), places(2, 10, lost=range(30)), twists(6, 20))
    with pytest.raises(UserError, match="none of the 21 messages of /fix has a fix; leave it out with topics='fix='"):
        seen(none)
    assert seen(none, "fix=")[0].spec.facts["pose"] == "dead reckoned"


# --- what is refused


def test_one_of_two_topics_has_to_be_chosen(tmp_path: Path) -> None:
    path = bag(
        tmp_path / "bag",
        shots(4, 10),
        shots(4, 10, "/rear"),
        places(5, 10),
        places(5, 10, "/fix2"),
        gyroscope(5, 20),
        gyroscope(5, 20, "/imu2"),
        twists(5, 20),
    )
    left = ""
    for role, first, second in (("imu", "/imu", "/imu2"), ("fix", "/fix", "/fix2"), ("image", "/eye", "/rear")):
        with pytest.raises(UserError) as told:
            seen(path, left)
        assert str(told.value).startswith(f"2 topics may be {role} (") and f"{role}=/" in str(told.value)
        assert first in str(told.value) and second in str(told.value)
        left += f" {role}={first}"
    assert len(seen(path, left)[1]) == 40
    copies = bag(tmp_path / "copies", shots(4, 10), shots(4, 10, "/eye/compressed"), twists(5, 20))
    assert len(seen(copies)[1]) == 40  # one camera twice


@pytest.mark.parametrize(
    "topics, columns, says",
    [
        ("sonar=/eye", "", "sonar=/eye is not there as one of image, odom, imu, twist, fix"),
        ("fix=/eye", "", "fix=/eye is not there as sensor_msgs/msg/NavSatFix; it has "),
        ("", "speed=/car/v", "bag gives '/car/v' without a unit; say columns='speed=/car/v[m/s]'"),
        ("", "speed=/car/v[mi]", "speed in 'mi' is not known"),
        ("", "speed=/eye[m/s]", "bag has no column '/eye' for speed; it has /car/v"),
        ("", "x=/car/v[m]", "x is not read off a bag's numbers; give speed, accel"),
        ("image=", "", "tells neither speed nor place and shows no pictures; its topics are "),
        ("", "speed=/car/v[m/s]", "topic /car/v, message 71: speed is 71 m/s, outside -20 to 70; is it km/h?"),
        ("twist=/drift", "", "topic /drift, message 4: 2 m/s ahead and 3 m/s to the side is no car's own motion"),
    ],
)  # fmt: skip
def test_bags_say_what_is_wrong(tmp_path: Path, topics: str, columns: str, says: str) -> None:
    drift = [("/drift", "geometry_msgs/msg/Twist", 100 + k / 20, motion(2.0, 0.0, float(k))) for k in range(100)]
    path = bag(tmp_path / "bag", shots(9, 10), numbers("/car/v", range(1, 90), 10), drift if "drift" in topics else ())
    with pytest.raises(UserError) as told:
        seen(path, topics, columns)
    assert says in str(told.value) and "\n" not in str(told.value)
