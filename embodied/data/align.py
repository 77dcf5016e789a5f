"""Rows of time and values put on another clock by linear interpolation, two rows in memory at a time.

A recording is trusted only where it says something: between two rows that are at most `max_gap_s` apart. What is out of
order, not finite, beyond what a car does or too far apart is a UserError that names the row. Interpolating looks at most one
row ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embodied.data.drives import LIMITS, MISTAKEN
from embodied.errors import UserError

MAX_GAP_S = 0.5
EARTH_M = 6378137.0  # radius


class Row(NamedTuple):
    """One moment of a recording. values: (d,).  place: where a person finds it there, `row 17` or the name of a file."""

    t_s: float
    values: NDArray[np.float64]
    place: str


def checked(rows: Iterable[Row], where: str, names: Sequence[str], max_gap_s: float = 0.0) -> Iterator[Row]:
    """The rows as they are. UserError at the first that goes back in time, is not finite, is beyond LIMITS, or follows its
    predecessor by more than max_gap_s (0: any distance), and where there is no row at all. where: what to call the file.
    names: of the values, as in LIMITS."""
    low, high = (np.array([LIMITS[name][k] for name in names]) for k in (1, 2))
    low, high = low - 1e-6, high + 1e-6  # a full throttle as float32
    before = -np.inf
    for row in rows:
        if not abs(row.t_s) < 1e12:
            raise UserError(f"{where}, {row.place}: the time is {row.t_s:g}; mend it or its unit, or remove the row")
        if not np.all((low <= row.values) & (row.values <= high)):
            raise UserError(f"{where}, {row.place}: {_fault(names, row.values, low, high)}")
        if row.t_s <= before:
            raise UserError(
                f"{where}, {row.place}: time goes from {before:.3f} to {row.t_s:.3f} s; sort the rows by time"
            )
        if max_gap_s and row.t_s - before > max_gap_s and np.isfinite(before):
            raise UserError(_gap(where, row, row.t_s - before, max_gap_s))
        before = row.t_s
        yield row
    if before == -np.inf:
        raise UserError(f"{where} has no rows; give a recording with some")


def _fault(
    names: Sequence[str], values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> str:
    if not np.all(np.isfinite(values)):
        bad = [name for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
        return f"{', '.join(bad)} is not a number; remove or mend the row"
    k = int(np.argmin((low <= values) & (values <= high)))
    unit, least, most = LIMITS[names[k]]
    said = f"{values[k]:g}{'' if unit == '1' else ' ' + unit}"
    hint = f"is it {MISTAKEN[names[k]]}? say its unit" if names[k] in MISTAKEN else "mend"
    return f"{names[k]} is {said}, outside {least:g} to {most:g}; {hint} or remove the row"


def _gap(where: str, row: Row, gap_s: float, most_s: float) -> str:
    return (
        f"{where}, {row.place}: {gap_s:.2f} s after the row before, more than max_gap_s={most_s:g}; "
        "cut the drive there or raise max_gap_s"
    )


def at(
    rows: Iterable[Row], times: Iterable[float], where: str, max_gap_s: float = MAX_GAP_S
) -> Iterator[NDArray[np.float64] | None]:
    """Values (d,) of each of the increasing times; None before the first row and after the last.

    rows must be `checked`. UserError when the two rows around a time are more than max_gap_s apart."""
    source = iter(rows)
    left: Row | None = None
    right = next(source, None)
    for t_s in times:
        while right is not None and right.t_s < t_s:
            left, right = right, next(source, None)
        if right is not None and right.t_s == t_s:
            yield right.values
        elif left is None or right is None:
            yield None
        else:
            gap = right.t_s - left.t_s
            if gap > max_gap_s:
                raise UserError(_gap(where, right, gap, max_gap_s))
            share = (t_s - left.t_s) / gap
            yield left.values + share * (right.values - left.values)


def unwrapped(rows: Iterable[Row], column: int) -> Iterator[Row]:
    """The same rows with an angle (rad) that no longer jumps by whole turns, so that it can be interpolated."""
    last = 0.0
    for row in rows:
        made = np.array(row.values, float)
        last += (made[column] - last + np.pi) % (2 * np.pi) - np.pi
        made[column] = last
        yield row._replace(values=made)


def about_first(rows: Iterable[Row], east: int, north: int, angles: bool) -> Iterator[Row]:
    """The same rows with the columns `east` and `north` in metres from the first row. angles: they are longitude and latitude
    in rad (tangent plane of the sphere; 1 cm off after 5 km); otherwise metres of any origin, which float32 would not hold."""
    origin: NDArray[np.float64] | None = None
    for row in rows:
        made = np.array(row.values, float)
        here = made[[east, north]]
        origin = here if origin is None else origin
        moved = here - origin
        made[[east, north]] = moved * EARTH_M * np.array([np.cos(origin[1]), 1.0]) if angles else moved
        yield row._replace(values=made)
