"""A drawing as short pieces of motion for a robot that is streamed to: paused, resumed and cancelled between them.

Time comes from the caller. A pause takes effect when the stroke is drawn and the pen is up, a cancel at once; after it the next
drawing begins with the pen raised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embodied.draw.sheet import MM
from embodied.geometry import Matrix
from policies.draw import UP_MM, PenPolicy

AHEAD_S = 0.25  # of motion in one piece: what the robot still does when nobody speaks any more
RAISE_S = 0.3


class PenStream:
    """policy: the arm's; its rate is the one of the rows."""

    def __init__(self, policy: PenPolicy) -> None:
        self.policy = policy
        self.strokes: Sequence[NDArray[np.float64]] = ()
        self.done = 0
        self.paused = False
        self.state = "idle"  # idle | drawing | paused | finished | cancelled
        self._rows = np.zeros((0, len(policy.arm.joints)), np.float32)
        self._began = 0.0

    def begin(
        self, strokes: Sequence[NDArray[np.float64]], base_from_page: Matrix, joints: NDArray[np.floating], now_s: float
    ) -> None:
        """Draw these (n, 2) mm from where the joints (7,) rad are. UserError when one is out of reach; then nothing changes."""
        self.policy.lay(strokes, base_from_page)
        self.policy.at = np.asarray(joints, float)
        self.strokes, self.done, self.paused, self.state = strokes, 0, False, "drawing"
        here = self.policy.arm.fk(self.policy.at)[:3, 3]
        up = here + [0.0, 0.0, max(0.0, float(base_from_page[2, 3]) + UP_MM * MM - here[2])]
        self._start(self.policy.go(up, RAISE_S), now_s)

    def cancel(self) -> None:
        if self.state in ("drawing", "paused"):
            self.state = "cancelled"
            self._rows = self._rows[:0]

    def next(self, now_s: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """What is due from now on: times (k,) s from now, rows (k, 7) rad; none when there is nothing to move."""
        rate = self.policy.rate_hz
        if self.state in ("drawing", "paused") and self._at(now_s) >= len(self._rows):
            self._follow(now_s)
        first = self._at(now_s)
        rows = self._rows[first : first + int(AHEAD_S * rate)]
        due = (np.arange(first, first + len(rows)) + 1) / rate - (now_s - self._began)
        return due, rows

    def _at(self, now_s: float) -> int:
        """Rows that are past."""
        return max(0, int((now_s - self._began) * self.policy.rate_hz))

    def _follow(self, now_s: float) -> None:
        """The next stroke, or the end."""
        self._rows = self._rows[:0]
        if self.paused:
            self.state = "paused"
        elif self.done == len(self.strokes):
            self.state = "finished"
        else:
            self.state = "drawing"
            self._start(self.policy.motion(self.strokes[self.done]), now_s)
            self.done += 1

    def _start(self, rows: NDArray[np.float32], now_s: float) -> None:
        self._rows, self._began = rows, now_s
