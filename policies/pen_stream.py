"""A drawing as short pieces of motion for a robot that is streamed to: paused, resumed and cancelled between them.

Time and the measured joints come from the caller. A pause takes effect when the stroke is drawn and the pen up, a cancel at once.
An arm that is not where it was sent ends the drawing: nothing is dragged over the page to wherever the clock is. Joint angles are
solved as they become due, so that a long stroke does not keep the caller waiting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embodied.draw.sheet import MM
from embodied.errors import UserError
from embodied.geometry import Matrix
from policies.draw import UP_MM, PenPolicy

AHEAD_S = 0.25  # of motion in one piece: what the robot still does when nobody speaks any more
BEHIND_RAD = 0.25  # most that a joint may be from where it is due


class PenStream:
    """policy: the arm's; its rate is the one of the rows. state: idle | drawing | paused | finished | cancelled | stopped; why says
    what stopped it."""

    def __init__(self, policy: PenPolicy) -> None:
        self.policy = policy
        self.strokes: Sequence[NDArray[np.float64]] = ()
        self.done = 0
        self.paused = False
        self.state, self.why = "idle", ""
        self._way = np.zeros((0, 3))  # of the tip, m, one a row
        self._rows = np.zeros((0, len(policy.arm.joints)), np.float32)  # solved so far
        self._began: float | None = None  # when row 0 was begun; none: when it is asked for next

    def begin(
        self, strokes: Sequence[NDArray[np.float64]], base_from_page: Matrix, joints: NDArray[np.floating]
    ) -> None:
        """Draw these (n, 2) mm from where the joints (n,) rad are. UserError when one is out of reach; then nothing changes."""
        self.policy.lay(strokes, base_from_page)
        self.policy.at = np.asarray(joints, float)
        here = self.policy.arm.fk(self.policy.at)[:3, 3]
        up = here + [0.0, 0.0, max(0.0, float(base_from_page[2, 3]) + UP_MM * MM - here[2])]
        self._rows, self._way, self._began = self.policy.upright(up), np.zeros((0, 3)), None
        self.strokes, self.done, self.paused, self.state, self.why = strokes, 0, False, "drawing", ""

    @property
    def moving(self) -> bool:
        return self.state in ("drawing", "paused")

    def cancel(self) -> None:
        if self.moving:
            self._end("cancelled", "")

    def stop(self, why: str) -> None:
        """End it because of something that is not as it should be."""
        if self.moving:
            self._end("stopped", why)

    def next(self, now_s: float, joints: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """What is due from now on, with the joints (n,) rad measured now: times (k,) s from now, rows (k, n) rad; none when there
        is nothing to move."""
        rate, none = self.policy.rate_hz, (np.zeros(0), self._rows[:0])
        if not self.moving:
            return none
        if self._began is None:
            self._began = now_s
        first = max(0, int((now_s - self._began) * rate))
        if 0 < first <= len(self._rows) and np.abs(self._rows[first - 1] - joints).max() > BEHIND_RAD:
            self.stop("the arm is not where it was sent")
            return none
        if first >= len(self._rows) + len(self._way):
            self._follow()
            return none  # the next call begins what follows: its clock starts when its rows are there
        if first > len(
            self._rows
        ):  # nobody asked for long: the robot has come to a stand at the last row, the clock goes on there
            first = len(self._rows)
            self._began = now_s - first / rate
        wanted = first + int(AHEAD_S * rate) - len(self._rows)
        if wanted > 0 and len(self._way):
            try:
                fresh = self.policy.joints(self._way[:wanted])
            except UserError as error:
                self.stop(str(error))
                return none
            self._rows, self._way = np.concatenate([self._rows, fresh]), self._way[wanted:]
        rows = self._rows[first : first + int(AHEAD_S * rate)]
        return (np.arange(first, first + len(rows)) + 1) / rate - (now_s - self._began), rows

    def _follow(self) -> None:
        """The next stroke, or the end."""
        self._rows, self._way, self._began = self._rows[:0], self._way[:0], None
        if self.paused:
            self.state = "paused"
        elif self.done == len(self.strokes):
            self.state = "finished"
        else:
            self.state = "drawing"
            self._way = self.policy.way(self.strokes[self.done])
            self.done += 1

    def _end(self, state: str, why: str) -> None:
        self.state, self.why = state, why
        self._rows, self._way = self._rows[:0], self._way[:0]
