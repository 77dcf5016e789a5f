"""Donkeycar tubs (version 2): catalogs of JSON lines beside images/. Steering and throttle of a model car; no speed, no pose.

Time stamps are those of whoever wrote the file, not of the camera, so frames are taken as rate_hz apart (20 by default), in
the order of _index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from embodied.data import dashcam, video
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


def _records(tub: Path) -> Iterator[dict[str, object]]:
    numbered = sorted(tub.glob("*.catalog"), key=lambda p: int((re.findall(r"\d+", p.stem) or ["0"])[-1]))
    before = -1
    for catalog in numbered:
        with catalog.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                    index, _ = int(record["_index"]), (record["cam/image_array"], float(record["user/angle"]))
                except (json.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
                    raise UserError(
                        f"{catalog.name}, row {number}: no record of a tub ({fault!r}); remove the row"
                    ) from None
                if index <= before:
                    raise UserError(
                        f"{catalog.name}, row {number}: _index goes from {before} to {index}; sort the rows"
                    )
                before = index
                yield record


@reader("donkeycar", "a tub: manifest.json, *.catalog, images/", lambda p: _tub(p) is not None)
def donkeycar(path: Path, reading: Reading) -> tuple[Drive, ...]:
    tub = _tub(path)
    assert tub is not None
    first = next(_records(tub), None)
    if first is None:
        raise UserError(f"the tub {str(tub)!r} has no records; give one with a drive")
    camera, known = dashcam.told(*video.picture_size(tub / "images" / str(first["cam/image_array"])), reading.camera)
    if known == "assumed":
        camera = dashcam.dashcam(camera.width, camera.height, height_m=HEIGHT_M)

    def stream() -> Iterator[Observation]:
        start = None
        for record in _records(tub):
            index = int(str(record["_index"]))
            start = index if start is None else start
            shot = tub / "images" / str(record["cam/image_array"])
            ego = (-STEER_RAD * float(str(record["user/angle"])), float(str(record.get("user/throttle", 0.0))))
            images = {"front": lambda shot=shot: video.picture(shot)}
            yield observation((index - start) / reading.rate_hz, images, ego=ego)

    time = f"assumed {reading.rate_hz:g} Hz"
    facts = {"steer": "road", "camera": known, "time": time}
    spec = body_spec("donkeycar", reading.rate_hz, ("steer", "throttle"), {"front": camera}, False, False, **facts)
    return (Drive(path.name, spec, stream),)
