"""Scores of a danger signal: average precision, false alarms, and how long before the accident it warns.

Time to accident is worth nothing without a bound on false alarms: a signal that is always on warns earliest (Bao et al.
2020, arXiv 2008.00334, section 5.1, discuss it). So it is taken at the lowest threshold whose false-positive rate over the
harmless moments is at most 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embodied.drive.scores import BLOCK_S, resamples

FPR = 0.1
GAP_S = 5.0  # between moments, that no drive has
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HazardScores:
    """ap: average precision, with its interval by a bootstrap over drives (over stretches of BLOCK_S of one).
    false_alarms_per_h: alarms at 0.5 that begin where there is no hazard.  mtta_s: mean over the hazards of accident time
    minus first alarm, 0 for one without an alarm, at `threshold`.  NaN where it cannot be said."""

    moments: int
    hazards: int
    ap: float
    false_alarms_per_h: float
    mtta_s: float
    threshold: float
    ap_low: float = np.nan
    ap_high: float = np.nan


def average_precision(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Area under the step curve of precision over recall; tied scores are one step. NaN without positives."""
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # the end of each run of equal scores
    precision, recall = hits[last] / (np.flatnonzero(last) + 1), hits[last] / labels.sum()
    return float(np.sum(np.diff(np.append(0.0, recall)) * precision))


def interval(times: Floats, scores: Floats, labels: NDArray[np.bool_], draws: int = 200) -> tuple[float, float]:
    """2.5 % and 97.5 % quantiles of the average precision; NaN for a single block."""
    if not len(times):
        return np.nan, np.nan
    block = np.cumsum(np.diff(times, prepend=times[0]) > GAP_S)
    block = block if block[-1] else ((times - times[0]) // BLOCK_S).astype(int)
    rows = [np.flatnonzero(block == one) for one in np.unique(block)]
    if len(rows) < 2:
        return np.nan, np.nan
    found = list[float]()
    for often in resamples(len(rows), draws):
        drawn = np.concatenate([np.repeat(one, n) for one, n in zip(rows, often, strict=True)])
        found.append(average_precision(scores[drawn], labels[drawn]))
    if not np.isfinite(found).any():
        return np.nan, np.nan
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def threshold_at(scores: Floats, labels: NDArray[np.bool_], fpr: float = FPR) -> float:
    """The lowest threshold t for which `score >= t` holds for at most `fpr` of the moments without hazard."""
    calm = np.sort(scores[~labels])[::-1]
    allowed = int(fpr * len(calm))
    if allowed >= len(calm):
        return float(-np.inf)
    # just above the first score that may not alarm any more
    return float(np.nextafter(calm[allowed], np.inf))


def stretches(labels: NDArray[np.bool_], times: Floats | None = None) -> list[tuple[int, int]]:
    """[start, stop) of each run of True. times (n,): none goes on over a gap of GAP_S, where another drive begins."""
    on = np.concatenate([[False], labels, [False]])
    changed = on[1:] != on[:-1]
    cut = np.zeros(len(on) - 1, bool)
    if times is not None and len(times) > 1:
        cut[1:-1] = (np.diff(times) > GAP_S) & labels[1:] & labels[:-1]
    starts = np.flatnonzero((changed & on[1:]) | cut)
    return list(zip(starts.tolist(), np.flatnonzero((changed & on[:-1]) | cut).tolist(), strict=True))


def score(times: Floats, scores: Floats, labels: NDArray[np.bool_], ttc: Floats) -> HazardScores:
    """All (n,): seconds on one axis (drives one after the other), the signal, whether a collision would follow within 3 s, and
    the true time to it. The accident of a hazard is where its smallest ttc points to."""
    if not len(times):
        return HazardScores(0, 0, np.nan, np.nan, np.nan, np.nan)
    at = threshold_at(scores, labels)
    events = stretches(labels, times)
    early = []
    for a, b in events:
        worst = a + int(np.argmin(ttc[a:b]))
        alarms = np.flatnonzero(scores[a:b] >= at)
        warned = times[worst] + ttc[worst] - times[a + alarms[0]] if len(alarms) else 0.0
        early.append(max(0.0, float(warned)))
    begun = [a for a, _ in stretches(scores >= 0.5, times) if not labels[a]]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.1
    hours = len(times) * step / 3600
    mtta = float(np.mean(early)) if early else float("nan")
    spread = interval(times, scores, labels)
    return HazardScores(
        len(times), len(events), average_precision(scores, labels), len(begun) / hours, mtta, at, *spread
    )
