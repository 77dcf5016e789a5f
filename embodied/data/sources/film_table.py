"""Any MP4 with a CSV of the same name beside it: `drive.mp4` and `drive.csv`, columns by a map or by their names.

The video's clock is that of the table: its first frame is at the table's first time unless `columns` are given times that
start elsewhere. A video without a table is a drive without telemetry: nothing of it can be scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from embodied.data import align, columns, dashcam, video
from embodied.data.drives import EGO, Drive, Reading, body_spec, observation, reader
from embodied.errors import UserError
from embodied.types import Image, Observation

FILMS = (".mp4", ".mov", ".avi", ".mkv", ".hevc")


def _film(path: Path) -> Path | None:
    found = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
    films = [p for p in found if p.suffix.lower() in FILMS]
    return films[0] if len(films) == 1 else None


def _table(film: Path) -> Path | None:
    same = film.with_suffix(".csv")
    if same.exists():
        return same
    others = sorted(film.parent.glob("*.csv"))
    return others[0] if len(others) == 1 else None


def _csv(path: Path) -> Path | None:
    found = [path] if path.is_file() else sorted(path.glob("*.csv"))
    return found[0] if len(found) == 1 and found[0].suffix.lower() == ".csv" else None


@reader("video", "one MP4, with a CSV beside it or without; or a CSV alone", lambda p: bool(_film(p) or _csv(p)))
def film_table(path: Path, reading: Reading) -> tuple[Drive, ...]:
    """Moments are those of the video's frames, and of the table's rows where there is no video."""
    film = _film(path)
    table = _table(film) if film is not None else _csv(path)
    found = columns.find(columns.headers(table), table.name, reading.columns) if table is not None else {}
    ego = tuple(name for name in EGO if name in found)
    placed = {"x", "y"} <= set(found)
    pose = ("x", "y", "yaw") if "yaw" in found else ("x", "y")
    if film is None and not ego and not placed:
        raise UserError(
            f"{path.name} tells neither speed nor place; say which column it is, columns='speed=<column>[m/s]'"
        )
    cameras, facts = {}, {}
    rate = reading.rate_hz
    if film is not None:
        width, height, rate, _ = video.measure(film)
        cameras["front"], facts["camera"] = dashcam.told(width, height, reading.camera)
    reckoned = not placed and {"speed", "yaw_rate"} <= set(ego)
    has_pose = placed or reckoned
    facts["steer"] = "wheel"
    spec = body_spec(
        "video", rate, ego, cameras, pose="recorded" if placed else "dead reckoned" if reckoned else False, **facts
    )
    names = (*ego, *(pose if placed else ()))

    def rows() -> Iterator[align.Row]:
        assert table is not None
        gap = 0.0 if film is not None else reading.max_gap_s  # with a film, gaps matter where its frames are
        made = align.checked(columns.rows(table, found, names), table.name, names, 2, gap)
        if placed:
            return _headed(made, len(ego)) if "yaw" not in found else align.unwrapped(made, len(ego) + 2)
        return _reckoned(made, ego.index("speed"), ego.index("yaw_rate")) if reckoned else made

    def stream() -> Iterator[Observation]:
        n = len(ego)
        if film is None:
            start = None
            for t_s, values in rows():
                start = t_s if start is None else start
                yield observation(
                    t_s - start, None, ego=values[:n] if n else None, pose=values[n:] if has_pose else None
                )
            return
        if table is None:
            for t_s, show in video.moments(film):
                yield observation(t_s, {"front": show})
            return
        zero = next(columns.rows(table, found, ()), None)
        if zero is None:
            raise UserError(f"{table.name} has a header and no rows; give one with telemetry, or the film alone")
        shown: list[tuple[float, Callable[[], Image]]] = []

        def clock(film: Path = film) -> Iterator[float]:
            for t_s, show in video.moments(film):
                shown[:] = [(t_s, show)]
                yield zero[0] + t_s

        for values in align.at(rows(), clock(), table.name, 2, reading.max_gap_s):
            t_s, show = shown[0]
            if values is not None:
                yield observation(
                    t_s, {"front": show}, ego=values[:n] if n else None, pose=values[n:] if has_pose else None
                )

    return (Drive(path.stem if path.is_file() else path.name, spec, stream),)


def _headed(rows: Iterator[align.Row], at: int) -> Iterator[align.Row]:
    """Adds the heading of travel to rows with x, y at columns at, at + 1: from where the car was half a metre before.
    Rows before the first half metre have none and are left out."""
    last, yaw = None, np.nan
    for t_s, values in rows:
        where = values[at : at + 2]
        last = where if last is None else last
        if np.hypot(*(where - last)) > 0.5:
            turned = np.arctan2(*(where - last)[::-1])
            yaw = turned if np.isnan(yaw) else yaw + (turned - yaw + np.pi) % (2 * np.pi) - np.pi
            last = where
        if not np.isnan(yaw):
            yield t_s, np.append(values, yaw)


def _reckoned(rows: Iterator[align.Row], speed: int, rate: int) -> Iterator[align.Row]:
    """Adds x y yaw integrated from speed and yaw rate (trapezoids)."""
    pose, before = np.zeros(3), None
    for t_s, values in rows:
        if before is not None:
            dt, mean = t_s - before[0], (before[1] + values) / 2
            middle = pose[2] + mean[rate] * dt / 2
            pose = pose + dt * np.array([mean[speed] * np.cos(middle), mean[speed] * np.sin(middle), mean[rate]])
        before = (t_s, values)
        yield t_s, np.append(values, pose)
