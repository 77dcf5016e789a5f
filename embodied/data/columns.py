"""CSV files of any layout as rows of SI values: which column means what, and in which unit.

A column map is a text: `t_s=stamp[ms], speed=v[km/h], steer=wheel[deg]`, ours on the left, the file's column on the right
with its unit in brackets. Without a map, columns are found by name: `speed_mps`, `v_kmh`, `yaw_rate_deg_s`, `speed [km/h]`.
A quantity whose unit nobody states is a UserError, because km/h and m/s cannot be told apart afterwards; only latitude and
longitude are degrees everywhere.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embodied.data.align import Row
from embodied.errors import UserError

UNITS = {
    "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9,
    "m": 1.0, "km": 1e3,
    "m/s": 1.0, "km/h": 1 / 3.6, "mph": 0.44704, "kn": 0.514444,
    "m/s^2": 1.0, "g": 9.80665,
    "rad": 1.0, "deg": math.pi / 180, "rad/s": 1.0, "deg/s": math.pi / 180, "1": 1.0, "%": 0.01,
}  # fmt: skip
# What we call a quantity -> units it may have, and the names under which files are known to hold it.
QUANTITIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "t_s": (("s", "ms", "us", "ns"), ("t", "time", "timestamp", "stamp")),
    "speed": (("m/s", "km/h", "mph", "kn"), ("speed", "v", "velocity", "vehicle_speed")),
    "accel": (("m/s^2", "g"), ("accel", "acceleration", "accel_fwd", "ax")),
    "yaw_rate": (("rad/s", "deg/s"), ("yaw_rate", "yawrate", "wz")),
    "steer": (("rad", "deg"), ("steer", "steering", "steering_angle", "angle")),
    "throttle": (("1", "%"), ("throttle", "gas")),
    "brake": (("1", "%"), ("brake",)),
    "lead_gap": (("m",), ("lead_gap", "lead_distance")),
    "lead_speed": (("m/s", "km/h", "mph"), ("lead_speed",)),
    "x": (("m", "km"), ("x", "east")),
    "y": (("m", "km"), ("y", "north")),
    "yaw": (("rad", "deg"), ("yaw", "heading_ccw")),
    "lat": (("deg",), ("lat", "latitude")),
    "lon": (("deg",), ("lon", "lng", "longitude")),
}
_SUFFIXES = {
    "mps": "m/s", "kmh": "km/h", "kph": "km/h", "mph": "mph", "deg": "deg", "rad": "rad", "s": "s", "ms": "ms", "us": "us",
    "ns": "ns", "m": "m", "mps2": "m/s^2", "radps": "rad/s", "degps": "deg/s", "deg_s": "deg/s", "rad_s": "rad/s", "pct": "%",
}  # fmt: skip
_BRACKETS = re.compile(r"^(.*?)\s*[\[(]([^\])]*)[\])]$")


@dataclass(frozen=True)
class Column:
    """One column of the file: its header, and what one unit of it is in SI."""

    header: str
    scale: float


def _unit(quantity: str, unit: str, where: str) -> float:
    allowed = QUANTITIES[quantity][0]
    if unit not in allowed:
        raise UserError(f"{where}: {quantity} in {unit!r} is not known; give one of {', '.join(allowed)}")
    return UNITS[unit]


def parse_map(text: str) -> dict[str, tuple[str, str]]:
    """`speed=v[km/h], ...` -> quantity -> (header, unit); the unit is "" where none is given. UserError when malformed."""
    made: dict[str, tuple[str, str]] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        ours, equal, theirs = (p.strip() for p in part.partition("="))
        if not equal or not theirs or ours not in QUANTITIES:
            raise UserError(f"columns: {part!r} is not quantity=column[unit]; quantities are {', '.join(QUANTITIES)}")
        found = _BRACKETS.match(theirs)
        made[ours] = (found[1], found[2]) if found else (theirs, "")
    return made


def _guess(header: str) -> tuple[str, str]:
    """("speed", "km/h") of "speed_kmh" or "v [km/h]"; the quantity is "" when the header means nothing to us."""
    found = _BRACKETS.match(header.strip())
    name, unit = (found[1], found[2]) if found else (header.strip(), "")
    name = name.lower().replace(" ", "_")
    if not unit:
        for suffix in sorted(_SUFFIXES, key=len, reverse=True):
            if name.endswith("_" + suffix):
                name, unit = name[: -len(suffix) - 1], _SUFFIXES[suffix]
                break
    for quantity, (_, names) in QUANTITIES.items():
        if name in names:
            return quantity, unit
    return "", ""


def find(headers: list[str], where: str, given: str = "") -> dict[str, Column]:
    """Quantity -> column. given: a column map that goes before guessing. UserError for a column that is not there, a
    unit that is not stated or does not fit, and a file without time."""
    wanted = parse_map(given)
    for header in headers:
        quantity, unit = _guess(header)
        if quantity and quantity not in wanted:
            wanted[quantity] = (header, unit)
    made = _columns(wanted, headers, where)
    if "t_s" not in made:
        raise UserError(
            f"{where} has no column for the time; say columns='t_s=<column>[s]', it has {', '.join(headers)}"
        )
    return made


def mapped(given: str, headers: list[str], where: str) -> dict[str, Column]:
    """What a column map says and nothing else; no quantity, and no time, is looked for. UserError as in `find`."""
    return _columns(parse_map(given), headers, where)


def _columns(wanted: Mapping[str, tuple[str, str]], headers: list[str], where: str) -> dict[str, Column]:
    made: dict[str, Column] = {}
    for quantity, (header, unit) in wanted.items():
        _needed(header, headers, where, f" for {quantity}")
        units = QUANTITIES[quantity][0]
        unit = unit or _guess(header)[1] or (units[0] if len(units) == 1 else "")
        if not unit:
            hint = " or ".join(f"columns='{quantity}={header}[{u}]'" for u in units[:2])
            raise UserError(f"{where} gives {header!r} without a unit; say {hint}")
        made[quantity] = Column(header, _unit(quantity, unit, where))
    return made


def _needed(header: str, headers: list[str], where: str, why: str = "") -> None:
    if header not in headers:
        raise UserError(f"{where} has no column {header!r}{why}; it has {', '.join(headers) or 'none'}")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A csv.reader of the file. UserError when it cannot be read, there or further on."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            yield csv.reader(source)
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise UserError(f"cannot read {path} ({fault}); give a CSV file in UTF-8") from None


def headers(path: Path) -> list[str]:
    """The first line's names. UserError when the file cannot be read or is empty."""
    with _opened(path) as lines:
        first = next(lines, [])
    if not first:
        raise UserError(f"{path} is empty; give a CSV file with a header line")
    return [name.strip() for name in first]


