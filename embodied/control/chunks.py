"""Which row of which chunk is due now: late rows are skipped, the seam between an old and a new chunk is smoothed.

Two ways behind one interface (`Seam`): `Blend` cross-fades from the old chunk's rows to the new one's; `Ensemble`
averages all chunks that speak for the moment, older ones weighing more (temporal ensembling, Zhao et al. 2023,
arXiv 2304.13705). A policy that plans its chunk as a continuation of the old one (inpainting, as in real-time chunking,
arXiv 2506.07339) reads `left` before it acts and uses Blend(rows=0).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embodied.types import ActionChunk, Floats


class Seam(Protocol):
    """Holds chunks; says what is due."""

    def clear(self) -> None: ...
    def add(self, chunk: ActionChunk, now_s: float) -> None: ...
    def due(self, now_s: float) -> Floats | None:
        """The action (a,) for this moment; None when no chunk has a row for it any more."""
        ...

    def left(self, now_s: float) -> ActionChunk:
        """The rows of the newest chunk that are due now or later, as a chunk."""
        ...


def index_at(chunk: ActionChunk, now_s: float) -> int:
    """Which row is due: the nearest tick. Below 0: not yet; >= h: over."""
    return int(np.floor((now_s - chunk.t0_s) / chunk.dt_s + 0.5))


def _left(chunk: ActionChunk | None, now_s: float) -> ActionChunk:
    if chunk is None:
        return ActionChunk(now_s, 0.05, np.zeros((0, 0), np.float32))
    k = max(0, index_at(chunk, now_s))
    return ActionChunk(chunk.t0_s + k * chunk.dt_s, chunk.dt_s, chunk.actions[k:])


def _toward(a: NDArray[np.floating], b: NDArray[np.floating], share: float, periods: NDArray[np.floating]) -> Floats:
    """a moved towards b by `share`, the short way round in channels with a period."""
    gap = np.asarray(b, float) - a
    with np.errstate(invalid="ignore"):
        turned = (gap + periods / 2) % periods - periods / 2
    gap = np.where(np.isfinite(periods), turned, gap)
    return (a + share * gap).astype(np.float32)


class Blend:
    """The newest chunk; for its first `rows` rows faded in from what the chunk before it says for the same moments.

    periods: (a,) after how much a channel repeats (pi for a gripper's yaw, inf for lengths); None: no channel does.
    """

    def __init__(self, rows: int = 4, periods: NDArray[np.floating] | None = None) -> None:
        self.rows = rows
        self.periods = periods
        self.clear()

    def clear(self) -> None:
        self._new: ActionChunk | None = None
        self._old: ActionChunk | None = None
        self._since_s = 0.0

    def add(self, chunk: ActionChunk, now_s: float) -> None:
        self._old, self._new, self._since_s = self._new, chunk, now_s

    def due(self, now_s: float) -> Floats | None:
        chunk = self._new
        if chunk is None or not 0 <= (k := index_at(chunk, now_s)) < len(chunk.actions):
            return None
        row = chunk.actions[k]
        faded = round((now_s - self._since_s) / chunk.dt_s) + 1
        if (
            self._old is not None
            and faded <= self.rows
            and 0 <= (j := index_at(self._old, now_s)) < len(self._old.actions)
        ):
            periods = np.full(len(row), np.inf) if self.periods is None else self.periods
            row = _toward(self._old.actions[j], row, faded / (self.rows + 1), periods)
        return row

    def left(self, now_s: float) -> ActionChunk:
        return _left(self._new, now_s)


class Ensemble:
    """Mean over all chunks with a row for the moment, weights exp(-decay * age rank), the oldest first (rank 0)."""

    def __init__(self, decay: float = 0.1, most: int = 8, periods: NDArray[np.floating] | None = None) -> None:
        self.decay, self.most, self.periods = decay, most, periods
        self.clear()

    def clear(self) -> None:
        self._chunks: list[ActionChunk] = []

    def add(self, chunk: ActionChunk, now_s: float) -> None:
        self._chunks = [*self._chunks, chunk][-self.most :]

    def due(self, now_s: float) -> Floats | None:
        if not self._chunks or index_at(self._chunks[-1], now_s) >= len(self._chunks[-1].actions):
            return None
        found = [(c, index_at(c, now_s)) for c in self._chunks]
        rows = [c.actions[k] for c, k in found if 0 <= k < len(c.actions)]
        if not rows:
            return None
        periods = np.full(len(rows[0]), np.inf) if self.periods is None else self.periods
        mean, weight = rows[0], 1.0
        for rank, row in enumerate(rows[1:], 1):
            w = float(np.exp(-self.decay * rank))
            weight += w
            mean = _toward(mean, row, w / weight, periods)
        return mean

    def left(self, now_s: float) -> ActionChunk:
        return _left(self._chunks[-1] if self._chunks else None, now_s)
