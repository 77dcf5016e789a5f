"""What readers make of tables that say little, and what they say of bad input: one sentence each, with the place of the fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from embodied.data import dashcam, drives
from embodied.data.dataset import Dataset
from embodied.drive import sample
from embodied.errors import UserError
from tests.test_drive_data import HEAD, steady, table

# --- places without a heading or a speed


def test_a_standing_car_without_yaw_has_the_heading_of_its_first_half_metre_or_none(tmp_path: Path) -> None:
    north = [max(0.0, 0.2 * (k - 10)) for k in range(20)]
    for name, y, yaw in (("starts", north, np.pi / 2), ("stands", [0.0] * 20, 0.0)):
        table(tmp_path / f"{name}.csv", "t_s,speed_mps,x_m,y_m", [[0.1 * k, 1.0, 3.0, y[k]] for k in range(20)])
        (drive,) = drives.read(tmp_path / f"{name}.csv")
        assert [o.states["pose"][0, 2] for o in drive.stream()] == pytest.approx([yaw] * 20)


LAT_M = np.radians(1.0) * 6378137.0  # metres of a degree of latitude


@pytest.mark.parametrize(
    "head, grid",
    [
        ("t_s,x_m,y_m", (5e5, 5.4e6, 1.0, 1.0)),  # a national grid: float32 would hold half metres of it
        ("time [s],latitude,lon", (60.0, 8.4, 1 / LAT_M, 1 / LAT_M / np.cos(np.radians(60.0)))),
    ],
)
def test_a_speed_is_derived_from_places_that_were_before(tmp_path: Path, head: str, grid: tuple[float, ...]) -> None:
    """Three metres a second along the first axis and four along the second; and the same drive with another end."""
    told = []
    for name, away in (("one", 0.0), ("two", 2.0)):
        way = [(0.1 * k, 0.3 * k, 0.4 * k + away * (k > 25)) for k in range(40)]
        table(tmp_path / f"{name}.csv", head, [[t, grid[0] + a * grid[2], grid[1] + b * grid[3]] for t, a, b in way])
        (drive,) = drives.read(tmp_path / f"{name}.csv")
        told.append(list(drive.stream()))
        assert drive.spec.facts["speed"].startswith("derived") and drive.spec.facts["pose"] == "recorded"
    speeds = [[float(o.states["ego"][0, 0]) for o in seen] for seen in told]
    assert len(speeds[0]) == 40 - 3 and speeds[0] == pytest.approx([5.0] * 37, rel=1e-4)
    assert speeds[0][:23] == speeds[1][:23] and speeds[1][23] > 8.0  # the car jumps between rows 25 and 26
    moved = told[0][-1].states["pose"][0, :2] - told[0][0].states["pose"][0, :2]
    wanted = (3.6 * 3, 3.6 * 4) if "x_m" in head else (3.6 * 4, 3.6 * 3)
    assert moved == pytest.approx(wanted, rel=1e-3)


# --- bad input


KITTI = ",".join(["file", "t", *("x_m", "y_m", "yaw_rad", "speed_mps", "accel_fwd_mps2", "yaw_rate_radps")])
SHOT = "images/a.png,0,0,0,0,0,0,0\n"
UDACITY = "timestamp,frame_id,filename,angle,speed"
OXTS = " ".join(["49.0 8.4", *["0"] * 28]) + "\n"
MANIFEST = {"manifest.json": "", "catalog_0.catalog": '{"_index": 0, "cam/image_array": "a.png", "user/angle": 0}\n'}
MANIFEST["catalog_0.catalog"] += MANIFEST["catalog_0.catalog"].replace("0,", "1,", 1)[:-2] + ', "user/throttle": null}'


def log(n: int, *ends: str, head: str = HEAD) -> str:
    return "\n".join([head, *(",".join(map(str, row)) for row in steady(n)), *ends]) + "\n"


def three(n: int, *ends: str) -> str:
    """Rows of three cameras, 0.05 s apart, of which the reader takes one."""
    sides = ("left", "center", "right")
    shots = [f"{10**18 + k * 50_000_000},{side}_camera,a.jpg,0,5" for k in range(n) for side in sides]
    return "\n".join([UDACITY, *shots, *ends]) + "\n"


def raw(*frames: int) -> dict[str, str]:
    stamps = "".join(f"2011-09-26 13:02:{k // 10:02d}.{k % 10}00000000\n" for k in range(40))
    return {"oxts/timestamps.txt": stamps, **{f"oxts/data/{k:010d}.txt": OXTS for k in frames}}


@pytest.mark.parametrize(
    "files, at, source, says",
    [
        # what used to be a traceback
        ({"frames.csv": KITTI.replace("file,", "") + "\n"}, "", "", "frames.csv has no column 'file'; it has t, x_m"),
        ({"frames.csv": KITTI + "\n" + SHOT, "calib.txt": "P0: 7 0"}, "", "", "calib.txt is cut off in the line 'P0: 7 0'"),
        ({"frames.csv": KITTI + "\n" + SHOT, "K.txt": "7 0 a"}, "", "", "K.txt is no matrix of 3 rows and 3 columns"),
        ({**raw(0, 1), "oxts/data/abc.txt": OXTS}, "", "", "abc.txt is not named by the number of a frame; remove it"),
        (MANIFEST, "", "", "catalog_0.catalog, row 2: user/throttle is 'None', which is no number"),
        ({"interpolated.csv": UDACITY + "\n"}, "", "", "interpolated.csv has no row with frame_id center_camera"),
        ({"interpolated.csv": UDACITY + "\n1,left_camera,a,0,5\n"}, "", "", "no row with frame_id center_camera"),
        ({"interpolated.csv": UDACITY + "\nnoon,center_camera,a,0,5\n"}, "", "", "row 2: timestamp is 'noon'"),
        ({"a.csv": log(9)}, "a.csv", "udacity", "is no drive that udacity knows (interpolated.csv"),
        ({"a.csv": log(9)}, "", "donkeycar", "is no drive that donkeycar knows (a tub"),
        # what used to be said of another cause
        ({"a.csv": log(9)}, "", "comma2k19", "is no drive that comma2k19 knows (a folder"),
        ({"a.csv": log(9)}, "", "kitti-raw", "is no drive that kitti-raw knows (a folder"),
        ({"a.csv": log(9)}, "a.csv", "kitti-oxts", "is no drive that kitti-oxts knows (a CSV"),
        ({"a.txt": "x"}, "", "video", "is no drive that video knows"),
        ({"a.mp4": "", "b.mov": "", "a.csv": log(9)}, "", "video", "2 files that may be the drive (a.mp4, b.mov); give one"),
        ({"a.mp4": "", "b.mov": ""}, "", "", "2 files that may be the drive (a.mp4, b.mov); give one"),
        ({"a.csv": HEAD + "\n"}, "", "", "a.csv has no rows"),
        ({"README": "", "csv/a.csv": log(9)}, "", "", "but its folder 'csv' is; give that"),
        ({"bag/metadata.yaml": "a: [1\nb: }"}, "bag", "", "cannot read the bag"),
        ({"bag/metadata.yaml": "\udcff"}, "bag", "", "cannot read the bag"),
        # what used to pass
        ({"a.csv": log(9, "0.9,90,0,0,0,0")}, "", "", "a.csv, row 11: speed is 90 m/s, outside -20 to 70; is it km/h?"),
        ({"a.csv": log(9, "0.9,5,4,0,0,0")}, "", "", "row 11: yaw_rate is 4 rad/s, outside -3 to 3; is it deg/s?"),
        ({"a.csv": log(9, "0.9,5,0,1e300,0,0")}, "", "", "row 11: x is 1e+300 m"),
        ({"a.csv": "t_s,x_m,y_m\n0,0,0\n0.4,0,0\n0.8,40,0\n"}, "", "", "row 4: the car is 40 m from where it was 0.40 s"),
        ({"a.csv": "t_s,lat,lon\n0,95,8\n"}, "", "", "row 2: lat is 1.65806 rad"),
        # where a fault lies
        ({"a.csv": log(9, "", "", "0.9,nan,0,0,0,0")}, "", "", "a.csv, row 13: speed is not a number"),
        ({"a.csv": log(9, '"0.9\n",nan,0,0,0,0')}, "", "", "a.csv, row 12: speed is not a number"),
        ({"interpolated.csv": three(50, "1,center_camera,a,0,nan")}, "", "", "row 152: speed is not a number"),
        (raw(0, 1, 2, 30), "", "", "0000000030.txt: 2.80 s after the row before"),
        ({"a.csv": log(2000, "\udcff")}, "", "", "give a CSV file in UTF-8"),
    ],
)  # fmt: skip
def test_readers_say_what_is_wrong_and_where(
    tmp_path: Path, files: dict[str, str], at: str, source: str, says: str
) -> None:
    if at == "bag":
        pytest.importorskip("rosbags", reason="the library rosbags is not installed")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    (tmp_path / "images").mkdir()
    Picture.new("RGB", (32, 16)).save(tmp_path / "images/a.png")
    with pytest.raises(UserError) as told:
        [list(drive.stream()) for drive in drives.read(tmp_path / at, source)]
    assert says in str(told.value) and "\n" not in str(told.value)


def test_a_segment_with_a_position_too_few(tmp_path: Path) -> None:
    (tmp_path / "global_pose").mkdir()
    for name, shape in (("times", 3), ("positions", (2, 3)), ("velocities", (3, 3))):
        with (tmp_path / f"global_pose/frame_{name}").open("wb") as file:
            np.save(file, np.ones(shape))
    (drive,) = drives.read(tmp_path)
    with pytest.raises(UserError, match="has 3 times, 2 positions and 3 velocities; copy the segment whole"):
        list(drive.stream())


def test_a_dataset_is_believed_no_more_than_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    column = Dataset.column

    def fast(dataset: Dataset, key: str) -> np.ndarray:
        made = np.array(column(dataset, key))
        if key == "observation.state":
            made[7, 0] = 90.0
        return made

    monkeypatch.setattr(Dataset, "column", fast)
    (drive,) = drives.read(sample())
    with pytest.raises(UserError, match="frame 7: speed is 90 m/s"):
        list(drive.stream())


@pytest.mark.parametrize("name", ["P0: ", ""])
def test_a_calibration_is_read_with_names_before_its_matrices_and_without(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    Picture.new("RGB", (613, 185)).save(tmp_path / "images/a.png")
    (tmp_path / "frames.csv").write_text(KITTI + "\n" + SHOT)
    (tmp_path / "calib.txt").write_text(f"{name}700 0 600 0 0 700 180 0 0 0 1 0\n")
    camera = drives.read(tmp_path)[0].spec.cameras["front"]
    assert (camera.fx, camera.cx, camera.cy) == (350.0, 300.0, 90.0)  # half of a picture that is 1226 wide


@pytest.mark.parametrize("part", ["f=-5", "f=0", "f=1e-9", "f=nan", "f=1e6", "height=0", "height=inf", "pitch=90"])
def test_a_camera_that_cannot_be_is_refused_with_its_range(part: str) -> None:
    ranges = {"f": "128 to 1920 pixels", "height": "0.05 to 5 metres", "pitch": "-45 to 45 degrees"}
    with pytest.raises(UserError, match=f"{part} is outside {ranges[part.partition('=')[0]]}"):
        dashcam.told(640, 480, f"f=500 {part}")
    assert dashcam.told(640, 480, "f=500 height=0.1 pitch=-4")[1] == "given"
