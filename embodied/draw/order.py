"""In which order, and from which end, strokes are drawn, so that the pen travels little while it is up.

Greedy (embodied/draw/greedy.py) first; then 2-opt (draw a run of strokes backwards) and Or-opt (draw a short run elsewhere,
either way round) among nearest ends until nothing helps; then kicks: a few neighbouring runs are shuffled, mended locally, and
kept if shorter (M. Johnson, L. McGeoch, "The Traveling Salesman Problem: A Case Study in Local Optimization", 1997, section 5.3).
Plain lists and floats: the moves are small, and numpy's calls would cost more than they do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from math import hypot
from typing import NamedTuple

import numpy as np

from embodied.draw.greedy import greedy
from embodied.draw.ragged import closed

NEAR = 8  # ends that are looked at from each end
RUN = 3  # strokes that Or-opt moves at once


class Visit(NamedTuple):
    """One stroke of an order: which, whether it is drawn backwards, and the point at which a closed one begins (before it is
    turned round)."""

    stroke: int
    backwards: bool
    begin: int


def ordered(
    strokes: Sequence[np.ndarray], home: tuple[float, float] = (0.0, 0.0), budget_s: float = 1.0, seed: int = 0
) -> list[np.ndarray]:
    """The strokes (n, 2) as `visits` has them."""
    out = []
    for k, backwards, begin in visits(strokes, home, budget_s, seed):
        stroke = strokes[k]
        if begin:
            stroke = np.concatenate([stroke[begin:], stroke[1 : begin + 1]])
        out.append(stroke[::-1] if backwards else stroke)
    return out


def visits(
    strokes: Sequence[np.ndarray], home: tuple[float, float] = (0.0, 0.0), budget_s: float = 1.0, seed: int = 0
) -> list[Visit]:
    """A good order of strokes (n, 2), any unit, from home on: turned, and closed ones begun, where that saves way.

    budget_s: time for improvement; 0: greedy alone.
    """
    stop = time.perf_counter() + budget_s
    if len(strokes) < 2:
        return [Visit(k, False, 0) for k in range(len(strokes))]
    first = np.array([stroke[0] for stroke in strokes])
    last = np.array([stroke[-1] for stroke in strokes])
    loops = {k: strokes[k] for k in np.flatnonzero((first == last).all(1)).tolist() if closed(strokes[k])}
    sequence, starts = greedy(first, last, loops, home)
    for k, at in starts.items():
        first[k] = last[k] = loops[k][at]
    if time.perf_counter() < stop:
        tour = _Tour(first, last, sequence, home)
        tour.settle(range(len(sequence)), stop)
        for _ in range(3):
            if time.perf_counter() > stop or not _reseat(tour, loops, starts):
                break
            tour.settle(range(len(sequence)), stop)
        if time.perf_counter() < stop:
            tour.kick(stop, np.random.default_rng(seed))
            _reseat(tour, loops, starts)
        sequence = tour.order[1:]
    return [Visit(end >> 1, bool(end & 1), starts.get(end >> 1, 0)) for end in sequence]


def travel(strokes: Sequence[np.ndarray], home: tuple[float, float] = (0.0, 0.0)) -> float:
    """Way of the raised pen, from home to the first stroke included."""
    if not len(strokes):
        return 0.0
    begin = np.array([stroke[0] for stroke in strokes])
    end = np.array([home, *(stroke[-1] for stroke in strokes[:-1])])
    return float(np.hypot(*(begin - end).T).sum())


class _Tour:
    """A sequence of ends at which strokes are entered, and the moves that shorten the way between them.

    End e lies at (x[e], y[e]); a stroke entered at e is left at e ^ 1. Position 0 is home, a stroke of no length. gap p is the
    way from the exit of position p to the entry of p + 1; there is none behind the last.
    """

    def __init__(self, first: np.ndarray, last: np.ndarray, sequence: list[int], home: tuple[float, float]) -> None:
        self.n = len(first)
        ends = np.stack([first, last], 1).reshape(-1, 2)
        self.x, self.y = [*ends[:, 0].tolist(), home[0], home[0]], [*ends[:, 1].tolist(), home[1], home[1]]
        self.order = [2 * self.n, *sequence]
        self.place = [0] * (self.n + 1)
        self.low, self.high, self.saved = 0, self.n, 0.0  # positions changed, and way saved, since someone asked
        self._number(0, self.n)
        self.look()

    def look(self) -> None:
        """Note the nearest ends of every end."""
        from scipy.spatial import KDTree

        ends = np.stack([self.x[:-2], self.y[:-2]], 1)
        near = np.asarray(KDTree(ends).query(np.stack([self.x, self.y], 1), min(NEAR + 2, len(ends)))[1]).tolist()
        self.near = [[e for e in row if e >> 1 != k >> 1][:NEAR] for k, row in enumerate(near)]

    def _number(self, a: int, b: int) -> None:
        order, place = self.order, self.place
        for p in range(a, b + 1):
            place[order[p] >> 1] = p
        self.low, self.high = min(self.low, a), max(self.high, b)

    def _way(self, e: int, f: int) -> float:
        """From end e to end f; nothing to -1, which is behind the last stroke."""
        return hypot(self.x[e] - self.x[f], self.y[e] - self.y[f]) if f >= 0 else 0.0

    def _entry(self, p: int) -> int:
        return self.order[p] if p <= self.n else -1

    def settle(self, positions: Iterable[int], stop: float) -> None:
        """Improve around the strokes at these positions until nothing helps, or until stop."""
        queue = deque(dict.fromkeys(self.order[p] >> 1 for p in positions))
        waiting, count = set(queue), 0
        while queue:
            stroke = queue.popleft()
            waiting.discard(stroke)
            while touched := self._improve(stroke):
                fresh = [other for other in touched if other not in waiting]
                waiting.update(fresh)
                queue.extend(fresh)
            count += 1
            if count & 7 == 0 and time.perf_counter() > stop:
                return

    def _improve(self, stroke: int) -> tuple[int, ...]:
        """Make the first move found that helps at a gap beside this stroke: the strokes beside what changed, or none."""
        p = self.place[stroke]
        for gap in (p, p - 1) if p else (p,):
            out, into = self.order[gap] ^ 1, self._entry(gap + 1)
            length = self._way(out, into)
            for here, ahead in ((out, True), (into, False)) if into >= 0 else ((out, True),):
                for e in self.near[here]:
                    near = self._way(here, e)
                    if into >= 0 and near >= length:
                        break
                    q = self.place[e >> 1]
                    if q and (moved := self._turn(gap, q, e, ahead, length - near) or self._shift(gap, q, length)):
                        return moved
        return ()

    def _turn(self, p: int, q: int, e: int, ahead: bool, gain: float) -> tuple[int, ...]:
        """2-opt: draw a run backwards so that end e, of the stroke at q, comes to lie at gap p's front (its out), or at its
        back. gain: what that alone saves."""
        order = self.order
        if ahead and e == order[q] ^ 1:  # e is an exit
            a, b = (p + 1, q) if q > p else (q + 1, p)
        elif not ahead and e == order[q]:  # e is an entry
            a, b = (p + 1, q - 1) if q > p else (q, p)
        else:
            return ()
        if a > b or a < 1:
            return ()
        before, after = order[a - 1] ^ 1, self._entry(b + 1)
        first, last = order[a], order[b] ^ 1
        saved = self._way(before, first) + self._way(last, after) - self._way(before, last) - self._way(first, after)
        if saved <= 1e-9:
            return ()
        order[a : b + 1] = [end ^ 1 for end in reversed(order[a : b + 1])]
        self._number(a, b)
        self.saved += saved
        return self._around(a, b)

    def _shift(self, p: int, q: int, gap: float) -> tuple[int, ...]:
        """Or-opt: a run of 1 to RUN strokes that begins or ends with the one at q goes into gap p."""
        order, n, way = self.order, self.n, self._way
        out, into = order[p] ^ 1, self._entry(p + 1)
        for size in range(1, RUN + 1):
            for low in (q, q - size + 1) if size > 1 else (q,):
                high = low + size - 1
                if low < 1 or high > n or low - 1 <= p <= high:
                    continue
                a, b = order[low], order[high] ^ 1
                before, after = order[low - 1] ^ 1, self._entry(high + 1)
                freed = way(before, a) + way(b, after) - way(before, after) + gap
                straight, turned = way(out, a) + way(b, into), way(out, b) + way(a, into)
                if freed - min(straight, turned) > 1e-9:
                    self.saved += freed - min(straight, turned)
                    return self._move(low, high, p, turned < straight)
        return ()

    def _move(self, low: int, high: int, p: int, turned: bool) -> tuple[int, ...]:
        order, size = self.order, high - low + 1
        run = order[low : high + 1]
        if turned:
            run = [e ^ 1 for e in reversed(run)]
        touched = self._around(low, high)
        if p > high:
            order[low : p + 1] = order[high + 1 : p + 1] + run
            self._number(low, p)
            return touched + self._around(p - size + 1, p)
        order[p + 1 : high + 1] = run + order[p + 1 : low]
        self._number(p + 1, high)
        return touched + self._around(p + 1, p + size)

    def _around(self, a: int, b: int) -> tuple[int, ...]:
        return tuple(self.order[p] >> 1 for p in (a - 1, a, b, b + 1) if 0 <= p <= self.n)

    def kick(self, stop: float, rng: np.random.Generator) -> None:
        """Swap two neighbouring runs somewhere, mend, and go back unless that was shorter, until stop."""
        n, kept = self.n, self.order.copy()
        if n < 8:
            return
        while time.perf_counter() < stop:
            a = int(rng.integers(1, n - 1))
            b = min(a + int(rng.integers(1, 30)), n)
            c = min(b + int(rng.integers(1, 30)), n + 1)
            if not a < b < c:
                continue
            self.low, self.high, self.saved = n, 0, 0.0
            order, m = self.order, a + c - b
            old = self._gaps(a, b, c)
            order[a:c] = order[b:c] + order[a:b]
            self._number(a, c - 1)
            self.saved = old - self._gaps(a, m, c)
            self.settle((p for p in (a - 1, a, m - 1, m, c - 1, c) if p <= n), stop)
            low, high = self.low, self.high
            if self.saved > 1e-9:
                kept[low : high + 1] = order[low : high + 1]
            else:
                order[low : high + 1] = kept[low : high + 1]
                self._number(low, high)

    def _gaps(self, *entries: int) -> float:
        return sum(self._way(self.order[p - 1] ^ 1, self._entry(p)) for p in entries)


def _reseat(tour: _Tour, loops: dict[int, np.ndarray], starts: dict[int, int]) -> bool:
    """Begin every loop where that costs least between its neighbours; whether anything changed."""
    changed = False
    order, x, y = tour.order, tour.x, tour.y
    for k, loop in loops.items():
        p = tour.place[k]
        before = order[p - 1] ^ 1
        cost = np.hypot(loop[:-1, 0] - x[before], loop[:-1, 1] - y[before])
        if p < tour.n:
            after = order[p + 1]
            cost = cost + np.hypot(loop[:-1, 0] - x[after], loop[:-1, 1] - y[after])
        at = int(cost.argmin())
        if cost[at] < cost[starts.get(k, 0)] - 1e-9:
            starts[k] = at
            for e in (2 * k, 2 * k + 1):
                x[e], y[e] = float(loop[at, 0]), float(loop[at, 1])
            changed = True
    if changed:
        tour.look()
    return changed


def tour(points: np.ndarray, budget_s: float) -> np.ndarray:
    """points (n, 2) in the order of a short way through all of them: along a Hilbert curve, then improved as above."""
    path = points[hilbert(points)]
    run = _Tour(path, path, [2 * k for k in range(len(path))], (float(path[0, 0]), float(path[0, 1])))
    run.settle(range(len(path)), time.perf_counter() + budget_s)
    return path[np.array(run.order[1:]) >> 1]


def hilbert(points: np.ndarray, bits: int = 12) -> np.ndarray:
    """The order in which a Hilbert curve passes points (n, 2)."""
    low = points.min(0)
    scale = (2**bits - 1) / max(float((points.max(0) - low).max()), 1e-9)
    x, y = ((points - low) * scale).astype(np.int64).T
    rank = np.zeros(len(points), np.int64)
    for k in range(bits - 1, -1, -1):
        right, up = (x >> k) & 1, (y >> k) & 1
        rank += ((3 * right) ^ up) << (2 * k)
        flip = up == 0
        side = 2**bits - 1
        x, y = np.where(flip & (right == 1), side - x, x), np.where(flip & (right == 1), side - y, y)
        x, y = np.where(flip, y, x), np.where(flip, x, y)
    return np.argsort(rank, kind="stable")
