"""Fewer lifts by drawing some lines twice: the Chinese postman, with a price on lifting the pen.

Strokes that touch are a graph. Its odd nodes are joined in pairs along the ink where that way costs less than a lift; then as few
trails as there are pairs of odd nodes left draw everything. A lift of 0.4 s is worth 40 mm of drawing at 100 mm/s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied.draw import touches
from embodied.draw.ragged import length
from embodied.draw.touches import Net

HOW = ("off", "thin", "max")
THIN = 0.25  # of the price of a lift: what retrace=thin pays


def retraced(strokes: Sequence[np.ndarray], pen: float, price: float) -> list[np.ndarray]:
    """Strokes (n, 2) that draw the same in fewer lifts. pen: its width; price: of a lift, as length of line."""
    if len(strokes) < 2:
        return [*strokes]
    graph = touches.net(strokes, pen)
    if price > 0:
        graph = touches.without_covered(graph, pen)
        graph = graph.doubled(_postman(graph, price))
    return _trails(graph)


def _postman(graph: Net, price: float) -> list[int]:
    """Edges to draw twice: ways between odd nodes that are shorter than the price."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    odd = np.flatnonzero(graph.degrees() % 2)
    if not len(odd):
        return []
    long = np.array([length(edge) for edge in graph.edges])
    best: dict[tuple[int, int], int] = {}
    for k in np.argsort(-long).tolist():
        a, b = sorted((int(graph.tails[k]), int(graph.heads[k])))
        best[a, b] = k
    a, b = np.array(list(best)).T
    short = np.maximum(long[list(best.values())], 1e-6)
    ways = coo_matrix((short, (a, b)), (graph.count,) * 2).tocsr()
    away, before = dijkstra(ways, directed=False, indices=odd, limit=price, return_predecessors=True)
    between = away[:, odd]
    out: list[int] = []
    for p, q in matching(np.minimum(between, price)):
        if np.isfinite(between[p, q]):
            at = int(odd[q])
            while at != odd[p]:
                previous = int(before[p, at])
                out.append(best[min(previous, at), max(previous, at)])
                at = previous
    return out


def matching(cost: np.ndarray) -> list[tuple[int, int]]:
    """cost (k, k), symmetric, k even: pairs of a low sum. The best assignment of partners is rings; every second step of a ring is
    pairs, what odd rings leave over is paired as it comes; then pairs exchange partners while that helps."""
    from scipy.optimize import linear_sum_assignment

    alone = np.eye(len(cost), dtype=bool)
    partner = linear_sum_assignment(np.where(alone, 1 + 2 * cost.sum(), cost))[1].tolist()
    pairs: list[tuple[int, int]] = []
    over: list[int] = []
    seen: set[int] = set()
    for k in range(len(cost)):
        ring = []
        while k not in seen:
            seen.add(k)
            ring.append(k)
            k = partner[k]
        if ring:
            n = len(ring) // 2 * 2
            turns = [ring[m:] + ring[:m] for m in range(len(ring) if n < len(ring) else 2)]
            best = min(turns, key=lambda turn: float(cost[turn[0:n:2], turn[1:n:2]].sum()))
            pairs += zip(best[0:n:2], best[1:n:2], strict=True)
            over += best[n:]
    pairs += zip(over[::2], over[1::2], strict=True)
    a, b = np.array(pairs).T
    while True:
        now = cost[a, b]
        both = now[:, None] + now
        straight = both - cost[np.ix_(a, a)] - cost[np.ix_(b, b)]
        crossed = both - cost[np.ix_(a, b)] - cost[np.ix_(b, a)]
        gain = np.maximum(straight, crossed)
        np.fill_diagonal(gain, 0)
        best = gain.argmax(1)
        moved: set[int] = set()
        for p in np.argsort(-gain.max(1)).tolist():
            q = int(best[p])
            if gain[p, q] <= 1e-9:
                break
            if p in moved or q in moved:
                continue
            moved.update((p, q))
            if straight[p, q] >= crossed[p, q]:
                a[q], b[p] = b[p], a[q]
            else:
                b[p], b[q] = b[q], b[p]
        if not moved:
            return list(zip(a.tolist(), b.tolist(), strict=True))


def _trails(graph: Net) -> list[np.ndarray]:
    """As few strokes as draw every edge once (C. Hierholzer, 1873): from odd nodes first, straight on where there is a choice."""
    edges, tails, heads, count = graph.edges, graph.tails, graph.heads, graph.count
    outward: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for k, (a, b) in enumerate(zip(tails.tolist(), heads.tolist(), strict=True)):
        outward[a].append((k, 0))
        outward[b].append((k, 1))
    used = [False] * len(edges)

    def leaving(node: int, way: np.ndarray | None) -> tuple[int, int] | None:
        some = outward[node] = [one for one in outward[node] if not used[one[0]]]
        if not some:
            return None
        if way is None or len(some) == 1:
            return some[0]
        return max(some, key=lambda one: float(_heading(edges[one[0]], one[1]) @ way))

    def walk(node: int) -> list[tuple[int, int]]:
        trail: list[tuple[int, int]] = []
        way = None
        while (one := leaving(node, way)) is not None:
            k, back = one
            used[k] = True
            trail.append(one)
            way = -_heading(edges[k], 1 - back)
            node = int(tails[k] if back else heads[k])
        return trail

    trails = []
    for node in [*np.flatnonzero(graph.degrees() % 2).tolist(), *range(count)]:
        trail = walk(node)
        if trail:
            trails.append(trail)
    # A round trip that touches another trail is drawn on the way.
    whole = _spliced(trails, tails, heads)
    out = []
    for trail in whole:
        pieces = [edges[k][:: -1 if back else 1] for k, back in trail]
        out.append(np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])]))
    return out


def _spliced(trails: list[list[tuple[int, int]]], tails: np.ndarray, heads: np.ndarray) -> list[list[tuple[int, int]]]:
    def begin(one: tuple[int, int]) -> int:
        return int(heads[one[0]] if one[1] else tails[one[0]])

    open_ = [trail for trail in trails if begin(trail[0]) != begin((trail[-1][0], 1 - trail[-1][1]))]
    rings = [trail for trail in trails if begin(trail[0]) == begin((trail[-1][0], 1 - trail[-1][1]))]
    changed = True
    while changed and rings:
        changed = False
        where: dict[int, tuple[int, int]] = {}
        lists = open_ + rings
        for t, trail in enumerate(lists):
            for k, one in enumerate(trail):
                where.setdefault(begin(one), (t, k))
        left = []
        grown: set[int] = set()
        for r, ring in enumerate(rings):
            me = len(open_) + r
            spot = next(((k, where[begin(one)]) for k, one in enumerate(ring) if where[begin(one)][0] < me), None)
            if spot is None or me in grown or spot[1][0] in grown:
                left.append(ring)
                continue
            k, (t, at) = spot
            lists[t][at:at] = ring[k:] + ring[:k]
            grown.update((t, me))
            changed = True
        rings = left
    return open_ + rings


def _heading(edge: np.ndarray, back: int) -> np.ndarray:
    """Unit direction in which an edge leaves its tail, or (back) its head."""
    piece = edge[::-1] if back else edge
    way = piece[min(3, len(piece) - 1)] - piece[0]
    return way / max(float(np.hypot(*way)), 1e-9)
