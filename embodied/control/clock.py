"""Time and waiting behind embodied.protocols.Clock, so that the loop runs on a wall clock, on a body's news, or on none."""

from __future__ import annotations

import threading
import time

FORGET = 0.8  # of a stream's largest gap, that is kept from one of its news to the next


class RealClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep_until(self, t_s: float) -> None:
        """Returns at once when t_s has passed."""
        left = t_s - self.now_s()
        if left > 0:
            time.sleep(left)


class NewsClock(RealClock):
    """The machine's clock for a loop whose ticks begin with an observation: waiting ends with the news that comes nearest to the
    asked moment, and a little after it when none comes, so that whoever watches or holds still goes on at its rate.

    most_s: how far from the asked moment at the most. Where news come more often than every 2 most_s, it is half the way between
    two of them, before or after in equal parts, so that the rate of the loop stays what it is; only for one that is late it is
    waited as long again, for what there is by then is old.
    """

    def __init__(self, most_s: float) -> None:
        self.most_s = most_s
        self._came = threading.Condition()
        self._at_s, self._gap_s = float("-inf"), 0.0  # the newest; the largest gap between two of late

    def tell(self) -> None:
        """Something was observed, just now. From any thread."""
        with self._came:
            now = self.now_s()
            gap_s = min(2 * self.most_s, now - self._at_s)
            self._at_s, self._gap_s = now, max(gap_s, FORGET * self._gap_s)  # two in a burst do not make a fast stream
            self._came.notify_all()

    def sleep_until(self, t_s: float) -> None:
        room = self._gap_s / 2
        patience = 2 * room if room < self.most_s else room
        super().sleep_until(t_s - room)  # what comes before is not waited for: a fast stream wakes nobody
        with self._came:
            self._came.wait_for(lambda: self._at_s >= t_s - room, max(0.0, t_s + patience - self.now_s()))


class SimulatedClock:
    """Time passes only by waiting (or by `pass_s`, for work that takes simulated time)."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.time_s = start_s

    def now_s(self) -> float:
        return self.time_s

    def sleep_until(self, t_s: float) -> None:
        self.time_s = max(self.time_s, t_s)

    def pass_s(self, seconds: float) -> None:
        self.time_s += seconds
