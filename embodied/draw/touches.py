"""Strokes as a graph: cut where they touch and cross, others or themselves."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied.draw import ragged
from embodied.draw.residue import along

REACH = 1.3  # pens: an end so near to a line touches it; two lines touch at half of it
APART = 2.0  # of the reach, along the lines: two touches of the same two lines are at least so far from each other


@dataclass
class Net:
    """edges (n, 2), each from node tails[k] to node heads[k]; count: nodes."""

    edges: list[np.ndarray]
    tails: np.ndarray
    heads: np.ndarray
    count: int

    def doubled(self, some: Sequence[int]) -> Net:
        """With these edges once more."""
        every = [*range(len(self.edges)), *some]
        return self.only(np.array(every, int))

    def only(self, keep: np.ndarray) -> Net:
        return Net([self.edges[k] for k in keep.tolist()], self.tails[keep], self.heads[keep], self.count)

    def degrees(self) -> np.ndarray:
        return np.bincount(np.concatenate([self.tails, self.heads]), minlength=self.count)


def net(strokes: Sequence[np.ndarray], pen: float) -> Net:
    """The graph of strokes (n, 2), for a pen of that width in their unit. A line passes the touch itself, the middle of the points
    that met there, so that no gap is left where an end fell short."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    points = np.concatenate(strokes)
    starts = np.concatenate([[0], np.cumsum([len(stroke) for stroke in strokes])])
    ends = np.stack([starts[:-1], starts[1:] - 1], 1).ravel()
    rings = np.array([ragged.closed(stroke) for stroke in strokes])
    e, v = _touches(points, starts, ends, rings, REACH * pen)
    node = np.zeros(len(points), bool)
    node[ends] = node[e] = node[v] = True
    at = np.flatnonzero(node)
    rank = np.cumsum(node) - 1
    a = np.concatenate([rank[e], rank[starts[:-1][rings]]])
    b = np.concatenate([rank[v], rank[starts[1:][rings] - 1]])
    count, label = connected_components(coo_matrix((np.ones(len(a)), (a, b)), (len(at),) * 2), directed=False)
    size = np.bincount(label, minlength=count)
    middle = np.stack([np.bincount(label, points[at, j], count) / size for j in (0, 1)], 1)
    owner = ragged.owners(starts)
    same = owner[at[1:]] == owner[at[:-1]]
    edges = []
    for p, q in zip(at[:-1][same].tolist(), at[1:][same].tolist(), strict=True):
        tip = middle[label[[rank[p], rank[q]]]]
        edges.append(np.concatenate([tip[:1], points[p + 1 : q], tip[1:]]))
    return Net(edges, label[:-1][same], label[1:][same], int(count))


def _touches(
    points: np.ndarray, starts: np.ndarray, ends: np.ndarray, rings: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of points that touch: of ends first, then the nearest, of lines that run side by side one each APART."""
    from scipy.spatial import KDTree

    tree = KDTree(points)
    near = tree.query_ball_point(points[ends], reach)
    pairs = tree.query_pairs(0.5 * reach, output_type="ndarray")
    e = np.concatenate([np.repeat(ends, [len(some) for some in near]), pairs[:, 0]])
    v = np.concatenate([*(np.asarray(some, int) for some in near), pairs[:, 1]])
    away = np.hypot(*(points[e] - points[v]).T)
    # Two points of one line touch when the way between them, round a ring the shorter one, is no mere bend.
    owner, way = ragged.owners(starts), ragged.along_of(points, starts)
    apart = np.abs(way[e] - way[v])
    apart = np.where(rings[owner[e]], np.minimum(apart, way[starts[1:] - 1][owner[e]] - apart), apart)
    real = (owner[e] != owner[v]) | (apart > 3 * reach + 2 * away)
    e, v, away = e[real], v[real], away[real]
    is_end = np.zeros(len(points), bool)
    is_end[ends] = True
    wide = APART * reach
    far = way + 3 * wide * owner + np.concatenate([[0], way[starts[1:] - 1].cumsum()[:-1]])[owner]  # one axis for all
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}
    keep = []
    for k in np.lexsort((away, ~is_end[e])).tolist():
        x, y = float(far[e[k]]), float(far[v[k]])
        i, j = int(x // wide), int(y // wide)
        around = [(p, q) for p in (i - 1, i, i + 1) for q in (j - 1, j, j + 1)]
        if any(abs(x - a) < wide and abs(y - b) < wide for cell in around for a, b in taken.get(cell, ())):
            continue
        taken.setdefault((i, j), []).append((x, y))
        taken.setdefault((j, i), []).append((y, x))
        keep.append(k)
    return e[keep], v[keep]


def without_covered(net: Net, pen: float) -> Net:
    """Without the edges that lie in the ink of others, their middle at most half a pen from another's, unless they join what would
    fall apart or be a long way round."""
    from scipy.spatial import KDTree

    long = np.array([ragged.length(edge) for edge in net.edges])
    samples = [along([edge], 0.2 * pen) for edge in net.edges]
    owner = np.repeat(np.arange(len(samples)), [len(some) for some in samples])
    pairs = KDTree(np.concatenate(samples)).query_pairs(0.5 * pen, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    beside: list[set[int]] = [set() for _ in owner]
    for i, j in pairs.tolist():
        beside[i].add(int(owner[j]))
        beside[j].add(int(owner[i]))
    first = np.concatenate([[0], np.cumsum([len(some) for some in samples])])
    outward: list[list[tuple[int, int]]] = [[] for _ in range(net.count)]
    for k, (a, b) in enumerate(zip(net.tails.tolist(), net.heads.tolist(), strict=True)):
        outward[a].append((k, b))
        outward[b].append((k, a))
    alive = np.ones(len(long), bool)
    for k in np.argsort(-long).tolist():
        covered = all(any(alive[m] for m in some) for some in beside[first[k] : first[k + 1]])
        alive[k] = not (covered and _round(outward, alive, long, k, net, 3 * float(long[k]) + 3 * pen))
    return net.only(np.flatnonzero(alive))


def _round(
    outward: list[list[tuple[int, int]]], alive: np.ndarray, long: np.ndarray, without: int, net: Net, most: float
) -> bool:
    """Whether an edge's ends are joined without it, by a way of at most so much (E. Dijkstra, 1959)."""
    goal = int(net.heads[without])
    best = {int(net.tails[without]): 0.0}
    queue = [(0.0, int(net.tails[without]))]
    while queue:
        far, node = heapq.heappop(queue)
        if node == goal:
            return True
        for k, other in outward[node]:
            there = far + float(long[k])
            if k != without and alive[k] and there < min(most, best.get(other, np.inf)):
                best[other] = there
                heapq.heappush(queue, (there, other))
    return False
