"""KITTI (Geiger et al. 2013, IJRR 32(11)): raw drives in their original folders, or the odometry-style frames.csv beside frames/.

The pose is that of the inertial unit (GPS/IMU, OXTS RT3003); cameras are placed from it as the paper's figure 3 has them.
The data is non-commercial (CC BY-NC-SA 3.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from embodied.data import align, clouds, columns, dashcam, video
from embodied.data.drives import Drive, Reading, body_spec, observation, reader
from embodied.drive import above
from embodied.errors import UserError
from embodied.spec import CameraSpec
from embodied.types import Observation

FIELDS = ("lat lon alt roll pitch yaw vn ve vf vl vu ax ay az af al au wx wy wz wf wl wu pos_accuracy vel_accuracy navstat "
          "numsats posmode velmode orimode").split()  # fmt: skip
KEPT = ("vf", "af", "wu", "lon", "lat", "yaw")  # speed, accel, yaw rate; east, north, yaw
EGO, POSE = ("speed", "accel", "yaw_rate"), ("x", "y", "yaw")
MEASURED = (*EGO, "lon", "lat", "yaw")  # what we call KEPT
CAMERA = (1.08, -0.32, 1.65)  # m, from the inertial unit's place on the road: forward, left, up
SCANNER = (0.81, -0.32, 1.73)  # likewise, the laser scanner
CAMERAS = ("image_02", "image_00", "image_03", "image_01")
FRAMES = {
    "speed": "speed_mps",
    "accel": "accel_fwd_mps2",
    "yaw_rate": "yaw_rate_radps",
    "x": "x_m",
    "y": "y_m",
    "yaw": "yaw_rad",
}


def _camera(size: tuple[int, int], focal: float, cx: float, cy: float, native: int) -> CameraSpec:
    """Intrinsics of the native width, scaled to pictures of this size."""
    k = size[0] / native
    return dashcam.dashcam(*size, focal * k, CAMERA[2], CAMERA[0], CAMERA[1], cx=cx * k, cy=cy * k)


def _observations(
    rows: Iterator[align.Row], pictures: list[Path] | None, scans: Sequence[Path | None] = ()
) -> Iterator[Observation]:
    """rows: speed accel yaw_rate x y yaw. scans: the laser scanner's turn of each, where there is one."""
    start = None
    for k, (t_s, values, _) in enumerate(align.unwrapped(rows, 5)):
        start = t_s if start is None else start
        images = {} if pictures is None else {"front": lambda path=pictures[k]: video.picture(path)}
        if scans and scans[k] is not None:
            images[above.NAME] = lambda path=scans[k]: above.raster(clouds.velodyne(path, SCANNER))
        yield observation(t_s - start, images, ego=values[:3], pose=values[3:])


# --- raw drives


def _raws(path: Path) -> list[Path]:
    return sorted({p.parent for p in [path / "oxts", *path.glob("**/oxts")] if (p / "data").is_dir()})


def _oxts(drive: Path) -> Iterator[align.Row]:
    stamps, files = drive / "oxts/timestamps.txt", sorted((drive / "oxts/data").glob("*.txt"))
    if not stamps.exists() or not files:
        raise UserError(
            f"{drive}/oxts has {'no telemetry in data/' if stamps.exists() else 'no timestamps.txt'}; copy it whole"
        )
    pick = [FIELDS.index(name) for name in KEPT]
    with stamps.open(encoding="utf-8", errors="replace") as lines:
        times = dict(enumerate(line.strip() for line in lines))  # 27 bytes a frame
    zero = None
    for path in files:
        if not path.stem.isdecimal():
            raise UserError(f"{path} is not named by the number of a frame; remove it")
        at = times.get(int(path.stem), "")
        cells = path.read_text(encoding="utf-8", errors="replace").split()
        try:
            stamp = datetime.fromisoformat(at[:26])
            values = np.array([float(cells[k]) for k in pick])
        except (ValueError, IndexError):
            raise UserError(f"{path} or its line of timestamps.txt ({at!r}) is cut off; copy the drive whole") from None
        zero = zero or stamp
        values[3:5] = np.radians(values[3:5])
        yield align.Row((stamp - zero).total_seconds(), values, path.name)


def _calibrated(drive: Path, name: str, first: Path) -> CameraSpec:
    """From calib_cam_to_cam.txt beside the drive; the common values of 2011_09_26 where it is absent."""
    size, matrix = video.picture_size(first), (721.5, 609.6, 172.9)
    for path in (drive.parent / "calib_cam_to_cam.txt", drive / "calib_cam_to_cam.txt"):
        if path.exists():
            matrix = _projection(path, f"P_rect_{name[-2:]}:") or matrix
    return _camera(size, *matrix, native=size[0])


