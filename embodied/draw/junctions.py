"""Which line goes on as which through a junction.

Thinning turns one crossing into two forks with a bridge between them, of any length when the lines cross at a shallow angle.
Forks joined by short bridges, or by bridges of more ink than one pen leaves, are one junction; in it the two ends that
continue each other best belong together, then the next two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied.draw import ragged
from embodied.draw.centreline import Lines
from embodied.draw.doubles import doubled

FIT = 10  # clean points that an end's direction is fitted to
TURN = np.radians(42)  # most that two ends may turn into each other
SHALLOW = np.radians(16)  # the same over a chain that two crossing lines share


@dataclass
class Ends:
    """End 2k is the tail of chain k, 2k + 1 its head. at (2k, 2): its last clean point; out (2k, 2): the unit direction in
    which the line leaves the chain there; junction (2k,): -1 where there is none; mate (2k,): the end it goes on in, or -1."""

    at: np.ndarray
    out: np.ndarray
    junction: np.ndarray
    mate: np.ndarray


def joined(ink: np.ndarray, lines: Lines, count: int, pen: float) -> tuple[Lines, Ends, np.ndarray]:
    """count: nodes of the graph. -> the lines without spurs and bridges, their ends, the junctions' middles (m, 2)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    lines = lines.only(~_spurs(lines, count, pen))
    bridge = _short(lines, count, pen)
    bridge |= _crossed(lines, bridge, count, pen)
    links = coo_matrix((np.ones(bridge.sum()), (lines.tails[bridge], lines.heads[bridge])), (count + 1,) * 2)
    total, label = connected_components(links, directed=False)
    middle = _middles(lines, label, total)
    lines = doubled(ink, lines.only(~bridge), count, pen)
    nodes = np.stack([lines.tails, lines.heads], 1).ravel()
    junction = np.where(nodes >= 0, label[nodes], -1)
    at, out = end_fits(lines)
    crowd = np.bincount(junction[junction >= 0], minlength=total)
    ends = Ends(at, out, junction, np.full(len(at), -1))
    _pair(ends, crowd, pen)
    return lines, ends, middle


def _spurs(lines: Lines, count: int, pen: float) -> np.ndarray:
    """(k,) bool: short chains that end at nothing, which thinning leaves where an outline is rough, and loops round a speck."""
    degree = lines.degrees(count)
    open_ = ((degree[lines.tails] == 1) ^ (degree[lines.heads] == 1)) & (lines.tails >= 0)
    length = ragged.lengths(lines.points, lines.starts)
    loop = (lines.tails == lines.heads) & (lines.tails >= 0)
    return (open_ & (length < 0.75 * pen + 0.5)) | (loop & (length < 2.5 * pen))


def _short(lines: Lines, count: int, pen: float) -> np.ndarray:
    """(k,) bool: chains between two junctions nearer to each other than a pen's width, which are one."""
    degree = lines.degrees(count)
    inner = (lines.tails >= 0) & (degree[lines.tails] > 1) & (degree[lines.heads] > 1) & (lines.tails != lines.heads)
    return inner & (ragged.lengths(lines.points, lines.starts) < 1.1 * pen)


def _crossed(lines: Lines, short: np.ndarray, count: int, pen: float) -> np.ndarray:
    """(k,) bool: chains that two lines share where they cross at a shallow angle: beyond them two straight on two."""
    degree = lines.degrees(count)
    at, out = end_fits(lines)
    of_node: dict[int, list[int]] = {}
    for e, node in enumerate(np.stack([lines.tails, lines.heads], 1).ravel().tolist()):
        if node >= 0 and degree[node] == 3:
            of_node.setdefault(node, []).append(e)
    length = ragged.lengths(lines.points, lines.starts)
    clean = np.add.reduceat(lines.clean, lines.starts[:-1]) if len(lines.points) else np.zeros(0)
    likely = (lines.tails != lines.heads) & ~short & (length < 40 * pen) & ((lines.pen > 1.1 * pen) | (clean < 3))
    found = np.zeros(len(short), bool)
    sets, rows = [], []
    for k in np.flatnonzero(likely).tolist():
        tail, head = int(lines.tails[k]), int(lines.heads[k])
        if tail in of_node and head in of_node:
            (a, b), (c, d) = ([e for e in of_node[node] if e >> 1 != k][:2] for node in (tail, head))
            sets.append((a, c, b, d))
            sets.append((a, d, b, c))
            rows.append(k)
    if rows:
        i, j, m, n = np.array(sets).T
        turn = np.maximum(*(turning(at[p], out[p], at[q], out[q], pen) for p, q in ((i, j), (m, n))))
        found[rows] = turn.reshape(-1, 2).min(1) < SHALLOW
    return found


def _middles(lines: Lines, label: np.ndarray, total: int) -> np.ndarray:
    """(m, 2): mean of the end points that meet in each junction."""
    ends = np.stack([lines.points[lines.starts[:-1]], lines.points[lines.starts[1:] - 1]], 1).reshape(-1, 2)
    nodes = np.stack([lines.tails, lines.heads], 1).ravel()
    real = nodes >= 0
    where, size = label[nodes[real]], np.maximum(np.bincount(label[nodes[real]], minlength=total), 1)
    return np.stack([np.bincount(where, ends[real, j], total) / size for j in (0, 1)], 1)


