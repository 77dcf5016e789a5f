"""The car ahead among a radar's tracks: the nearest on the way that the car drives."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from embodied.data.drives import EGO
from embodied.errors import UserError

OLDEST_S = 0.15  # of a track that still counts; radars look 10 to 20 times a second
HALF_LANE_M = 1.8
STANDS_MPS = 1.0  # over ground: bridges and signs stand, and so far away a radar cannot tell them from cars


class Radar:
    """Tracks by their numbers, the newest of each. rows: increasing time in s, then (ahead m, left m, relative speed m/s, number);
    `where` names the file."""

    def __init__(self, rows: Iterable[tuple[float, NDArray[np.floating]]], where: str) -> None:
        self._rows, self._where = iter(rows), where
        self._next, self._tracks = next(self._rows, None), dict[int, tuple[float, NDArray[np.floating]]]()

    def lead(self, t_s: float, speed: float, yaw_rate: float = 0.0) -> tuple[float, float]:
        """(lead_gap m, lead_speed m/s) as of t_s, which grows from call to call, along the arc of this speed and yaw rate."""
        while self._next is not None and self._next[0] <= t_s:
            then, row = self._next
            if np.isfinite(row).all():
                self._tracks[int(row[3])] = then, row
            self._next = next(self._rows, None)
            if self._next is not None and self._next[0] < then:
                raise UserError(
                    f"{self._where}: time goes from {then:.3f} to {self._next[0]:.3f} s; sort the rows by time"
                )
        self._tracks = {number: one for number, one in self._tracks.items() if one[0] > t_s - OLDEST_S}
        curvature = yaw_rate / max(speed, 1.0)
        none = EGO["lead_gap"][2]
        gap, moves = none, speed
        for _, (ahead, left, relative, _) in self._tracks.values():
            beside = abs(left - curvature * ahead**2 / 2)
            if 0 < ahead < gap and beside < HALF_LANE_M and speed + relative > STANDS_MPS:
                gap, moves = float(ahead), float(np.clip(speed + relative, *EGO["lead_speed"][1:]))
        return gap, moves
