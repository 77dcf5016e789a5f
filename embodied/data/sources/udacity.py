"""Udacity's self-driving-car challenge 2: interpolated.csv, one row a camera and frame, pictures beside it when they are there.

The positions in it are float32 degrees, half a metre wide, so the pose is dead reckoned from speed and steering with a
bicycle that understeers; how far the car turns is then the steering's own word, and facts["pose"] says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embodied.data import align, columns, dashcam, video
from embodied.data.drives import Drive, Reading, body_spec, observation, reader
from embodied.errors import UserError
from embodied.types import Observation

NEEDED = {"timestamp", "frame_id", "filename", "angle", "speed"}
CAMERA = "center_camera"
# Lincoln MKZ: steering wheel to road wheels 14.8, wheelbase 2.85 m, as Udacity publishes them. The understeer gradient
# makes the turn of the whole log that of its GPS track (0.60 of what the plain bicycle gives at 24 m/s).
RATIO, WHEELBASE_M, UNDERSTEER = 14.8, 2.85, 0.00117  # s^2/m^2


def yaw_rate(speed: float, wheel_rad: float) -> float:
    """rad/s, left positive, in steady state."""
    return speed * wheel_rad / RATIO / WHEELBASE_M / (1 + UNDERSTEER * speed * speed)


def _file(path: Path) -> Path | None:
    for found in [path] if path.is_file() else sorted(path.glob("interpolated*.csv")):
        if found.suffix == ".csv" and set(columns.headers(found)) >= NEEDED:
            return found
    return None


@reader("udacity", "interpolated.csv with timestamp, frame_id, filename, angle, speed", lambda p: _file(p) is not None)
def udacity(path: Path, reading: Reading) -> tuple[Drive, ...]:
    """Rows of the centre camera, 20 a second."""
    table = _file(path)
    assert table is not None
    first = next(_shots(table), None)
    if first is None:
        raise UserError(f"{table.name} has no row with frame_id {CAMERA}; give one with some")
    cameras, facts = {}, {}
    if (table.parent / first).exists():
        cameras["front"], facts["camera"] = dashcam.told(*video.picture_size(table.parent / first), reading.camera)

    def rows() -> Iterator[align.Row]:
        for line, cells in columns.records(table):
            if cells["frame_id"] == CAMERA:
                read = lambda name: columns.number(cells[name], name, table.name, line)  # noqa: B023, E731
                yield align.Row(read("timestamp") * 1e-9, np.array([read("speed"), read("angle")]), f"row {line}")

    def stream() -> Iterator[Observation]:
        x = y = yaw = 0.0
        start = before = None
        made = align.checked(rows(), table.name, ("speed", "steer"), reading.max_gap_s)
        for (t_s, (speed, wheel), _), name in zip(made, _shots(table), strict=True):
            start = t_s if start is None else start
            turn = yaw_rate(speed, wheel)
            if before is not None:
                dt, mean, rate = t_s - before[0], (before[1] + speed) / 2, (before[2] + turn) / 2
                x += dt * mean * np.cos(yaw + rate * dt / 2)
                y += dt * mean * np.sin(yaw + rate * dt / 2)
                yaw += rate * dt
            before = (t_s, speed, turn)
            images = {"front": lambda name=name: video.picture(table.parent / name)} if cameras else {}
            yield observation(t_s - start, images, ego=(speed, turn, wheel), pose=(x, y, yaw))

    names = ("speed", "yaw_rate", "steer")
    spec = body_spec("udacity", 20.0, names, cameras, steer="wheel", pose="dead reckoned", **facts)
    return (Drive(path.stem if path.is_file() else path.name, spec, stream),)


def _shots(table: Path) -> Iterator[str]:
    return (cells["filename"] for _, cells in columns.records(table) if cells["frame_id"] == CAMERA)
