"""Any MP4 with a CSV of the same name beside it: `drive.mp4` and `drive.csv`, columns by a map or by their names.

The video's clock is that of the table: its first frame is at the table's first time unless `columns` are given times that
start elsewhere. A video without a table is a drive without telemetry: nothing of it can be scored.

A place is x and y, or latitude and longitude. What a table with places does not say is made from them: the heading of travel,
and the speed, which looks backwards alone because policies are given it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import align, columns, dashcam, video
from embodied.data.drives import EGO, Drive, Reading, body_spec, observation, reader
from embodied.errors import UserError
from embodied.types import Image, Observation

FILMS = (".mp4", ".mov", ".avi", ".mkv", ".hevc")
SPAN_S = 0.3  # of a derived speed: places that are 5 cm off move it by 0.2 m/s, and it lags by half the span


def _files(path: Path, kinds: tuple[str, ...]) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.iterdir())
    return [p for p in found if p.is_file() and p.suffix.lower() in kinds]


def _only(path: Path, kinds: tuple[str, ...]) -> Path | None:
    found = _files(path, kinds)
    if len(found) > 1:
        some = ", ".join(p.name for p in found[:3])
        raise UserError(f"{path} holds {len(found)} files that may be the drive ({some}); give one of them")
    return found[0] if found else None


def _table(film: Path) -> Path | None:
    same = film.with_suffix(".csv")
    if same.exists():
        return same
    others = sorted(film.parent.glob("*.csv"))
    return others[0] if len(others) == 1 else None


@reader(
    "video", "one MP4, with a CSV beside it or without; or a CSV alone", lambda p: bool(_files(p, (*FILMS, ".csv")))
)
def film_table(path: Path, reading: Reading) -> tuple[Drive, ...]:
    """Moments are those of the video's frames, and of the table's rows where there is no video."""
    film = _only(path, FILMS)
    table = _table(film) if film is not None else _only(path, (".csv",))
    found = columns.find(columns.headers(table), table.name, reading.columns) if table is not None else {}
    given = tuple(name for name in EGO if name in found)
    place = next((names for names in (("x", "y"), ("lon", "lat")) if set(names) <= set(found)), ())
    if film is None and not given and not place:
        raise UserError(
            f"{path.name} tells neither speed nor place; say which column it is, columns='speed=<column>[m/s]'"
        )
    cameras, facts = {}, {"steer": "wheel"}
    rate = reading.rate_hz
    if film is not None:
        width, height, rate, _ = video.measure(film)
        cameras["front"], facts["camera"] = dashcam.told(width, height, reading.camera)
    derived = bool(place) and "speed" not in given
    if derived:
        facts["speed"] = f"derived from the places, {SPAN_S:g} s back"
    ego = ("speed", *given) if derived else given
    reckoned = not place and {"speed", "yaw_rate"} <= set(ego)
    has_pose = bool(place) or reckoned
    pose = "recorded" if place else "dead reckoned" if reckoned else False
    spec = body_spec("video", rate, ego, cameras, pose, False, **facts)
    names = (*given, *place, *(("yaw",) if place and "yaw" in found else ()))

    def measured() -> Iterator[align.Row]:
        assert table is not None
        gap = 0.0 if film is not None else reading.max_gap_s  # with a film, gaps matter where its frames are
        made = align.checked(columns.rows(table, found, names), table.name, names, gap)
        at = len(given)
        return align.about_first(made, at, at + 1, angles="lat" in place) if place else made

    def rows() -> Iterator[align.Row]:
        made, at = measured(), len(given)
        if reckoned:
            return _reckoned(made, given.index("speed"), given.index("yaw_rate"))
        if "yaw" in names:
            made = align.unwrapped(made, at + 2)
        elif place:
            made = _headed(made, at, _first_heading(measured(), at))
        return _sped(made, at, path.name) if derived else made

    def moment(t_s: float, images: dict[str, Any] | None, values: NDArray[np.float64]) -> Observation:
        n = len(ego)
        return observation(t_s, images, ego=values[:n] if n else None, pose=values[n:] if has_pose else None)

    def stream() -> Iterator[Observation]:
        if film is None:
            start = None
            for t_s, values, _ in rows():
                start = t_s if start is None else start
                yield moment(t_s - start, None, values)
            return
        if table is None:
            for t_s, show in video.moments(film):
                yield observation(t_s, {"front": show})
            return
        zero = next(measured()).t_s
        shown: list[tuple[float, Callable[[], Image]]] = []

        def clock(film: Path = film) -> Iterator[float]:
            for t_s, show in video.moments(film):
                shown[:] = [(t_s, show)]
                yield zero + t_s

        for values in align.at(rows(), clock(), table.name, reading.max_gap_s):
            t_s, show = shown[0]
            if values is not None:
                yield moment(t_s, {"front": show}, values)

    return (Drive(path.stem if path.is_file() else path.name, spec, stream),)


def _headed(rows: Iterator[align.Row], at: int, yaw: float) -> Iterator[align.Row]:
    """Adds the heading of travel to rows with x, y at columns at, at + 1: from where the car was half a metre before; `yaw` of
    the rows before the first half metre."""
    last = None
    for row in rows:
        where = row.values[at : at + 2]
        last = where if last is None else last
        if np.hypot(*(where - last)) > 0.5:
            turned = np.arctan2(*(where - last)[::-1])
            yaw = turned if np.isnan(yaw) else yaw + (turned - yaw + np.pi) % (2 * np.pi) - np.pi
            last = where
        yield row._replace(values=np.append(row.values, yaw))


def _first_heading(rows: Iterator[align.Row], at: int) -> float:
    """That of the first half metre, for a car does not turn where it stands; 0 when it stands all the time."""
    return next((row.values[-1] for row in _headed(rows, at, np.nan) if not np.isnan(row.values[-1])), 0.0)


def _sped(rows: Iterator[align.Row], at: int, where: str) -> Iterator[align.Row]:
    """Puts first the speed of rows with x, y at columns at, at + 1: the way from the newest row that is SPAN_S old or more.
    Never negative; rows that have no such past are left out."""
    past: deque[align.Row] = deque()
    for row in rows:
        past.append(row)
        while len(past) > 1 and row.t_s - past[1].t_s > SPAN_S - 1e-6:  # times in s since 1970 are 2e-7 s apart
            past.popleft()
        took = row.t_s - past[0].t_s
        if took > SPAN_S - 1e-6:
            way = np.hypot(*(row.values[at : at + 2] - past[0].values[at : at + 2]))
            if way / took > EGO["speed"][2]:
                raise UserError(
                    f"{where}, {row.place}: the car is {way:.4g} m from where it was {took:.2f} s before; mend or remove the row"
                )
            yield row._replace(values=np.append(way / took, row.values))


def _reckoned(rows: Iterator[align.Row], speed: int, rate: int) -> Iterator[align.Row]:
    """Adds x y yaw integrated from speed and yaw rate (trapezoids)."""
    pose, before = np.zeros(3), None
    for row in rows:
        t_s, values, _ = row
        if before is not None:
            dt, mean = t_s - before[0], (before[1] + values) / 2
            middle = pose[2] + mean[rate] * dt / 2
            pose = pose + dt * np.array([mean[speed] * np.cos(middle), mean[speed] * np.sin(middle), mean[rate]])
        before = (t_s, values)
        yield row._replace(values=np.append(values, pose))
