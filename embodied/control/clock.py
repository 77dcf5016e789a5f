"""Time and waiting behind embodied.protocols.Clock, so that the loop runs on a wall clock, on a body's news, or on none."""

from __future__ import annotations

import threading
import time

FORGET = 0.8  # of a stream's largest gap, that is kept from one of its news to the next
AFTER_S = 0.008  # that a tick comes after the news of a stream as slow as itself, which are now early, now late
PULL = 0.25  # of what a tick ought to have been earlier or later, taken over into the next


class RealClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep_until(self, t_s: float) -> float:
        """Returns at once when t_s has passed."""
        self.sleep(t_s)
        return 0.0

    def sleep(self, t_s: float) -> None:
        left = t_s - self.now_s()
        if left > 0:
            time.sleep(left)


class NewsClock(RealClock):
    """The machine's clock for a loop whose ticks begin with an observation, but go on without: whoever watches or holds still keeps
    its rate.

    most_s: how far from the asked moment at the most a tick is moved for the sake of news. Where news come seldom, about one a
    tick, ticks fall in step with them, a little after their mean, so that one that is early or late by less moves none; one that
    is later is waited for. Where they come more often than every 2 most_s a tick begins with the nearest, at most half the way
    between two of them before or after, so that the rate of the loop stays what it is; for one that is late it is waited as long
    again, for what there is by then is old.
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

    def sleep_until(self, t_s: float) -> float:
        room = self._gap_s / 2
        seldom = room >= self.most_s
        self.sleep(t_s if seldom else t_s - room)  # what comes before is not waited for: a fast stream wakes nobody
        at_s = self.heard(t_s - room, t_s + (room if seldom else 2 * room))
        ought_s = at_s + AFTER_S if seldom and at_s >= t_s - room else self.now_s()
        return PULL * (ought_s - t_s)

    def heard(self, since_s: float, until_s: float) -> float:
        """When the newest came, once that was at since_s or later, or until_s has passed."""
        with self._came:
            self._came.wait_for(lambda: self._at_s >= since_s, max(0.0, until_s - self.now_s()))
            return self._at_s


class SimulatedClock:
    """Time passes only by waiting (or by `pass_s`, for work that takes simulated time)."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.time_s = start_s

    def now_s(self) -> float:
        return self.time_s

    def sleep_until(self, t_s: float) -> float:
        self.time_s = max(self.time_s, t_s)
        return 0.0

    def pass_s(self, seconds: float) -> None:
        self.time_s += seconds
