"""A fault that stays until it is reset, and the clocks whose jumps are one: what every gate stands on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

AHEAD_S = 0.5  # s that a clock may skip
STILL_S = 0.5  # s that the clock of stamps may stand still


@dataclass(kw_only=True)
class Latch:
    """fault: why nothing moves, in words; empty when it may.  enabled: False holds without a fault.  acted: how often each rule
    did something."""

    fault: str = ""
    enabled: bool = True
    acted: Counter[str] = field(default_factory=Counter[str])
    _now: float = field(default=float("-inf"), init=False, repr=False)
    _read: tuple[float, float] | None = field(default=None, init=False, repr=False)

    def stop(self, reason: str = "stopped") -> None:
        """The emergency stop, and any other fault that is seen elsewhere."""
        self._trip(reason)

    def clock(self, stamps_s: float, now_s: float) -> None:
        """What the clock of the messages' stamps says at now_s, the steady clock's moment: it may neither jump nor stand still.

        A system's clock is set by people and services, a simulator's stops with it; the steady clock does neither. 0: it has not
        begun, and whatever has a stamp is of another time."""
        if self._read is None and stamps_s <= 0:
            return
        if self._read is not None:
            before, at = self._read
            gone, passed = stamps_s - before, now_s - at
            if gone < -1e-3:
                self._trip(f"clock: went back by {-gone:.3f} s")
            elif gone > passed + AHEAD_S:
                self._trip(f"clock: jumped ahead by {gone - passed:.3f} s")
            elif gone <= 0:
                if passed > STILL_S:
                    self._trip(f"clock: stands still at {stamps_s:.3f} s")
                return
        self._read = stamps_s, now_s

    def _pass(self, now_s: float) -> bool:
        """One tick of the steady clock; False when that went back."""
        before, self._now = self._now, now_s
        if now_s < before - 1e-3:
            self._trip(f"clock: went back by {before - now_s:.3f} s")
            return False
        if before > float("-inf") and now_s - before > AHEAD_S:
            self._trip(f"clock: jumped ahead by {now_s - before:.3f} s")
        return True

    def _trip(self, reason: str) -> None:
        if not self.fault:
            self.fault = reason
            self.acted[reason.split(":")[0]] += 1
            self._tripped()

    def _tripped(self) -> None:
        """What a gate forgets when a fault comes."""