def end_fits(lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    """Points and directions of Ends, for all chains: a parabola through the clean points nearest the end, or, where there
    are none, the chain's own."""
    n, chains = len(lines.points), len(lines.tails)
    index = np.arange(n)
    first = np.minimum.reduceat(np.where(lines.clean, index, n), lines.starts[:-1]) if chains else np.zeros(0, int)
    last = np.maximum.reduceat(np.where(lines.clean, index, -1), lines.starts[:-1]) if chains else np.zeros(0, int)
    none = last < 0
    first = np.where(none, lines.starts[:-1], first)
    last = np.where(none, lines.starts[1:] - 1, last)
    begin = np.stack([first, last], 1).ravel()
    step = np.tile([1, -1], chains)
    trusted = lines.clean | none[ragged.owners(lines.starts)]
    low = np.repeat(lines.starts[:-1], 2)
    high = np.repeat(lines.starts[1:], 2)
    return fitted(lines.points, trusted, begin, step, low, high)


def fitted(
    points: np.ndarray, trusted: np.ndarray, begin: np.ndarray, step: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where a line is and goes at points[begin], told by the FIT trusted points from there on in step's direction inside
    low..high, by least squares of a parabola: places (e, 2) and unit directions (e, 2) that lead away from them."""
    at = begin[:, None] + step[:, None] * np.arange(FIT)
    inside = (at >= low[:, None]) & (at < high[:, None])
    at = np.clip(at, low[:, None], np.maximum(high[:, None] - 1, low[:, None]))
    weight = (inside & trusted[at]).astype(float)
    weight[:, 1:] *= np.minimum.accumulate(np.maximum(weight[:, 1:], 0.25 * (weight[:, 1:] == 0)), 1) > 0.2
    p = points[at].astype(float)
    s = np.concatenate([np.zeros((len(p), 1)), np.hypot(*np.moveaxis(np.diff(p, axis=1), -1, 0)).cumsum(1)], 1)
    scale = np.maximum((s * weight).max(1, keepdims=True), 1e-6)
    s = s / scale
    basis = np.stack([np.ones_like(s), s, s * s], -1)
    few = weight.sum(1) < 5  # a straight line then
    ridge = np.zeros((len(p), 3, 3))
    ridge[:, 0, 0] = ridge[:, 1, 1] = 1e-9
    ridge[:, 2, 2] = np.where(few, 1e6, 0.02)
    normal = np.einsum("ens,en,ent->est", basis, weight, basis) + ridge
    right = np.einsum("ens,en,end->esd", basis, weight, p)
    coefficient = np.linalg.solve(normal, right)
    place, back = coefficient[:, 0], coefficient[:, 1]
    length = np.hypot(*back.T)
    back = np.where(length[:, None] > 1e-6, back / np.maximum(length, 1e-6)[:, None], 0)
    return place, -back


def _pair(ends: Ends, crowd: np.ndarray, pen: float) -> None:
    """Fill in the mates."""
    order = np.argsort(ends.junction, kind="stable")
    order = order[np.searchsorted(ends.junction[order], 0) :]
    if not len(order):
        return
    label = ends.junction[order]
    size = crowd[label]
    a, b = _pairs_within(order, label, size)
    turn = turning(ends.at[a], ends.out[a], ends.at[b], ends.out[b], pen)
    lonely = crowd[ends.junction[a]] == 2
    good = (turn < TURN) | lonely
    a, b, turn = a[good], b[good], turn[good]
    best = np.argsort(turn)
    mate = ends.mate
    for i, j in zip(a[best].tolist(), b[best].tolist(), strict=True):
        if mate[i] < 0 and mate[j] < 0:
            mate[i], mate[j] = j, i


def _pairs_within(order: np.ndarray, label: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of entries of order that share a label; order is sorted by it."""
    start = np.searchsorted(label, label)
    rank = np.arange(len(order)) - start
    left = np.repeat(np.arange(len(order)), size - 1 - rank)
    offset = np.arange(len(left)) - np.repeat(np.concatenate([[0], (size - 1 - rank).cumsum()])[:-1], size - 1 - rank)
    return order[left], order[left + 1 + offset]


def turning(p: np.ndarray, out: np.ndarray, q: np.ndarray, back: np.ndarray, pen: float) -> np.ndarray:
    """How far a line turns that leaves p along out and arrives at q against back, radians: the larger of the turns at both
    ends of the straight way between, or of the directions alone where that way is too short to have one."""
    way = q - p
    length = np.hypot(*way.T)
    unit = way / np.maximum(length, 1e-9)[:, None]

    def angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.arccos(np.clip((u * v).sum(1), -1, 1))

    both = angle(out, -back)
    return np.where(length > pen, np.maximum(np.maximum(angle(out, unit), angle(unit, -back)), both), both)
