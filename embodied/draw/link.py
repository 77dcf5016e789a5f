"""Strokes whose ends meet become one, so that the pen stays down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied.draw.ragged import closed, length


def linked(strokes: Sequence[np.ndarray], reach: float) -> list[np.ndarray]:
    """Join open ends at most reach px apart, the nearest and straightest first; a stroke that meets itself is closed."""
    from scipy.spatial import KDTree

    open_ = [stroke for stroke in strokes if not closed(stroke)]
    out = [stroke for stroke in strokes if closed(stroke)]
    if not open_:
        return out
    at = np.array([end for stroke in open_ for end in (stroke[0], stroke[-1])])
    inner = [(stroke[min(3, len(stroke) - 1)], stroke[max(-4, -len(stroke))]) for stroke in open_]
    away = at - np.array(inner).reshape(-1, 2)
    away /= np.maximum(np.hypot(*away.T), 1e-6)[:, None]
    long = np.repeat([length(stroke) for stroke in open_], 2)
    pairs = KDTree(at).query_pairs(reach, output_type="ndarray")
    i, j = pairs.T if len(pairs) else (np.zeros(0, int),) * 2
    keep = ((i >> 1) != (j >> 1)) | (long[i] > 4 * reach)
    i, j = i[keep], j[keep]
    turn = (1 + (away[i] * away[j]).sum(1)) / 2  # 0 straight on, 1 back
    gap = np.hypot(*(at[i] - at[j]).T)
    near = gap < reach * (1 - 0.75 * turn)  # lines side by side are two
    i, j, turn, gap = i[near], j[near], turn[near], gap[near]
    mate = np.full(len(at), -1)
    for k in np.argsort(gap / reach + turn):
        a, b = i[k], j[k]
        if mate[a] < 0 and mate[b] < 0:
            mate[a], mate[b] = b, a
    after, used = mate.tolist(), [False] * len(open_)
    for start in [*np.flatnonzero(mate < 0).tolist(), *range(len(after))]:
        pieces, e = [], start
        while e >= 0 and not used[e >> 1]:
            used[e >> 1] = True
            pieces.append(open_[e >> 1][:: -1 if e & 1 else 1])
            e = after[e ^ 1]
        if pieces:
            if after[start] >= 0:
                pieces.append(pieces[0][:1])
            out.append(np.concatenate(pieces))
    return out


def grafted(
    strokes: Sequence[np.ndarray], twigs: Sequence[np.ndarray], reach: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Draw short twigs, at most reach px long and away, as detours of the stroke beside them instead of with a lift of their own.
    -> the strokes and the twigs that were left."""
    from scipy.spatial import KDTree

    if not len(strokes) or not len(twigs):
        return list(strokes), list(twigs)
    points = np.concatenate(strokes)
    owner = np.repeat(np.arange(len(strokes)), [len(stroke) for stroke in strokes])
    first = np.searchsorted(owner, np.arange(len(strokes)))
    tree = KDTree(points)
    detours: dict[int, list[tuple[int, np.ndarray]]] = {}
    left: list[np.ndarray] = []
    for twig in twigs:
        away, at = (np.asarray(one) for one in tree.query(twig[[0, -1]]))
        side = int(away.argmin())
        if length(twig) > reach or away[side] > reach:
            left.append(twig)
            continue
        way = twig[::-1] if side else twig
        k = int(at[side])
        detours.setdefault(int(owner[k]), []).append((k - int(first[owner[k]]), way))
    out = list(strokes)
    for k, ways in detours.items():
        stroke, loop = out[k], closed(out[k])
        for at, way in sorted(ways, key=lambda one: -one[0]):
            if at == len(stroke) - 1 and not loop:
                stroke = np.concatenate([stroke, way])  # an open end goes on: there is nothing to come back for
            elif at == 0 and not loop:
                stroke = np.concatenate([way[::-1], stroke])
            else:
                stroke = np.concatenate([stroke[: at + 1], way, way[-2::-1], stroke[at:]])
        out[k] = stroke
    return out, left
