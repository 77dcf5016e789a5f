"""Fewer lifts by drawing some lines twice: the Chinese postman, with a price on lifting the pen.

Strokes that touch are a graph. Its odd nodes are joined in pairs along the ink where that way costs less than a lift; then as few
trails as there are pairs of odd nodes left draw everything. A lift of 0.4 s is worth 40 mm of drawing at 100 mm/s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied.draw.ragged import closed, length

HOW = ("off", "thin", "max")
THIN = 0.25  # of the price of a lift: what retrace=thin pays


def retraced(strokes: Sequence[np.ndarray], reach: float, price: float) -> list[np.ndarray]:
    """Strokes (n, 2) that draw the same in fewer lifts. reach: within which ends touch; price: of a lift, as length of line."""
    if len(strokes) < 2:
        return [*strokes]
    edges, tails, heads, count = _graph(strokes, reach)
    doubled = _postman(edges, tails, heads, count, price)
    edges += [edges[k] for k in doubled]
    tails, heads = np.concatenate([tails, tails[doubled]]), np.concatenate([heads, heads[doubled]])
    return _trails(edges, tails, heads, count)


def _graph(strokes: Sequence[np.ndarray], reach: float) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, int]:
    """Strokes cut where others touch them: pieces (n, 2), their tail and head nodes, and how many nodes there are."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    points = np.concatenate(strokes)
    sizes = np.array([len(stroke) for stroke in strokes])
    starts = np.concatenate([[0], sizes.cumsum()])
    owner = np.repeat(np.arange(len(strokes)), sizes)
    ends = np.stack([starts[:-1], starts[1:] - 1], 1).ravel()
    tree = KDTree(points)
    near = tree.query_ball_point(points[ends], reach)
    e = np.repeat(ends, [len(some) for some in near])
    v = np.concatenate([np.asarray(some, int) for some in near])
    pairs = tree.query_pairs(0.5 * reach, output_type="ndarray")
    e, v = np.concatenate([e, pairs[:, 0]]), np.concatenate([v, pairs[:, 1]])
    is_end = np.zeros(len(points), bool)
    is_end[ends] = True
    other = owner[e] != owner[v]
    away = np.hypot(*(points[e] - points[v]).T)
    e, v, away = e[other], v[other], away[other]
    # One touch for each end and stroke, one for each pair of strokes besides: the nearest.
    key = np.where(is_end[e], e, -1 - owner[e]) * (len(strokes) + 1) + owner[v]
    order = np.lexsort((away, key))
    first = order[np.unique(key[order], return_index=True)[1]]
    e, v = e[first], v[first]
    node = np.zeros(len(points), bool)
    node[ends] = node[e] = node[v] = True
    at = np.flatnonzero(node)
    rank = np.cumsum(node) - 1
    rings = np.array([closed(stroke) for stroke in strokes])
    a = np.concatenate([rank[e], rank[starts[:-1][rings]]])
    b = np.concatenate([rank[v], rank[starts[1:][rings] - 1]])
    count, label = connected_components(coo_matrix((np.ones(len(a)), (a, b)), (len(at),) * 2), directed=False)
    middle = np.stack(
        [np.bincount(label, points[at, j], count) / np.bincount(label, minlength=count) for j in (0, 1)], 1
    )
    same = owner[at[1:]] == owner[at[:-1]]
    edges = []
    for p, q in zip(at[:-1][same].tolist(), at[1:][same].tolist(), strict=True):
        piece = points[p : q + 1]
        # The pen passes the touch itself, so that no gap is left where an end fell short.
        ends_ = middle[label[[rank[p], rank[q]]]]
        edges.append(np.concatenate([ends_[:1], piece[1:-1] if len(piece) > 2 else piece[:0], ends_[1:]]))
    return edges, label[:-1][same], label[1:][same], count


def _postman(edges: list[np.ndarray], tails: np.ndarray, heads: np.ndarray, count: int, price: float) -> list[int]:
    """Edges to draw twice: ways between odd nodes that are shorter than the price, the shortest first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    long = np.array([length(edge) for edge in edges])
    best: dict[tuple[int, int], int] = {}
    for k in np.argsort(-long).tolist():
        a, b = sorted((int(tails[k]), int(heads[k])))
        best[a, b] = k
    a, b = np.array(list(best)).T
    short = long[list(best.values())]
    graph = coo_matrix((np.maximum(short, 1e-6), (a, b)), (count, count)).tocsr()
    degree = np.bincount(np.concatenate([tails, heads]), minlength=count)
    odd = np.flatnonzero(degree % 2)
    if not len(odd) or price <= 0:
        return []  # what touches is still drawn in as few trails as there can be
    away, before = dijkstra(graph, directed=False, indices=odd, limit=price, return_predecessors=True)
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
    """cost (k, k), symmetric, k even: pairs of a low sum; greedy, then pairs exchange partners while that helps."""
    k = len(cost)
    i, j = np.triu_indices(k, 1)
    free, pairs = np.ones(k, bool), []
    for n in np.argsort(cost[i, j], kind="stable").tolist():
        if free[i[n]] and free[j[n]]:
            free[i[n]] = free[j[n]] = False
            pairs.append((i[n], j[n]))
            if len(pairs) * 2 >= k - 1:
                break
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


def _trails(edges: list[np.ndarray], tails: np.ndarray, heads: np.ndarray, count: int) -> list[np.ndarray]:
    """As few strokes as draw every edge once (C. Hierholzer, 1873): from odd nodes first, straight on where there is a choice."""
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

    degree = np.bincount(np.concatenate([tails, heads]), minlength=count)
    trails = []
    for node in [*np.flatnonzero(degree % 2).tolist(), *range(count)]:
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
