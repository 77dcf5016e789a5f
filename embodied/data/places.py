"""What rows of places do not say themselves: the heading of travel, the speed, and the way of a car whose place nobody measured.

Columns are x east and y north in metres (embodied.data.align.about_first), at two neighbouring columns of a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from embodied.data.align import Row
from embodied.data.drives import EGO
from embodied.errors import UserError

SPAN_S = 0.3  # of a derived speed: places that are 5 cm off move it by 0.2 m/s, and it lags by half the span
DERIVED = f"derived from the places, {SPAN_S:g} s back or more"  # what a report says of such a speed


def headed(rows: Iterator[Row], at: int, yaw: float) -> Iterator[Row]:
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


def first_heading(rows: Iterator[Row], at: int) -> float:
    """That of the first half metre, for a car does not turn where it stands; 0 when it stands all the time."""
    return next((row.values[-1] for row in headed(rows, at, np.nan) if not np.isnan(row.values[-1])), 0.0)


def sped(rows: Iterator[Row], at: int, where: str) -> Iterator[Row]:
    """Puts first the speed of rows with x, y at columns at, at + 1: the way from the newest row that is SPAN_S old or more.
    Never negative; rows that have no such past are left out."""
    past: deque[Row] = deque()
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


def reckoned(rows: Iterator[Row], speed: int, rate: int) -> Iterator[Row]:
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
