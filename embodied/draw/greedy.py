"""A first order of strokes: the shortest ways between their ends, as far as they make one way through all.

Greedy matching of edges begins nearer to the shortest order than always going to the nearest end (M. Johnson, L. McGeoch, "The
Traveling Salesman Problem: A Case Study in Local Optimization", 1997, section 3), and asks for all neighbours at once.
"""

from __future__ import annotations

import numpy as np

NEAR = 8  # ends that are looked at from each end
SEATS = 800  # points of all loops together at which they may be entered


def greedy(
    first: np.ndarray, last: np.ndarray, loops: dict[int, np.ndarray], home: tuple[float, float]
) -> tuple[list[int], dict[int, int]]:
    """The shortest ways between ends first, wherever they are, as far as they make no ring; then the chains that came of it, always
    the nearest. -> ends (2k: forwards, 2k + 1: backwards), and the points where loops begin.

    A loop is entered and left at one of some of its points; the first way that reaches it says which."""
    from scipy.spatial import KDTree

    each = max(6, SEATS // max(1, len(loops)))
    owner, seat, places = [], [], []
    for k in range(len(first)):
        seats = range(0, len(loops[k]) - 1, 1 + len(loops[k]) // each) if k in loops else range(2)
        places += [loops[k][j] for j in seats] if k in loops else [first[k], last[k]]
        owner += [k] * len(seats)
        seat += seats
    offered, whose = np.array(places), np.array(owner)
    away, near = (np.asarray(one) for one in KDTree(offered).query(offered, min(NEAR, len(offered))))
    a, b = np.repeat(np.arange(len(offered)), near.shape[1]), near.ravel()
    fresh = whose[a] != whose[b]  # near is not mutual: a pair may be there from one side only
    a, b = a[fresh], b[fresh]
    best = np.argsort(away.ravel()[fresh])
    ways: list[list[tuple[int, int]]] = [[] for _ in first]  # of each stroke: its own point, and where it leads
    chain = list(range(len(first)))

    def root(k: int) -> int:
        while chain[k] != k:
            chain[k] = chain[chain[k]]
            k = chain[k]
        return k

    def free(i: int) -> bool:
        taken = ways[owner[i]]
        return not taken or (len(taken) < 2 and (taken[0][0] == i) == (owner[i] in loops))

    for i, j in zip(a[best].tolist(), b[best].tolist(), strict=True):
        if free(i) and free(j) and (p := root(owner[i])) != (q := root(owner[j])):
            chain[p] = q
            ways[owner[i]].append((i, j))
            ways[owner[j]].append((j, i))
    return _joined(ways, owner, seat, offered, loops, home)


def _joined(
    ways: list[list[tuple[int, int]]], owner: list[int], seat: list[int], offered: np.ndarray, loops: dict[int, np.ndarray],
    home: tuple[float, float],
) -> tuple[list[int], dict[int, int]]:  # fmt: skip
    """The chains that the ways make, one after the other, always the one with the nearest end."""
    at = {(k, j): i for i, (k, j) in enumerate(zip(owner, seat, strict=True)) if k not in loops}
    chains: list[list[int]] = []  # of the points at which strokes are entered
    ends: list[tuple[int, int]] = []
    done = [False] * len(ways)
    for k, some in enumerate(ways):
        if done[k] or len(some) == 2:
            continue
        if k in loops:
            point = some[0][0] if some else owner.index(k)
        else:
            point = at[k, 1 - seat[some[0][0]]] if some else at[k, 0]
        begin, entered = point, []
        while True:
            k = owner[point]
            done[k] = True
            entered.append(point)
            leave = point if k in loops else at[k, 1 - seat[point]]
            onward = next((j for i, j in ways[k] if not done[owner[j]] and (k in loops or i == leave)), -1)
            if onward < 0:
                break
            point = onward
        chains.append(entered)
        ends.append((begin, leave))
    corners = offered[np.array(ends)]  # (chains, 2, 2)
    over = np.zeros(len(chains))
    here = np.asarray(home, float)
    sequence: list[int] = []
    starts: dict[int, int] = {}
    for _ in chains:
        far = np.hypot(corners[..., 0] - here[0], corners[..., 1] - here[1]) + over[:, None]
        c, back = divmod(int(far.argmin()), 2)
        over[c] = np.inf
        for point in reversed(chains[c]) if back else chains[c]:
            k = owner[point]
            if k in loops:
                starts[k] = seat[point]
            sequence.append(2 * k if k in loops else 2 * k + (seat[point] ^ back))
        here = corners[c, 1 - back]
    return sequence, starts