def _projection(path: Path, name: str) -> tuple[float, float, float] | None:
    """focal cx cy of the first line that is `name` and a matrix (3 4); None when there is none."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(name):
            try:
                p = [float(cell) for cell in line.removeprefix(name).split()]
                return p[0], p[2], p[6]
            except (ValueError, IndexError):
                raise UserError(f"{path} is cut off in the line {line[:40]!r}; copy it whole") from None
    return None


@reader("kitti-raw", "a folder with oxts/data", lambda p: p.is_dir() and bool(_raws(p)))
def kitti_raw(path: Path, reading: Reading) -> tuple[Drive, ...]:
    """One drive for each folder that holds oxts/. Moments are those of the telemetry; the first camera there is gives pictures."""
    return tuple(_raw(drive, reading) for drive in _raws(path))


def _raw(drive: Path, reading: Reading) -> Drive:
    shots: list[Path] | None = None
    cameras: dict[str, CameraSpec] = {}
    telemetry = sorted((drive / "oxts/data").glob("*.txt"))
    for name in CAMERAS:
        found = sorted((drive / name / "data").glob("*.png")) or sorted((drive / name / "data").glob("*.jpg"))
        if found:
            have = {p.stem for p in telemetry}
            shots = [p for p in found if p.stem in have]
            if len(shots) != len(telemetry):
                raise UserError(
                    f"{drive / name} has {len(shots)} pictures for {len(telemetry)} rows of oxts/; copy it whole"
                )
            cameras = {"front": _calibrated(drive, name, shots[0])}
            break
    turns = {p.stem: p for p in (drive / "velodyne_points/data").glob("*.bin")}  # a few drives lack some
    scans = [turns.get(p.stem) for p in telemetry] if turns else []
    facts = {above.NAME: above.SAID} if turns else {}
    spec = body_spec("kitti-raw", 10.0, EGO, cameras, "GPS/IMU", False, **facts)
    where = f"oxts of {drive.name}"

    def stream() -> Iterator[Observation]:
        rows = align.checked(_oxts(drive), where, MEASURED, reading.max_gap_s)
        yield from _observations(align.about_first(rows, 3, 4, angles=True), shots, scans)

    return Drive(drive.name, spec, stream)


# --- OXTS tables and frames.csv


@reader("kitti-oxts", "a CSV, or a folder of them, with t and the 30 OXTS fields", lambda p: bool(_tables(p)))
def kitti_oxts(path: Path, reading: Reading) -> tuple[Drive, ...]:
    return tuple(_table(table, reading) for table in _tables(path))


def _tables(path: Path) -> list[Path]:
    found = [path] if path.is_file() and path.suffix == ".csv" else sorted(path.glob("*.csv")) if path.is_dir() else []
    return found if found and {"t", "vf", "wu", "lat", "lon"} <= set(columns.headers(found[0])) else []


def _table(path: Path, reading: Reading) -> Drive:
    def rows() -> Iterator[align.Row]:
        for line, cells in columns.records(path, ("t", *KEPT)):
            values = np.array([columns.number(cells[name], name, path.name, line) for name in KEPT])
            values[3:5] = np.radians(values[3:5])
            yield align.Row(columns.number(cells["t"], "t", path.name, line), values, f"row {line}")

    def stream() -> Iterator[Observation]:
        made = align.checked(rows(), path.name, MEASURED, reading.max_gap_s)
        yield from _observations(align.about_first(made, 3, 4, angles=True), None)

    return Drive(path.stem, body_spec("kitti-oxts", 10.0, EGO, pose="GPS/IMU"), stream)


@reader("kitti-frames", "frames.csv beside frames/", lambda p: (p / "frames.csv").exists())
def kitti_frames(path: Path, reading: Reading) -> tuple[Drive, ...]:
    table = path / "frames.csv"
    found = columns.find(
        columns.headers(table), "frames.csv", ",".join(["t_s=t[s]", *(f"{k}={v}" for k, v in FRAMES.items())])
    )
    shots = [path / cells["file"] for _, cells in columns.records(table, ("file",))]
    cameras = {}
    if shots and shots[0].exists():
        cameras["front"] = _camera(video.picture_size(shots[0]), *_intrinsics(path))

    def stream() -> Iterator[Observation]:
        rows = columns.rows(table, found, (*EGO, *POSE))
        made = align.checked(rows, "frames.csv", (*EGO, *POSE), reading.max_gap_s)
        yield from _observations(made, shots if cameras else None)

    return (Drive(path.name, body_spec("kitti-frames", 10.0, EGO, cameras, pose="GPS/IMU"), stream),)


def _intrinsics(path: Path) -> tuple[float, float, float, int]:
    """focal cx cy and the width they hold for: K.txt (3 3) or P0 of calib.txt; those of odometry sequence 00 else."""
    if (path / "K.txt").exists():
        try:
            k = np.loadtxt(path / "K.txt").reshape(3, 3)
        except ValueError:
            raise UserError(
                f"{path / 'K.txt'} is no matrix of 3 rows and 3 columns; copy it whole or remove it"
            ) from None
        return k[0, 0], k[0, 2], k[1, 2], 1241
    calib = path / "calib.txt"  # with names before the matrices, as KITTI has it, or without
    if calib.exists() and (matrix := _projection(calib, "P0:") or _projection(calib, "")):
        return *matrix, 1226
    return 718.856, 607.193, 185.216, 1241
