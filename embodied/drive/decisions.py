"""What the driver decided and what kind of moment it was, read off the next 3 s. The recorded future is used for scoring only.

Over the next LOOK_S = 3 s, with v the speed and turn the change of heading:
- standing   the car moves less than 1 m
- turning    |turn| >= 15 degrees
- braking    v falls by 1.5 m/s or more, or the car comes to stand (braking or stopping)
- straight   everything else
The decision is `stop` (v ends below 0.5 m/s), `turn left`, `turn right` (as above), `brake`, `accelerate` (v changes by
1.5 m/s), or `keep`. The same rule reads a decision off a predicted path, so that a predictor that says none has one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embodied.data.drives import DECISIONS
from embodied.drive.forecast import Forecast
from embodied.drive.paths import RATE_HZ, Floats

STRATA = ("straight", "turning", "braking", "standing")
LOOK_S, TURN_RAD, CHANGE_MPS, STAND_MPS, STAND_M = 3.0, np.radians(15.0), 1.5, 0.5, 1.0
SIGNS = ("slower", "as fast", "faster")
SIGN_MPS2 = 0.3  # acceleration over the next second below which it counts as none
_LOOK = round(LOOK_S * RATE_HZ)


def _ends(path: Floats, now_mps: float) -> tuple[float, float, float]:
    """(way, speed at the end, turn) over LOOK_S of a path (n, 2 or 3); the speed is that of the last half second."""
    seen = path[:_LOOK]
    steps = np.diff(np.vstack([[0.0, 0.0], seen[:, :2]]), axis=0)
    length = np.hypot(*steps.T)
    moved = length > 0.02
    headings = np.unwrap(np.arctan2(steps[moved, 1], steps[moved, 0])) if moved.any() else np.zeros(1)
    turn = float(seen[-1, 2]) if path.shape[1] == 3 else float(headings[-1])
    last = round(0.5 * RATE_HZ)
    return float(length.sum()), float(np.copysign(length[-last:].sum() / 0.5, now_mps)), turn


def stratum(truth: Floats, now_mps: float) -> str:
    """One of STRATA for the moment whose recorded future is truth (n >= 30, 3)."""
    way, speed, turn = _ends(truth, now_mps)
    if way < STAND_M:
        return "standing"
    if abs(turn) >= TURN_RAD:
        return "turning"
    return "braking" if abs(now_mps) - abs(speed) >= CHANGE_MPS or abs(speed) < STAND_MPS else "straight"


def decision(path: Floats, now_mps: float) -> str:
    """One of DECISIONS, of a recorded future (n, 3) or a predicted path (n, 2)."""
    _, speed, turn = _ends(path, now_mps)
    if abs(speed) >= STAND_MPS and abs(turn) >= TURN_RAD:
        return "turn left" if turn > 0 else "turn right"
    return _pace(speed, now_mps)


def _pace(speed: float, now_mps: float) -> str:
    gain = abs(speed) - abs(now_mps)
    if abs(speed) < STAND_MPS:
        return "stop"
    return "brake" if gain <= -CHANGE_MPS else "accelerate" if gain >= CHANGE_MPS else "keep"


def along_track(said: Forecast, now_mps: float) -> Forecast:
    """The same, a turn's decision being what its speed does: for drives of which nobody knows where they turned."""
    pace = _pace(_ends(said.path, now_mps)[1], now_mps)
    return replace(said, decision=pace) if said.decision.startswith("turn") else said


def sign(path: Floats, now_mps: float) -> int:
    """Index in SIGNS: whether the car is faster after a second."""
    steps = np.hypot(*np.diff(np.vstack([[0.0, 0.0], path[:, :2]]), axis=0).T)
    n = round(RATE_HZ)
    change = steps[n - 2 : n].sum() * RATE_HZ / 2 - abs(now_mps)  # speed 0.9 s from now, over 0.9 s
    return int(np.sign(change) * (abs(change) >= 0.9 * SIGN_MPS2)) + 1


def onset_delays(times: Floats, truth: list[str], said: list[str], within_s: float = 3.0) -> tuple[list[float], int]:
    """(delays in s, missed): for each moment at which the true decision becomes another than `keep`, how much later the
    same decision is said, 0 when it is said already; missed when not within within_s or before the true one has ended."""
    delays, missed = [], 0
    for k in range(1, len(truth)):
        if (
            truth[k] == truth[k - 1] or truth[k] == DECISIONS[0] or times[k] - times[k - 1] > within_s
        ):  # of another drive
            continue
        for j in range(k, len(truth)):
            if times[j] - times[k] > within_s or truth[j] != truth[k]:
                missed += 1
                break
            if said[j] == truth[k]:
                delays.append(float(times[j] - times[k]))
                break
        else:
            missed += 1
    return delays, missed


def macro_f1(confusion: Floats | NDArray[np.int32]) -> float:
    """Mean F1 over the classes that occur in truth; confusion[truth, said] counts. NaN when nothing was counted."""
    hits, true, said = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    there = true > 0
    if not there.any():
        return float("nan")
    return float(np.mean(2 * hits[there] / (true[there] + said[there])))
