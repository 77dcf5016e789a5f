"""comma2k19 segment folders (Schafer et al. 2018, arXiv 1812.05752): poses at frames, CAN, IMU, and video.hevc when it is there.

Inputs are what the car and the device measured: CAN speed, steering and radar, the gyroscope's yaw rate. The global pose is an
optimisation over the whole segment, so it is used as the truth only. Its heading is that of travel: the device's own yaw
is turned against the car by a degree or so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embodied.data import align, dashcam, video
from embodied.data.drives import Drive, Reading, body_spec, observation, reader
from embodied.data.radar import Radar
from embodied.errors import UserError
from embodied.types import Observation

FOCAL_PX, SIZE, HEIGHT_M = 910.0, (1164, 874), 1.22  # of the EON's road camera, as the dataset's notes state
EGO = {
    "speed": "processed_log/CAN/speed",
    "steer": "processed_log/CAN/steering_angle",
    "yaw_rate": "processed_log/IMU/gyro",
}
RADAR = "processed_log/CAN/radar"
MOVING_MPS = 0.5


def _segments(path: Path) -> list[Path]:
    return sorted({p.parent for p in [path / "global_pose", *path.glob("**/global_pose")] if p.is_dir()})


def _load(path: Path) -> NDArray[np.floating]:
    """Mapped into memory, so that a long segment costs no more than a short one."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as fault:
        raise UserError(f"cannot read {path} ({fault}); copy the segment whole") from None


def _log(folder: Path) -> Iterator[tuple[float, NDArray[np.floating]]]:
    """Times and values of a channel."""
    times, values = _load(folder / "t"), _load(folder / "value")
    if len(times) != len(values):
        raise UserError(f"{folder} has {len(times)} times and {len(values)} values; copy the segment whole")
    return zip(times, values, strict=True)


def _radar(segment: Path) -> Radar:
    """ahead, left, relative speed, nothing, nothing, number, new (the dataset's notes)."""
    rows = ((float(t_s), np.asarray(row, float)[[0, 1, 2, 5]]) for t_s, row in _log(segment / RADAR))
    return Radar(rows, f"{RADAR} of {segment.name}")


def _values(segment: Path, name: str) -> Iterator[align.Row]:
    """Steering in rad at the wheel, left positive; yaw rate from the gyroscope's down axis, left positive."""
    for k, (t_s, row) in enumerate(_log(segment / EGO[name]), 1):
        value = np.ravel(row)
        made = {"speed": value[:1], "steer": np.radians(value[:1]), "yaw_rate": -value[2:3]}[name]
        yield align.Row(float(t_s), made.astype(float), f"row {k}")


def _poses(segment: Path) -> Iterator[align.Row]:
    """x y yaw in the tangent plane at the first position."""
    folder = segment / "global_pose"
    times, where, speed = (_load(folder / f"frame_{k}") for k in ("times", "positions", "velocities"))
    if not len(times) == len(where) == len(speed) > 0:
        raise UserError(
            f"{folder} has {len(times)} times, {len(where)} positions and {len(speed)} velocities; copy the segment whole"
        )
    up = where[0] / np.linalg.norm(where[0])
    east = np.cross([0.0, 0.0, 1.0], up)
    plane = np.stack([east / np.linalg.norm(east), np.cross(up, east / np.linalg.norm(east))])
    yaw = 0.0
    for k in range(len(times)):
        v = plane @ speed[k]
        yaw = float(np.arctan2(v[1], v[0])) if np.hypot(*v) > MOVING_MPS else yaw
        yield align.Row(float(times[k]), np.array([*(plane @ (where[k] - where[0])), yaw]), f"row {k + 1}")


@reader("comma2k19", "a folder with global_pose/ and processed_log/", lambda p: p.is_dir() and bool(_segments(p)))
def comma2k19(path: Path, reading: Reading) -> tuple[Drive, ...]:
    """One drive a segment, 20 moments a second."""
    return tuple(_drive(segment, reading) for segment in _segments(path))


def _drive(segment: Path, reading: Reading) -> Drive:
    names = [name for name in EGO if (segment / EGO[name] / "t").exists()]
    film = segment / "video.hevc"
    camera = dashcam.dashcam(*SIZE, FOCAL_PX, HEIGHT_M)
    cameras = {"front": camera} if film.exists() else {}
    looks = "speed" in names and (segment / RADAR / "t").exists()
    given = [*names, *(("lead_gap", "lead_speed") if looks else ())]
    spec = body_spec("comma2k19", 20.0, given, cameras, steer="wheel", pose="optimised over the segment")
    gap = reading.max_gap_s

    def stream() -> Iterator[Observation]:
        times = _load(segment / "global_pose/frame_times")
        rows = [align.checked(_values(segment, n), f"{EGO[n]} of {segment.name}", [n]) for n in names]
        ego = [align.at(r, map(float, times), EGO[n], max_gap_s=gap) for n, r in zip(names, rows, strict=True)]
        poses = align.checked(_poses(segment), f"global_pose of {segment.name}", ("x", "y", "yaw"), max_gap_s=gap)
        radar = _radar(segment) if looks else None
        frames = video.moments(film) if film.exists() else None
        for (t_s, pose, _), *values in zip(align.unwrapped(poses, 2), *ego, strict=True):
            shown = None if frames is None else next(frames, None)
            if frames is not None and shown is None:
                raise UserError(f"{film} ends before the {len(times)} poses of its segment; copy the segment whole")
            picture = {} if shown is None else {"front": shown[1]}
            if any(v is None for v in values):  # the first frames, before the car's first message
                continue
            ego_now = np.concatenate(values) if values else None
            if radar is not None and ego_now is not None:
                moves = dict(zip(names, ego_now, strict=True))
                ego_now = np.append(ego_now, radar.lead(t_s, moves["speed"], moves.get("yaw_rate", 0.0)))
            yield observation(t_s - float(times[0]), picture, ego=ego_now, pose=pose)

    return Drive(f"{segment.parent.name}-{segment.name}", spec, stream)