def number(text: str | None, header: str, where: str, line: int) -> float:
    """A cell as a float; UserError names line and column."""
    try:
        return float(text or "")
    except ValueError:
        raise UserError(
            f"{where}, row {line}: {header} is {text!r}, which is no number; remove or mend the row"
        ) from None


def records(path: Path, needed: tuple[str, ...] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number in the file, header -> cell), one line in memory at a time; empty lines are passed over. The header is line
    1, and must have the columns `needed`."""
    names = headers(path)
    for name in needed:
        _needed(name, names, path.name)
    with _opened(path) as lines:
        next(lines)
        for cells in lines:
            if not any(cells):
                continue
            if len(cells) < len(names):
                raise UserError(
                    f"{path.name}, row {lines.line_num}: {len(cells)} of {len(names)} columns; the file is cut off there"
                )
            yield lines.line_num, dict(zip(names, cells, strict=False))


def rows(path: Path, found: Mapping[str, Column], names: tuple[str, ...]) -> Iterator[Row]:
    """The values (len(names),) of every line, SI units; names: quantities in the order wanted."""
    for line, cells in records(path):
        read = lambda q: number(cells[found[q].header], found[q].header, path.name, line) * found[q].scale  # noqa: B023, E731
        yield Row(read("t_s"), np.array([read(name) for name in names]), f"row {line}")
