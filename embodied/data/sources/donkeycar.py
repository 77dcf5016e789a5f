"""Donkeycar tubs (version 2): catalogs of JSON lines beside images/. Steering and throttle of a model car; no speed, no pose.

Time stamps are those of whoever wrote the file, not of the camera, so frames are taken as rate_hz apart (20 by default), in
the order of _index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from embodied.data import align, columns, dashcam, video
from embodied.data.drives import Drive, Reading, body_spec, observation, reader
from embodied.errors import UserError
from embodied.types import Observation

STEER_RAD = 0.35  # road wheels at user/angle = 1, as Donkeycar's model car has them; right is positive there
HEIGHT_M = 0.12


def _tub(path: Path) -> Path | None:
    found = [
        p for p in (path, path / "tub") if p.is_dir() and (p / "manifest.json").exists() and list(p.glob("*.catalog"))
    ]
    return found[0] if found else None


class Record(NamedTuple):
    """One line of a catalog. angle, throttle: -1..1."""

    index: int
    picture: Path
    angle: float
    throttle: float
    place: str


def _records(tub: Path) -> Iterator[Record]:
    numbered = sorted(tub.glob("*.catalog"), key=lambda p: int((re.findall(r"\d+", p.stem) or ["0"])[-1]))
    before = -1
    for catalog in numbered:
        with catalog.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                    index, name, angle = int(record["_index"]), record["cam/image_array"], record["user/angle"]
                except (json.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
                    raise UserError(
                        f"{catalog.name}, row {number}: no record of a tub ({fault!r}); remove the row"
                    ) from None
                if index <= before:
                    raise UserError(
                        f"{catalog.name}, row {number}: _index goes from {before} to {index}; sort the rows"
                    )
                before = index
                angle, throttle = (
                    columns.number(str(value), key, catalog.name, number)
                    for key, value in (("user/angle", angle), ("user/throttle", record.get("user/throttle", 0.0)))
                )
                yield Record(index, tub / "images" / str(name), angle, throttle, f"{catalog.name}, row {number}")


@reader("donkeycar", "a tub: manifest.json, *.catalog, images/", lambda p: _tub(p) is not None)
def donkeycar(path: Path, reading: Reading) -> tuple[Drive, ...]:
    tub = _tub(path)
    assert tub is not None
    first = next(_records(tub), None)
    if first is None:
        raise UserError(f"the tub {str(tub)!r} has no records; give one with a drive")
    camera, known = dashcam.told(*video.picture_size(first.picture), reading.camera)
    if known == "assumed":
        camera = dashcam.dashcam(camera.width, camera.height, height_m=HEIGHT_M)

    def stream() -> Iterator[Observation]:
        rows = (
            align.Row((r.index - first.index) / reading.rate_hz, np.array([-STEER_RAD * r.angle, r.throttle]), r.place)
            for r in _records(tub)
        )
        for (t_s, ego, _), record in zip(align.checked(rows, path.name, names), _records(tub), strict=True):
            yield observation(t_s, {"front": lambda shot=record.picture: video.picture(shot)}, ego=ego)

    time, names = f"assumed {reading.rate_hz:g} Hz", ("steer", "throttle")
    facts = {"steer": "road", "camera": known, "time": time}
    spec = body_spec("donkeycar", reading.rate_hz, names, {"front": camera}, False, False, **facts)
    return (Drive(path.name, spec, stream),)
