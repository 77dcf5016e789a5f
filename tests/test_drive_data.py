"""Readers of recorded drives: alignment, units, bad input in one sentence; real samples where they are."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied.cli import main
from embodied.data import align, columns, drives
from embodied.data.video import VideoWriter
from embodied.errors import UserError

HERE = Path(__file__).resolve()


def sample(name: str) -> Path:
    """A folder of real recordings, or the test is skipped: they are not in the repository. They are looked for in the folder
    that EMBODIED_DRIVES names, and in shared/data/driving beside the repository."""
    places = [Path(os.environ.get("EMBODIED_DRIVES", "nowhere")), *(up / "shared/data/driving" for up in HERE.parents)]
    found = next((p / name for p in places if (p / name).exists()), None)
    if found is None:
        pytest.skip(f"the real sample {name} is not on this machine")
    return found


def film(path: Path, frames: int, fps: int = 10) -> None:
    out = VideoWriter(path, fps, 32, 16)
    for k in range(frames):
        out.add(np.full((16, 32, 3), 8 * k % 256, np.uint8))
    out.close()


def table(path: Path, head: str, rows: list[list[float]]) -> None:
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")


def steady(n: int, dt: float = 0.1, speed: float = 5.0) -> list[list[float]]:
    return [[k * dt, speed, 0.0, speed * k * dt, 0.0, 0.0] for k in range(n)]


HEAD = "t_s,speed_mps,yaw_rate_radps,x_m,y_m,yaw_rad"


def rows(pairs: Iterable[tuple[float, float]]) -> Iterator[align.Row]:
    return (align.Row(t, np.array([v]), f"row {k}") for k, (t, v) in enumerate(pairs, 1))


# --- alignment


@given(
    st.lists(st.floats(0.01, 0.4), min_size=2, max_size=30),
    st.lists(st.floats(-1, 8), min_size=1, max_size=30),
    st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_interpolation_is_that_of_numpy_and_silent_outside(
    steps: list[float], times: list[float], line: tuple[float, float]
) -> None:
    clock = np.cumsum(steps)
    values = line[0] * clock**2 + line[1]
    asked = np.sort(times)
    got = list(align.at(rows(zip(clock, values, strict=True)), asked, "rows"))
    for t, value in zip(asked, got, strict=True):
        assert (value is None) == (t < clock[0] or t > clock[-1])
        if value is not None:
            assert value[0] == pytest.approx(np.interp(t, clock, values), abs=1e-9)


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=40))
def test_unwrapped_angles_are_the_same_angles_and_jump_less_than_half_a_turn(angles: list[float]) -> None:
    wound = [(float(k), (a + np.pi) % (2 * np.pi) - np.pi) for k, a in enumerate(angles)]
    made = np.array([row.values[0] for row in align.unwrapped(rows(wound), 0)])
    assert np.allclose(np.exp(1j * made), np.exp(1j * np.array(angles)), atol=1e-6)
    assert np.all(np.abs(np.diff(made)) <= np.pi + 1e-9)


@pytest.mark.parametrize(
    "pairs, says",
    [
        ([(0.0, 1.0), (0.2, 1.0), (0.1, 1.0)], "row 3: time goes from 0.200 to 0.100 s"),
        ([(0.0, 1.0), (0.2, float("nan"))], "row 2: speed is not a number"),
        ([(0.0, 1.0), (0.9, 1.0)], "row 2: 0.90 s after the row before, more than max_gap_s=0.5"),
        ([(0.0, 1.0), (float("nan"), 1.0)], "row 2: the time is nan"),
        ([(1.7e12, 1.0)], r"row 1: the time is 1.7e\+12; mend it or its unit"),
        ([(0.0, 90.0)], "row 1: speed is 90 m/s, outside -20 to 70; is it km/h"),
        ([(0.0, 1e300)], r"row 1: speed is 1e\+300 m/s"),
        ([], "log has no rows"),
    ],
)
def test_faults_name_the_row(pairs: list[tuple[float, float]], says: str) -> None:
    with pytest.raises(UserError, match=says):
        list(align.checked(rows(pairs), "log", ["speed"], max_gap_s=0.5))


# --- columns and units


@given(st.sampled_from([("mps", 1.0), ("kmh", 1 / 3.6), ("mph", 0.44704)]), st.floats(0, 60))
def test_speed_comes_out_in_metres_a_second(unit: tuple[str, float], value: float) -> None:
    found = columns.find(["t_s", f"speed_{unit[0]}"], "log.csv")
    assert found["speed"].scale * value == pytest.approx(unit[1] * value)


@given(st.text(max_size=30))
def test_column_maps_parse_or_are_refused(text: str) -> None:
    made: dict = {}
    with contextlib.suppress(UserError):
        made = columns.parse_map(text)
    assert set(made) <= set(columns.QUANTITIES)


def test_a_map_goes_before_names() -> None:
    found = columns.find(["stamp", "v", "speed_mps"], "log.csv", "t_s=stamp[ms], speed=v[km/h]")
    assert found["t_s"] == columns.Column("stamp", 1e-3) and found["speed"] == columns.Column("v", 1 / 3.6)


# --- any MP4 and CSV


def test_film_and_table_meet_on_the_films_clock(tmp_path: Path) -> None:
    film(tmp_path / "day.mp4", 20)
    table(tmp_path / "day.csv", HEAD, [[0.05 * k, 4.0 + k, 0.0, k, 0.0, 0.0] for k in range(30)])
    (drive,) = drives.read(tmp_path)
    seen = list(drive.stream())
    assert len(seen) == 15  # the table ends at 1.45 s
    assert [o.states["ego"][0, 0] for o in seen[:3]] == pytest.approx([4.0, 6.0, 8.0])
    assert seen[3].images["front"].shape == (16, 32, 3)
    assert list(drive.stream())[4].t_s == seen[4].t_s  # a stream begins anew


def test_without_a_pose_the_way_is_reckoned(tmp_path: Path) -> None:
    table(tmp_path / "log.csv", "t_s,speed_kmh,yaw_rate_deg_s", [[0.1 * k, 36.0, 9.0] for k in range(101)])
    (drive,) = drives.read(tmp_path / "log.csv")
    x, y, yaw = [o.states["pose"][0] for o in drive.stream()][-1]
    radius = 10.0 / np.radians(9.0)
    assert yaw == pytest.approx(np.pi / 2, abs=1e-5) and (x, y) == pytest.approx((radius, radius), rel=1e-4)
    assert drive.spec.facts["pose"] == "dead reckoned"


# --- bad input, through the command


def says(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["replay", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert "Traceback" not in told and told.count("\n") == 0
    return told


def test_bad_input_is_a_sentence_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = f"out={tmp_path / 'out'}"
    (tmp_path / "empty").mkdir()
    assert "is empty" in says(capsys, str(tmp_path / "empty"), out)
    assert "there is no drive" in says(capsys, str(tmp_path / "nothing"), out)
    assert "which drive?" in says(capsys, out)
    table(tmp_path / "bare.csv", "t_s,speed", [[0.1 * k, 50] for k in range(90)])
    assert "gives 'speed' without a unit; say columns='speed=speed[m/s]'" in says(
        capsys, str(tmp_path / "bare.csv"), out
    )
    table(tmp_path / "mute.csv", "t_s,colour", [[0.1 * k, 3] for k in range(90)])
    assert "tells neither speed nor place" in says(capsys, str(tmp_path / "mute.csv"), out)
    table(tmp_path / "late.csv", "speed_mps,x_m", [[5, 3]])
    assert "has no column for the time" in says(capsys, str(tmp_path / "late.csv"), out)
    table(tmp_path / "back.csv", HEAD, [*steady(60), *steady(3)])
    assert "row 62: time goes from 5.900 to 0.000 s" in says(capsys, str(tmp_path / "back.csv"), out)
    table(tmp_path / "hole.csv", HEAD, [*steady(30), *[[t + 5, *rest] for t, *rest in steady(30)]])
    assert "row 32: 2.10 s after" in says(capsys, str(tmp_path / "hole.csv"), out)
    table(tmp_path / "nan.csv", HEAD, [*steady(9), [0.9, float("nan"), 0, 0, 0, 0]])
    assert "row 11: speed is not a number" in says(capsys, str(tmp_path / "nan.csv"), out)
    table(tmp_path / "short.csv", HEAD, steady(20))
    assert "is 1.9 s long, shorter than the 4.5 s" in says(capsys, str(tmp_path / "short.csv"), out)
    film(tmp_path / "brief.mp4", 20)
    assert "is 1.9 s long, shorter than the 4.5 s" in says(capsys, str(tmp_path / "brief.mp4"), out)
    film(tmp_path / "whole.mp4", 60)
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    assert "it may be cut off" in says(capsys, str(tmp_path / "cut.mp4"), out)
    assert "unknown driver 'ctrw'; did you mean 'ctrv'?" in says(
        capsys, str(tmp_path / "whole.mp4"), "policy=ctrw", out
    )


def test_a_film_alone_is_drawn_and_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(tmp_path / "alone.mp4", 60)
    assert main(["replay", str(tmp_path / "alone.mp4"), f"out={tmp_path / 'out'}"]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["drivers"] == {} and "NO TELEMETRY" in report["notes"][0]
    assert (tmp_path / "out/replay.mp4").stat().st_size > 1000


# --- bags


@pytest.mark.parametrize("mcap", [False, True])
def test_bags_give_odometry_and_pictures(tmp_path: Path, mcap: bool) -> None:
    pytest.importorskip("rosbags", reason="the library rosbags is not installed; pip install 'embodied-planner[drive]'")
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = store.types
    Header, Time = kind["std_msgs/msg/Header"], kind["builtin_interfaces/msg/Time"]
    V, P, Q = (kind[f"geometry_msgs/msg/{name}"] for name in ("Vector3", "Point", "Quaternion"))

    def header(t_ns: int) -> object:
        return Header(Time(t_ns // 10**9, t_ns % 10**9), "base")

    plugin = StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3
    with Writer(tmp_path / "bag", version=9, storage_plugin=plugin) as bag:
        odom = bag.add_connection("/odom", "nav_msgs/msg/Odometry", typestore=store)
        image = bag.add_connection("/eye", "sensor_msgs/msg/Image", typestore=store)
        for k in range(40):
            t_ns = 10**12 + k * 50_000_000
            yaw = 0.02 * k + 3.0  # passes pi on the way
            pose = kind["geometry_msgs/msg/Pose"](P(0.4 * k, 0.0, 0.0), Q(0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)))
            twist = kind["geometry_msgs/msg/Twist"](V(8.0, 0.0, 0.0), V(0.0, 0.0, 0.4))
            message = kind["nav_msgs/msg/Odometry"](
                header(t_ns), "base",
                kind["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36)),
                kind["geometry_msgs/msg/TwistWithCovariance"](twist, np.zeros(36)),
            )  # fmt: skip
            bag.write(odom, t_ns, store.serialize_cdr(message, "nav_msgs/msg/Odometry"))
            if k % 2 == 0 and k < 36:
                pixels = np.full((4, 6, 3), [200, 10, k], np.uint8)
                shot = kind["sensor_msgs/msg/Image"](header(t_ns + 25_000_000), 4, 6, "bgr8", 0, 18, pixels.ravel())
                bag.write(image, t_ns, store.serialize_cdr(shot, "sensor_msgs/msg/Image"))
    (drive,) = drives.read(tmp_path / "bag")
    seen = list(drive.stream())
    assert len(seen) == 18
    assert seen[3].states["pose"][0] == pytest.approx([0.4 * 6.5, 0.0, 0.02 * 6.5 + 3.0], abs=1e-4)
    assert seen[3].states["ego"][0] == pytest.approx([8.0, 0.4])
    assert seen[3].images["front"][0, 0].tolist() == [6, 10, 200]
    with pytest.raises(UserError, match="image=/odom is not there as"):
        drives.read(tmp_path / "bag", reading=drives.Reading(topics="image=/odom"))


# --- real samples


def last(name: str) -> tuple[drives.Drive, list]:
    drive = drives.read(sample(name))[0]
    return drive, list(drive.stream())


def test_comma2k19() -> None:
    _, seen = last("comma2k19_example1")
    speed = np.array([o.states["ego"][0, 0] for o in seen])
    pose = np.array([o.states["pose"][0] for o in seen], float)
    assert len(seen) == 1199 and speed.min() > 7.9 and speed.max() < 19.9
    ground = np.hypot(*np.gradient(pose[:, :2], [o.t_s for o in seen], axis=0).T)
    assert np.corrcoef(speed, ground)[0, 1] > 0.999


def test_kitti_in_its_three_forms() -> None:
    _, frames = last("kitti_odo00_first200_gray")
    assert len(frames) == 200 and frames[-1].images["front"].shape == (194, 640, 3)
    drive, raw = last("kitti_drive0002_layout")
    assert len(raw) == 10 and raw[0].images["front"].shape == (375, 1242, 3)
    assert drive.spec.cameras["front"].fx == pytest.approx(721.5, abs=1)
    table_ = drives.read(sample("kitti_raw_oxts_all/csv/2011_09_26_drive_0002.csv"))[0]
    for a, b in zip(raw, table_.stream(), strict=False):
        assert a.states["ego"] == pytest.approx(b.states["ego"], abs=1e-4)
        assert a.states["pose"][0, :2] == pytest.approx(b.states["pose"][0, :2], abs=0.02)


def test_udacity_and_donkeycar() -> None:
    drive, seen = last("udacity_hmb_telemetry")
    assert len(seen) == 4401 and drive.spec.facts["pose"] == "dead reckoned"
    assert seen[-1].t_s == pytest.approx(220.04, abs=0.01)
    drive, seen = last("donkeycar_tub")
    assert len(seen) == 1000 and not drive.has_speed and not drive.has_pose
    assert seen[1].t_s == pytest.approx(0.05)


def test_a_folder_of_numbered_pictures(tmp_path: Path) -> None:
    from PIL import Image

    for k in (1, 10, 2):
        Image.new("RGB", (64, 32), (k, 0, 0)).save(tmp_path / f"shot-{k}.png")
    (tmp_path / "notes.txt").write_text("data")
    (drive,) = drives.read(tmp_path, reading=drives.Reading(rate_hz=10.0))
    seen = list(drive.stream())
    assert [int(one.images["front"][0, 0, 0]) for one in seen] == [1, 2, 10]
    assert [one.t_s for one in seen] == pytest.approx([0.0, 0.1, 0.2]) and not drive.has_speed and not drive.has_pose
    (tmp_path / "shot-10.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"shot-10\.png"):
        [one.images["front"] for one in drive.stream()]
    with pytest.raises(UserError, match="is no drive that frames knows"):
        drives.read(tmp_path / "notes.txt", "frames")
