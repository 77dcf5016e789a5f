"""Any MP4 with a CSV of the same name beside it: `drive.mp4` and `drive.csv`, columns by a map or by their names.

The video's clock is that of the table: its first frame is at the table's first time unless `columns` are given times that
start elsewhere. A video without a table is a drive without telemetry: nothing of it can be scored.

A place is x and y, or latitude and longitude. What a table with places does not say is made from them: the heading of travel,
and the speed, which looks backwards alone because policies are given it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data import align, columns, dashcam, places, video
from embodied.data.drives import EGO, Drive, Reading, body_spec, observation, reader
from embodied.errors import UserError
from embodied.types import Image, Observation

FILMS = (".mp4", ".mov", ".avi", ".mkv", ".hevc")


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
        facts["speed"] = places.DERIVED
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
            return places.reckoned(made, given.index("speed"), given.index("yaw_rate"))
        if "yaw" in names:
            made = align.unwrapped(made, at + 2)
        elif place:
            made = places.headed(made, at, places.first_heading(measured(), at))
        return places.sped(made, at, path.name) if derived else made

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
