"""Time and waiting behind embodied.protocols.Clock, so that the loop runs on a wall clock or on none."""

from __future__ import annotations

import time


class RealClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep_until(self, t_s: float) -> None:
        """Returns at once when t_s has passed."""
        left = t_s - time.monotonic()
        if left > 0:
            time.sleep(left)


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
