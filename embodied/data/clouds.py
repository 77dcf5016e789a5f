"""Point clouds as recordings hold them -> points (n, 3) in the vehicle frame (embodied.drive.above): x forward, y left, z up, m."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError

Points = NDArray[np.floating]
_KINDS = {7: "f4", 8: "f8"}  # sensor_msgs/PointField
NEAR_M, GROUND = (3.0, 20.0), 0.1  # where the road is looked for, and which share of the points there lies below it


def velodyne(path: Path, place: tuple[float, float, float]) -> Points:
    """One turn of KITTI's scanner: x y z and strength as float32 (its devkit's readme). place: of the scanner in the vehicle
    frame."""
    content = path.read_bytes()
    if len(content) % 16:
        raise UserError(f"{path} is cut off; copy the drive whole")
    return np.frombuffer(content, "<f4").reshape(-1, 4)[:, :3] + np.array(place, np.float32)


def cloud(message: Any) -> Points:
    """Of a sensor_msgs/PointCloud2 whose frame looks forward. Its height is not told: most of the lowest points near by are road.

    UserError for one without x, y and z as numbers with a point."""
    fields = {field.name: field for field in message.fields}
    if not {"x", "y", "z"} <= set(fields) or any(fields[axis].datatype not in _KINDS for axis in "xyz"):
        raise UserError(
            f"a cloud with the fields {', '.join(fields) or 'none'} has no x, y, z of float32 or float64; leave it out"
        )
    sizes = {axis: int(_KINDS[fields[axis].datatype][1]) for axis in "xyz"}
    if any(fields[axis].offset + size > message.point_step for axis, size in sizes.items()):
        raise UserError(f"a cloud's x, y and z do not fit into its points of {message.point_step} bytes; leave it out")
    order = ">" if message.is_bigendian else "<"
    made = np.dtype({
        "names": ["x", "y", "z"],
        "formats": [order + _KINDS[fields[axis].datatype] for axis in "xyz"],
        "offsets": [fields[axis].offset for axis in "xyz"],
        "itemsize": message.point_step,
    })  # fmt: skip
    rows = np.asarray(message.data, np.uint8).tobytes()
    wide = message.width * message.point_step
    if len(rows) < message.height * message.row_step or (message.height and message.row_step < wide):
        raise UserError(
            f"a cloud of {message.height} rows of {message.row_step} bytes holds {len(rows)}; copy the bag whole"
        )
    parts = [rows[k * message.row_step :][:wide] for k in range(message.height)]
    flat = np.frombuffer(b"".join(parts), made)
    points = np.column_stack([flat[axis].astype(np.float64) for axis in "xyz"])
    points = points[np.isfinite(points).all(1)]
    away = np.hypot(points[:, 0], points[:, 1])
    near = points[(away > NEAR_M[0]) & (away < NEAR_M[1]), 2]
    return points - np.array([0.0, 0.0, np.quantile(near, GROUND)]) if len(near) else points


class Newest:
    """The newest of stamped messages at a time that only grows, none that is older than oldest_s. found: how often there
    was one."""

    def __init__(self, messages: Iterator[tuple[float, Any]], oldest_s: float) -> None:
        self._messages, self._oldest_s, self.found = messages, oldest_s, 0
        self._last: tuple[float, Any] | None = None
        self._next = next(messages, None)

    def at(self, t_s: float) -> Any:
        """None without one."""
        while self._next is not None and self._next[0] <= t_s:
            if self._last is None or self._next[0] > self._last[0]:
                self._last = self._next
            self._next = next(self._messages, None)
        if self._last is None or self._last[0] < t_s - self._oldest_s:
            return None
        self.found += 1
        return self._last[1]
