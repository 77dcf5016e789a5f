"""Errors of predicted paths as sums per stratum and block of time, so that an hour costs hardly more memory than a minute.

FDE@h is the error AT h seconds; ADE@h is the mean of the errors at 0.1, 0.2, ... h s. (nuScenes papers use both under one
name and their figures cannot be compared.) Intervals: the blocks are drawn anew with replacement (block bootstrap, Kuensch
1989); a block is a drive, and 10 s of it where there is one drive only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied.data.drives import DECISIONS
from embodied.drive import decisions, paths
from embodied.drive.forecast import Forecast
from embodied.drive.paths import RATE_HZ, Floats

HORIZONS_S = (1, 2, 3, 5)
BLOCK_S, DRAWS = 10.0, 1000
Counts = NDArray[np.int32]
ALL = "all"
ERRORS = tuple(f"{kind}@{h}" for h in HORIZONS_S for kind in ("ade", "fde", "along", "across"))
METRICS = (*ERRORS, "speed_mae", "curvature_mae", "lateral_cost", "jerk_cost")
_NEEDS_PLACE = np.array([name.startswith(("across", "curvature")) for name in METRICS])
UNITS = dict.fromkeys(ERRORS, "m") | {
    "speed_mae": "m/s",
    "curvature_mae": "1/m",
    "lateral_cost": "m2/s4",
    "jerk_cost": "m2/s6",
}


def errors(said: Forecast, truth: Floats, now_mps: float, along_track: bool = False) -> Floats:
    """(len(METRICS),) of one moment; NaN where the recorded future (n, 3) is shorter than the horizon.

    along_track: truth is (way driven, 0, 0), and so is the way along the said path compared; what needs a place is NaN.

    along, across: absolute error at h along the true heading and across it. speed, curvature: over the next 3 s and at the
    arc of the next second. Comfort is of the predicted path: mean squares of lateral acceleration and of jerk over 3 s."""
    n = min(len(truth), len(said.path))
    path = paths.straightened(said.path) if along_track else said.path
    along, across = paths.split_error(path[:n], truth[:n])
    gap = np.hypot(along, across)
    made: list[float] = []
    for h in HORIZONS_S:
        k = round(h * RATE_HZ)
        made += [gap[:k].mean(), gap[k - 1], abs(along[k - 1]), abs(across[k - 1])] if n >= k else [np.nan] * 4
    k = min(n, 30)
    mine, true = (paths.speeds(p[:k], now_mps) for p in (said.path, truth))
    lateral, jerk = comfort(said.path[:k])
    bend = abs(paths.curvature(said.path) - paths.curvature(truth))
    told = np.array([*made, float(np.abs(mine - true).mean()), bend, lateral, jerk])
    return np.where(_NEEDS_PLACE, np.nan, told) if along_track else told


def comfort(path: Floats) -> tuple[float, float]:
    """(mean squared lateral acceleration, m2/s4; mean squared jerk, m2/s6) of a path (n, 2) sampled at RATE_HZ."""
    if len(path) < 4:
        return np.nan, np.nan
    v = np.diff(np.vstack([[0.0, 0.0], path]), axis=0) * RATE_HZ
    a = np.diff(v, axis=0) * RATE_HZ
    speed = np.hypot(*v.T)[1:]
    across = np.abs(v[1:, 0] * a[:, 1] - v[1:, 1] * a[:, 0]) / np.maximum(speed, 0.1)
    return float(np.mean(across**2)), float(np.mean(np.sum((np.diff(a, axis=0) * RATE_HZ) ** 2, axis=1)))


@dataclass(slots=True)
class _Sums:
    n: int = 0
    total: Floats = field(default_factory=lambda: np.zeros(len(METRICS)))
    count: Counts = field(default_factory=lambda: np.zeros(len(METRICS), np.int32))
    decided: Counts = field(default_factory=lambda: np.zeros((len(DECISIONS), len(DECISIONS)), np.int32))
    signs: Counts = field(default_factory=lambda: np.zeros((3, 3), np.int32))

    def add(self, other: _Sums) -> None:
        self.n += other.n
        for name in ("total", "count", "decided", "signs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Tally:
    """Adds moments up: (driver, stratum, block) -> sums. `merge` puts the tallies of several drives together."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, str, tuple[str, int]], _Sums] = defaultdict(_Sums)

    def add(
        self, driver: str, drive: str, t_s: float, said: Forecast, truth: Floats, now_mps: float, decided: str = "",
        along_track: bool = False,
    ) -> Floats:  # fmt: skip
        """Score one moment, return its errors (len(METRICS),). decided: the label; "" reads it off the future.  along_track: see
        `errors`."""
        made = errors(said, truth, now_mps, along_track)
        true = decided or decisions.decision(truth, now_mps)
        one = _Sums(1, np.nan_to_num(made), np.isfinite(made).astype(np.int32))
        one.decided[DECISIONS.index(true), DECISIONS.index(said.decision)] = 1
        one.signs[decisions.sign(truth, now_mps), decisions.sign(said.path, now_mps)] = 1
        for name in (ALL, decisions.stratum(truth, now_mps)):
            self.sums[driver, name, (drive, int(t_s // BLOCK_S))].add(one)
        return made

    def merge(self, other: Tally) -> None:
        for key, one in other.sums.items():
            self.sums[key].add(one)

    def drivers(self) -> list[str]:
        return list(dict.fromkeys(key[0] for key in self.sums))

    def summary(self, driver: str, stratum: str) -> dict[str, Any]:
        """n, each metric's mean with its interval [low, high], decision_f1 and accel_sign_f1 with theirs as NAME_low and
        NAME_high, and what a block was."""
        mine = {key[2]: one for key, one in self.sums.items() if key[:2] == (driver, stratum)}
        drives = {block[0] for block in mine}
        blocks: dict[Any, _Sums] = defaultdict(_Sums)
        for (drive, number), one in mine.items():
            blocks[drive if len(drives) > 1 else number].add(one)
        whole = _Sums()
        for one in mine.values():
            whole.add(one)
        means, low, high = bootstrap(list(blocks.values()))
        made: dict[str, Any] = {
            "n": whole.n,
            "blocks": len(blocks),
            "block": "drive" if len(drives) > 1 else f"{BLOCK_S:g} s",
        }
        for k, name in enumerate(METRICS):
            made[name] = {"mean": means[k], "low": low[k], "high": high[k], "n": int(whole.count[k])}
        for name, part in (("decision_f1", "decided"), ("accel_sign_f1", "signs")):
            made[name] = decisions.macro_f1(getattr(whole, part))
            made[f"{name}_low"], made[f"{name}_high"] = _f1_interval([getattr(one, part) for one in blocks.values()])
        return made


def resamples(blocks: int, draws: int = DRAWS) -> NDArray[np.int64]:
    """(draws, blocks): how often each block is drawn, always the same."""
    return np.random.default_rng(0).multinomial(blocks, np.full(blocks, 1 / blocks), draws)


def _f1_interval(confusions: list[Counts]) -> tuple[float, float]:
    """2.5 % and 97.5 % quantiles of the macro F1, of the confusions of the blocks. NaN where a class lies in one block alone: a
    draw without it would have the mean over other classes."""
    if not confusions:
        return np.nan, np.nan
    holding = (np.stack(confusions).sum(2) > 0).sum(0)
    if not holding.any() or holding[holding > 0].min() < 2:
        return np.nan, np.nan
    drawn = np.tensordot(resamples(len(confusions)), np.stack(confusions), 1)
    low, high = np.nanquantile([decisions.macro_f1(one) for one in drawn], [0.025, 0.975])
    return float(low), float(high)


def bootstrap(blocks: Iterable[_Sums], draws: int = DRAWS) -> tuple[Floats, Floats, Floats]:
    """(means, 2.5 % and 97.5 % quantiles), each (len(METRICS),). The draws are always the same ones. One block: NaN bounds."""
    rows = list(blocks)
    nothing = np.full(len(METRICS), np.nan)
    if not rows:
        return nothing, nothing, nothing
    totals, counts = np.stack([r.total for r in rows]), np.stack([r.count for r in rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = totals.sum(0) / counts.sum(0)
        if len(rows) < 2:
            return means, nothing, nothing
        drawn = resamples(len(rows), draws)
        again = (drawn @ totals) / (drawn @ counts)
        there = np.isfinite(again).any(0)
        low, high = nothing.copy(), nothing.copy()
        low[there], high[there] = np.nanquantile(again[:, there], [0.025, 0.975], axis=0)
    return means, low, high
