"""What a driver says at one moment, and how it travels as a Command: one row of numbers with a name and a unit each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from embodied.data.drives import DECISIONS, TTC_MAX_S
from embodied.drive.paths import STEPS, TIMES, Floats
from embodied.spec import BodySpec, Channels
from embodied.types import Observation


@dataclass(frozen=True)
class Forecast:
    """path (STEPS, 2) m, vehicle frame.  decision: one of DECISIONS.  hazard: probability in [0, 1] that a collision follows
    within 3 s if nobody acts; ttc_s: time to it, TTC_MAX_S for none.  reason: words for the hazard, or "".
    others: further hypotheses (probability, path); the probability of `path` is what they leave."""

    path: Floats
    decision: str = "keep"
    hazard: float = 0.0
    ttc_s: float = TTC_MAX_S
    reason: str = ""
    others: tuple[tuple[float, Floats], ...] = field(default=())


class Driver(Protocol):
    """Predicts from what has been seen so far. Made for one drive by registry.build("driver", name)."""

    def begin(self, spec: BodySpec) -> None:
        """A drive begins whose observations have these states and cameras; spec.facts["task"] is its route command, if any."""
        ...

    def __call__(self, obs: Observation) -> Forecast: ...


_PATH = [f"{axis}_{t:.1f}" for t in TIMES for axis in "xy"]


def channels(rate_hz: float) -> Channels:
    """The action of a body that is driven by forecasts: x_0.1 y_0.1 ... x_6.0 y_6.0, decision, hazard, ttc."""
    n, reach = 2 * STEPS, 1e4
    return Channels(
        (*_PATH, "decision", "hazard", "ttc"), ("m",) * n + ("1", "1", "s"), (-reach,) * n + (0.0, 0.0, 0.0),
        (reach,) * n + (len(DECISIONS) - 1, 1.0, TTC_MAX_S), rate_hz,
    )  # fmt: skip


def pack(said: Forecast) -> np.ndarray:
    """float32 (2 STEPS + 3,) in the order of `channels`."""
    return np.append(said.path.ravel(), [DECISIONS.index(said.decision), said.hazard, said.ttc_s]).astype(np.float32)


def unpack(row: np.ndarray) -> Forecast:
    """The forecast of a row; reason and hypotheses are not in it."""
    path = np.asarray(row[: 2 * STEPS], float).reshape(STEPS, 2)
    return Forecast(path, DECISIONS[round(float(row[-3]))], float(row[-2]), float(row[-1]))
