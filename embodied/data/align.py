"""Rows of time and values put on another clock by linear interpolation, two rows in memory at a time.

A recording is trusted only where it says something: between two rows that are at most `max_gap_s` apart. What is out of
order, not finite or too far apart is a UserError that names the row. Interpolating looks at most one row ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embodied.errors import UserError

MAX_GAP_S = 0.5
Row = tuple[float, NDArray[np.float64]]  # t_s, values (d,)


def checked(
    rows: Iterable[Row], where: str, names: Sequence[str], first: int = 1, max_gap_s: float = 0.0
) -> Iterator[Row]:
    """The rows as they are. UserError at the first that goes back in time, is not finite, or follows its predecessor by
    more than max_gap_s (0: any distance). where: what to call the file.  first: number of the first row, as a person
    would count it.  names: of the values."""
    before = -np.inf
    for number, (t_s, values) in enumerate(rows, first):
        if not np.isfinite(t_s):
            raise UserError(f"{where}, row {number}: the time is {t_s}; remove or mend the row")
        if not np.all(np.isfinite(values)):
            bad = [name for name, value in zip(names, values, strict=True) if not np.isfinite(value)]
            raise UserError(f"{where}, row {number}: {', '.join(bad)} is not a number; remove or mend the row")
        if t_s <= before:
            raise UserError(f"{where}, row {number}: time goes from {before:.3f} to {t_s:.3f} s; sort the rows by time")
        if max_gap_s and t_s - before > max_gap_s and np.isfinite(before):
            raise UserError(_gap(where, number, t_s - before, max_gap_s))
        before = t_s
        yield t_s, values


def _gap(where: str, number: int, gap_s: float, most_s: float) -> str:
    return (
        f"{where}, row {number}: {gap_s:.2f} s after the row before, more than max_gap_s={most_s:g}; "
        "cut the drive there or raise max_gap_s"
    )


def at(
    rows: Iterable[Row], times: Iterable[float], where: str, first: int = 1, max_gap_s: float = MAX_GAP_S
) -> Iterator[NDArray[np.float64] | None]:
    """Values (d,) of each of the increasing times; None before the first row and after the last.

    rows must be `checked`. UserError when the two rows around a time are more than max_gap_s apart."""
    source = enumerate(rows, first)
    left: Row | None = None
    number, right = next(source, (first, None))
    for t_s in times:
        while right is not None and right[0] < t_s:
            left = right
            number, right = next(source, (number, None))
        if right is not None and right[0] == t_s:
            yield right[1]
        elif left is None or right is None:
            yield None
        else:
            gap = right[0] - left[0]
            if gap > max_gap_s:
                raise UserError(_gap(where, number, gap, max_gap_s))
            share = (t_s - left[0]) / gap
            yield left[1] + share * (right[1] - left[1])


def unwrapped(rows: Iterable[Row], column: int) -> Iterator[Row]:
    """The same rows with an angle (rad) that no longer jumps by whole turns, so that it can be interpolated."""
    last = 0.0
    for t_s, values in rows:
        made = np.array(values, float)
        last += (made[column] - last + np.pi) % (2 * np.pi) - np.pi
        made[column] = last
        yield t_s, made
