"""The way out of a controller: one run at a time may send, and whoever says "stand still" ends that."""

from __future__ import annotations

import threading
import time
from typing import Any

from rclpy.duration import Duration


class Outlet:
    """A publisher, and who sends through it. From any thread."""

    def __init__(self, publisher: Any) -> None:
        self.publisher = publisher
        self.sent_s = float("-inf")  # when the one in charge sent last, or took charge
        self._who: Any = None
        self._lock = threading.Lock()

    @property
    def taken(self) -> bool:
        """Whether somebody is in charge."""
        return self._who is not None

    def take(self, who: Any) -> None:
        """From now on `who` sends, and nobody else."""
        with self._lock:
            self._who, self.sent_s = who, time.monotonic()

    def send(self, who: Any, message: Any) -> None:
        """Not sent when `who` is not in charge any more."""
        with self._lock:
            if self._who is who:
                self.publisher.publish(message)
                self.sent_s = time.monotonic()

    def stop(self, message: Any, who: Any = None) -> None:
        """The last word: nobody is in charge after it. who: only if that one still is."""
        with self._lock:
            if who is None or self._who is who:
                self._who = None
                self.publisher.publish(message)

    def said(self, timeout_s: float = 0.5) -> None:
        """Wait until what was sent has arrived."""
        self.publisher.wait_for_all_acked(Duration(seconds=timeout_s))
