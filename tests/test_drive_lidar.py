"""A lidar's picture from above: what it shows, in the simulator and in recordings; the network reads it or does without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied import registry
from embodied.data import clouds, drives
from embodied.data.record import record
from embodied.drive import above, sample
from embodied.drive.replay import Replay
from embodied.drive.session import replay
from embodied.errors import UserError
from policies.drive_expert import NOSE_M
from policies.drivers import Driving
from sim.drive import DriveBody
from sim.recorded_drives import drive as record_drive

HEADS = st.tuples(st.floats(0.01, 47.9), st.floats(-23.9, 23.9), st.floats(-0.4, 2.9))
PLACE = (0.81, -0.32, 1.73)


@given(st.lists(HEADS, max_size=30))
def test_a_picture_shows_each_cell_s_highest_and_lowest_point_in_any_order(
    points: list[tuple[float, float, float]],
) -> None:
    rows = np.array([*points, (np.nan, 0, 0), (10.0, 0.0, 9.0), (-1.0, 0.0, 0.0)])
    made = above.raster(rows)
    np.testing.assert_array_equal(made, above.raster(rows[::-1]))
    assert not above.raster(rows[:0]).any()
    cells: dict[tuple[int, int], list[float]] = {}
    for x, y, z in points:
        cells.setdefault((above.ROWS - 1 - int(x / above.CELL_M), int((above.ASIDE_M - y) / above.CELL_M)), []).append(
            z
        )
    assert set(zip(*np.nonzero(made[..., 2]), strict=True)) == set(cells)
    for (row, column), heights in cells.items():
        for channel, true in ((0, max(heights)), (1, min(heights))):
            read = (int(made[row, column, channel]) - 1) / 254 * (above.HIGH_M - above.LOW_M) + above.LOW_M
            assert read == pytest.approx(true, abs=0.01)


def test_the_car_ahead_is_where_it_is_and_a_scan_follows_from_seed_and_tick() -> None:
    body = DriveBody("stop", look=False, lidar=True)
    seen = body.reset(11).images[above.NAME]
    standing = body.traffic.standing
    assert standing is not None
    body.s = standing[0] - 20.0
    body.car.x, body.car.y, body.car.yaw = body.road.route.at(body.s)
    body._arrange()
    tail = body.world.distance(body._hull, body._cars["standing"], 40.0)
    pose = body.world.where(body._hull)
    picture = body.scan()
    np.testing.assert_array_equal(body.world.where(body._hull), pose)  # it was away only while the rays went out
    high = np.argwhere(picture[..., 0] > 254 * (1.0 - above.LOW_M) / (above.HIGH_M - above.LOW_M))
    ahead = high[abs(high[:, 1] - above.COLUMNS / 2) < 4]
    assert (above.ROWS - 1 - ahead[:, 0].max()) * above.CELL_M == pytest.approx(tail + NOSE_M, abs=2 * above.CELL_M)
    again = DriveBody("stop", look=False, lidar=True).reset(11).images[above.NAME]
    np.testing.assert_array_equal(seen, again)


# --- recordings


def turn(path: Path, seed: int, extra: bytes = b"") -> np.ndarray:
    points = np.random.default_rng(seed).uniform((0, -20, -2, 0), (40, 20, 1, 1), (500, 4)).astype("<f4")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(points.tobytes() + extra)
    return points[:, :3] + np.array(PLACE, np.float32)


def test_kitti_s_turns_come_with_their_moments_and_one_may_be_missing(tmp_path: Path) -> None:
    root = tmp_path / "drive"
    (root / "oxts/data").mkdir(parents=True)
    (root / "oxts/timestamps.txt").write_text("".join(f"2011-09-26 13:02:00.{k}00000000\n" for k in range(3)))
    for k in range(3):
        (root / f"oxts/data/{k:010d}.txt").write_text(" ".join(["49.0 8.4", *["0"] * 28]))
    points = [turn(root / f"velodyne_points/data/{k:010d}.bin", k) for k in (0, 2)]
    (one,) = drives.read(root)
    moments = list(one.stream())
    assert one.spec.facts[above.NAME] and [above.NAME in m.images for m in moments] == [True, False, True]
    for moment, these in zip(moments[::2], points, strict=True):
        np.testing.assert_array_equal(moment.images[above.NAME], above.raster(these))
    turn(root / "velodyne_points/data/0000000001.bin", 1, b"cut")
    with pytest.raises(UserError, match=r"0000000001.bin is cut off; copy the drive whole"):
        _ = list(drives.read(root)[0].stream())[1].images[above.NAME]


def message(points: np.ndarray, store: Any, drop: str = "", **more: Any) -> Any:
    """A sensor_msgs/PointCloud2 of float32 x, y, strength, z, in two rows with four bytes of padding each."""
    kinds = store.types
    field, head = kinds["sensor_msgs/msg/PointField"], kinds["std_msgs/msg/Header"]
    names = [name for name in ("x", "y", "strength", "z") if name != drop]
    fields = [field(name, 4 * ("x", "y", "strength", "z").index(name), 7, 1) for name in names]
    rows = np.column_stack([points[:, :2], np.zeros(len(points)), points[:, 2]]).astype("<f4").reshape(2, -1)
    data = np.frombuffer(b"".join(row.tobytes() + b"pad " for row in rows), np.uint8)
    header = head(kinds["builtin_interfaces/msg/Time"](100, 0), "lidar")
    told = {
        "header": header,
        "height": 2,
        "width": len(points) // 2,
        "fields": fields,
        "is_bigendian": False,
        "point_step": 16,
    }
    told |= {"row_step": 16 * (len(points) // 2) + 4, "data": data, "is_dense": True}
    return kinds["sensor_msgs/msg/PointCloud2"](**(told | more))


def test_a_bag_s_cloud_stands_on_the_road_and_is_never_a_later_one(tmp_path: Path) -> None:
    pytest.importorskip("rosbags", reason="the library rosbags is not installed")
    from tests.test_drive_bags import STORE, bag, seen, shots, twists

    road = np.array([(x, y, -1.9) for x in np.arange(4.0, 16.0) for y in np.arange(-6.0, 6.0)])
    kind = "sensor_msgs/msg/PointCloud2"
    clouds_ = [np.vstack([road, [(20.0, 3.0, z), (20.0, 3.0, z)]]) for z in (-1.0, -0.5)]
    stamps = (100.0, 100.55)

    def said() -> Iterator[Any]:
        for t_s, points in zip(stamps, clouds_, strict=True):
            one = message(points, STORE)
            stamp = STORE.types["builtin_interfaces/msg/Time"](int(t_s), round(t_s % 1 * 1e9))
            yield "/points", kind, t_s, replace(one, header=replace(one.header, stamp=stamp))

    path = bag(tmp_path / "bag", shots(4, 10), twists(5, 20), said())
    assert above.NAME not in seen(path)[1][0].images  # nobody asked for it
    _, moments = seen(path, "cloud=/points", max_gap_s=1.0)
    for moment in moments:
        t_s = 100.0 + moment.t_s
        newest = [k for k, stamp in enumerate(stamps) if stamp <= t_s + 1e-6 and t_s - stamp <= 1.0]
        assert (above.NAME in moment.images) == bool(newest), moment.t_s
        if newest:
            np.testing.assert_array_equal(
                moment.images[above.NAME], above.raster(clouds_[newest[-1]] + np.array([0.0, 0.0, 1.9]))
            )
    with pytest.raises(UserError, match="a cloud with the fields x, y, strength has no x, y, z"):
        clouds.cloud(message(road, STORE, drop="z"))
    for step in (0, 4, 12):
        with pytest.raises(UserError, match=f"do not fit into its points of {step} bytes"):
            clouds.cloud(message(road, STORE, point_step=step))
    empty = message(road, STORE, width=0, height=0, row_step=0, data=np.zeros(0, np.uint8))
    assert not above.raster(clouds.cloud(empty)).any()
    other = STORE.types["std_msgs/msg/Header"](STORE.types["builtin_interfaces/msg/Time"](5, 0), "lidar")
    far = message(road, STORE, header=other)
    late = bag(tmp_path / "late", shots(4, 10), twists(5, 20), [("/points", kind, 101.0, far)])
    with pytest.raises(UserError, match="no message of /points is of the drive's own time"):
        seen(late, "cloud=/points")
    with pytest.raises(UserError, match="a cloud of 2 rows of 1156 bytes holds 1156"):
        clouds.cloud(message(road, STORE, data=np.zeros(1156, np.uint8)))


def test_a_dataset_s_lidar_is_no_dashcam(tmp_path: Path) -> None:
    made = list(record_drive(3, look=True, lidar=True))[:20]
    spec = DriveBody(labels=True, lidar=True).spec
    wide = replace(spec.cameras["front"], width=above.COLUMNS, height=above.ROWS)
    spec = replace(spec, cameras={**spec.cameras, above.NAME: wide})
    record(lambda seed: iter(made), spec, 1, tmp_path, fps=20, cameras=("front", above.NAME), progress=False)
    (drive_,) = drives.read(tmp_path)
    assert list(drive_.spec.cameras) == ["front"] and drive_.spec.facts[above.NAME] == above.SAID
    for read, frame in zip(drive_.stream(), made, strict=True):
        scan, true = (one.images[above.NAME].astype(int) for one in (read, frame.observation))
        assert np.abs(scan - true).mean() < 0.02 * 255  # a film's


def test_the_newest_is_by_its_stamp_and_not_by_its_turn() -> None:
    newest = clouds.Newest(iter([(1.0, "a"), (1.2, "b"), (1.1, "c"), (3.0, "d")]), 0.5)
    assert [newest.at(t_s) for t_s in (0.9, 1.1, 1.25, 1.8, 3.1)] == [None, "a", "b", None, "d"]
    assert newest.found == 3


def test_a_drive_without_a_camera_shows_no_lidar_as_its_film() -> None:
    (whole,) = drives.read(sample())
    scan = {above.NAME: np.zeros((above.ROWS, above.COLUMNS, 3), np.uint8)}
    spec = replace(whole.spec, cameras={}, facts={**whole.spec.facts, above.NAME: above.SAID})
    bare = replace(whole, spec=spec, stream=lambda: (replace(one, images=scan) for one in whole.stream()))
    moments: list[Any] = []
    body = Replay(bare, scored=moments.append, shrink=lambda picture: picture)
    assert replay(body, Driving(registry.build("driver", "cv"), body.spec)).reason == "finished"
    assert moments and all(one.picture is None for one in moments)
