"""A folder of numbered pictures and nothing else: a film without a container. No telemetry, and no times: rate_hz tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from embodied.data import dashcam, video
from embodied.data.drives import Drive, Reading, body_spec, observation, reader
from embodied.types import Observation

KINDS = (".jpg", ".jpeg", ".png")


def _numbered(path: Path) -> list[Path]:
    """The folder's pictures in the order of the last number of their names, which is not that of their letters."""
    if not path.is_dir():
        return []
    shots = [(re.findall(r"\d+", one.stem), one) for one in path.iterdir() if one.suffix.lower() in KINDS]
    return [one for _, one in sorted((int(digits[-1]), one) for digits, one in shots if digits)]


@reader("frames", "a folder of numbered pictures", lambda p: len(_numbered(p)) > 1)
def frames(path: Path, reading: Reading) -> tuple[Drive, ...]:
    shots = _numbered(path)
    camera, known = dashcam.told(*video.picture_size(shots[0]), reading.camera)

    def stream() -> Iterator[Observation]:
        for k, shot in enumerate(shots):
            yield observation(k / reading.rate_hz, {"front": lambda shot=shot: video.picture(shot)})

    facts = {"camera": known, "time": f"assumed {reading.rate_hz:g} Hz"}
    return (
        Drive(path.name, body_spec("frames", reading.rate_hz, (), {"front": camera}, False, False, **facts), stream),
    )
